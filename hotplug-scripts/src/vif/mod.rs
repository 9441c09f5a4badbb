//! `vif-bridge`: the host side of a network interface.
//!
//! `online` names the interface, makes it a port of a bridge and switches it on; `offline` takes it from there.
//! `add` and `remove` do the same for an emulated card (`type_if=tap`). Every step looks first, so a second run
//! ends like the first.

mod bridge;
mod error;
mod firewall;
mod hooks;

pub use error::VifError;

use crate::backend::Backend;
use crate::host::Host;
use crate::invocation::Invocation;
use crate::netlink::{Link, Links, Switch};
use crate::report::Log;
use std::time::Duration;
use xenstore::paths;
use xenstore::paths::node::vif::VIFNAME;

/// The highest address that is none of a group: a bridge takes its lowest port's, so it never takes a guest's.
const PORT_ADDRESS: [u8; 6] = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff];
/// How long the backend driver may take to make an interface after it said that it is there.
const APPEARS_WITHIN: Duration = Duration::from_secs(5);

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
}

/// Does `command` for the interface that `call` names.
pub async fn run(
    command: Command,
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
    let port = Port { call, host, backend, links: &links, log };
    match command {
        Command::Online | Command::Add => connect(&port, side, command).await,
        Command::Offline | Command::Remove => disconnect(&port, side, command).await,
    }
}

async fn connect(port: &Port<'_>, side: Side, command: Command) -> Result<(), VifError> {
    let names = Names::of(port, side).await?;
    let bridge = bridge::choose(port).await?;
    let link = name(port, &names).await?;
    attach(port.links, &link, &bridge).await?;
    let done = Done { command, dev: &link.name, bridge: &bridge.name };
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
    let mut found = None;
    for name in [names.wanted.as_deref(), Some(names.given.as_str())].into_iter().flatten() {
        if found.is_none() {
            found = port.links.find(name).await?;
        }
    }
    if let Some(link) = &found {
        for step in [port.links.free(link).await, port.links.switch(link, Switch::Off).await] {
            if let Err(error) = step {
                port.log.debug(&format!("ignored: {error}"));
            }
        }
    }
    let bridge = bridge::asked_for(port).await?.unwrap_or_default();
    let dev = names.wanted.as_deref().unwrap_or(&names.given);
    let done = Done { command, dev, bridge: &bridge };
    if side == Side::Paravirtual {
        firewall::apply(port, &done).await?;
    }
    hooks::run(port, &done);
    port.log.info(&done.to_string());
    Ok(())
}

/// What was done, for the log, the firewall and the hooks.
pub(crate) struct Done<'a> {
    pub(crate) command: Command,
    pub(crate) dev: &'a str,
    pub(crate) bridge: &'a str,
}

impl std::fmt::Display for Done<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Done { command, dev, bridge } = self;
        write!(f, "Successful vif-bridge {} for {dev}, bridge {bridge}.", command.word())
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
            port.links.switch(&link, Switch::Off).await?;
            port.links.rename(&link, wanted).await?;
            Ok(Link { name: wanted.to_owned(), ..link })
        }
    }
}

/// Makes the interface a port of the bridge, as one that never speaks for itself.
async fn attach(links: &Links, link: &Link, bridge: &Link) -> Result<(), VifError> {
    links.switch(link, Switch::Off).await?;
    // Some drivers refuse an address or a size; the port works nevertheless.
    let _ = links.set_address(link, PORT_ADDRESS).await;
    links.flush(link).await?;
    if bridge.mtu > 0 && bridge.mtu != link.mtu {
        let _ = links.set_mtu(link, bridge.mtu).await;
    }
    if link.controller != Some(bridge.index) {
        links.enslave(link, bridge).await?;
    }
    Ok(links.switch(link, Switch::On).await?)
}
