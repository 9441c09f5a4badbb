//! Plain values that pass between Xen and the toolstack: no layouts (those are in [`crate::abi`]), no I/O.

use std::fmt;

use uuid::Uuid;

/// Bytes in a page of x86.
pub const PAGE_SIZE: usize = 4096;

/// A guest's page number, counted from 0 in its own memory.
pub type Pfn = u64;
/// A page of the machine.
pub type Mfn = u64;
/// An event channel's number inside one domain; 0 is none.
pub type Port = u32;

/// A domain's live number. Xen reuses it, so it is never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DomId(pub u16);

impl DomId {
    /// The privileged domain.
    pub const DOM0: Self = Self(0);
}

impl fmt::Display for DomId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A call that Xen, or the kernel on its behalf, refused.
#[derive(Debug, thiserror::Error)]
pub enum HypervisorError {
    /// The device through which Xen is reached is missing: not a Xen host, or the modules are not loaded.
    #[error("cannot open {path}, the way to the Xen hypervisor")]
    NoXen {
        /// `/dev/xen/privcmd` or a relative of it.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// Xen answered with an error number.
    #[error("cannot {call}{}", .domid.map(|d| format!(" for domain {d}")).unwrap_or_default())]
    Call {
        /// Verb and object, such as `create a domain`.
        call: &'static str,
        /// The domain it was for.
        domid: Option<DomId>,
        /// Linux error number; Xen's are the same on x86.
        source: std::io::Error,
    },
    /// Fewer pages were there than asked for.
    #[error("cannot {call} for domain {domid}: {done} of {asked} done")]
    Partial {
        /// Verb and object.
        call: &'static str,
        /// The domain.
        domid: DomId,
        /// How many were done.
        done: u64,
        /// How many were wanted.
        asked: u64,
    },
    /// A writing call on a hypervisor whose interface version this program does not know.
    #[error("cannot {call}: {reason}")]
    ReadOnly {
        /// Verb and object.
        call: &'static str,
        /// Same text as `Host::read_only_reason`.
        reason: String,
    },
}

impl HypervisorError {
    /// The error number, where Xen gave one.
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::NoXen { source, .. } | Self::Call { source, .. } => source.raw_os_error(),
            Self::Partial { .. } | Self::ReadOnly { .. } => None,
        }
    }

    /// True when the domain was not there (`ESRCH`).
    pub fn is_no_domain(&self) -> bool {
        self.errno() == Some(libc::ESRCH)
    }
}

/// What `createdomain` needs, whatever the release (`hypervisor-interface` §2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreateDomain {
    /// Becomes the domain's handle.
    pub uuid: Uuid,
    /// PV, or a guest with hardware paging (PVH, HVM: later).
    pub hvm: bool,
    /// Hardware assisted paging; needs `hvm`.
    pub hap: bool,
    /// Must be the count given to `set_max_vcpus` later.
    pub max_vcpus: u32,
    /// Highest event channel port.
    pub max_evtchn_port: u32,
    /// Grant table frames; -1 leaves it to Xen.
    pub max_grant_frames: i32,
    /// Maptrack frames; -1 leaves it to Xen.
    pub max_maptrack_frames: i32,
    /// Emulated devices, bits of `hypervisor-interface` §2.3; 0 for PV.
    pub emulation_flags: u32,
    /// CPU pool; on releases before 4.17 the backend moves the domain there after creation.
    pub cpupool: u32,
}

impl CreateDomain {
    /// A PV domain with the limits that the usual tools set.
    pub fn pv(uuid: Uuid, max_vcpus: u32) -> Self {
        Self {
            uuid,
            hvm: false,
            hap: false,
            max_vcpus,
            max_evtchn_port: 1023,
            max_grant_frames: 64,
            max_maptrack_frames: 1024,
            emulation_flags: 0,
            cpupool: 0,
        }
    }
}

/// The flag word of `getdomaininfo`, without the shutdown code.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub struct DomainFlags {
    /// Being torn down, or kept by somebody's mapping of its pages.
    pub dying: bool,
    /// PVH or HVM.
    pub hvm: bool,
    /// Has shut down; see `DomainInfo::shutdown`.
    pub shutdown: bool,
    /// Paused by a toolstack.
    pub paused: bool,
    /// All vcpus wait for events.
    pub blocked: bool,
    /// A vcpu is on a processor.
    pub running: bool,
}

/// Why a domain shut down (`hypervisor-interface` §2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownCode {
    /// 0
    Poweroff,
    /// 1
    Reboot,
    /// 2
    Suspend,
    /// 3
    Crash,
    /// 4
    Watchdog,
    /// 5
    SoftReset,
    /// A number this program does not know.
    Other(u8),
}

impl ShutdownCode {
    /// From the byte in the flag word.
    pub fn from_raw(code: u8) -> Self {
        match code {
            0 => Self::Poweroff,
            1 => Self::Reboot,
            2 => Self::Suspend,
            3 => Self::Crash,
            4 => Self::Watchdog,
            5 => Self::SoftReset,
            other => Self::Other(other),
        }
    }

