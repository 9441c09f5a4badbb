//! The hypercalls without an interface number, and Linux' ioctls: their layouts must never have changed.

use abi_tests::{Expected, Golden};
use hypervisor::abi::privcmd::{self, Batch};
use hypervisor::abi::version::{self, Text};
use hypervisor::abi::{Argument, Reply, Request, event_channel, grant_table, memory, sched};
use hypervisor::{DomId, ShutdownCode};

const DOMID: DomId = DomId(0x1234);

fn is_call(golden: &Golden, request: &Request, hypercall: &str, sub: &str) {
    assert_eq!(u64::from(request.hypercall()), golden.value(hypercall), "4.{}: {sub}", golden.minor);
    let expected = [Argument::Value(golden.value(sub)), Argument::Address(0)];
    assert_eq!(request.arguments()[..2], expected, "4.{}: {sub}", golden.minor);
}

#[test]
fn populate_lists_its_extents_and_reads_what_was_done() {
    for golden in Golden::all() {
        let made = memory::populate(DOMID, 9, &[0x1_0000_0001, 2, 3]);
        is_call(&golden, &made, "__HYPERVISOR_memory_op", "XENMEM_populate_physmap");
        let s = "memory_reservation";
        Expected::new(&golden, golden.size(s))
            .put(s, "nr_extents", 3)
            .put(s, "extent_order", 9)
            .put(s, "domid", 0x1234)
            .assert_begins(&made);
        assert_eq!(made.links().len(), 1);
        assert_eq!(made.links()[0].at, golden.field(s, "extent_start").offset);
        let list = &made.image()[made.payload_at(0)..];
        assert_eq!(list, [0x1_0000_0001_u64, 2, 3].map(u64::to_le_bytes).concat());

        let reply = |value| Reply { value, image: made.image().to_vec() };
        assert_eq!(memory::populate_answer(&made, &reply(2)), [0x1_0000_0001, 2]);
        assert_eq!(memory::populate_answer(&made, &reply(0)), []);
        assert_eq!(memory::populate_answer(&made, &reply(u64::MAX)).len(), 3);
    }
}

#[test]
fn a_claim_names_pages_and_no_list() {
    for golden in Golden::all() {
        let made = memory::claim_pages(DOMID, 0x1_0000_0001);
        is_call(&golden, &made, "__HYPERVISOR_memory_op", "XENMEM_claim_pages");
        assert_eq!(made.links(), []);
        Expected::new(&golden, golden.size("memory_reservation"))
            .put("memory_reservation", "nr_extents", 0x1_0000_0001)
            .put("memory_reservation", "domid", 0x1234)
            .assert_begins(&made);
    }
}

#[test]
fn the_memory_map_is_one_entry_of_ram() {
    for golden in Golden::all() {
        let made = memory::set_memory_map(DOMID, 0x1_0000_2000);
        is_call(&golden, &made, "__HYPERVISOR_memory_op", "XENMEM_set_memory_map");
        let s = "foreign_memory_map";
        Expected::new(&golden, golden.size(s))
            .put(s, "domid", 0x1234)
            .put(s, "map.nr_entries", 1)
            .assert_begins(&made);
        assert_eq!(made.links()[0].at, golden.field(s, "map.buffer").offset);
        // As the BIOS gives it: address, length, type 1, packed.
        let entry =
            [0_u64.to_le_bytes().as_slice(), &0x1_0000_2000_u64.to_le_bytes(), &1_u32.to_le_bytes()].concat();
        assert_eq!(&made.image()[made.payload_at(0)..], entry);
    }
}

#[test]
fn pinning_passes_one_operation_and_room_for_the_count() {
    for golden in Golden::all() {
        let made = memory::pin_l4_table(DOMID, 0x1_0000_0001);
        assert_eq!(u64::from(made.hypercall()), golden.value("__HYPERVISOR_mmuext_op"));
        let size = golden.size("mmuext_op");
        assert_eq!(
            made.arguments(),
            [Argument::Address(0), Argument::Value(1), Argument::Address(size), Argument::Value(0x1234)]
        );
        assert_eq!(made.image().len(), size + 4);
        Expected::new(&golden, size)
            .put("mmuext_op", "cmd", golden.value("MMUEXT_PIN_L4_TABLE"))
            .put("mmuext_op", "arg1.mfn", 0x1_0000_0001)
            .assert_begins(&made);
    }
}

#[test]
fn a_port_is_asked_for_and_read() {
    for golden in Golden::all() {
        let made = event_channel::alloc_unbound(DOMID, DomId(0x4321));
        is_call(&golden, &made, "__HYPERVISOR_event_channel_op", "EVTCHNOP_alloc_unbound");
        let s = "evtchn_alloc_unbound";
        let expected =
            Expected::new(&golden, golden.size(s)).put(s, "dom", 0x1234).put(s, "remote_dom", 0x4321);
        expected.assert_begins(&made);
        let reply = expected.put(s, "port", 0x0506_0708).reply(&made, &[]);
        assert_eq!(event_channel::alloc_unbound_answer(&reply), 0x0506_0708);
    }
}

#[test]
fn a_forced_shutdown_names_its_reason() {
    for golden in Golden::all() {
        for (name, code) in [
            ("poweroff", ShutdownCode::Poweroff),
            ("reboot", ShutdownCode::Reboot),
            ("suspend", ShutdownCode::Suspend),
            ("crash", ShutdownCode::Crash),
            ("watchdog", ShutdownCode::Watchdog),
            ("soft_reset", ShutdownCode::SoftReset),
        ] {
            let made = sched::remote_shutdown(DOMID, code);
            is_call(&golden, &made, "__HYPERVISOR_sched_op", "SCHEDOP_remote_shutdown");
            Expected::new(&golden, golden.size("sched_remote_shutdown"))
                .put("sched_remote_shutdown", "domain_id", 0x1234)
                .put("sched_remote_shutdown", "reason", golden.value(&format!("SHUTDOWN_{name}")))
                .assert_begins(&made);
        }
    }
}

