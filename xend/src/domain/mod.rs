//! What a domain is: its configuration, validated once at the door, its state and its record. Plain data without
//! I/O that every layer of the daemon may use.

mod action;
mod config;
mod device;
mod door;
mod fault;
mod managed;
mod record;
mod state;
mod tree;
mod vbd;
mod vif;

pub use action::{ExitAction, ExitActions};
pub use config::{DeviceConfig, DomainConfig, ImageConfig};
pub use device::{DeviceChange, DeviceId, device_number, store_class};
pub use door::check_vif;
pub use fault::ConfigFault;
pub use managed::ManagedConfig;
pub use record::{DomainRecord, Phase, RecordFault};
pub use state::{LiveFacts, PowerState, state_letters};
pub use tree::{Devices, DomainTree, domain_tree};
pub use vbd::{VbdClass, VbdConfig, VbdMode, VbdNumber};
pub use vif::VifConfig;
