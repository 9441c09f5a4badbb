//! `domctl` requests and answers against the headers of each release.

use abi_tests::{Expected, Golden};
use hypervisor::abi::create_domain::{self, GrantVersion};
use hypervisor::abi::domctl::{self, Permission};
use hypervisor::abi::{Argument, Dialect, Reply, Request, domain_info, vcpu_context};
use hypervisor::{CreateDomain, DomId, ShutdownCode, VcpuContext};
use uuid::Uuid;

const DOMID: DomId = DomId(0x1234);

fn is_domctl(golden: &Golden, request: &Request) {
    assert_eq!(u64::from(request.hypercall()), golden.value("__HYPERVISOR_domctl"));
    assert_eq!(request.arguments(), [Argument::Address(0)]);
}

fn handle() -> Uuid {
    Uuid::from_bytes(std::array::from_fn(|n| 0xa0 + n as u8))
}

#[test]
fn the_numbers_of_each_dialect_are_those_of_its_releases() {
    for golden in Golden::all() {
        assert_eq!(u64::from(golden.dialect().domctl()), golden.value("XEN_DOMCTL_INTERFACE_VERSION"));
        assert_eq!(u64::from(golden.dialect().sysctl()), golden.value("XEN_SYSCTL_INTERFACE_VERSION"));
    }
}

#[test]
fn createdomain_is_laid_out_as_in_each_release() {
    let request = CreateDomain {
        uuid: handle(),
        hvm: true,
        hap: true,
        max_vcpus: 0x0102_0304,
        max_evtchn_port: 0x1112_1314,
        max_grant_frames: 0x2122_2324,
        max_maptrack_frames: -2,
        emulation_flags: 0x4142_4344,
        cpupool: 0x5152_5354,
    };
    for golden in Golden::all() {
        let made = domctl::create(golden.dialect(), &request, GrantVersion::V2);
        is_domctl(&golden, &made);
        // Named DOMID_ANY only by the last release; all take it (hypervisor-interface §0.1).
        let flags = golden.value("XEN_DOMCTL_CDF_hvm") | golden.value("XEN_DOMCTL_CDF_hap");
        golden
            .domctl("XEN_DOMCTL_createdomain", 0x7ff5)
            .bytes("createdomain", "handle", handle().as_bytes())
            .put("createdomain", "flags", flags)
            .put("createdomain", "max_vcpus", 0x0102_0304)
            .put("createdomain", "max_evtchn_port", 0x1112_1314)
            .put("createdomain", "max_grant_frames", 0x2122_2324)
            .put("createdomain", "max_maptrack_frames", (-2_i32).cast_unsigned().into())
            .put("createdomain", "arch.emulation_flags", 0x4142_4344)
            .put_if_there("createdomain", "grant_opts", 2)
            .put_if_there("createdomain", "cpupool_id", 0x5152_5354)
            .assert_begins(&made);
        assert_eq!(create_domain::size(golden.dialect()), golden.size("createdomain"), "4.{}", golden.minor);
    }
}

#[test]
fn what_a_dialect_says_about_createdomain_is_what_the_release_has() {
    for golden in Golden::all() {
        let has = |field| golden.find("createdomain", field).is_some();
        assert_eq!(golden.dialect().creates_in_cpupool(), has("cpupool_id"), "4.{}", golden.minor);
        assert_eq!(golden.dialect().names_grant_version(), has("grant_opts"), "4.{}", golden.minor);
    }
    let last = Golden::all().pop().unwrap();
    assert_eq!(last.value("DOMID_ANY"), 0x7ff5);
}

#[test]
fn a_pv_domain_sets_no_flags_and_the_older_grant_version_when_told() {
    for golden in Golden::all() {
        let made = domctl::create(golden.dialect(), &CreateDomain::pv(handle(), 3), GrantVersion::V1);
        golden
            .domctl("XEN_DOMCTL_createdomain", 0x7ff5)
            .bytes("createdomain", "handle", handle().as_bytes())
            .put("createdomain", "max_vcpus", 3)
            .put("createdomain", "max_evtchn_port", 1023)
            .put("createdomain", "max_grant_frames", 64)
            .put("createdomain", "max_maptrack_frames", 1024)
            .put_if_there("createdomain", "grant_opts", 1)
            .assert_begins(&made);
    }
}

#[test]
fn the_chosen_number_is_read_where_xen_writes_it() {
    for golden in Golden::all() {
        let image = golden.domctl("XEN_DOMCTL_createdomain", 0x4321).done();
        assert_eq!(domctl::created(&Reply { value: 0, image }), DomId(0x4321));
    }
}

#[test]
fn calls_without_payload_carry_command_version_and_domain() {
    type Encode = fn(Dialect, DomId) -> Request;
    let calls: [(&str, Encode); 4] = [
        ("XEN_DOMCTL_destroydomain", domctl::destroy),
        ("XEN_DOMCTL_pausedomain", domctl::pause),
        ("XEN_DOMCTL_unpausedomain", domctl::unpause),
        ("XEN_DOMCTL_getdomaininfo", domctl::info),
    ];
    for golden in Golden::all() {
        for (name, encode) in calls {
            let made = encode(golden.dialect(), DOMID);
            is_domctl(&golden, &made);
            assert_eq!(made.image().len(), golden.size("domctl"));
            golden.domctl(name, 0x1234).assert_begins(&made);
        }
        let made = domctl::probe(golden.dialect().domctl());
        golden.domctl("XEN_DOMCTL_getdomaininfo", 0).assert_begins(&made);
    }
}

