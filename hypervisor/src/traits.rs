//! The seam between the daemon and Xen: five small traits, implemented by [`crate::xen`] and [`crate::sim`].
//!
//! Every method blocks until Xen has answered. A domain that does not exist is `Ok(None)` where the answer is an
//! option, and an error with `errno` 3 (`ESRCH`) everywhere else, on every release (the dialects even that out).

use crate::{
    ConsoleRead, CpuPlace, CreateDomain, DomId, DomainInfo, HypervisorError, Mfn, NumaNode, Pfn, PhysInfo,
    Port, Scheduler, ShutdownCode, VcpuContext, VcpuInfo, XenVersion,
};

type Result<T> = std::result::Result<T, HypervisorError>;

/// What the host is, and its console.
pub trait Host: Send + Sync {
    /// Release, build and capabilities, read once when the connection was opened.
    fn version(&self) -> &XenVersion;
    /// Why domains can't be built on this hypervisor although it can be read: set when its domctl number is unknown.
    fn read_only_reason(&self) -> Option<&str>;
    /// Processors and memory at this moment.
    fn phys_info(&self) -> Result<PhysInfo>;
    /// Scheduler of the default pool.
    fn scheduler(&self) -> Result<Scheduler>;
    /// Core, socket and node of each processor; `None` for absent ones.
    fn cpu_places(&self) -> Result<Vec<Option<CpuPlace>>>;
    /// Memory and distances of each node.
    fn numa_nodes(&self) -> Result<Vec<NumaNode>>;
    /// The hypervisor's message ring.
    fn read_console(&self, how: ConsoleRead) -> Result<Vec<u8>>;
    /// Presses keys on the hypervisor's console (`xm debug-keys`).
    fn send_debug_keys(&self, keys: &str) -> Result<()>;
}

/// Domains as shells: existence, limits, vcpus, running or not.
pub trait Domains: Send + Sync {
    /// Makes an empty, paused domain; Xen chooses the number. The handle is `request.uuid` from the first instant.
    fn create(&self, request: &CreateDomain) -> Result<DomId>;
    /// Ends a domain and frees its memory; returns when Xen has let go of all that nobody else maps.
    fn destroy(&self, domid: DomId) -> Result<()>;
    /// Adds one to the pause count.
    fn pause(&self, domid: DomId) -> Result<()>;
    /// Takes one from the pause count; at zero the domain runs.
    fn unpause(&self, domid: DomId) -> Result<()>;
    /// One domain; `None` when it does not exist.
    fn info(&self, domid: DomId) -> Result<Option<DomainInfo>>;
    /// All domains, by number.
    fn list(&self) -> Result<Vec<DomainInfo>>;
    /// Allocates the vcpus; `count` must be that of `create`.
    fn set_max_vcpus(&self, domid: DomId, count: u32) -> Result<()>;
    /// Upper limit of the domain's memory, KiB.
    fn set_max_mem_kib(&self, domid: DomId, kib: u64) -> Result<()>;
    /// Registers of a vcpu that has not run yet.
    fn set_vcpu_context(&self, domid: DomId, vcpu: u32, context: &VcpuContext) -> Result<()>;
    /// One vcpu; `None` for a number that was never allocated.
    fn vcpu_info(&self, domid: DomId, vcpu: u32) -> Result<Option<VcpuInfo>>;
    /// Puts the domain into the shutdown state as if it had asked for it itself.
    fn force_shutdown(&self, domid: DomId, code: ShutdownCode) -> Result<()>;
    /// 32 or 64; only before any page-table work.
    fn set_address_size(&self, domid: DomId, bits: u32) -> Result<()>;
}

/// A guest's memory, for the builders.
pub trait GuestMemory: Send + Sync {
    /// Allocates one extent of 2^`order` pages at each of `pfns`; the answer holds the first machine frame of each
    /// extent that was allocated, in order, and may be shorter than asked (out of memory).
    fn populate(&self, domid: DomId, order: u32, pfns: &[Pfn]) -> Result<Vec<Mfn>>;
    /// Reserves free pages for this domain so that concurrent builds can't take them; 0 drops the claim.
    fn claim_pages(&self, domid: DomId, nr_pages: u64) -> Result<()>;
    /// One RAM entry from 0 to `bytes`.
    fn set_memory_map(&self, domid: DomId, bytes: u64) -> Result<()>;
    /// Maps frames of the domain one behind the other into this process. Any frame that can't be mapped fails the call.
    fn map(&self, domid: DomId, access: Access, frames: &[Mfn]) -> Result<Box<dyn Mapping>>;
    /// Maps the first frame of the domain's grant table, writable.
    fn map_grant_table(&self, domid: DomId) -> Result<Box<dyn Mapping>>;
    /// Fills a page of the guest with the hypercall entry points (PV, only when the kernel names such a page).
    fn init_hypercall_page(&self, domid: DomId, mfn: Mfn) -> Result<()>;
    /// Validates and pins the guest's top page table; every writable mapping of table pages must be gone.
    fn pin_l4_table(&self, domid: DomId, mfn: Mfn) -> Result<()>;
}

/// Event channels made on behalf of a guest.
pub trait EventChannels: Send + Sync {
    /// A port of `domid` that `remote` may bind to.
    fn alloc_unbound(&self, domid: DomId, remote: DomId) -> Result<Port>;
}

/// All of it: what the daemon holds as `Arc<dyn Hypervisor>`.
pub trait Hypervisor: Host + Domains + GuestMemory + EventChannels {}
impl<T: Host + Domains + GuestMemory + EventChannels> Hypervisor for T {}

/// What a mapping may be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reading only.
    Read,
    /// Reading and writing.
    Write,
}

/// Guest pages in reach of this process, unmapped when dropped. Offsets are bytes from the first page mapped;
/// beyond the end is a bug of the caller and panics.
pub trait Mapping: Send {
    /// Bytes mapped, a multiple of the page size.
    fn len(&self) -> usize;
    /// Never true for a mapping that was granted.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Copies out.
    fn read(&self, offset: usize, into: &mut [u8]);
    /// Copies in.
    fn write(&mut self, offset: usize, bytes: &[u8]);
    /// Fills a range with zeros.
    fn zero(&mut self, offset: usize, len: usize);
}
