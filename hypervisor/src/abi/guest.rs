//! Pages that a guest and its builder share: offsets in bytes from the start of the page, and the few fixed values.
//!
//! Written by the builder (`xend::builder`), read by guests, by the simulator's scripted ones too. The same on every
//! release from 4.14 to 4.22, except for two fields at the end of the rings, which carry the release in their text.
//! `tests/abi` compares each number with the headers of each release.

/// The page whose address the guest finds in `rsi`.
pub mod start_info {
    /// Bytes used; the rest of the page is zero.
    pub const SIZE: usize = 1168;
    /// `char[32]`: [`MAGIC_VALUE`], NUL padded.
    pub const MAGIC: usize = 0;
    /// u64: pages the guest starts with.
    pub const NR_PAGES: usize = 32;
    /// u64: machine *address* (frame << 12) of the shared info page.
    pub const SHARED_INFO: usize = 40;
    /// u32: [`FLAG_MOD_START_PFN`] and its neighbours.
    pub const FLAGS: usize = 48;
    /// u64: machine frame of the xenstore ring.
    pub const STORE_MFN: usize = 56;
    /// u32: the guest's port to xenstored.
    pub const STORE_EVTCHN: usize = 64;
    /// u64: machine frame of the console ring.
    pub const CONSOLE_MFN: usize = 72;
    /// u32: the guest's port to xenconsoled.
    pub const CONSOLE_EVTCHN: usize = 80;
    /// u64: virtual address of the L4 page table.
    pub const PT_BASE: usize = 88;
    /// u64: page-table pages of the main mapping.
    pub const NR_PT_FRAMES: usize = 96;
    /// u64: virtual address of the p2m.
    pub const MFN_LIST: usize = 104;
    /// u64: virtual address of the ramdisk, or its pfn with [`FLAG_MOD_START_PFN`].
    pub const MOD_START: usize = 112;
    /// u64: bytes of the ramdisk.
    pub const MOD_LEN: usize = 120;
    /// `char[1024]`: the kernel's command line, NUL terminated.
    pub const CMD_LINE: usize = 128;
    /// Bytes at [`CMD_LINE`], the NUL included.
    pub const CMD_LINE_SIZE: usize = 1024;
    /// u64: first pfn of the p2m area, when the kernel says where it wants the p2m.
    pub const FIRST_P2M_PFN: usize = 1152;
    /// u64: pages of that area, its page tables included.
    pub const NR_P2M_FRAMES: usize = 1160;

    /// What a 64-bit PV guest expects at [`MAGIC`].
    pub const MAGIC_VALUE: &[u8] = b"xen-3.0-x86_64";
    /// Bytes at [`MAGIC`].
    pub const MAGIC_SIZE: usize = 32;
    /// `flags`: the guest is privileged.
    pub const FLAG_PRIVILEGED: u32 = 1;
    /// `flags`: the guest is the initial domain.
    pub const FLAG_INITDOMAIN: u32 = 2;
    /// `flags`: [`MOD_START`] is a list of modules.
    pub const FLAG_MULTIBOOT_MOD: u32 = 4;
    /// `flags`: [`MOD_START`] is a pfn, the ramdisk being unmapped.
    pub const FLAG_MOD_START_PFN: u32 = 8;
    /// `flags`: the tools can read the linear p2m, so the guest need not keep the tree.
    pub const FLAG_VIRT_P2M_4TOOLS: u32 = 16;
}

/// The page that Xen and the guest share.
pub mod shared_info {
    /// Bytes used; the rest of the page is zero.
    pub const SIZE: usize = 3136;
    /// First `vcpu_info`; vcpu N's is at `VCPU_INFO + N * VCPU_INFO_SIZE`.
    pub const VCPU_INFO: usize = 0;
    /// Bytes of a `vcpu_info`.
    pub const VCPU_INFO_SIZE: usize = 64;
    /// Vcpus that have their `vcpu_info` here.
    pub const NR_VCPU_INFO: usize = 32;
    /// u8 inside a `vcpu_info`: an event waits.
    pub const VCPU_UPCALL_PENDING: usize = 0;
    /// u8 inside a `vcpu_info`: events are held back; the builder sets it to 1 for all.
    pub const VCPU_UPCALL_MASK: usize = 1;
    /// u64 inside a `vcpu_info`: words of [`EVTCHN_PENDING`] that have a bit set.
    pub const VCPU_PENDING_SEL: usize = 8;
    /// u64\[64\]: ports with an event.
    pub const EVTCHN_PENDING: usize = 2048;
    /// u64\[64\]: ports that are held back.
    pub const EVTCHN_MASK: usize = 2560;
    /// u32: version of the wall clock, odd while it changes.
    pub const WC_VERSION: usize = 3072;
    /// u32: wall clock at boot, seconds.
    pub const WC_SEC: usize = 3076;
    /// u32: and its nanoseconds.
    pub const WC_NSEC: usize = 3080;
    /// u32: and the seconds' upper half.
    pub const WC_SEC_HI: usize = 3084;
    /// u64: highest pfn in the p2m; first field of the part that the guest fills.
    pub const ARCH_MAX_PFN: usize = 3088;
    /// u64: frame of the p2m tree's top.
    pub const ARCH_P2M_FRAME_LIST_LIST: usize = 3096;
    /// u64: why the last NMI came.
    pub const ARCH_NMI_REASON: usize = 3104;
    /// u64: page table that maps the linear p2m.
    pub const ARCH_P2M_CR3: usize = 3112;
    /// u64: virtual address of the linear p2m.
    pub const ARCH_P2M_VADDR: usize = 3120;
    /// u64: counts changes of the linear p2m.
    pub const ARCH_P2M_GENERATION: usize = 3128;
}

