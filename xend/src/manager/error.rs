//! Why a request was not carried out; `api` makes faults of these.

use std::sync::Arc;

use hypervisor::HypervisorError;
use xend_api::Sxp;
use xenstore::StoreError;

use super::Refusal;
use crate::{devices::DeviceFault, domain::ConfigFault, operations::OperationError, state::ManagedError};

/// A request that was refused or failed.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// No domain answers to this name, number or UUID.
    #[error("there is no domain {designator}")]
    NoDomain {
        /// As the client wrote it.
        designator: String,
    },
    /// A domain with this name or UUID is there already.
    #[error("domain {name} exists already")]
    Exists {
        /// The name that was asked for.
        name: String,
        /// Number of the one that is there; `None` while it has none.
        domid: Option<u16>,
    },
    /// A managed domain, or one that is just being defined, has this name.
    #[error("the name {name} belongs to another domain")]
    NameTaken {
        /// The name that was asked for.
        name: String,
        /// Number of the one that has it; `None` for one that is not running.
        domid: Option<u16>,
    },
    /// The configuration of a managed domain asks for what is not there yet.
    #[error("cannot start a domain of this configuration")]
    Config {
        /// All of it.
        faults: Vec<ConfigFault>,
    },
    /// The store of managed domains.
    #[error("{text}")]
    Managed {
        /// What was not done.
        text: String,
        /// Why.
        source: ManagedError,
    },
    /// The rules say no.
    #[error("the request does not fit the state of domain {name}: {refusal:?}")]
    Refused {
        /// The domain.
        name: String,
        /// Why.
        refusal: Refusal,
    },
    /// The domain has no such device.
    #[error("the domain has no device {device}")]
    NoDevice {
        /// As the client named it.
        device: String,
    },
    /// Only a drive takes another medium, and only that.
    #[error("the device does not become what is asked")]
    NoMedium {
        /// What it was to become.
        form: Sxp,
    },
    /// Asked of domain 0.
    #[error("domain 0 is not for that")]
    Privileged,
    /// The operation failed; whatever was done has been undone.
    #[error("cannot {operation} domain {name}")]
    Failed {
        /// What was asked.
        operation: &'static str,
        /// The domain.
        name: String,
        /// Why; shared because it is logged as well.
        source: Arc<OperationError>,
    },
    /// A device was not connected.
    #[error("a device of domain {name} was not connected")]
    Device {
        /// The domain.
        name: String,
        /// Which, and why.
        fault: Arc<DeviceFault>,
    },
    /// Xen refused a call outside of operations.
    #[error("cannot {act}")]
    Xen {
        /// Verb and object.
        act: &'static str,
        /// Why.
        source: HypervisorError,
    },
    /// The store refused a request outside of operations.
    #[error("cannot {act}")]
    Store {
        /// Verb and object.
        act: &'static str,
        /// Why.
        source: StoreError,
    },
    /// The domain's task ended before it answered.
    #[error("domain {name} went away before the request was carried out")]
    WentAway {
        /// The domain.
        name: String,
    },
}
