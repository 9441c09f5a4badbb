//! `block`: the host side of a disk.
//!
//! `add` finds out which device of the host a backend's `type` and `params` mean, refuses one that somebody else
//! uses, and tells the backend driver its number; `remove` gives back what `add` took. Both may run any number of
//! times, and after a run that died at any point.
//!
//! ```text
//! type   params            becomes
//! phy    name or path      that block device                     (phy)
//! file   path of an image  a loop device bound to it             (file)
//! tap    driver and path   an NBD device of a server for that image (tap)
//! tap2   the same          the same
//! ""     -                 nothing: a drive without a medium
//! T      -                 whatever a script `block-T` makes it  (helper); those for nbd and iscsi are ours,
//!                          an NBD device of that server          (nbd)
//!                          the disk of a session                 (iscsi)
//! ```

mod attached;
mod error;
mod file;
mod helper;
mod iscsi;
mod kinship;
mod nbd;
mod phy;
mod sharing;
mod tap;
mod uses;

pub use error::VbdError;
pub use sharing::{Conflict, DeviceNumber, Holder, Mode, Subject};

use crate::backend::Backend;
use crate::fault::Faults;
use crate::host::Host;
use crate::image_server;
use crate::invocation::Invocation;
use crate::loop_device::Tag;
use crate::report::Log;
use xenstore::paths::node::vbd::{PHYSICAL_DEVICE, TYPE};

/// The two things that can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make the disk ready for its backend driver.
    Add,
    /// Give back what `Add` took.
    Remove,
}

impl Command {
    /// Reads a command word.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "add" => Some(Command::Add),
            "remove" => Some(Command::Remove),
            _ => None,
        }
    }

    /// The word again.
    pub fn word(self) -> &'static str {
        match self {
            Command::Add => "add",
            Command::Remove => "remove",
        }
    }
}

/// Scripts of ours for one type of disk, which `block` calls as it calls a site's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `block-nbd`.
    Nbd,
    /// `block-iscsi`.
    Iscsi,
}

/// One disk of one domain, as far as this run is concerned.
pub(crate) struct Disk<'a> {
    pub(crate) host: &'a Host,
    pub(crate) backend: &'a Backend,
    pub(crate) tag: Tag,
    pub(crate) log: &'a Log,
    pub(crate) faults: Faults,
}

impl<'a> Disk<'a> {
    /// The disk that `call` is about.
    pub(crate) fn new(call: &Invocation, host: &'a Host, backend: &'a Backend, log: &'a Log) -> Self {
        let tag = Tag::new(host, backend.path());
        Disk { host, backend, tag, log, faults: Faults::of(call) }
    }

    /// What its folder is called.
    fn name(&self) -> Result<String, VbdError> {
        let path = self.backend.path();
        image_server::name_of(path).ok_or_else(|| VbdError::Unnamed { path: path.to_owned() })
    }
}

/// Whether `add` would make the disk ready now, found without changing anything.
pub(crate) async fn check(disk: &Disk<'_>) -> Result<(), VbdError> {
    match disk.backend.read(TYPE).await?.as_deref() {
        Some("") => Ok(()),
        Some("phy") => phy::check(disk).await,
        Some("file") => file::check(disk).await,
        Some("tap" | "tap2") => tap::check(disk).await,
        Some(kind) => helper::check(disk, kind),
        None => Err(disk.backend.unreadable(TYPE).into()),
    }
}

/// Does `command` for the disk that `call` names.
pub(crate) async fn run(command: Command, call: &Invocation, disk: &Disk<'_>) -> Result<(), VbdError> {
    let backend = disk.backend;
    let kind = backend.read(TYPE).await?;
    match (command, kind.as_deref()) {
        (Command::Add, Some("")) => Ok(backend.connected(&[]).await?),
        (Command::Add, Some("phy")) => phy::add(disk).await,
        (Command::Add, Some("file")) => file::add(disk).await,
        (Command::Add, Some("tap" | "tap2")) => tap::add(disk).await,
        (Command::Add, Some(kind)) => {
            // What our own scripts made, they look at again.
            if attached::record(disk).is_none() && backend.read(PHYSICAL_DEVICE).await?.is_some() {
                return Ok(backend.connected(&[]).await?);
            }
            helper::run(disk, kind, call, command)
        }
        // The original went looking for a script `block-MISSING` and said nothing.
        (Command::Add, None) => Err(backend.unreadable(TYPE).into()),
        // A medium may have been taken out since, and a tree deleted: tag and record still tell what is ours.
        (Command::Remove, Some("phy" | "" | "file" | "tap" | "tap2") | None) => give_back(disk).await,
        (Command::Remove, Some(kind)) => {
            iscsi::remove(disk).await?;
            helper::run(disk, kind, call, command)
        }
    }
}

/// Gives back whatever was taken for the disk, of which kind it ever was. Each part is tried.
pub(crate) async fn give_back(disk: &Disk<'_>) -> Result<(), VbdError> {
    let released = iscsi::remove(disk).await;
    file::remove(disk).await.and(released)
}

/// Does `command` for a disk of the one type that the script is for.
pub(crate) async fn run_kind(kind: Kind, command: Command, disk: &Disk<'_>) -> Result<(), VbdError> {
    match (kind, command) {
        (Kind::Nbd, Command::Add) => nbd::add(disk).await,
        (Kind::Iscsi, Command::Add) => iscsi::add(disk).await,
        (_, Command::Remove) => iscsi::remove(disk).await,
    }
}
