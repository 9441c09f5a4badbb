//! `sysctl` requests and answers against the headers of each release.

use abi_tests::{Expected, Golden};
use hypervisor::abi::{Argument, Request, domain_info, sysctl, topology};
use hypervisor::{ConsoleRead, CpuPlace, DomId, NumaNode, Scheduler};

fn number(golden: &Golden) -> u32 {
    golden.dialect().sysctl()
}

fn is_sysctl(golden: &Golden, request: &Request) {
    assert_eq!(u64::from(request.hypercall()), golden.value("__HYPERVISOR_sysctl"));
    assert_eq!(request.arguments(), [Argument::Address(0)]);
}

/// Each pointer of a structure in the union, and how many bytes lie behind it.
fn assert_pointers(golden: &Golden, request: &Request, structure: &str, pointers: &[(&str, usize)]) {
    let union = golden.field("sysctl", "u").offset;
    let mut ends: Vec<usize> = request.links().iter().skip(1).map(|link| link.target).collect();
    ends.push(request.image().len());
    assert_eq!(request.links().len(), pointers.len());
    for ((link, end), (field, room)) in request.links().iter().zip(ends).zip(pointers) {
        assert_eq!(link.at, union + golden.field(structure, field).offset, "4.{}: {field}", golden.minor);
        assert!(link.target >= golden.size("sysctl"));
        let slack = (end - link.target).checked_sub(*room);
        assert!(slack.is_some_and(|slack| slack < 8), "4.{}: room for {field}", golden.minor);
    }
}

#[test]
fn the_scheduler_is_asked_for_and_read() {
    for golden in Golden::all() {
        let made = sysctl::scheduler(number(&golden));
        is_sysctl(&golden, &made);
        golden.sysctl("XEN_SYSCTL_sched_id").assert_begins(&made);
        for (name, scheduler) in [
            ("CREDIT", Scheduler::Credit),
            ("CREDIT2", Scheduler::Credit2),
            ("ARINC653", Scheduler::Arinc653),
            ("RTDS", Scheduler::Rtds),
            ("NULL", Scheduler::Null),
        ] {
            let id = golden.value(&format!("XEN_SCHEDULER_{name}"));
            let reply =
                golden.sysctl("XEN_SYSCTL_sched_id").put("sched_id", "sched_id", id).reply(&made, &[]);
            assert_eq!(sysctl::scheduler_answer(&reply), scheduler);
        }
        let reply = golden.sysctl("XEN_SYSCTL_sched_id").put("sched_id", "sched_id", 77).reply(&made, &[]);
        assert_eq!(sysctl::scheduler_answer(&reply), Scheduler::Other(77));
    }
}

#[test]
fn physinfo_is_read_where_each_release_has_it() {
    for golden in Golden::all() {
        let made = sysctl::phys_info(number(&golden));
        golden.sysctl("XEN_SYSCTL_physinfo").assert_begins(&made);
        let words: Vec<u8> = (0x60_u32..0x68).flat_map(u32::to_le_bytes).collect();
        let reply = golden
            .sysctl("XEN_SYSCTL_physinfo")
            .put("physinfo", "threads_per_core", 0x11)
            .put("physinfo", "cores_per_socket", 0x12)
            .put("physinfo", "nr_cpus", 0x13)
            .put("physinfo", "max_cpu_id", 0x14)
            .put("physinfo", "nr_nodes", 0x15)
            .put("physinfo", "max_node_id", u64::MAX)
            .put("physinfo", "cpu_khz", 0x16)
            .put("physinfo", "capabilities", 0x17)
            .put_if_there("physinfo", "arch_capabilities", u64::MAX)
            .put("physinfo", "total_pages", 0x21_0000_0000)
            .put("physinfo", "free_pages", 0x22_0000_0000)
            .put("physinfo", "scrub_pages", 0x23_0000_0000)
            .put("physinfo", "outstanding_pages", 0x24_0000_0000)
            .put("physinfo", "max_mfn", u64::MAX)
            .bytes("physinfo", "hw_cap", &words)
            .reply(&made, &[]);
        let info = sysctl::phys_info_answer(number(&golden), &reply);
        assert_eq!((info.threads_per_core, info.cores_per_socket), (0x11, 0x12));
        assert_eq!((info.nr_cpus, info.max_cpu_id, info.nr_nodes), (0x13, 0x14, 0x15));
        assert_eq!((info.cpu_khz, info.capabilities), (0x16, 0x17));
        assert_eq!((info.total_pages, info.free_pages), (0x21_0000_0000, 0x22_0000_0000));
        assert_eq!((info.scrub_pages, info.outstanding_pages), (0x23_0000_0000, 0x24_0000_0000));
        assert_eq!(info.hw_cap, std::array::from_fn(|n| 0x60 + n as u32));
    }
}

