//! Wiring the backends of a domain's devices: wait until the backend's driver is ready, run the script, read what it
//! found out (`xend-daemon` §5.7). Runs beside the building of the domain; whoever asks for the outcome waits for it.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::{sync::watch, task::JoinHandle, time::Instant};
use xend_api::classic::daemon as classic;
use xenstore::{
    Store, StoreError,
    paths::{self, node::device as node},
};

use super::{
    scripts::{ScriptCall, ScriptError, ScriptRunner},
    xenbus::XenbusState,
};

/// How one device is wired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hotplug {
    /// `vbd` or `vif`.
    pub class: &'static str,
    /// Number inside its class.
    pub devid: u32,
    /// Name in the guest (`hda1`) or of the backend's interface (`vif7.0`).
    pub name: String,
    /// The guest.
    pub domid: u16,
    /// Path of the script and words in front of its command.
    pub script: String,
    /// Command that connects.
    pub add: &'static str,
    /// Command that disconnects.
    pub remove: &'static str,
}

impl Hotplug {
    /// A disk.
    pub fn vbd(domid: u16, devid: u32, name: &str, script: &str) -> Self {
        let (name, script) = (name.to_owned(), script.to_owned());
        Self { class: "vbd", devid, name, domid, script, add: "add", remove: "remove" }
    }

    /// A network interface.
    pub fn vif(domid: u16, devid: u32, script: &str) -> Self {
        let (name, script) = (format!("vif{domid}.{devid}"), script.to_owned());
        Self { class: "vif", devid, name, domid, script, add: "online", remove: "offline" }
    }

    /// The backend's folder in the store.
    pub fn backend(&self) -> String {
        paths::backend(0, self.class, self.domid, self.devid)
    }

    /// The run of the script for `command`. Words behind the script's path in the settings go before the command.
    pub fn call(&self, command: &'static str, time_limit: Duration) -> ScriptCall {
        let mut words = self.script.split_ascii_whitespace().map(str::to_owned);
        let script = PathBuf::from(words.next().unwrap_or_default());
        let mut args: Vec<String> = words.collect();
        args.push(command.to_owned());
        let mut env = vec![
            ("ACTION".to_owned(), command.to_owned()),
            ("XENBUS_TYPE".to_owned(), self.class.to_owned()),
            ("XENBUS_PATH".to_owned(), paths::backend_relative(self.class, self.domid, self.devid)),
            ("XENBUS_BASE_PATH".to_owned(), "backend".to_owned()),
            ("script".to_owned(), self.script.clone()),
        ];
        if self.class == "vif" {
            env.push(("vif".to_owned(), self.name.clone()));
            env.push(("type_if".to_owned(), "vif".to_owned()));
        }
        ScriptCall { script, args, env, time_limit }
    }
}

/// A device that could not be connected. `text` is the original's.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{text}")]
pub struct DeviceFault {
    /// What the original said.
    pub text: String,
    /// What was seen.
    pub because: Vec<String>,
    /// What to do.
    pub hint: Option<String>,
}

/// How far the wiring of a domain has come.
#[derive(Clone, Debug)]
pub enum WiringState {
    /// Some devices are not connected yet.
    Going,
    /// All are.
    Connected,
    /// One was not; the first in the order of the configuration.
    Failed(Arc<DeviceFault>),
}

/// The wiring of a domain's devices, going on by itself. Dropping it stops it.
#[derive(Debug)]
pub struct Wiring {
    state: watch::Receiver<WiringState>,
    work: JoinHandle<()>,
}

impl Wiring {
    /// Starts to wire all `devices` side by side.
    pub fn start(
        store: Store,
        scripts: Arc<dyn ScriptRunner>,
        devices: Vec<Hotplug>,
        limit: Duration,
    ) -> Self {
        let start = if devices.is_empty() { WiringState::Connected } else { WiringState::Going };
        let (report, state) = watch::channel(start);
        let work = tokio::spawn(async move {
            let deadline = Instant::now() + limit;
            let each = devices.iter().map(|device| wire(&store, scripts.as_ref(), device, deadline));
            let failed = join_all(each).await.into_iter().find_map(Result::err);
            let end = failed.map_or(WiringState::Connected, |fault| WiringState::Failed(Arc::new(fault)));
            report.send_replace(end);
        });
        Self { state, work }
    }

    /// A view of it that outlives this value.
    pub fn watch(&self) -> watch::Receiver<WiringState> {
        self.state.clone()
    }

    /// Stops it; scripts that run are killed.
    pub async fn stop(self) {
        self.work.abort();
        drop(self.work.await);
    }
}

