//! Hotplug and network scripts: the host side of a domain's devices, and the host made ready for them.
//!
//! `xend` starts a script for each device and reads the answer in the store. The installed scripts are three
//! lines of shell around the program `xen-hotplug`, which is this library; the daemon links none of it.
//!
//! ```text
//! xend ── exec ──> /usr/lib/xend/scripts/block add ──> xen-hotplug block add
//!                    invocation: arguments and environment
//!                    vbd      ── loop_device, nbd, image, image_server ── sys   disks
//!                    vif      ── netlink, antispoof       network interfaces of guests
//!                    check    ── vbd, vif             the same, before there is a device
//!                    network  ── netlink, nft, sysctl     the host's own: bridge, route, nat
//!                    backend: hotplug-status, hotplug-error, physical-device, …   report: log, texts
//! ```

pub mod antispoof;
pub mod backend;
pub mod check;
pub mod cleanup;
pub mod fault;
pub mod host;
pub mod image;
pub mod image_server;
pub mod invocation;
pub mod lock;
pub mod loop_device;
pub mod nbd;
pub mod netlink;
pub mod network;
pub mod nft;
pub mod program;
pub mod report;
pub mod setup;
pub mod sys;
pub mod sysctl;
pub mod vbd;
pub mod vif;

#[cfg(test)]
mod testing;

use backend::{Backend, BackendError};
use host::Host;
use invocation::Invocation;
use network::{Network, NetworkError};
use report::{Failure, Log};
use vbd::Disk;
use vif::Wiring;
use xenstore::{Endpoint, Store};

/// A script and its command, once they are known to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Script {
    Block(vbd::Command),
    Disk(vbd::Kind, vbd::Command),
    Vif(Wiring, vif::Command),
    Cleanup,
}

/// Whether a script is about the host, not about a device: it has no backend and answers its caller.
pub fn is_for_host(script: &str) -> bool {
    network(script).is_some()
}

/// Runs the script that `call` names to its end and tells the backend and the log how it went. The answer is what
/// it prints.
pub async fn run(call: &Invocation, host: &Host) -> Result<String, Failure> {
    let (log, result) = match network(&call.script) {
        Some(script) => {
            let log = Log::aside(host, &call.script, "network");
            log.debug(&call.arguments.join(" "));
            let result = run_for_host(script, call, host, &log).await;
            (log, result)
        }
        None => {
            let subject = call.backend().or_else(|| call.variable("INTERFACE")).unwrap_or("no device");
            let log = Log::new(host, &call.script, subject);
            log.debug(&format!("{} XENBUS_PATH={subject}", call.command.as_deref().unwrap_or_default()));
            let result = run_for_device(call, host, &log).await.map(|()| String::new());
            (log, result)
        }
    };
    match &result {
        // Logged where it happened.
        Ok(_) | Err(Failure::Network(NetworkError::Told)) => {}
        Err(failure) => log.error(&failure.chain()),
    }
    result
}

async fn run_for_host(script: Network, call: &Invocation, host: &Host, log: &Log) -> Result<String, Failure> {
    let word = match (script, call.command.as_deref()) {
        // The original's had no commands.
        (Network::Route, None) => "start",
        (_, word) => word.unwrap_or_default(),
    };
    let command = network::Command::parse(word)?;
    Ok(network::run(script, command, call, host, log).await?)
}

async fn run_for_device(call: &Invocation, host: &Host, log: &Log) -> Result<(), Failure> {
    if call.script == setup::NAME {
        return setup::run(call, host);
    }
    let script = script(call);
    let backend = match backend(call, host).await {
        Ok(backend) => backend,
        // What is wrong with the call itself is the better answer.
        Err(error) => return script.and(Err(error)),
    };
    let result = match script {
        Ok(Script::Block(command)) => {
            let disk = Disk::new(call, host, &backend, log);
            vbd::run(command, call, &disk).await.map_err(Failure::from)
        }
        Ok(Script::Disk(kind, command)) => {
            let disk = Disk::new(call, host, &backend, log);
            vbd::run_kind(kind, command, &disk).await.map_err(Failure::from)
        }
        Ok(Script::Vif(wiring, command)) => {
            vif::run((wiring, command), call, host, &backend, log).await.map_err(Failure::from)
        }
        Ok(Script::Cleanup) => {
            let given_back = match cleanup::is_disk(&backend) {
                true => vbd::give_back(&Disk::new(call, host, &backend, log)).await,
                false => Ok(()),
            };
            cleanup::run(host, &backend).await.map_err(Failure::from).and(given_back.map_err(Failure::from))
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
    let disk =
        |kind| vbd::Command::parse(word).map(|command| Script::Disk(kind, command)).ok_or_else(invalid);
    let wiring = match call.script.as_str() {
        "block" => return vbd::Command::parse(word).map(Script::Block).ok_or_else(invalid),
        "block-nbd" => return disk(vbd::Kind::Nbd),
        "block-iscsi" => return disk(vbd::Kind::Iscsi),
        cleanup::NAME => return Ok(Script::Cleanup),
        "vif-bridge" => Wiring::Bridge,
        "vif-route" => Wiring::Route,
        "vif-nat" => Wiring::Nat,
        "vif-openvswitch" => Wiring::OpenVswitch,
        script => return Err(Failure::UnknownScript { script: script.to_owned() }),
    };
    vif::Command::parse(word).map(|command| Script::Vif(wiring, command)).ok_or_else(invalid)
}

fn network(script: &str) -> Option<Network> {
    match script {
        "network-bridge" => Some(Network::Bridge),
        "network-route" => Some(Network::Route),
        "network-nat" => Some(Network::Nat),
        _ => None,
    }
}

/// Looks at the devices that `input` plans, as the scripts would: [`check`].
pub async fn check_devices(
    input: &str,
    host: &Host,
    variables: &[(String, String)],
) -> Result<String, CheckError> {
    let endpoint = Endpoint::discover(host.root()).map_err(|source| CheckError::Store { source })?;
    let store = Store::connect(&endpoint).await.map_err(|source| CheckError::Store { source })?;
    Ok(check::run(input, &check::Environment { host, store, variables }).await?)
}

/// Why nothing was checked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// There is no store.
    #[error("cannot reach xenstore")]
    Store {
        /// Why.
        source: xenstore::StoreError,
    },
    /// The input is none.
    #[error(transparent)]
    Input(#[from] check::InputError),
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
