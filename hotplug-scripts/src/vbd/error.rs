//! What `block` answers when it cannot; the classic texts, letter for letter.

use super::Conflict;
use crate::backend::BackendError;
use crate::lock::LockError;
use crate::loop_device::LoopError;
use std::io;
use std::path::PathBuf;

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
        matches!(self, VbdError::ReadOnly { .. } | VbdError::InUse(_))
    }

    /// Whether the text stands for itself. The others are surprises: the original had one text for all of them.
    pub fn is_classic(&self) -> bool {
        match self {
            VbdError::Helper { .. } | VbdError::File { .. } | VbdError::Lock(_) => false,
            VbdError::Loop(error) => matches!(error, LoopError::NoneFree { .. }),
            VbdError::Backend(error) => error.is_classic(),
            _ => true,
        }
    }
}
