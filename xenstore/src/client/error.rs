//! What can go wrong between a client and the store.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use crate::Errno;
use crate::wire::{Oversized, PathFault};

/// Why a connection ended.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Lost {
    /// The daemon closed it.
    #[error("xenstored closed the connection")]
    ClosedByDaemon,
    /// The last handle on it was dropped.
    #[error("the connection was closed on this side")]
    ClosedHere,
    /// Reading or writing failed.
    #[error("the connection to xenstored failed")]
    Io(#[source] Arc<io::Error>),
    /// The daemon sent a frame that no daemon sends.
    #[error("xenstored sent an impossible frame")]
    Oversized(#[source] Oversized),
}

/// A request to the store that was not granted.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no daemon to talk to.
    #[error("cannot connect to xenstored at {}", .endpoint.display())]
    Connect {
        /// The socket or device.
        endpoint: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Neither a socket nor a device of a store daemon was found.
    #[error("cannot find xenstored, looked for {}", .looked_for.join(", "))]
    NoDaemon {
        /// Where it was looked for.
        looked_for: Vec<String>,
    },
    /// The daemon refused.
    #[error("cannot {verb} {path} in xenstore")]
    Refused {
        /// What was asked: `read`, `write`, …
        verb: &'static str,
        /// Of which node, or for which domain.
        path: String,
        /// The daemon's word for it.
        source: Errno,
    },
    /// The path is none, or not one for this; nothing was sent.
    #[error("cannot {verb} {path:?} in xenstore, the path is not allowed")]
    Path {
        /// What was asked.
        verb: &'static str,
        /// The path.
        path: String,
        /// What is wrong with it.
        source: PathFault,
    },
    /// Path and value do not fit into a frame; nothing was sent.
    #[error("cannot {verb} {path} in xenstore, {len} bytes are more than the {limit} of a request")]
    TooLong {
        /// What was asked.
        verb: &'static str,
        /// Of which node.
        path: String,
        /// Bytes of the whole request.
        len: usize,
        /// Most bytes of a request.
        limit: usize,
    },
    /// The connection ended before the answer came. Whether a change was made is unknown.
    #[error("cannot {verb} {path} in xenstore, the connection is gone")]
    Lost {
        /// What was asked.
        verb: &'static str,
        /// Of which node, or for which domain.
        path: String,
        /// Why it ended.
        source: Lost,
    },
    /// The answer is not one to this request.
    #[error("cannot {verb} {path} in xenstore, the answer is malformed")]
    Malformed {
        /// What was asked.
        verb: &'static str,
        /// Of which node, or for which domain.
        path: String,
    },
    /// A transaction met changes by others again and again.
    #[error("cannot commit a transaction on {path} in xenstore, others changed it during {tries} tries")]
    Conflict {
        /// The first path it was about.
        path: String,
        /// How often it was tried.
        tries: u32,
    },
}

impl StoreError {
    /// The daemon's refusal, if it is one.
    #[must_use]
    pub fn errno(&self) -> Option<Errno> {
        match self {
            Self::Refused { source, .. } => Some(*source),
            _ => None,
        }
    }

    /// Whether the connection is gone, so that asking again on it is useless.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        matches!(self, Self::Lost { .. })
    }
}

/// What became of one request, before it is known which path it was about.
#[derive(Clone, Debug)]
pub(crate) enum Failure {
    Refused(Errno),
    Lost(Lost),
    Malformed,
}

impl Failure {
    pub(crate) fn on(self, verb: &'static str, path: &str) -> StoreError {
        let path = path.to_owned();
        match self {
            Self::Refused(source) => StoreError::Refused { verb, path, source },
            Self::Lost(source) => StoreError::Lost { verb, path, source },
            Self::Malformed => StoreError::Malformed { verb, path },
        }
    }
}