/// The ring between a guest's console and xenconsoled (or its simulator).
pub mod console_ring {
    /// `char[1024]`: towards the guest.
    pub const IN: usize = 0;
    /// Bytes at [`IN`], a power of two.
    pub const IN_SIZE: usize = 1024;
    /// `char[2048]`: from the guest.
    pub const OUT: usize = 1024;
    /// Bytes at [`OUT`], a power of two.
    pub const OUT_SIZE: usize = 2048;
    /// u32: consumed by the guest; indexes run freely and are masked when used.
    pub const IN_CONS: usize = 3072;
    /// u32: produced by the daemon.
    pub const IN_PROD: usize = 3076;
    /// u32: consumed by the daemon.
    pub const OUT_CONS: usize = 3080;
    /// u32: produced by the guest.
    pub const OUT_PROD: usize = 3084;
    /// u8, from 4.21: [`CONNECTED`] or [`DISCONNECTED`]; earlier daemons never touch it.
    pub const CONNECTION: usize = 3088;
    /// Value of [`CONNECTION`]: a daemon serves the ring.
    pub const CONNECTED: u8 = 0;
    /// Value of [`CONNECTION`]: nobody serves it yet.
    pub const DISCONNECTED: u8 = 1;
}

/// The ring between a guest and xenstored.
pub mod xenstore_ring {
    /// `char[1024]`: requests of the guest.
    pub const REQ: usize = 0;
    /// `char[1024]`: answers and watch events.
    pub const RSP: usize = 1024;
    /// Bytes of each direction, a power of two.
    pub const RING_SIZE: usize = 1024;
    /// u32: consumed by xenstored; indexes run freely and are masked when used.
    pub const REQ_CONS: usize = 2048;
    /// u32: produced by the guest.
    pub const REQ_PROD: usize = 2052;
    /// u32: consumed by the guest.
    pub const RSP_CONS: usize = 2056;
    /// u32: produced by xenstored.
    pub const RSP_PROD: usize = 2060;
    /// u32: features of the server, bits.
    pub const SERVER_FEATURES: usize = 2064;
    /// u32: 0 connected, 1 reconnect in progress.
    pub const CONNECTION: usize = 2068;
    /// u32, from 4.17: why the server gave up.
    pub const ERROR: usize = 2072;
    /// u32, from 4.21: the guest's port, for guests that were not told otherwise.
    pub const EVTCHN_PORT: usize = 2076;
}

/// Version 1 of the grant table: what every new table starts as.
pub mod grant_v1 {
    use crate::DomId;

    /// Bytes of an entry.
    pub const ENTRY_SIZE: usize = 8;
    /// u16 in an entry: [`PERMIT_ACCESS`] and its neighbours; written last, since it makes the entry valid.
    pub const FLAGS: usize = 0;
    /// u16 in an entry: who may map the page.
    pub const DOMID: usize = 2;
    /// u32 in an entry: machine frame (PV) or guest frame.
    pub const FRAME: usize = 4;
    /// Value of [`FLAGS`]: the page may be mapped, for writing too.
    pub const PERMIT_ACCESS: u16 = 1;
    /// Reference of the console page, reserved for the builder.
    pub const REF_CONSOLE: u32 = 0;
    /// Reference of the xenstore page, reserved for the builder.
    pub const REF_XENSTORE: u32 = 1;

    /// Where an entry begins in the table.
    pub const fn offset_of(reference: u32) -> usize {
        reference as usize * ENTRY_SIZE
    }

    /// An entry that lets `domid` map `frame`. The table holds 32 bits for the frame (16 TiB); `None` beyond.
    pub fn permit(domid: DomId, frame: u64) -> Option<[u8; ENTRY_SIZE]> {
        let frame = u32::try_from(frame).ok()?;
        let mut entry = [0; ENTRY_SIZE];
        entry[FLAGS..FLAGS + 2].copy_from_slice(&PERMIT_ACCESS.to_le_bytes());
        entry[DOMID..DOMID + 2].copy_from_slice(&domid.0.to_le_bytes());
        entry[FRAME..FRAME + 4].copy_from_slice(&frame.to_le_bytes());
        Some(entry)
    }
}

/// Bits of a page-table entry that the builder sets (`hypervisor-interface` §3.5).
pub mod page_table {
    /// L4, L3 and L2: present, writable, user, accessed, dirty. User, since a 64-bit PV kernel runs in ring 3.
    pub const UPPER: u64 = 0x67;
    /// L1, ordinary page: present, writable, accessed.
    pub const LEAF: u64 = 0x23;
    /// L1, a page that is itself a page table: Xen refuses to pin a tree that could write to itself.
    pub const LEAF_READ_ONLY: u64 = 0x21;
    /// Entries of a table.
    pub const ENTRIES: usize = 512;
    /// Value of a p2m entry without a page.
    pub const INVALID_P2M_ENTRY: u64 = u64::MAX;
}

#[cfg(test)]
mod tests {
    use super::grant_v1;
    use crate::DomId;

    #[test]
    fn a_permission_names_the_domain_and_the_frame() {
        assert_eq!(grant_v1::permit(DomId(0x0102), 0x0304_0506), Some([1, 0, 2, 1, 6, 5, 4, 3]));
        assert_eq!(grant_v1::offset_of(grant_v1::REF_XENSTORE), 8);
    }

    #[test]
    fn a_frame_beyond_32_bits_has_no_version_1_entry() {
        assert_eq!(grant_v1::permit(DomId(0), 1 << 32), None);
    }
}