#[test]
fn the_domain_list_has_room_for_what_it_asks_for_and_the_stride_of_each_release() {
    for golden in Golden::all() {
        let dialect = golden.dialect();
        let made = sysctl::domain_list(dialect, DomId(0x1234), 3);
        is_sysctl(&golden, &made);
        golden
            .sysctl("XEN_SYSCTL_getdomaininfolist")
            .put("getdomaininfolist", "first_domain", 0x1234)
            .put("getdomaininfolist", "max_domains", 3)
            .assert_begins(&made);
        let stride = golden.size("getdomaininfo");
        assert_pointers(&golden, &made, "getdomaininfolist", &[("buffer", 3 * stride)]);

        let entry = |id| Expected::new(&golden, stride).put("getdomaininfo", "domain", id).done();
        let answer = |count| {
            golden.sysctl("XEN_SYSCTL_getdomaininfolist").put("getdomaininfolist", "num_domains", count)
        };
        let reply = answer(2).reply(&made, &[entry(5), entry(9)].concat());
        let ids: Vec<DomId> =
            sysctl::domain_list_answer(dialect, &made, &reply).iter().map(|info| info.domid).collect();
        assert_eq!(ids, [DomId(5), DomId(9)], "4.{}", golden.minor);
        // A count beyond the room is Xen's bug or ours; reading stays inside.
        let reply = answer(u64::MAX).reply(&made, &[]);
        assert_eq!(sysctl::domain_list_answer(dialect, &made, &reply).len(), 3);
        assert_eq!(domain_info::size(dialect), stride);
    }
}

#[test]
fn reading_the_console_says_where_from_and_whether_to_clear() {
    for golden in Golden::all() {
        for (how, clear) in [(ConsoleRead::Keep, 0), (ConsoleRead::Clear, 1)] {
            let made = sysctl::read_console(number(&golden), how, 0x0102_0304, 100);
            is_sysctl(&golden, &made);
            let expected = golden
                .sysctl("XEN_SYSCTL_readconsole")
                .put("readconsole", "clear", clear)
                .put("readconsole", "incremental", 1)
                .put("readconsole", "index", 0x0102_0304)
                .put("readconsole", "count", 100);
            expected.assert_begins(&made);
            assert_pointers(&golden, &made, "readconsole", &[("buffer", 100)]);
            let reply =
                expected.put("readconsole", "index", 7).put("readconsole", "count", 5).reply(&made, b"hello");
            assert_eq!(sysctl::read_console_answer(&made, &reply), (b"hello".as_slice(), 7));
        }
    }
}

#[test]
fn debug_keys_are_counted() {
    for golden in Golden::all() {
        let made = sysctl::debug_keys(number(&golden), b"qrz");
        is_sysctl(&golden, &made);
        golden.sysctl("XEN_SYSCTL_debug_keys").put("debug_keys", "nr_keys", 3).assert_begins(&made);
        assert_pointers(&golden, &made, "debug_keys", &[("keys", 3)]);
        assert_eq!(&made.image()[made.payload_at(0)..], b"qrz");
    }
}

#[test]
fn processors_are_counted_and_placed() {
    for golden in Golden::all() {
        let made = topology::count_cpus(number(&golden));
        golden.sysctl("XEN_SYSCTL_cputopoinfo").assert_begins(&made);
        assert_eq!(made.links(), [], "no buffer: only the count is wanted");
        let reply =
            golden.sysctl("XEN_SYSCTL_cputopoinfo").put("cputopoinfo", "num_cpus", 9).reply(&made, &[]);
        assert_eq!(topology::count_answer(&reply), 9);

        let made = topology::cpus(number(&golden), 3);
        let answer = |count| golden.sysctl("XEN_SYSCTL_cputopoinfo").put("cputopoinfo", "num_cpus", count);
        answer(3).assert_begins(&made);
        assert_pointers(&golden, &made, "cputopoinfo", &[("cputopo", 3 * golden.size("cputopo"))]);
        let entry = |core, socket, node| {
            Expected::new(&golden, golden.size("cputopo"))
                .put("cputopo", "core", core)
                .put("cputopo", "socket", socket)
                .put("cputopo", "node", node)
                .done()
        };
        let absent = golden.value("XEN_INVALID_CORE_ID");
        let reply = answer(2).reply(&made, &[entry(1, 2, 3), entry(absent, absent, absent)].concat());
        assert_eq!(
            topology::cpus_answer(&made, &reply),
            [Some(CpuPlace { core: 1, socket: 2, node: 3 }), None]
        );
        assert_eq!(topology::cpus_answer(&made, &answer(u64::MAX).reply(&made, &[])).len(), 3);
    }
}

