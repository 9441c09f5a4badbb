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
//! ""     -                 nothing: a drive without a medium
//! T      -                 whatever a script `block-T` makes it  (helper)
//! ```

mod error;
mod file;
mod helper;
mod kinship;
mod phy;
mod sharing;

pub use error::VbdError;
pub use sharing::{Conflict, DeviceNumber, Holder, Mode, Subject};

use crate::backend::Backend;
use crate::host::Host;
use crate::invocation::Invocation;
use crate::loop_device::Tag;
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

/// One disk of one domain, as far as this run is concerned.
pub(crate) struct Disk<'a> {
    pub(crate) host: &'a Host,
    pub(crate) backend: &'a Backend,
    pub(crate) tag: Tag,
}

/// Whether `add` would make the disk ready now, found without changing anything.
pub async fn check(host: &Host, backend: &Backend) -> Result<(), VbdError> {
    let disk = Disk { host, backend, tag: Tag::new(host, backend.path()) };
    match backend.read(TYPE).await?.as_deref() {
        Some("") => Ok(()),
        Some("phy") => phy::check(&disk).await,
        Some("file") => file::check(&disk).await,
        // An image is looked into by whoever serves it.
        Some("tap" | "tap2") => Ok(()),
        Some(kind) => helper::check(&disk, kind),
        None => Err(backend.unreadable(TYPE).into()),
    }
}

/// Does `command` for the disk that `call` names.
pub async fn run(
    command: Command,
    call: &Invocation,
    host: &Host,
    backend: &Backend,
) -> Result<(), VbdError> {
    let disk = Disk { host, backend, tag: Tag::new(host, backend.path()) };
    let kind = backend.read(TYPE).await?;
    match (command, kind.as_deref()) {
        (Command::Add, Some("")) => Ok(backend.connected(&[]).await?),
        (Command::Add, Some("phy")) => phy::add(&disk).await,
        (Command::Add, Some("file")) => file::add(&disk).await,
        (Command::Add, Some(kind)) => {
            if backend.read(PHYSICAL_DEVICE).await?.is_some() {
                return Ok(backend.connected(&[]).await?);
            }
            helper::run(&disk, kind, call, command)
        }
        // The original went looking for a script `block-MISSING` and said nothing.
        (Command::Add, None) => Err(backend.unreadable(TYPE).into()),
        // A medium may have been taken out since, and a tree deleted: the tag still tells what is ours.
        (Command::Remove, Some("phy")) => Ok(()),
        (Command::Remove, Some("" | "file") | None) => file::remove(&disk).await,
        (Command::Remove, Some(kind)) => helper::run(&disk, kind, call, command),
    }
}
