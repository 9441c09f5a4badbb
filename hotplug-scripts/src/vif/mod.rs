//! `vif-bridge` and its kin: the host side of a network interface.
//!
//! `online` names the interface, connects it and switches it on; `offline` takes that back. `add` and `remove` do
//! the same for an emulated card (`type_if=tap`). Every step looks first, so a second run ends like the first.
//!
//! ```text
//! vif-bridge        a port of a Linux bridge, perhaps in a VLAN        bridge, firewall
//! vif-openvswitch   a port of a bridge of Open vSwitch                 openvswitch
//! vif-route         dom0 routes for the guest                          route
//! vif-nat           the same, with addresses of our own                nat
//! ```

mod bridge;
mod error;
mod firewall;
mod guard;
mod hooks;
mod nat;
mod openvswitch;
mod parameters;
mod route;

pub use error::VifError;

use crate::backend::Backend;
use crate::fault::Faults;
use crate::host::Host;
use crate::invocation::Invocation;
use crate::netlink::{Link, Links, Switch};
use crate::report::Log;
use guard::Entrance;
use parameters::Parameters;
use std::time::Duration;
use xenstore::paths;
use xenstore::paths::node::vif::VIFNAME;

/// The highest address that is none of a group: a bridge takes its lowest port's, so it never takes a guest's.
const PORT_ADDRESS: [u8; 6] = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff];
/// How long the backend driver may take to make an interface after it said that it is there.
const APPEARS_WITHIN: Duration = Duration::from_secs(5);

/// How an interface is connected, by the script's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// To a Linux bridge.
    Bridge,
    /// To a bridge of Open vSwitch.
    OpenVswitch,
    /// By routes.
    Route,
    /// By routes, with addresses that only this host knows.
    Nat,
}

/// The four things that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// A paravirtual interface is there.
    Online,
    /// It goes.
    Offline,
    /// An emulated interface is there.
    Add,
    /// It goes.
    Remove,
}

impl Command {
    /// Reads a command word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "online" => Some(Command::Online),
            "offline" => Some(Command::Offline),
            "add" => Some(Command::Add),
            "remove" => Some(Command::Remove),
            _ => None,
        }
    }

    /// The word again.
    pub fn word(self) -> &'static str {
        match self {
            Command::Online => "online",
            Command::Offline => "offline",
            Command::Add => "add",
            Command::Remove => "remove",
        }
    }
}

/// Which of a guest's two interfaces to one network a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `vifN.D`, from the backend driver.
    Paravirtual,
    /// `vifN.D-emu`, from the device model.
    Emulated,
}

impl Side {
    /// The side that a call's `type_if` names.
    pub fn of(call: &Invocation) -> Result<Self, VifError> {
        match call.variable("type_if") {
            None | Some("vif") => Ok(Side::Paravirtual),
            Some("tap") => Ok(Side::Emulated),
            Some(other) => Err(VifError::UnknownType { name: other.to_owned() }),
        }
    }

    /// Whether a command concerns this side; the other commands do nothing.
    pub fn takes(self, command: Command) -> bool {
        match (self, command) {
            (Side::Paravirtual, Command::Online | Command::Offline) => true,
            (Side::Emulated, Command::Add | Command::Remove) => true,
            (Side::Paravirtual, Command::Add | Command::Remove) => false,
            (Side::Emulated, Command::Online | Command::Offline) => false,
        }
    }
}

/// The backend behind an emulated interface, whose driver names none: `vifN.D-emu` is device D of domain N.
pub fn backend_of(interface: &str) -> Option<String> {
    let (domid, devid) = interface.strip_prefix("vif")?.strip_suffix("-emu")?.split_once('.')?;
    Some(paths::backend(0, "vif", domid.parse().ok()?, devid.parse().ok()?))
}

/// One call, with everything that it works on.
pub(crate) struct Port<'a> {
    pub(crate) call: &'a Invocation,
    pub(crate) host: &'a Host,
    pub(crate) backend: &'a Backend,
    pub(crate) links: &'a Links,
    pub(crate) log: &'a Log,
    pub(crate) faults: Faults,
}