#[test]
fn calls_with_one_field_put_it_where_each_release_has_it() {
    for golden in Golden::all() {
        let dialect = golden.dialect();
        let cases = [
            (domctl::max_mem(dialect, DOMID, 0x0102_0304_0506), "XEN_DOMCTL_max_mem", "max_mem", "max_memkb"),
            (
                domctl::hypercall_init(dialect, DOMID, 0x0102_0304_0506),
                "XEN_DOMCTL_hypercall_init",
                "hypercall_init",
                "gmfn",
            ),
            (domctl::max_vcpus(dialect, DOMID, 0x0304_0506), "XEN_DOMCTL_max_vcpus", "max_vcpus", "max"),
            (
                domctl::set_address_size(dialect, DOMID, 0x0304_0506),
                "XEN_DOMCTL_set_address_size",
                "address_size",
                "size",
            ),
            (domctl::vcpu_info(dialect, DOMID, 0x0304_0506), "XEN_DOMCTL_getvcpuinfo", "getvcpuinfo", "vcpu"),
        ];
        for (made, command, structure, field) in cases {
            is_domctl(&golden, &made);
            golden.domctl(command, 0x1234).put(structure, field, 0x0102_0304_0506).assert_begins(&made);
        }
    }
}

#[test]
fn irq_permission_follows_the_width_of_its_number() {
    for golden in Golden::all() {
        let made = domctl::irq_permission(golden.dialect(), DOMID, 0xfe, Permission::Grant).unwrap();
        golden
            .domctl("XEN_DOMCTL_irq_permission", 0x1234)
            .put("irq_permission", "pirq", 0xfe)
            .put("irq_permission", "allow_access", 1)
            .assert_begins(&made);
        let wide = golden.field("irq_permission", "pirq").size == 4;
        let big = domctl::irq_permission(golden.dialect(), DOMID, 0x0102_0304, Permission::Revoke);
        assert_eq!(big.is_some(), wide, "4.{}", golden.minor);
        if let Some(made) = big {
            golden
                .domctl("XEN_DOMCTL_irq_permission", 0x1234)
                .put("irq_permission", "pirq", 0x0102_0304)
                .assert_begins(&made);
        }
    }
}

fn info_entry(golden: &Golden) -> Expected<'_> {
    let flags = golden.value("XEN_DOMINF_dying")
        | golden.value("XEN_DOMINF_shutdown")
        | golden.value("XEN_DOMINF_blocked")
        | golden.value("SHUTDOWN_crash") << golden.value("XEN_DOMINF_shutdownshift");
    Expected::new(golden, golden.size("getdomaininfo"))
        .put("getdomaininfo", "domain", 0x1234)
        .put("getdomaininfo", "flags", flags)
        .put("getdomaininfo", "tot_pages", 0x1111_2222_3333)
        .put("getdomaininfo", "max_pages", 0x2222_3333_4444)
        .put("getdomaininfo", "outstanding_pages", u64::MAX)
        .put("getdomaininfo", "shr_pages", u64::MAX)
        .put("getdomaininfo", "paged_pages", u64::MAX)
        .put("getdomaininfo", "shared_info_frame", 0x3333_4444_5555)
        .put("getdomaininfo", "cpu_time", 0x4444_5555_6666)
        .put("getdomaininfo", "nr_online_vcpus", 5)
        .put("getdomaininfo", "max_vcpu_id", 6)
        .put("getdomaininfo", "ssidref", u64::MAX)
        .bytes("getdomaininfo", "handle", handle().as_bytes())
        .put("getdomaininfo", "cpupool", 7)
        .put("getdomaininfo", "arch_config.emulation_flags", u64::MAX)
}

#[test]
fn getdomaininfo_is_read_where_each_release_has_it() {
    for golden in Golden::all() {
        assert_eq!(domain_info::size(golden.dialect()), golden.size("getdomaininfo"), "4.{}", golden.minor);
        let info = domain_info::decode(&info_entry(&golden).done(), 0);
        assert_eq!(info.domid, DOMID);
        assert_eq!(info.uuid, handle());
        assert!(info.flags.dying && info.flags.shutdown && info.flags.blocked);
        assert!(!info.flags.hvm && !info.flags.paused && !info.flags.running);
        assert_eq!(info.shutdown, Some(ShutdownCode::Crash));
        assert_eq!((info.tot_pages, info.max_pages), (0x1111_2222_3333, 0x2222_3333_4444));
        assert_eq!((info.shared_info_frame, info.cpu_time_ns), (0x3333_4444_5555, 0x4444_5555_6666));
        assert_eq!((info.nr_online_vcpus, info.max_vcpu_id, info.cpupool), (5, Some(6), Some(7)));
    }
}

