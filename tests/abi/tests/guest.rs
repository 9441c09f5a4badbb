//! The pages that guest and builder share, against the headers of each release.

use abi_tests::{Expected, Golden};
use hypervisor::DomId;
use hypervisor::abi::guest::{console_ring, grant_v1, shared_info, start_info, xenstore_ring};

/// Each constant against its field, on every release that has the field; `since` is the first.
fn assert_offsets(structure: &str, offsets: &[(usize, &str, u32)]) {
    for golden in Golden::all() {
        for (offset, field, since) in offsets {
            let found = golden.find(structure, field).map(|place| place.offset);
            let expected = (golden.minor >= *since).then_some(*offset);
            assert_eq!(found, expected, "4.{}: {structure}.{field}", golden.minor);
        }
    }
}

const ALWAYS: u32 = 14;

#[test]
fn start_info_is_the_same_everywhere() {
    assert_offsets(
        "start_info",
        &[
            (start_info::MAGIC, "magic", ALWAYS),
            (start_info::NR_PAGES, "nr_pages", ALWAYS),
            (start_info::SHARED_INFO, "shared_info", ALWAYS),
            (start_info::FLAGS, "flags", ALWAYS),
            (start_info::STORE_MFN, "store_mfn", ALWAYS),
            (start_info::STORE_EVTCHN, "store_evtchn", ALWAYS),
            (start_info::CONSOLE_MFN, "console.domU.mfn", ALWAYS),
            (start_info::CONSOLE_EVTCHN, "console.domU.evtchn", ALWAYS),
            (start_info::PT_BASE, "pt_base", ALWAYS),
            (start_info::NR_PT_FRAMES, "nr_pt_frames", ALWAYS),
            (start_info::MFN_LIST, "mfn_list", ALWAYS),
            (start_info::MOD_START, "mod_start", ALWAYS),
            (start_info::MOD_LEN, "mod_len", ALWAYS),
            (start_info::CMD_LINE, "cmd_line", ALWAYS),
            (start_info::FIRST_P2M_PFN, "first_p2m_pfn", ALWAYS),
            (start_info::NR_P2M_FRAMES, "nr_p2m_frames", ALWAYS),
        ],
    );
    for golden in Golden::all() {
        assert_eq!(golden.size("start_info"), start_info::SIZE);
        assert_eq!(golden.field("start_info", "magic").size, start_info::MAGIC_SIZE);
        assert_eq!(golden.field("start_info", "cmd_line").size, start_info::CMD_LINE_SIZE);
        for (value, name) in [
            (start_info::FLAG_PRIVILEGED, "SIF_PRIVILEGED"),
            (start_info::FLAG_INITDOMAIN, "SIF_INITDOMAIN"),
            (start_info::FLAG_MULTIBOOT_MOD, "SIF_MULTIBOOT_MOD"),
            (start_info::FLAG_MOD_START_PFN, "SIF_MOD_START_PFN"),
            (start_info::FLAG_VIRT_P2M_4TOOLS, "SIF_VIRT_P2M_4TOOLS"),
        ] {
            assert_eq!(u64::from(value), golden.value(name), "4.{}: {name}", golden.minor);
        }
    }
}

