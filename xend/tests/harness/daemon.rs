//! A daemon without its program: the same parts, on a runtime that can be dropped as a whole.

use std::{sync::Arc, time::Duration};

use futures_util::future::BoxFuture;
use tokio::runtime::Runtime;
use xend::{
    api::Api,
    devices::{CheckError, DeviceFault, DevicePlan, ScriptCall, ScriptError, ScriptRunner},
    events,
    manager::Manager,
    operations::{Context, Parts},
    settings::{Places, Settings},
    simulate::SimulatedHost,
    state::{ManagedStore, Records},
};
use xend_api::{Fault, FaultKind, Sxp};
use xenstore::paths;

use super::{Gate, Host, eventually};

/// How a daemon is started.
pub struct Setup {
    pub settings: Settings,
    /// Stands in front of the host's scripts.
    pub scripts: fn(Arc<dyn ScriptRunner>) -> Arc<dyn ScriptRunner>,
}

impl Default for Setup {
    /// Limits that a test can wait for, and no floor for restarts.
    fn default() -> Self {
        let settings = Settings {
            device_create_timeout: Duration::from_secs(20),
            device_destroy_timeout: Duration::from_secs(20),
            restart_floor: Duration::ZERO,
            ..Settings::default()
        };
        Self { settings, scripts: |scripts| scripts }
    }
}

/// A running daemon.
pub struct Daemon {
    pub api: Api,
    pub manager: Manager,
    runtime: Runtime,
    gate: Gate,
}

/// The daemon was killed before the request was answered.
#[derive(Debug)]
pub struct Killed;

/// A script counts as a side effect like any other.
struct GatedScripts {
    inner: Arc<dyn ScriptRunner>,
    gate: Gate,
}

impl ScriptRunner for GatedScripts {
    fn run(&self, call: ScriptCall) -> BoxFuture<'static, Result<(), ScriptError>> {
        if self.gate.ask() {
            return self.inner.run(call);
        }
        let source = std::io::Error::from_raw_os_error(libc::EIO);
        Box::pin(async move { Err(ScriptError::Start { script: call.script, source }) })
    }

    /// Changes nothing, so it is no side effect.
    fn check(&self, plans: Vec<DevicePlan>) -> BoxFuture<'static, Result<Vec<DeviceFault>, CheckError>> {
        self.inner.check(plans)
    }
}

impl Daemon {
    pub(super) fn start(host: &SimulatedHost, places: &Places, gate: &Gate, setup: Setup) -> Self {
        let runtime = super::runtime("daemon");
        let of_records = gate.clone();
        let records = Records::open(places.records(), Arc::new(move || of_records.ask())).unwrap();
        let of_managed = gate.clone();
        let managed = ManagedStore::new(places.managed_domains(), Arc::new(move || of_managed.ask()));
        let scripts = GatedScripts { inner: (setup.scripts)(host.scripts()), gate: gate.clone() };
        let parts = Parts {
            hypervisor: host.hypervisor(),
            store: host.store(),
            records,
            managed,
            scripts: Arc::new(scripts),
            places: places.clone(),
            settings: setup.settings,
        };
        let manager = Manager::new(Context::new(parts));
        runtime.block_on(manager.adopt()).unwrap();
        runtime.spawn(events::follow(manager.clone()));
        let api = Api::new(manager.clone(), places.log());
        Self { api, manager, runtime, gate: gate.clone() }
    }

    /// Ends it at once: nothing of it runs any more when this returns.
    pub fn kill(self) {
        let Self { api, manager, runtime, .. } = self;
        drop((api, manager));
        runtime.shutdown_timeout(Duration::from_secs(20));
    }

    /// Ends it as a signal that asks it to stop does.
    pub fn stop(self) {
        self.block_on(self.manager.act_on_stop());
        self.kill();
    }