#[test]
fn the_grant_table_is_set_up_and_found() {
    for golden in Golden::all() {
        let made = grant_table::setup_table(DOMID);
        is_call(&golden, &made, "__HYPERVISOR_grant_table_op", "GNTTABOP_setup_table");
        assert_eq!(made.arguments()[2], Argument::Value(1));
        let s = "gnttab_setup_table";
        let expected = Expected::new(&golden, golden.size(s)).put(s, "dom", 0x1234).put(s, "nr_frames", 1);
        expected.assert_begins(&made);
        assert_eq!(made.links()[0].at, golden.field(s, "frame_list").offset);
        let reply = expected.reply(&made, &0x1_0000_0001_u64.to_le_bytes());
        assert_eq!(grant_table::setup_table_answer(&made, &reply), Ok(0x1_0000_0001));
        let reply = expected.put(s, "status", (-3_i16).cast_unsigned().into()).reply(&made, &[]);
        assert_eq!(grant_table::setup_table_answer(&made, &reply), Err(-3));
        assert_eq!(golden.value("GNTST_okay"), 0);
    }
}

#[test]
fn versions_are_asked_for_with_room_for_the_answer() {
    for golden in Golden::all() {
        for (text, sub, size) in [
            (Text::Extra, "XENVER_extraversion", "sizeof(xen_extraversion_t)"),
            (Text::Capabilities, "XENVER_capabilities", "sizeof(xen_capabilities_info_t)"),
            (Text::Changeset, "XENVER_changeset", "sizeof(xen_changeset_info_t)"),
            (Text::CommandLine, "XENVER_commandline", "sizeof(xen_commandline_t)"),
        ] {
            let made = version::text(text);
            is_call(&golden, &made, "__HYPERVISOR_xen_version", sub);
            assert_eq!(made.image().len() as u64, golden.value(size), "4.{}: {sub}", golden.minor);
        }
        let made = version::virt_start();
        is_call(&golden, &made, "__HYPERVISOR_xen_version", "XENVER_platform_parameters");
        assert_eq!(made.image().len(), golden.size("platform_parameters"));
        for (request, sub) in
            [(version::release(), "XENVER_version"), (version::page_size(), "XENVER_pagesize")]
        {
            assert_eq!(request.arguments()[0], Argument::Value(golden.value(sub)));
            assert!(request.image().is_empty());
        }
    }
}

#[test]
fn who_built_xen_is_read_where_each_release_has_it() {
    for golden in Golden::all() {
        let made = version::build();
        is_call(&golden, &made, "__HYPERVISOR_xen_version", "XENVER_compile_info");
        assert_eq!(made.image().len(), golden.size("compile_info"));
        let reply = Expected::new(&golden, golden.size("compile_info"))
            .bytes("compile_info", "compiler", b"gcc")
            .bytes("compile_info", "compile_by", b"0123456789abcdef")
            .bytes("compile_info", "compile_domain", b"example.org")
            .bytes("compile_info", "compile_date", b"today")
            .reply(&made, &[]);
        let build = version::build_answer(&reply);
        assert_eq!(
            [build.compiler, build.by, build.domain, build.date],
            ["gcc", "0123456789abcdef", "example.org", "today"]
        );
    }
}

#[test]
fn the_ioctls_are_those_of_linux() {
    let golden = Golden::linux();
    for (number, name) in [
        (privcmd::HYPERCALL, "IOCTL_PRIVCMD_HYPERCALL"),
        (privcmd::MMAPBATCH_V2, "IOCTL_PRIVCMD_MMAPBATCH_V2"),
        (privcmd::MMAP_RESOURCE, "IOCTL_PRIVCMD_MMAP_RESOURCE"),
    ] {
        assert_eq!(u64::from(number), golden.value(name), "{name}");
    }
    let arguments: Vec<u8> = (1..=5_u64).flat_map(u64::to_le_bytes).collect();
    assert_eq!(
        privcmd::hypercall(36, &[1, 2, 3, 4, 5]).as_slice(),
        Expected::new(&golden, golden.size("privcmd_hypercall"))
            .put("privcmd_hypercall", "op", 36)
            .bytes("privcmd_hypercall", "arg", &arguments)
            .done()
    );
    let s = "privcmd_mmapbatch_v2";
    let batch = Batch { count: 0x11, address: 0x1_0000_0001, frames: 0x1_0000_0002, errors: 0x1_0000_0003 };
    assert_eq!(
        privcmd::mmap_batch(DOMID, &batch).as_slice(),
        Expected::new(&golden, golden.size(s))
            .put(s, "num", 0x11)
            .put(s, "dom", 0x1234)
            .put(s, "addr", 0x1_0000_0001)
            .put(s, "arr", 0x1_0000_0002)
            .put(s, "err", 0x1_0000_0003)
            .done()
    );
    let s = "privcmd_mmap_resource";
    let xen = &Golden::all()[0];
    assert_eq!(
        privcmd::mmap_grant_table(DOMID, 0x1_0000_0001).as_slice(),
        Expected::new(&golden, golden.size(s))
            .put(s, "dom", 0x1234)
            .put(s, "type", xen.value("XENMEM_resource_grant_table"))
            .put(s, "id", xen.value("XENMEM_resource_grant_table_id_shared"))
            .put(s, "num", 1)
            .put(s, "addr", 0x1_0000_0001)
            .done()
    );
}
