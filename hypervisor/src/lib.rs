//! What Xen offers to a toolstack, as small traits, with two complete implementations behind them:
//! [`xen`], the running hypervisor reached through `/dev/xen`, and [`sim`], a simulator with its own
//! memory, event channels and scripted faults. Everything above is written against [`Hypervisor`].
//!
//! Calls block: a caller on an async runtime moves them to a worker thread (`docs/architecture.md`).

pub mod abi;
pub mod sim;
mod traits;
mod types;
pub mod xen;

pub use traits::{Access, Domains, EventChannels, GuestMemory, Host, Hypervisor, Mapping};
pub use types::{
    ConsoleRead, CpuPlace, CreateDomain, DomId, DomainFlags, DomainInfo, HypervisorError, Mfn, NumaNode,
    PAGE_SIZE, Pfn, PhysInfo, Port, Scheduler, ShutdownCode, VcpuContext, VcpuInfo, XenVersion,
};