#[test]
fn each_flag_of_a_domain_is_its_own() {
    for golden in Golden::all() {
        let read = |name: &str| {
            let entry = Expected::new(&golden, golden.size("getdomaininfo"));
            let entry = entry.put("getdomaininfo", "flags", golden.value(name)).done();
            let flags = domain_info::decode(&entry, 0).flags;
            [flags.dying, flags.hvm, flags.shutdown, flags.paused, flags.blocked, flags.running]
        };
        let names = ["dying", "hvm_guest", "shutdown", "paused", "blocked", "running"];
        for (n, name) in names.iter().enumerate() {
            let expected: [bool; 6] = std::array::from_fn(|m| m == n);
            assert_eq!(read(&format!("XEN_DOMINF_{name}")), expected, "4.{}: {name}", golden.minor);
        }
    }
}

#[test]
fn a_domain_without_vcpus_or_pool_has_none() {
    let golden = &Golden::all()[0];
    let entry = Expected::new(golden, 104)
        .put("getdomaininfo", "max_vcpu_id", u64::MAX)
        .put("getdomaininfo", "cpupool", u64::MAX)
        .done();
    let info = domain_info::decode(&entry, 0);
    assert_eq!((info.max_vcpu_id, info.cpupool, info.shutdown), (None, None, None));
}

#[test]
fn the_answer_of_getdomaininfo_is_read_from_the_union() {
    for golden in Golden::all() {
        let request = domctl::info(golden.dialect(), DOMID);
        let mut reply = golden.domctl("XEN_DOMCTL_getdomaininfo", 0x1234).reply(&request, &[]);
        let at = golden.field("domctl", "u").offset;
        let entry = info_entry(&golden).done();
        reply.image[at..at + entry.len()].copy_from_slice(&entry);
        assert_eq!(domctl::info_answer(&reply), domain_info::decode(&entry, 0));
    }
}

#[test]
fn the_state_of_a_vcpu_is_read_where_each_release_has_it() {
    for golden in Golden::all() {
        let request = domctl::vcpu_info(golden.dialect(), DOMID, 1);
        let reply = golden
            .domctl("XEN_DOMCTL_getvcpuinfo", 0x1234)
            .put("getvcpuinfo", "online", 1)
            .put("getvcpuinfo", "running", 1)
            .put("getvcpuinfo", "cpu_time", 0x0102_0304_0506)
            .put("getvcpuinfo", "cpu", 0x0708)
            .reply(&request, &[]);
        let info = domctl::vcpu_info_answer(&reply);
        assert_eq!((info.online, info.blocked, info.running), (true, false, true));
        assert_eq!((info.cpu_time_ns, info.cpu), (0x0102_0304_0506, 0x0708));
    }
}

#[test]
fn the_registers_of_a_vcpu_are_laid_out_as_in_each_release() {
    let context = VcpuContext { rip: 0x1111_0001, rsp: 0x2222_0002, rsi: 0x3333_0003, l4_mfn: 0x4444 };
    for golden in Golden::all() {
        let s = "vcpu_guest_context";
        let array = |field: &str, n: usize| {
            let place = golden.field(s, field);
            place.offset + n * 8
        };
        let mut expected = Expected::new(&golden, golden.size(s))
            .put(s, "flags", golden.value("VGCF_in_kernel") | golden.value("VGCF_online"))
            .put(s, "user_regs.rip", context.rip)
            .put(s, "user_regs.rsp", context.rsp)
            .put(s, "user_regs.rsi", context.rsi)
            .put(s, "user_regs.rflags", 0x200)
            .put(s, "user_regs.cs", 0xe033)
            .put(s, "user_regs.ss", 0xe02b)
            .put(s, "kernel_ss", 0xe02b)
            .put(s, "kernel_sp", context.rsp)
            .done();
        for (at, value) in [
            (array("ctrlreg", 3), 0x4444_u64 << 12),
            (array("debugreg", 6), 0xffff_0ff0),
            (array("debugreg", 7), 0x400),
        ] {
            expected[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        assert_eq!(vcpu_context::encode(&context).as_slice(), expected, "4.{}", golden.minor);
    }
}

#[test]
fn setvcpucontext_points_at_the_registers() {
    let context = VcpuContext { rip: 1, rsp: 2, rsi: 3, l4_mfn: 4 };
    for golden in Golden::all() {
        let made = domctl::set_vcpu_context(golden.dialect(), DOMID, 0x0506, &context);
        is_domctl(&golden, &made);
        golden
            .domctl("XEN_DOMCTL_setvcpucontext", 0x1234)
            .put("vcpucontext", "vcpu", 0x0506)
            .assert_begins(&made);
        let pointer = golden.field("domctl", "u").offset + golden.field("vcpucontext", "ctxt").offset;
        assert_eq!(made.links().len(), 1);
        assert_eq!(made.links()[0].at, pointer);
        assert_eq!(&made.image()[made.payload_at(0)..], vcpu_context::encode(&context));
    }
}