/// Waits for the outcome.
pub async fn outcome(state: &mut watch::Receiver<WiringState>) -> Result<(), Arc<DeviceFault>> {
    loop {
        match &*state.borrow_and_update() {
            WiringState::Going => {}
            WiringState::Connected => return Ok(()),
            WiringState::Failed(fault) => return Err(fault.clone()),
        }
        if state.changed().await.is_err() {
            let text = "the domain went away while its devices were connected".to_owned();
            return Err(Arc::new(DeviceFault { text, because: Vec::new(), hint: None }));
        }
    }
}

/// Wires one device of a domain that exists; returns when the outcome is known.
pub async fn connect(
    store: &Store,
    scripts: &dyn ScriptRunner,
    device: &Hotplug,
    limit: Duration,
) -> Result<(), DeviceFault> {
    wire(store, scripts, device, Instant::now() + limit).await
}

async fn wire(
    store: &Store,
    scripts: &dyn ScriptRunner,
    device: &Hotplug,
    deadline: Instant,
) -> Result<(), DeviceFault> {
    let ready = wait_for_driver(store, device, deadline).await?;
    if !ready {
        return Ok(()); // the script ran before: `hotplug-status` is there
    }
    let limit = deadline.saturating_duration_since(Instant::now());
    let ended = scripts.run(device.call(device.add, limit)).await;
    judge(store, device, ended.err()).await
}

/// True when the script is to be run, false when it has been.
async fn wait_for_driver(store: &Store, device: &Hotplug, deadline: Instant) -> Result<bool, DeviceFault> {
    let backend = device.backend();
    let (state_path, status_path) =
        (paths::join(&backend, node::STATE), paths::join(&backend, node::HOTPLUG_STATUS));
    let mut watch = store.watch(&backend).await.map_err(|e| store_fault(device, &e))?;
    let seen = loop {
        let nodes = store
            .read_many(&[state_path.clone(), status_path.clone()])
            .await
            .map_err(|e| store_fault(device, &e))?;
        let seen = XenbusState::parse(nodes[0].as_deref());
        match nodes[1].as_deref() {
            Some("connected") => return Ok(false),
            Some(_) => return judge(store, device, None).await.map(|()| false),
            None => {}
        }
        if matches!(seen, XenbusState::InitWait | XenbusState::Initialised | XenbusState::Connected) {
            return Ok(true);
        }
        match tokio::time::timeout_at(deadline, watch.next()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(store_fault(device, &error)),
            Err(_) => break seen,
        }
    };
    let driver = if device.class == "vbd" { "xen-blkback" } else { "xen-netback" };
    Err(DeviceFault {
        text: classic::could_not_connect(device.devid.into(), device.class, classic::HOTPLUG_NOT_WORKING),
        because: vec![format!(
            "backend of {} {} of domain {} is {seen}, wanted InitWait (2)",
            device.class, device.devid, device.domid
        )],
        hint: Some(format!("see whether the kernel has the driver: modprobe {driver}; dmesg | tail")),
    })
}

/// What the script left behind decides; how it ended only where it left nothing.
async fn judge(store: &Store, device: &Hotplug, ended: Option<ScriptError>) -> Result<(), DeviceFault> {
    let backend = device.backend();
    let nodes = store
        .read_many(&[paths::join(&backend, node::HOTPLUG_STATUS), paths::join(&backend, node::HOTPLUG_ERROR)])
        .await
        .map_err(|error| store_fault(device, &error))?;
    let (devid, class) = (u64::from(device.devid), device.class);
    let because: Vec<String> = ended.iter().flat_map(ScriptError::reasons).collect();
    let hint = ended.as_ref().and_then(ScriptError::remedy).unwrap_or_else(|| script_hint(device));
    let told = nodes[1].as_deref();
    let text = match (nodes[0].as_deref(), ended) {
        (Some("error"), _) => match told {
            Some(told) => classic::could_not_connect(devid, class, told),
            None => classic::could_not_connect(devid, class, classic::BACKEND_NOT_FOUND),
        },
        (Some("busy"), _) => classic::busy(devid, class, told.unwrap_or("Busy.")),
        (Some(_), _) => return Ok(()),
        (None, _) => classic::could_not_connect(devid, class, classic::HOTPLUG_NOT_WORKING),
    };
    Err(DeviceFault { text, because, hint: Some(hint) })
}

fn script_hint(device: &Hotplug) -> String {
    match device.class {
        "vif" => "`ip link show type bridge` lists the bridges of this host; the script's messages are in \
                  /var/log/xen/xen-hotplug.log"
            .to_owned(),
        _ => "the script's messages are in /var/log/xen/xen-hotplug.log".to_owned(),
    }
}

fn store_fault(device: &Hotplug, error: &StoreError) -> DeviceFault {
    DeviceFault {
        text: classic::could_not_connect(device.devid.into(), device.class, classic::HOTPLUG_NOT_WORKING),
        because: vec![error.to_string()],
        hint: Some("see whether xenstored runs".to_owned()),
    }
}