#[test]
fn shared_info_is_the_same_everywhere() {
    assert_offsets(
        "shared_info",
        &[
            (shared_info::VCPU_INFO, "vcpu_info", ALWAYS),
            (shared_info::EVTCHN_PENDING, "evtchn_pending", ALWAYS),
            (shared_info::EVTCHN_MASK, "evtchn_mask", ALWAYS),
            (shared_info::WC_VERSION, "wc_version", ALWAYS),
            (shared_info::WC_SEC, "wc_sec", ALWAYS),
            (shared_info::WC_NSEC, "wc_nsec", ALWAYS),
            (shared_info::WC_SEC_HI, "wc_sec_hi", ALWAYS),
            (shared_info::ARCH_MAX_PFN, "arch.max_pfn", ALWAYS),
            (shared_info::ARCH_P2M_FRAME_LIST_LIST, "arch.pfn_to_mfn_frame_list_list", ALWAYS),
            (shared_info::ARCH_NMI_REASON, "arch.nmi_reason", ALWAYS),
            (shared_info::ARCH_P2M_CR3, "arch.p2m_cr3", ALWAYS),
            (shared_info::ARCH_P2M_VADDR, "arch.p2m_vaddr", ALWAYS),
            (shared_info::ARCH_P2M_GENERATION, "arch.p2m_generation", ALWAYS),
        ],
    );
    assert_offsets(
        "vcpu_info",
        &[
            (shared_info::VCPU_UPCALL_PENDING, "evtchn_upcall_pending", ALWAYS),
            (shared_info::VCPU_UPCALL_MASK, "evtchn_upcall_mask", ALWAYS),
            (shared_info::VCPU_PENDING_SEL, "evtchn_pending_sel", ALWAYS),
        ],
    );
    for golden in Golden::all() {
        assert_eq!(golden.size("shared_info"), shared_info::SIZE);
        assert_eq!(golden.size("vcpu_info"), shared_info::VCPU_INFO_SIZE);
        assert_eq!(golden.value("XEN_LEGACY_MAX_VCPUS"), shared_info::NR_VCPU_INFO as u64);
    }
}

#[test]
fn the_console_ring_has_its_connection_byte_from_4_21_on() {
    assert_offsets(
        "xencons_interface",
        &[
            (console_ring::IN, "in", ALWAYS),
            (console_ring::OUT, "out", ALWAYS),
            (console_ring::IN_CONS, "in_cons", ALWAYS),
            (console_ring::IN_PROD, "in_prod", ALWAYS),
            (console_ring::OUT_CONS, "out_cons", ALWAYS),
            (console_ring::OUT_PROD, "out_prod", ALWAYS),
            (console_ring::CONNECTION, "connection", 21),
        ],
    );
    for golden in Golden::all() {
        assert_eq!(golden.field("xencons_interface", "in").size, console_ring::IN_SIZE);
        assert_eq!(golden.field("xencons_interface", "out").size, console_ring::OUT_SIZE);
    }
    let last = Golden::all().pop().unwrap();
    assert_eq!(last.value("XENCONSOLE_CONNECTED"), console_ring::CONNECTED.into());
    assert_eq!(last.value("XENCONSOLE_DISCONNECTED"), console_ring::DISCONNECTED.into());
}

#[test]
fn the_xenstore_ring_has_grown_twice() {
    assert_offsets(
        "xenstore_domain_interface",
        &[
            (xenstore_ring::REQ, "req", ALWAYS),
            (xenstore_ring::RSP, "rsp", ALWAYS),
            (xenstore_ring::REQ_CONS, "req_cons", ALWAYS),
            (xenstore_ring::REQ_PROD, "req_prod", ALWAYS),
            (xenstore_ring::RSP_CONS, "rsp_cons", ALWAYS),
            (xenstore_ring::RSP_PROD, "rsp_prod", ALWAYS),
            (xenstore_ring::SERVER_FEATURES, "server_features", ALWAYS),
            (xenstore_ring::CONNECTION, "connection", ALWAYS),
            (xenstore_ring::ERROR, "error", 17),
            (xenstore_ring::EVTCHN_PORT, "evtchn_port", 21),
        ],
    );
    for golden in Golden::all() {
        assert_eq!(golden.field("xenstore_domain_interface", "req").size, xenstore_ring::RING_SIZE);
        assert_eq!(golden.field("xenstore_domain_interface", "rsp").size, xenstore_ring::RING_SIZE);
    }
}

#[test]
fn a_grant_is_laid_out_as_in_each_release() {
    for golden in Golden::all() {
        let expected = Expected::new(&golden, golden.size("grant_entry_v1"))
            .put("grant_entry_v1", "flags", golden.value("GTF_permit_access"))
            .put("grant_entry_v1", "domid", 0x0102)
            .put("grant_entry_v1", "frame", 0x0304_0506)
            .done();
        assert_eq!(grant_v1::permit(DomId(0x0102), 0x0304_0506).unwrap().as_slice(), expected);
        assert_eq!(u64::from(grant_v1::REF_CONSOLE), golden.value("GNTTAB_RESERVED_CONSOLE"));
        assert_eq!(u64::from(grant_v1::REF_XENSTORE), golden.value("GNTTAB_RESERVED_XENSTORE"));
    }
}
