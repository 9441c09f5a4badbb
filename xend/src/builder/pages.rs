//! Content of the pages through which a guest learns what it is: start info, shared info, the first grants.

use hypervisor::{
    DomId, Mapping, Mfn, PAGE_SIZE,
    abi::guest::{grant_v1, shared_info, start_info},
};

use super::{layout::Layout, pv::RingChannel};

/// What goes into the start info page besides the layout.
pub(super) struct StartInfo<'a> {
    pub(super) layout: &'a Layout,
    pub(super) shared_info: Mfn,
    pub(super) store: (Mfn, RingChannel),
    pub(super) console: (Mfn, RingChannel),
    /// Bytes of the ramdisk, and whether the guest gets its pfn instead of its address.
    pub(super) ramdisk: Option<(u64, RamdiskBy)>,
    pub(super) cmdline: &'a str,
}

/// How the guest is told where its ramdisk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RamdiskBy {
    Address,
    Pfn,
}

impl StartInfo<'_> {
    pub(super) fn page(&self) -> [u8; PAGE_SIZE] {
        let mut page = [0; PAGE_SIZE];
        let layout = self.layout;
        let tables = layout.tables.main_tables();
        page[start_info::MAGIC..][..start_info::MAGIC_VALUE.len()].copy_from_slice(start_info::MAGIC_VALUE);
        put64(&mut page, start_info::NR_PAGES, layout.nr_pages);
        put64(&mut page, start_info::SHARED_INFO, self.shared_info << 12);
        put64(&mut page, start_info::STORE_MFN, self.store.0);
        put32(&mut page, start_info::STORE_EVTCHN, self.store.1.port);
        put64(&mut page, start_info::CONSOLE_MFN, self.console.0);
        put32(&mut page, start_info::CONSOLE_EVTCHN, self.console.1.port);
        put64(&mut page, start_info::PT_BASE, layout.va(tables.start));
        put64(&mut page, start_info::NR_PT_FRAMES, tables.pages);
        put64(&mut page, start_info::MFN_LIST, layout.p2m_va);
        if let (Some(range), Some((len, by))) = (layout.ramdisk, self.ramdisk) {
            let (start, flags) = match by {
                RamdiskBy::Address => (layout.va(range.start), 0),
                RamdiskBy::Pfn => (range.start, start_info::FLAG_MOD_START_PFN),
            };
            put64(&mut page, start_info::MOD_START, start);
            put64(&mut page, start_info::MOD_LEN, len);
            put32(&mut page, start_info::FLAGS, flags);
        }
        let cmdline = self.cmdline_bytes();
        page[start_info::CMD_LINE..][..cmdline.len()].copy_from_slice(cmdline);
        if let Some(area) = layout.p2m_area {
            put64(&mut page, start_info::FIRST_P2M_PFN, area.start);
            put64(&mut page, start_info::NR_P2M_FRAMES, area.pages);
        }
        page
    }

    /// What fits, with room for the NUL.
    fn cmdline_bytes(&self) -> &[u8] {
        let bytes = self.cmdline.as_bytes();
        let fits = bytes.len().min(start_info::CMD_LINE_SIZE - 1);
        if fits < bytes.len() {
            tracing::warn!(len = bytes.len(), "kernel command line is longer than 1023 bytes and was cut");
        }
        &bytes[..fits]
    }
}

/// The shared info page of a guest that has not run: no events, all of them held back.
pub(super) fn shared_info_page() -> [u8; PAGE_SIZE] {
    let mut page = [0; PAGE_SIZE];
    for vcpu in 0..shared_info::NR_VCPU_INFO {
        let info = shared_info::VCPU_INFO + vcpu * shared_info::VCPU_INFO_SIZE;
        page[info + shared_info::VCPU_UPCALL_MASK] = 1;
    }
    page
}

/// Lets `backend` map `frame`; false when a grant can't name the frame.
pub(super) fn seed_grant(table: &mut dyn Mapping, reference: u32, backend: DomId, frame: Mfn) -> bool {
    let Some(entry) = grant_v1::permit(backend, frame) else { return false };
    let at = grant_v1::offset_of(reference);
    // The flags make the entry valid, so they come last.
    table.write(at + grant_v1::DOMID, &entry[grant_v1::DOMID..]);
    table.write(at + grant_v1::FLAGS, &entry[grant_v1::FLAGS..grant_v1::DOMID]);
    true
}

fn put64(page: &mut [u8], at: usize, value: u64) {
    page[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

fn put32(page: &mut [u8], at: usize, value: u32) {
    page[at..at + 4].copy_from_slice(&value.to_le_bytes());
}
