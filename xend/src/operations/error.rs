//! What can go wrong in an operation.

use std::{path::PathBuf, sync::Arc};

use hypervisor::HypervisorError;
use xenstore::StoreError;

use crate::{
    builder::BuildError,
    devices::{DetachError, DeviceFault},
    domain::DeviceId,
    state::StateError,
};

/// An operation that was not completed.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// The kernel's file is not there.
    #[error("Kernel image does not exist: {}", .path.display())]
    KernelMissing {
        /// As configured.
        path: PathBuf,
        /// Why it can't be used.
        source: std::io::Error,
    },
    /// The ramdisk's file is not there.
    #[error("Kernel ramdisk does not exist: {}", .path.display())]
    RamdiskMissing {
        /// As configured.
        path: PathBuf,
        /// Why it can't be used.
        source: std::io::Error,
    },
    /// A hotplug script that the configuration or the settings name is in none of the folders.
    #[error("cannot find the script {name}: looked in {folders}")]
    ScriptMissing {
        /// As configured.
        name: String,
        /// Where it was looked for.
        folders: String,
    },
    /// Too little memory is free.
    #[error(
        "Not enough free memory and enable-dom0-ballooning is False, so I cannot release any more.  \
         I need {need_kib} KiB but only have {free_kib}."
    )]
    Memory {
        /// Wanted.
        need_kib: u64,
        /// There.
        free_kib: u64,
    },
    /// Xen did not make the domain.
    #[error("Creating domain failed: name={name}")]
    Create {
        /// The domain's name.
        name: String,
        /// Why.
        source: HypervisorError,
    },
    /// The image could not be built.
    #[error("cannot build domain {name}")]
    Build {
        /// The domain's name.
        name: String,
        /// Why.
        source: BuildError,
    },
    /// Any other call to Xen.
    #[error("cannot {act} domain {name}")]
    Xen {
        /// What was being done.
        act: &'static str,
        /// The domain's name.
        name: String,
        /// Why.
        source: HypervisorError,
    },
    /// The store.
    #[error("cannot {act} domain {name} in xenstore")]
    Store {
        /// What was being done.
        act: &'static str,
        /// The domain's name.
        name: String,
        /// Why.
        source: StoreError,
    },
    /// A device was not connected.
    #[error("cannot connect the devices of domain {name}")]
    Device {
        /// The domain's name.
        name: String,
        /// Which, and why.
        #[source]
        fault: Arc<DeviceFault>,
    },
    /// The guest keeps a device that it was asked for.
    #[error("cannot take {} {} from domain {name} yet", .device.class, .device.devid)]
    InUse {
        /// The domain's name.
        name: String,
        /// Which.
        device: DeviceId,
        /// What was seen.
        source: Box<DetachError>,
    },
    /// The guest keeps a drive that is to have another medium.
    #[error("cannot change the medium of {} {} of domain {name} yet", .device.class, .device.devid)]
    MediumInUse {
        /// The domain's name.
        name: String,
        /// Which.
        device: DeviceId,
        /// What was seen.
        source: Box<DetachError>,
    },
    /// The record on disk.
    #[error("cannot keep the record of domain {name}")]
    Record {
        /// The domain's name.
        name: String,
        /// Why.
        source: StateError,
    },
    /// Xen still holds it.
    #[error(
        "domain {name} ({domid}) is still dying after {seconds} s: something on this host maps or holds {pages} of \
         its pages"
    )]
    Zombie {
        /// The domain's name.
        name: String,
        /// Its number.
        domid: u16,
        /// How long was waited.
        seconds: u64,
        /// Pages it still has.
        pages: u64,
    },
    /// Devices that did not go as they should; everything else is gone.
    #[error("cannot take the devices of domain {name} away cleanly: {}", .errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Detach {
        /// The domain's name.
        name: String,
        /// All of them.
        errors: Vec<DetachError>,
    },
}

/// An error with its causes on one line, for the log.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
