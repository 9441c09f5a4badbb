//! What `block` answers when it cannot; the classic texts, letter for letter.

use super::Conflict;
use crate::backend::BackendError;
use crate::fault::Fault;
use crate::image::ChainError;
use crate::image_server::ServerError;
use crate::lock::LockError;
use crate::loop_device::LoopError;
use crate::nbd::{HandshakeError, NbdError};
use crate::program::ProgramError;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a disk is not ready.
#[derive(Debug, thiserror::Error)]
pub enum VbdError {
    /// A symbolic link leads nowhere.
    #[error("{path} link does not exist.")]
    LinkMissing {
        /// The link.
        path: PathBuf,
    },
    /// There is no such device or file (or what is there is no regular file).
    #[error("{path} does not exist.")]
    Missing {
        /// As the domain's configuration names it.
        path: PathBuf,
    },
    /// A `phy:` name leads to something else.
    #[error("{path} is not a block device.")]
    NotBlock {
        /// What it leads to.
        path: PathBuf,
    },
    /// The domain was taken down while we worked.
    #[error("Path closed or removed during hotplug add: {path} state: {state}")]
    Closed {
        /// The backend.
        path: String,
        /// Its state node, or `unknown`.
        state: String,
    },
    /// The image may not be written by anybody.
    #[error("File {path} is read-only, and so I will not\nmount it read-write in a guest domain.")]
    ReadOnly {
        /// The image.
        path: PathBuf,
    },
    /// Somebody else uses the disk.
    #[error("{0}")]
    InUse(Box<Conflict>),
    /// A server of images has one of the files for another domain.
    #[error("{path} already in use by other domain\n{holder}")]
    ImageInUse {
        /// The file.
        path: PathBuf,
        /// Which disk has it, and how.
        holder: String,
    },
    /// A `tap:` source without a driver that there is.
    #[error("tap:{driver} not a valid disk type")]
    TapDriver {
        /// What stands in its place.
        driver: String,
    },
    /// An image cannot be used.
    #[error(transparent)]
    Image(#[from] ChainError),
    /// An image is not served.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The kernel's NBD driver said no.
    #[error(transparent)]
    Nbd(#[from] NbdError),
    /// An `nbd:` source that names no place.
    #[error("cannot read the place of the export in {params:?}: wanted HOST:PORT[/EXPORT]")]
    NbdPlace {
        /// What stands there.
        params: String,
    },
    /// A host without an address.
    #[error("cannot find the address of {host}")]
    NbdHost {
        /// Its name.
        host: String,
    },
    /// A host that does not answer.
    #[error("cannot connect to {server}")]
    NbdConnect {
        /// Where it should be.
        server: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A server that does not give us the export.
    #[error("cannot use the export of {server}")]
    NbdServer {
        /// Which.
        server: String,
        /// Why.
        source: HandshakeError,
    },
    /// An export that nobody may write.
    #[error("{server} is read-only, and so I will not\nmount it read-write in a guest domain.")]
    NbdReadOnly {
        /// Which.
        server: String,
    },
    /// An `iscsi:` source that names no target.
    #[error("cannot read the target in {params:?}: wanted iqn=IQN;portal=ADDRESS:PORT[;multipath=y]")]
    IscsiTarget {
        /// What stands there.
        params: String,
    },
    /// open-iscsi is not installed.
    #[error("iscsi: disks need the program iscsiadm (Debian: package open-iscsi)")]
    NoIscsi,
    /// open-iscsi said no.
    #[error(transparent)]
    Iscsi(#[from] ProgramError),
    /// There is a session already, which is not ours.
    #[error("Device already opened")]
    IscsiOpen {
        /// The target.
        iqn: String,
    },
    /// A session without a disk.
    #[error("cannot find the disk of {iqn}: no device after {limit:?}")]
    NoIscsiDevice {
        /// The target.
        iqn: String,
        /// How long was waited.
        limit: Duration,
    },
    /// A backend of no class, domain and device.
    #[error("cannot keep a record of the disk at {path}: wanted backend/vbd/DOMAIN/DEVICE")]
    Unnamed {
        /// Its path.
        path: String,
    },
    /// A test let a step fail.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The type asks for a script that is not there.
    #[error("Block device type \"{kind}\" needs an executable script block-{kind} in one of {dirs}")]
    NoHelper {
        /// The type.
        kind: String,
        /// Where it was looked for.
        dirs: String,
    },
    /// A script `block-T` could not be started.
    #[error("cannot run {path}")]
    Helper {
        /// The script.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file of the host could not be used.
    #[error("cannot {verb} {path}")]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The store said no.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The loop driver said no.
    #[error(transparent)]
    Loop(#[from] LoopError),
    /// The lock could not be had.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl VbdError {
    /// Who holds what was asked for, where it is known.
    pub fn because(&self) -> Option<String> {
        match self {
            VbdError::InUse(conflict) => Some(conflict.because()),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> Option<String> {
        match self {
            VbdError::InUse(conflict) => Some(conflict.remedy()),
            VbdError::ReadOnly { path } => {
                Some(format!("give it with mode r, or let it be written: chmod u+w {}", path.display()))
            }
            VbdError::Missing { .. } | VbdError::LinkMissing { .. } => Some(
                "see whether the name is right, and whether its volume group or storage is active".to_owned(),
            ),
            VbdError::NotBlock { path } => Some(format!("an image is given as file:{}", path.display())),
            _ => None,
        }
    }

    /// Whether somebody else holds what was asked for, so that asking again later may do.
    pub fn is_busy(&self) -> bool {
        match self {
            VbdError::ReadOnly { .. } | VbdError::InUse(_) | VbdError::ImageInUse { .. } => true,
            VbdError::NbdReadOnly { .. } => true,
            VbdError::Image(error) => error.is_busy(),
            _ => false,
        }
    }

    /// Whether the text stands for itself. The others are surprises: the original had one text for all of them.
    pub fn is_classic(&self) -> bool {
        match self {
            VbdError::Helper { .. } | VbdError::File { .. } | VbdError::Lock(_) => false,
            VbdError::Image(ChainError::Open { .. }) => false,
            VbdError::Server(ServerError::Host { .. } | ServerError::Undying { .. }) => false,
            VbdError::Nbd(NbdError::Refused { .. } | NbdError::StillThere { .. }) => false,
            VbdError::NbdConnect { .. } | VbdError::NbdServer { .. } => false,
            VbdError::Iscsi(_) | VbdError::Fault(_) => false,
            VbdError::Loop(error) => matches!(error, LoopError::NoneFree { .. }),
            VbdError::Backend(error) => error.is_classic(),
            _ => true,
        }
    }
}
