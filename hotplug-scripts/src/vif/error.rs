//! What `vif-bridge` answers when it cannot; the classic texts, letter for letter.

use crate::backend::BackendError;
use crate::lock::LockError;
use crate::netlink::NetlinkError;

/// Why an interface is not connected.
#[derive(Debug, thiserror::Error)]
pub enum VifError {
    /// `type_if` is neither `vif` nor `tap`.
    #[error("unknown interface type {name}")]
    UnknownType {
        /// What it was.
        name: String,
    },
    /// Nobody said which interface.
    #[error("{variable} is not set, and XENBUS_PATH names no interface")]
    NoInterface {
        /// The variable that should have.
        variable: &'static str,
    },
    /// The interface is not there.
    #[error("Interface {name} does not exist.")]
    Missing {
        /// Its name.
        name: String,
    },
    /// The configured name is somebody else's.
    #[error("Cannot rename interface {given}. An interface with name {wanted} already exists.")]
    NameTaken {
        /// The driver's name of it.
        given: String,
        /// The configured one.
        wanted: String,
    },
    /// No bridge was named, and the host has none.
    #[error("Could not find bridge, and none was specified")]
    NoBridge,
    /// The named bridge is not there.
    #[error("Could not find bridge device {name}")]
    BridgeMissing {
        /// Its name.
        name: String,
    },
    /// The named bridge is another kind of interface.
    #[error("Device {name} is not a bridge")]
    NotBridge {
        /// Its name.
        name: String,
    },
    /// The store said no.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The kernel said no.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The lock could not be had.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl VifError {
    /// Whether the text stands for itself. The others are surprises: the original had one text for all of them.
    pub fn is_classic(&self) -> bool {
        match self {
            VifError::Netlink(_) | VifError::Lock(_) => false,
            VifError::Backend(error) => error.is_classic(),
            _ => true,
        }
    }
}
