//! Hotplug scripts: the host side of a domain's devices.
//!
//! `xend` starts a script for each device and reads the answer in the store. The installed scripts are three
//! lines of shell around the program `xen-hotplug`, which is this library; the daemon links none of it.
//!
//! ```text
//! xend ── exec ──> /usr/lib/xend/scripts/block add ──> xen-hotplug block add
//!                    invocation: arguments and environment
//!                    vbd  ── loop_device ── sys        disks
//!                    vif  ── netlink                   network interfaces
//!                    backend: hotplug-status, hotplug-error, physical-device, …   report: log, texts
//! ```

pub mod backend;
pub mod host;
pub mod invocation;
pub mod lock;
pub mod loop_device;
pub mod netlink;
pub mod report;
pub mod sys;
pub mod vbd;
pub mod vif;

#[cfg(test)]
mod testing;

use backend::{Backend, BackendError};
use host::Host;
use invocation::Invocation;
use report::{Failure, Log};
use xenstore::{Endpoint, Store};

/// Scripts that this version names but does not have.
const LATER: [&str; 6] =
    ["network-bridge", "network-nat", "network-route", "vif-nat", "vif-openvswitch", "vif-route"];

/// A script and its command, once they are known to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Block(vbd::Command),
    VifBridge(vif::Command),
}

/// Runs the script that `call` names to its end and tells the backend and the log how it went.
pub async fn run(call: &Invocation, host: &Host) -> Result<(), Failure> {
    let subject = call.backend().or_else(|| call.variable("INTERFACE")).unwrap_or("no device");
    let log = Log::new(host, &call.script, subject);
    log.debug(&format!("{} XENBUS_PATH={subject}", call.command.as_deref().unwrap_or_default()));
    let result = try_run(call, host, &log).await;
    if let Err(failure) = &result {
        log.error(&failure.chain());
    }
    result
}

async fn try_run(call: &Invocation, host: &Host, log: &Log) -> Result<(), Failure> {
    let script = script(call);
    let backend = match backend(call, host).await {
        Ok(backend) => backend,
        // What is wrong with the call itself is the better answer.
        Err(error) => return script.and(Err(error)),
    };
    let result = match script {
        Ok(Script::Block(command)) => vbd::run(command, call, host, &backend).await.map_err(Failure::from),
        Ok(Script::VifBridge(command)) => {
            vif::run(command, call, host, &backend, log).await.map_err(Failure::from)
        }
        Err(failure) => Err(failure),
    };
    if let Err(failure) = &result
        && let Err(error) = failure.tell(&backend, &call.script).await
    {
        log.error(&Failure::from(error).chain());
    }
    result
}

fn script(call: &Invocation) -> Result<Script, Failure> {
    let word = call.command.as_deref().unwrap_or_default();
    let invalid = || Failure::InvalidCommand { command: word.to_owned() };
    match call.script.as_str() {
        "block" => vbd::Command::parse(word).map(Script::Block).ok_or_else(invalid),
        "vif-bridge" => vif::Command::parse(word).map(Script::VifBridge).ok_or_else(invalid),
        script if LATER.contains(&script) => Err(Failure::NotYet { script: script.to_owned() }),
        script => Err(Failure::UnknownScript { script: script.to_owned() }),
    }
}

async fn backend(call: &Invocation, host: &Host) -> Result<Backend, Failure> {
    let path = match (call.backend(), call.variable("INTERFACE")) {
        (Some(path), _) => path.to_owned(),
        (None, Some(interface)) => vif::backend_of(interface).ok_or(Failure::NoBackend)?,
        (None, None) => return Err(Failure::NoBackend),
    };
    let unreachable = |source| BackendError::Unreachable { source };
    let endpoint = Endpoint::discover(host.root()).map_err(unreachable)?;
    let store = Store::connect(&endpoint).await.map_err(unreachable)?;
    Ok(Backend::new(store, path))
}