#[test]
fn nodes_have_memory_and_distances() {
    for golden in Golden::all() {
        let made = topology::count_nodes(number(&golden));
        golden.sysctl("XEN_SYSCTL_numainfo").assert_begins(&made);
        assert_eq!(made.links(), [], "no buffers: only the count is wanted");

        let made = topology::nodes(number(&golden), 3);
        let answer = |count| golden.sysctl("XEN_SYSCTL_numainfo").put("numainfo", "num_nodes", count);
        answer(3).assert_begins(&made);
        let rooms = [("meminfo", 3 * golden.size("meminfo")), ("distance", 9 * 4)];
        assert_pointers(&golden, &made, "numainfo", &rooms);

        // Two of the three asked for: the distances are two by two.
        let entry = |size, free| {
            Expected::new(&golden, golden.size("meminfo"))
                .put("meminfo", "memsize", size)
                .put("meminfo", "memfree", free)
                .done()
        };
        let absent = golden.value("XEN_INVALID_MEM_SZ");
        let mut reply = answer(2).reply(&made, &[entry(0x1_0000_0000, 0x8000), entry(absent, 5)].concat());
        let at = made.payload_at(1);
        for (n, distance) in [10_u32, 21, 22, 11].iter().enumerate() {
            reply.image[at + n * 4..at + n * 4 + 4].copy_from_slice(&distance.to_le_bytes());
        }
        let nodes = topology::nodes_answer(&made, &reply);
        assert_eq!(
            nodes,
            [
                NumaNode { size: 0x1_0000_0000, free: 0x8000, distances: vec![10, 21] },
                NumaNode { size: 0, free: 0, distances: vec![22, 11] },
            ]
        );
        assert_eq!(topology::nodes_answer(&made, &answer(u64::MAX).reply(&made, &[])).len(), 3);
    }
}

#[test]
fn idle_times_and_free_memory_are_read_where_each_release_has_them() {
    for golden in Golden::all() {
        let made = sysctl::cpu_idle_times(number(&golden), 2);
        golden.sysctl("XEN_SYSCTL_getcpuinfo").put("getcpuinfo", "max_cpus", 2).assert_begins(&made);
        assert_pointers(&golden, &made, "getcpuinfo", &[("info", 2 * golden.size("cpuinfo"))]);
        let times: Vec<u8> = [0x1_0000_0001_u64, 2].iter().flat_map(|n| n.to_le_bytes()).collect();
        let reply =
            golden.sysctl("XEN_SYSCTL_getcpuinfo").put("getcpuinfo", "nr_cpus", 2).reply(&made, &times);
        assert_eq!(sysctl::cpu_idle_times_answer(&made, &reply), [0x1_0000_0001, 2]);

        let made = sysctl::available_heap(number(&golden), 32);
        let expected = golden.sysctl("XEN_SYSCTL_availheap").put("availheap", "max_bitwidth", 32).put(
            "availheap",
            "node",
            u64::MAX,
        );
        expected.assert_begins(&made);
        let reply = expected.put("availheap", "avail_bytes", 0x1_0000_0002).reply(&made, &[]);
        assert_eq!(sysctl::available_heap_answer(&reply), 0x1_0000_0002);
    }
}

#[test]
fn a_domain_is_moved_to_a_pool() {
    for golden in Golden::all() {
        let made = sysctl::move_to_cpupool(number(&golden), DomId(0x1234), 0x0506_0708);
        is_sysctl(&golden, &made);
        golden
            .sysctl("XEN_SYSCTL_cpupool_op")
            .put("cpupool_op", "op", golden.value("XEN_SYSCTL_CPUPOOL_OP_MOVEDOMAIN"))
            .put("cpupool_op", "cpupool_id", 0x0506_0708)
            .put("cpupool_op", "domid", 0x1234)
            .assert_begins(&made);
    }
}