/// Does `command` for the interface that `call` names.
pub async fn run(
    (wiring, command): (Wiring, Command),
    call: &Invocation,
    host: &Host,
    backend: &Backend,
    log: &Log,
) -> Result<(), VifError> {
    let side = Side::of(call)?;
    if !side.takes(command) {
        return Ok(());
    }
    let links = Links::open()?;
    let port = Port { call, host, backend, links: &links, log, faults: Faults::of(call) };
    let connects = matches!(command, Command::Online | Command::Add);
    match (wiring, connects) {
        (Wiring::Bridge, true) => connect(&port, side, command).await,
        (Wiring::Bridge, false) => disconnect(&port, side, command).await,
        (Wiring::OpenVswitch, true) => openvswitch::connect(&port, side, command).await,
        (Wiring::OpenVswitch, false) => openvswitch::disconnect(&port, side, command).await,
        // Dom0 cannot route to a guest over two interfaces; the emulated one is left alone.
        (Wiring::Route | Wiring::Nat, _) if side == Side::Emulated => Ok(()),
        (Wiring::Route, true) => route::connect(&port, command).await,
        (Wiring::Route, false) => route::disconnect(&port, command).await,
        (Wiring::Nat, true) => nat::connect(&port, command).await,
        (Wiring::Nat, false) => nat::disconnect(&port, command).await,
    }
}

/// Whether `online` would connect the interface now, found without changing anything. The interface itself is not there
/// yet, and neither is its domain's number.
pub async fn check(
    wiring: Wiring,
    call: &Invocation,
    host: &Host,
    backend: &Backend,
    log: &Log,
) -> Result<(), VifError> {
    let links = Links::open()?;
    let port = Port { call, host, backend, links: &links, log, faults: Faults::default() };
    Parameters::of(&port).await?;
    let wanted = backend.read(VIFNAME).await?.filter(|name| !name.is_empty());
    let given = format!("vif#.{}", backend.path().rsplit('/').next().unwrap_or_default());
    match wiring {
        Wiring::Bridge => drop(bridge::choose(&port).await?),
        Wiring::OpenVswitch => openvswitch::check(&port, wanted.as_deref().unwrap_or(&given)).await?,
        Wiring::Route => drop(route::source(&port).await?),
        Wiring::Nat => {}
    }
    match wanted {
        Some(wanted) if links.find(&wanted).await?.is_some() => Err(VifError::NameTaken { given, wanted }),
        _ => Ok(()),
    }
}

async fn connect(port: &Port<'_>, side: Side, command: Command) -> Result<(), VifError> {
    let parameters = Parameters::of(port).await?;
    let names = Names::of(port, side).await?;
    let chosen = bridge::choose(port).await?;
    let link = name(port, &names).await?;
    let bridge = &chosen.bridge;
    // The rules come first: no frame of the guest is let through without them.
    let done = match guard::admit(port, &Entrance::Bridge(&bridge.name), &link.name, &parameters) {
        Ok(()) => attach(port, &link, &chosen).await,
        refused => refused,
    };
    if let Err(error) = done {
        let _ = port.links.free(&link).await;
        let _ = port.links.switch(&link, Switch::Off).await;
        guard::dismiss(port, &link.name);
        return Err(error);
    }
    let done = Done { script: &port.call.script, command, dev: &link.name, bridge: &bridge.name };
    if side == Side::Paravirtual {
        firewall::apply(port, &done).await?;
    }
    hooks::run(port, &done);
    port.log.info(&done.to_string());
    match side {
        Side::Paravirtual => Ok(port.backend.connected(&[]).await?),
        Side::Emulated => Ok(()),
    }
}

/// Takes the interface from its bridge. It may be gone already, with its bridge: nothing of that is an error.
async fn disconnect(port: &Port<'_>, side: Side, command: Command) -> Result<(), VifError> {
    let names = Names::of(port, side).await?;
    if let Some(link) = &names.find(port).await? {
        for step in [port.links.free(link).await, port.links.switch(link, Switch::Off).await] {
            if let Err(error) = step {
                port.log.debug(&format!("ignored: {error}"));
            }
        }
    }
    let bridge = bridge::asked_for(port).await?.unwrap_or_default();
    let dev = names.current();
    guard::dismiss(port, dev);
    let done = Done { script: &port.call.script, command, dev, bridge: &bridge };
    if side == Side::Paravirtual {
        firewall::apply(port, &done).await?;
    }
    hooks::run(port, &done);
    port.log.info(&done.to_string());
    Ok(())
}

