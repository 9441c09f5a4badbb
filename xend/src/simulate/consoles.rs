//! The simulated `xenconsoled`: finds a domain's console in the store, gives it a pty and tells its name. The bytes are
//! moved by one thread for all domains ([`super::console_thread`]).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hypervisor::DomId;
use hypervisor::sim::{ConsoleRing, Machine};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use xenstore::{Store, StoreError, paths};

use super::console_thread::{Command, Line, Mover};

/// What is kept of output that nobody reads, however large `console/limit` is.
const BACKLOG_MAX: usize = 64 * 1024;

/// All consoles of the host.
pub(super) struct Consoles {
    machine: Machine,
    store: Store,
    runtime: Handle,
    mover: Mover,
    /// Domains that are served, with dom0's port; none yet while it is being set up.
    served: Mutex<HashMap<DomId, Option<u32>>>,
}

/// What the store says of a console.
struct Description {
    ring: ConsoleRing,
    port: u32,
    backlog: usize,
}

impl Consoles {
    /// Starts with no domain.
    pub(super) fn start(machine: Machine, store: Store) -> Self {
        let mover = Mover::start(machine.clone());
        Self { machine, store, runtime: Handle::current(), mover, served: Mutex::default() }
    }

    /// A domain may have a console now; serves it unless it is served.
    pub(super) fn look(self: &Arc<Self>, domid: DomId) {
        if self.served().insert_new(domid) {
            let consoles = Arc::clone(self);
            self.runtime.spawn(async move { consoles.serve(domid).await });
        }
    }

    async fn serve(&self, domid: DomId) {
        let done = self.try_serve(domid).await;
        if let Err(error) = &done {
            tracing::warn!(%domid, %error, "a simulated console has no store");
        }
        if !done.unwrap_or(false) {
            self.served().0.remove(&domid);
        }
    }

    /// `false` when there is nothing to serve.
    async fn try_serve(&self, domid: DomId) -> Result<bool, StoreError> {
        let Some(Description { ring, port, backlog }) = self.describe(domid).await? else { return Ok(false) };
        let local = match self.machine.bind_port(DomId::DOM0, domid, port) {
            Ok(local) => local,
            Err(error) => {
                tracing::warn!(%domid, %error, "a simulated console is not served");
                return Ok(false);
            }
        };
        match self.served().0.get_mut(&domid) {
            Some(place) => *place = Some(local),
            // The domain ended meanwhile.
            None => {
                self.machine.close_port(DomId::DOM0, local);
                return Ok(false);
            }
        }
        let (tell, told) = oneshot::channel();
        self.mover.send(Command::Open(Line { ring, port: local, backlog }, tell));
        let kick = self.mover.clone();
        let armed =
            self.machine.on_port(DomId::DOM0, local, Arc::new(move || kick.send(Command::Kick(domid))));
        if let Err(error) = armed {
            tracing::debug!(%domid, %error, "a simulated console ended at once");
        }
        if let Ok(tty) = told.await {
            self.publish(domid, &tty).await?;
        }
        Ok(true)
    }

    async fn describe(&self, domid: DomId) -> Result<Option<Description>, StoreError> {
        use paths::node::console;
        let nodes = [console::RING_REF, console::PORT, console::TYPE, console::LIMIT];
        let nodes = nodes.map(|name| paths::console_node(domid.0, name));
        let values = self.store.read_many(&nodes).await?;
        let [Some(ring), Some(port), kind, limit] = values.as_slice() else { return Ok(None) };
        if kind.as_deref().is_some_and(|kind| kind != console::XENCONSOLED) {
            return Ok(None);
        }
        let (Ok(mfn), Ok(port)) = (ring.parse(), port.parse()) else { return Ok(None) };
        let limit = limit.as_deref().and_then(|limit| limit.parse().ok()).filter(|limit| *limit > 0);
        let backlog = limit.map_or(BACKLOG_MAX, |limit: usize| limit.min(BACKLOG_MAX));
        Ok(Some(Description { ring: ConsoleRing { domid, mfn }, port, backlog }))
    }

    /// Writes `console/tty`, unless the domain's directory has gone.
    async fn publish(&self, domid: DomId, tty: &str) -> Result<(), StoreError> {
        let ring = paths::console_node(domid.0, paths::node::console::RING_REF);
        let path = paths::console_node(domid.0, paths::node::console::TTY);
        let written = self.store.transaction(&path, |tx| {
            let (ring, path) = (ring.clone(), path.clone());
            async move {
                if tx.read(&ring).await?.is_some() {
                    tx.write(&path, tty).await?;
                }
                Ok::<_, StoreError>(())
            }
        });
        written.await
    }

    /// Moves what a domain has printed before its end; returns when that is done.
    pub(super) async fn drain(&self, domid: DomId) {
        let (tell, told) = oneshot::channel();
        self.mover.send(Command::Drain(domid, tell));
        // An error says that the thread has ended: nothing to wait for.
        let _ended = told.await;
    }

    /// A domain is gone: its pty hangs up.
    pub(super) fn close(&self, domid: DomId) {
        let port = self.served().0.remove(&domid).flatten();
        if let Some(port) = port {
            self.machine.close_port(DomId::DOM0, port);
        }
        self.mover.send(Command::Close(domid));
    }

    /// Ends the thread; all ptys hang up.
    pub(super) fn stop(&self) {
        self.mover.send(Command::Stop);
    }

    fn served(&self) -> Served<'_> {
        Served(self.served.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct Served<'a>(MutexGuard<'a, HashMap<DomId, Option<u32>>>);

impl Served<'_> {
    fn insert_new(mut self, domid: DomId) -> bool {
        let is_new = !self.0.contains_key(&domid);
        if is_new {
            self.0.insert(domid, None);
        }
        is_new
    }
}