    /// The byte in the flag word.
    pub fn to_raw(self) -> u8 {
        match self {
            Self::Poweroff => 0,
            Self::Reboot => 1,
            Self::Suspend => 2,
            Self::Crash => 3,
            Self::Watchdog => 4,
            Self::SoftReset => 5,
            Self::Other(code) => code,
        }
    }
}

/// One entry of the domain list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DomainInfo {
    /// Live number.
    pub domid: DomId,
    /// The handle, which is the domain's UUID.
    pub uuid: Uuid,
    /// Flag word.
    pub flags: DomainFlags,
    /// Set exactly when `flags.shutdown` is.
    pub shutdown: Option<ShutdownCode>,
    /// Pages it has.
    pub tot_pages: u64,
    /// Pages it may have.
    pub max_pages: u64,
    /// Machine frame (PV) or guest frame of the shared info page.
    pub shared_info_frame: u64,
    /// CPU time of all vcpus, nanoseconds.
    pub cpu_time_ns: u64,
    /// Vcpus that are up.
    pub nr_online_vcpus: u32,
    /// Highest vcpu number; `None` before the vcpus are allocated.
    pub max_vcpu_id: Option<u32>,
    /// CPU pool; `None` for a dying domain without one.
    pub cpupool: Option<u32>,
}

/// One vcpu (`getvcpuinfo`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VcpuInfo {
    /// Brought up by the guest.
    pub online: bool,
    /// Waits for events.
    pub blocked: bool,
    /// On a processor now.
    pub running: bool,
    /// Nanoseconds.
    pub cpu_time_ns: u64,
    /// Processor it runs on or ran on last.
    pub cpu: u32,
}

/// First registers of a 64-bit PV vcpu (`hypervisor-interface` §3.8); everything else starts at its fixed value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VcpuContext {
    /// Entry point.
    pub rip: u64,
    /// Top of the boot stack; also the kernel stack.
    pub rsp: u64,
    /// Address of the start info page.
    pub rsi: u64,
    /// Frame of the top page table.
    pub l4_mfn: Mfn,
}

/// `xen_version` in one value, read when the connection is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XenVersion {
    /// 4
    pub major: u32,
    /// 14 … 22
    pub minor: u32,
    /// `.4-pre`
    pub extra: String,
    /// `xen-3.0-x86_64 hvm-3.0-x86_32 …`
    pub capabilities: String,
    /// Source revision or `unavailable`.
    pub changeset: String,
    /// Xen's own boot line.
    pub command_line: String,
    /// Compiler that built it.
    pub compiler: String,
    /// Who built it.
    pub compile_by: String,
    /// Where.
    pub compile_domain: String,
    /// When.
    pub compile_date: String,
    /// 4096
    pub page_size: u64,
    /// Start of the hypervisor's hole in the address space.
    pub virt_start: u64,
    /// Number that `domctl` accepted, `None` when it is not one this program knows.
    pub domctl: Option<u32>,
    /// Number that `sysctl` accepted.
    pub sysctl: Option<u32>,
}

/// `physinfo`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PhysInfo {
    /// Hyperthreads of a core.
    pub threads_per_core: u32,
    /// Cores of a socket.
    pub cores_per_socket: u32,
    /// Processors online.
    pub nr_cpus: u32,
    /// Highest processor number.
    pub max_cpu_id: u32,
    /// NUMA nodes.
    pub nr_nodes: u32,
    /// Clock, kHz.
    pub cpu_khz: u32,
    /// Bits: 0 hvm, 1 pv, 2 IOMMU, 3 hap, 4 shadow, … (`hypervisor-interface` §2.8)
    pub capabilities: u32,
    /// Pages of the machine.
    pub total_pages: u64,
    /// Pages that are free.
    pub free_pages: u64,
    /// Free pages still to be cleaned.
    pub scrub_pages: u64,
    /// Pages claimed and not allocated yet.
    pub outstanding_pages: u64,
    /// CPUID feature words.
    pub hw_cap: [u32; 8],
}

/// A scheduler's number (`sched_id`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduler {
    /// 5
    Credit,
    /// 6
    Credit2,
    /// 7
    Arinc653,
    /// 8
    Rtds,
    /// 9
    Null,
    /// A number this program does not know.
    Other(u32),
}

/// Where a processor sits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuPlace {
    /// Core inside the socket.
    pub core: u32,
    /// Socket.
    pub socket: u32,
    /// NUMA node.
    pub node: u32,
}

/// A NUMA node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumaNode {
    /// Bytes.
    pub size: u64,
    /// Bytes.
    pub free: u64,
    /// Distance to each node, in order.
    pub distances: Vec<u32>,
}

/// How `read_console` treats the ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleRead {
    /// Leave it as it is.
    Keep,
    /// Empty it afterwards.
    Clear,
}