/// What was done, for the log, the firewall and the hooks.
pub(crate) struct Done<'a> {
    pub(crate) script: &'a str,
    pub(crate) command: Command,
    pub(crate) dev: &'a str,
    pub(crate) bridge: &'a str,
}

impl std::fmt::Display for Done<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Done { script, command, dev, bridge } = self;
        match (*script, *bridge) {
            ("vif-route" | "vif-nat", _) => write!(f, "Successful {script} {} for {dev}.", command.word()),
            _ => write!(f, "Successful {script} {} for {dev}, bridge {bridge}.", command.word()),
        }
    }
}

/// What an interface is called: by the driver, and by the domain's configuration.
struct Names {
    given: String,
    wanted: Option<String>,
}

impl Names {
    async fn of(port: &Port<'_>, side: Side) -> Result<Self, VifError> {
        let wanted = port.backend.read(VIFNAME).await?.filter(|name| !name.is_empty());
        let (variable, given, suffix) = match side {
            Side::Paravirtual => ("vif", port.call.variable("vif").map(str::to_owned), ""),
            Side::Emulated => ("INTERFACE", port.call.variable("INTERFACE").map(str::to_owned), "-emu"),
        };
        // The kernel's own name is as good as the variable, should somebody call us without.
        let given = given.or_else(|| port.backend.interface().map(|name| format!("{name}{suffix}")));
        let given = given.ok_or(VifError::NoInterface { variable })?;
        Ok(Names { given, wanted: wanted.map(|name| format!("{name}{suffix}")) })
    }

    /// The interface, under whichever name it has now.
    async fn find(&self, port: &Port<'_>) -> Result<Option<Link>, VifError> {
        for name in [self.wanted.as_deref(), Some(self.given.as_str())].into_iter().flatten() {
            let found = port.links.find(name).await?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// The name that it was to get.
    fn current(&self) -> &str {
        self.wanted.as_deref().unwrap_or(&self.given)
    }
}

/// Finds the interface and gives it the name that the domain's configuration wants.
async fn name(port: &Port<'_>, names: &Names) -> Result<Link, VifError> {
    let missing = || VifError::Missing { name: names.given.clone() };
    let wanted = names.wanted.as_deref().filter(|wanted| *wanted != names.given);
    let Some(wanted) = wanted else {
        return port.links.wait_for(&names.given, APPEARS_WITHIN).await?.ok_or_else(missing);
    };
    let taken = port.links.find(wanted).await?;
    let limit = if taken.is_some() { Duration::ZERO } else { APPEARS_WITHIN };
    match (port.links.wait_for(&names.given, limit).await?, taken) {
        (Some(_), Some(_)) => {
            Err(VifError::NameTaken { given: names.given.clone(), wanted: wanted.to_owned() })
        }
        // An earlier run renamed it.
        (None, Some(link)) => Ok(link),
        (None, None) => Err(missing()),
        (Some(link), None) => {
            port.faults.reach("rename the interface")?;
            port.links.switch(&link, Switch::Off).await?;
            port.links.rename(&link, wanted).await?;
            Ok(Link { name: wanted.to_owned(), ..link })
        }
    }
}

/// Makes the interface a port of the bridge, as one that never speaks for itself.
async fn attach(port: &Port<'_>, link: &Link, chosen: &bridge::Chosen) -> Result<(), VifError> {
    let (links, bridge) = (port.links, &chosen.bridge);
    port.faults.reach("empty the interface")?;
    links.switch(link, Switch::Off).await?;
    // Some drivers refuse an address or a size; the port works nevertheless.
    let _ = links.set_address(link, &PORT_ADDRESS).await;
    links.flush(link).await?;
    if bridge.mtu > 0 && bridge.mtu != link.mtu {
        let _ = links.set_mtu(link, bridge.mtu).await;
    }
    if link.controller != Some(bridge.index) {
        port.faults.reach("add the interface to its bridge")?;
        links.enslave(link, bridge).await?;
    }
    if let Some(vlan) = &chosen.vlan {
        port.faults.reach("set the VLANs of the interface")?;
        links.set_vlan(link, vlan).await?;
    }
    port.faults.reach("switch on the interface")?;
    Ok(links.switch(link, Switch::On).await?)
}