    /// Starts something that ends with the daemon.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(work);
    }

    /// How many tasks it has.
    pub fn tasks(&self) -> usize {
        self.runtime.metrics().num_alive_tasks()
    }

    /// Waits for something on the daemon's runtime.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// A request as a client makes it.
    pub fn call(&self, method: &str, params: &[Sxp]) -> Result<Sxp, Fault> {
        self.block_on(async { tokio::time::timeout(super::LIMIT, self.api.call(method, params)).await })
            .unwrap_or_else(|_| panic!("{method} is not answered within {:?}", super::LIMIT))
    }

    /// Does something unless the gate refuses a side effect meanwhile.
    pub fn until_killed<T>(&self, work: impl Future<Output = T>) -> Result<T, Killed> {
        let gate = self.gate.clone();
        self.block_on(async {
            tokio::select! {
                biased;
                () = gate.refused() => Err(Killed),
                done = tokio::time::timeout(super::LIMIT, work) => {
                    let done = done.expect("it ends in time");
                    if gate.is_shut() { Err(Killed) } else { Ok(done) }
                }
            }
        })
    }

    /// Requests about one domain.
    pub fn ask(&self, method: &str, name: &str) -> Result<Sxp, Fault> {
        self.call(method, &[Sxp::from(name)])
    }

    /// Makes a domain; its number.
    pub fn create(&self, config: &super::Config) -> u16 {
        let made = self.call("xend.domain.create", &[config.tree()]);
        let made = made.unwrap_or_else(|fault| panic!("create: {fault:?}"));
        made.value("domid").and_then(Sxp::int).unwrap() as u16
    }

    /// Makes a domain as `xm create` does: devices are waited for, then it runs.
    pub fn start_domain(&self, config: &super::Config, name: &str) -> u16 {
        let domid = self.create(config);
        self.ask("xend.domain.waitForDevices", name).unwrap();
        self.ask("xend.domain.unpause", name).unwrap();
        domid
    }

    pub fn destroy(&self, name: &str) {
        self.ask("xend.domain.destroy", name).unwrap_or_else(|fault| panic!("destroy: {fault:?}"));
    }

    /// The tree of a domain with its devices; `None` when there is none.
    pub fn tree(&self, name: &str) -> Option<Sxp> {
        match self.call("xend.domain", &[Sxp::from(name), Sxp::Int(1)]) {
            Ok(tree) => Some(tree),
            Err(fault) if fault.kind == FaultKind::NoDomain => None,
            Err(fault) => panic!("{fault:?}"),
        }
    }

    /// The state letters of a domain.
    pub fn state(&self, name: &str) -> Option<String> {
        self.tree(name).and_then(|tree| tree.value("state")?.atom())
    }

    /// Names of all domains.
    pub fn names(&self) -> Vec<String> {
        let params = [Sxp::Bool(false), Sxp::from("all"), Sxp::Int(0)];
        let listed = self.call("xend.domains_with_state", &params).unwrap();
        listed.items().iter().filter_map(Sxp::atom).collect()
    }

    /// A refusal of a creation.
    pub fn create_fault(&self, config: &super::Config) -> Fault {
        self.call("xend.domain.create", &[config.tree()]).expect_err("the domain is refused")
    }

    /// Waits until a guest that runs has connected all its devices: both ends are Connected.
    pub fn devices_connect(&self, host: &Host, domid: u16, count: usize) {
        eventually("the devices connect", || {
            let snapshot = host.server().snapshot();
            let mut connected = 0;
            for class in ["vbd", "vif"] {
                for devid in snapshot.children(&paths::frontend_class(domid, class)) {
                    let devid = devid.parse().unwrap();
                    let ends = [paths::frontend(domid, class, devid), paths::backend(0, class, domid, devid)];
                    let state = |end: &String| snapshot.value(&paths::join(end, "state"));
                    connected += usize::from(ends.iter().all(|end| state(end).as_deref() == Some("4")));
                }
            }
            (connected == count).then_some(())
        });
    }
}
