//! A whole simulated host in one value: machine, store with its socket, guests and drivers. `xend --simulate` is the
//! daemon on one; daemon tests start several daemons, one after the other, on the same one.

use std::{fs, io, sync::Arc};

use hypervisor::{
    Hypervisor,
    sim::{HostConfig, Machine},
};
use tokio::{net::UnixListener, task::JoinHandle};
use xenstore::{
    Store, StoreError,
    paths::{self, node},
    server::{Limits, Server},
};

use super::World;
use crate::{devices::ScriptRunner, settings::Places};

/// Scripts that a simulated host has. Nobody reads them: the simulated drivers do what they would do.
const SCRIPTS: [&str; 4] = ["block", "vif-bridge", "vif-route", "vif-nat"];

/// Why a simulated host could not be started.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file of its root folder.
    #[error("cannot make {path} of the simulated host")]
    Root {
        /// Which.
        path: std::path::PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its store.
    #[error("cannot fill the store of the simulated host")]
    Store(#[source] StoreError),
}

/// A running simulated host; dropping it ends it with all its domains.
pub struct SimulatedHost {
    world: World,
    socket: JoinHandle<()>,
}

impl SimulatedHost {
    /// Starts it under the root of `places`, its store's socket included.
    pub async fn start(places: &Places, config: HostConfig) -> Result<Self, HostError> {
        let at = |path: &std::path::Path| {
            let path = path.to_owned();
            move |source| HostError::Root { path, source }
        };
        let scripts = &places.script_folders()[1];
        fs::create_dir_all(scripts).map_err(at(scripts))?;
        for name in SCRIPTS {
            let path = scripts.join(name);
            fs::write(&path, "#!/bin/sh\n# Stands for a hotplug script of a simulated host.\n")
                .map_err(at(&path))?;
        }
        let socket = places.store_socket();
        if let Some(folder) = socket.parent() {
            fs::create_dir_all(folder).map_err(at(folder))?;
        }
        // A socket of an earlier host, if any.
        let _ = fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).map_err(at(&socket))?;
        let server = Server::new(Limits::default());
        let world = World::start(Machine::new(config), server.clone());
        let store = server.connect_kernel();
        let boot = async {
            store.write(&paths::domain_name(0), "Domain-0").await?;
            store.write(&paths::domain_node(0, node::DOMID), "0").await
        };
        boot.await.map_err(HostError::Store)?;
        let socket = tokio::spawn(server.serve(listener));
        Ok(Self { world, socket })
    }

    /// Guests, drivers, machine and store.
    pub fn world(&self) -> &World {
        &self.world
    }

    /// The machine as the daemon sees it.
    pub fn hypervisor(&self) -> Arc<dyn Hypervisor> {
        Arc::new(self.world.machine().clone())
    }

    /// A connection to the store as domain 0.
    pub fn store(&self) -> Store {
        self.world.server().connect_as(0)
    }

    /// Who runs its scripts.
    pub fn scripts(&self) -> Arc<dyn ScriptRunner> {
        Arc::new(self.world.scripts())
    }
}

impl Drop for SimulatedHost {
    fn drop(&mut self) {
        self.socket.abort();
    }
}
