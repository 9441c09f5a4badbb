//! The machine as a whole, through the traits and a guest's eyes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;

use super::fixture::{Built, TinyGuest, build};
use super::{BootError, Call, ConsoleRing, Event, HostConfig, Link, Machine, Side, lock};
use crate::abi::guest::start_info;
use crate::{
    Access, ConsoleRead, CreateDomain, DomId, Domains, EventChannels, GuestMemory, Host, HypervisorError,
    Mfn, ShutdownCode, VcpuContext,
};

const MIB: u64 = 1024;

fn tiny(memory_kib: u64) -> TinyGuest {
    TinyGuest { uuid: Uuid::from_u128(7), memory_kib, vcpus: 2, cmd_line: "root=/dev/xvda1 ro".to_owned() }
}

fn errno<T>(result: Result<T, HypervisorError>) -> Option<i32> {
    result.err().and_then(|error| error.errno())
}

/// A small machine, and a domain of 64 MiB that may have 65.
fn with_shell() -> (Machine, DomId) {
    let machine = Machine::default();
    let domid = machine.create(&CreateDomain::pv(Uuid::from_u128(1), 1)).unwrap();
    machine.set_max_mem_kib(domid, 65 * MIB).unwrap();
    (machine, domid)
}

fn free(machine: &Machine) -> u64 {
    machine.phys_info().unwrap().free_pages
}

#[test]
fn a_tiny_guest_boots() {
    let machine = Machine::default();
    let built = build(&machine, &tiny(64 * MIB)).unwrap();
    let report = machine.guest(built.domid).verify_boot().unwrap();
    assert_eq!(report.start_info.command_line(), "root=/dev/xvda1 ro");
    assert_eq!(report.start_info.nr_pages, 16 * 1024);
    assert_eq!(report.virt_base, 0xffff_ffff_8000_0000);
    assert_eq!(&report.entry_code[..3], b"\xf4\xeb\xfd");
    assert_eq!(report.modules, None);
}

#[test]
fn each_mistake_of_a_builder_is_named() {
    type Break = fn(&Machine, &Built, Mfn);
    fn poke(machine: &Machine, built: &Built, mfn: Mfn, (offset, bytes): (usize, &[u8])) {
        machine.map(built.domid, Access::Write, &[mfn]).unwrap().write(offset, bytes);
    }
    let cases: [(&str, Break); 7] = [
        (
            "the start info begins with \"yen-3.0-x86_64\", wanted \"xen-3.0-x86_64\"",
            |machine, built, info| {
                poke(machine, built, info, (0, b"y"));
            },
        ),
        ("nr_pages of the start info is 0x5, wanted 0x4000", |machine, built, info| {
            poke(machine, built, info, (start_info::NR_PAGES, &5_u64.to_le_bytes()));
        }),
        ("the L4 (pt_base) is not mapped for the guest", |machine, built, info| {
            poke(machine, built, info, (start_info::PT_BASE, &0_u64.to_le_bytes()));
        }),
        ("port 9 of the start info is closed", |machine, built, info| {
            poke(machine, built, info, (start_info::CONSOLE_EVTCHN, &9_u32.to_le_bytes()));
        }),
        ("the command line does not end within its 1024 bytes", |machine, built, info| {
            poke(machine, built, info, (start_info::CMD_LINE, &[b'x'; 1024]));
        }),
        ("the frame of a ring's grant is 0x0, wanted", |machine, built, _| {
            machine.map_grant_table(built.domid).unwrap().write(4, &[0; 4]);
        }),
        ("the event mask of a vcpu in the shared info is 0x0, wanted 0x1", |machine, built, _| {
            let shared_info = machine.info(built.domid).unwrap().unwrap().shared_info_frame;
            poke(machine, built, shared_info, (1, &[0]));
        }),
    ];
    for (text, spoil) in cases {
        let machine = Machine::default();
        let built = build(&machine, &tiny(64 * MIB)).unwrap();
        // The start info lies just before the store ring.
        spoil(&machine, &built, built.store_mfn - 1);
        let error = machine.guest(built.domid).verify_boot().unwrap_err().to_string();
        assert!(error.starts_with(text), "{error:?} instead of {text:?}");
    }
}

#[test]
fn a_wrong_p2m_entry_is_found_wherever_it_is() {
    let machine = Machine::default();
    let built = build(&machine, &tiny(64 * MIB)).unwrap();
    let p2m_page = built.store_mfn - 2;
    machine.map(built.domid, Access::Write, &[p2m_page]).unwrap().write(4088, &[0; 8]);
    let error = machine.guest(built.domid).verify_boot().unwrap_err();
    assert!(matches!(error, BootError::P2m { pfn: 0x3fff, found: 0, .. }), "{error}");
}

#[test]
fn a_guest_without_registers_or_pinned_tables_does_not_boot() {
    let (machine, domid) = with_shell();
    machine.set_max_vcpus(domid, 1).unwrap();
    assert_eq!(machine.guest(domid).verify_boot(), Err(BootError::NoContext));
    machine.set_vcpu_context(domid, 0, &VcpuContext { rip: 1, rsp: 2, rsi: 3, l4_mfn: 4 }).unwrap();
    assert_eq!(machine.guest(domid).verify_boot(), Err(BootError::NotPinned { l4: 4 }));
}

#[test]
fn a_domain_starts_paused_once_and_each_pause_needs_its_unpause() {
    let (machine, domid) = with_shell();
    let paused = || machine.info(domid).unwrap().unwrap().flags.paused;
    assert!(paused());
    machine.pause(domid).unwrap();
    machine.unpause(domid).unwrap();
    assert!(paused());
    machine.unpause(domid).unwrap();
    assert!(!paused());
    assert_eq!(errno(machine.unpause(domid)), Some(libc::EINVAL));
}

#[test]
fn numbers_grow_and_wrap_around_past_those_in_use() {
    let machine = Machine::default();
    let create = || machine.create(&CreateDomain::pv(Uuid::nil(), 1)).unwrap();
    let first = create();
    assert_eq!(first, DomId(1));
    let second = create();
    machine.destroy(second).unwrap();
    assert_eq!(create(), DomId(3));
    lock(&machine.inner.state).last_domid = 0x7fef;
    assert_eq!(create(), DomId(2));
}

#[test]
fn requests_that_xen_refuses_are_refused() {
    let machine = Machine::default();
    let pv = CreateDomain::pv(Uuid::nil(), 1);
    let create = |change: fn(&mut CreateDomain)| {
        let mut request = pv.clone();
        change(&mut request);
        errno(machine.create(&request))
    };
    assert_eq!(create(|request| request.max_vcpus = 0), Some(libc::EINVAL));
    assert_eq!(create(|request| request.hap = true), Some(libc::EINVAL));
    assert_eq!(create(|request| request.hvm = true), Some(libc::EOPNOTSUPP));
    assert_eq!(create(|request| request.max_grant_frames = 0), Some(libc::EINVAL));
    assert_eq!(create(|request| request.emulation_flags = 1), Some(libc::EOPNOTSUPP));
    assert_eq!(create(|request| request.emulation_flags = 0x100), None);
}

#[test]
fn vcpus_are_as_many_as_were_asked_for_at_creation() {
    let (machine, domid) = with_shell();
    assert_eq!(machine.info(domid).unwrap().unwrap().max_vcpu_id, None);
    assert_eq!(errno(machine.set_max_vcpus(domid, 2)), Some(libc::EINVAL));
    machine.set_max_vcpus(domid, 1).unwrap();
    assert_eq!(machine.info(domid).unwrap().unwrap().max_vcpu_id, Some(0));
    assert!(machine.vcpu_info(domid, 0).unwrap().is_some());
    assert_eq!(machine.vcpu_info(domid, 1).unwrap(), None);
    let context = VcpuContext { rip: 0, rsp: 0, rsi: 0, l4_mfn: 0 };
    assert_eq!(errno(machine.set_vcpu_context(domid, 1, &context)), Some(libc::EINVAL));
}

#[test]
fn populate_stops_at_the_limit_and_gives_none_before_there_is_one() {
    let (machine, domid) = with_shell();
    machine.set_max_mem_kib(domid, 0).unwrap();
    assert_eq!(machine.populate(domid, 0, &[0]).unwrap(), []);
    machine.set_max_mem_kib(domid, 4 * MIB).unwrap();
    assert_eq!(machine.populate(domid, 9, &[0, 512, 1024]).unwrap().len(), 2);
    assert_eq!(machine.info(domid).unwrap().unwrap().tot_pages, 1024);
}

#[test]
fn populate_ends_with_the_hosts_memory_and_a_claim_keeps_its_share() {
    let config = HostConfig { memory_mib: 34, dom0_memory_mib: 2, ..HostConfig::default() };
    let machine = Machine::new(config);
    let shell = || {
        let domid = machine.create(&CreateDomain::pv(Uuid::nil(), 1)).unwrap();
        machine.set_max_mem_kib(domid, 64 * MIB).unwrap();
        domid
    };
    let (claiming, greedy) = (shell(), shell());
    machine.claim_pages(claiming, 4096).unwrap();
    assert_eq!(machine.phys_info().unwrap().outstanding_pages, 4096);
    assert_eq!(errno(machine.claim_pages(greedy, 8192)), Some(libc::ENOMEM));
    let pfns: Vec<u64> = (0..16).map(|extent| extent * 512).collect();
    let got = machine.populate(greedy, 9, &pfns).unwrap().len();
    assert_eq!(got, 7, "4 frames are the hypervisor's own, 4096 are claimed");
    assert_eq!(machine.populate(claiming, 9, &pfns).unwrap().len(), 8);
    assert_eq!(machine.phys_info().unwrap().outstanding_pages, 0);
}

#[test]
fn create_and_destroy_leave_the_hosts_memory_as_it_was() {
    let machine = Machine::default();
    let before = free(&machine);
    for memory_kib in [8 * MIB, 64 * MIB, 65 * MIB + 4, 100 * MIB] {
        let built = build(&machine, &tiny(memory_kib)).unwrap();
        machine.destroy(built.domid).unwrap();
        assert!(machine.info(built.domid).unwrap().is_none());
    }
    assert_eq!(free(&machine), before);
    assert_eq!(machine.list().unwrap().len(), 1);
}

#[test]
fn a_destroyed_domain_lingers_until_its_last_page_is_unmapped() {
    let machine = Machine::default();
    let before = free(&machine);
    let built = build(&machine, &tiny(64 * MIB)).unwrap();
    let ring = machine.map(built.domid, Access::Write, &[built.console_mfn]).unwrap();
    machine.destroy(built.domid).unwrap();
    let zombie = machine.info(built.domid).unwrap().unwrap();
    assert!(zombie.flags.dying);
    assert_eq!(zombie.tot_pages, 1);
    assert!(machine.map(built.domid, Access::Read, &[built.console_mfn]).is_err());
    machine.destroy(built.domid).unwrap();
    drop(ring);
    assert!(machine.info(built.domid).unwrap().is_none());
    assert_eq!(free(&machine), before);
}

#[test]
fn frames_of_others_are_not_mapped() {
    let machine = Machine::default();
    let built = build(&machine, &tiny(8 * MIB)).unwrap();
    let other = build(&machine, &tiny(8 * MIB)).unwrap();
    let map = |frames: &[Mfn]| errno(machine.map(built.domid, Access::Read, frames));
    assert_eq!(map(&[built.console_mfn, built.store_mfn]), None);
    assert_eq!(map(&[built.console_mfn, other.console_mfn]), Some(libc::EINVAL));
    assert_eq!(map(&[u64::MAX]), Some(libc::EINVAL));
    assert_eq!(errno(machine.map(DomId(99), Access::Read, &[1])), Some(libc::ESRCH));
}

#[test]
fn a_mapping_keeps_the_order_of_its_frames() {
    let (machine, domid) = with_shell();
    let mfns = machine.populate(domid, 0, &[0, 1, 2, 3]).unwrap();
    let order = [mfns[3], mfns[0], mfns[1], mfns[2]];
    let mut mapping = machine.map(domid, Access::Write, &order).unwrap();
    let bytes: Vec<u8> = (0..4 * 4096).map(|at| (at / 4096 + 1) as u8).collect();
    mapping.write(0, &bytes);
    mapping.zero(4090, 4102);
    let mut back = vec![0; bytes.len()];
    mapping.read(0, &mut back);
    assert_eq!(back[..4090], bytes[..4090]);
    assert!(back[4090..8192].iter().all(|byte| *byte == 0));
    assert_eq!(back[8192..], bytes[8192..]);
    let mut byte = [0];
    machine.guest(domid).read(2, 0, &mut byte).unwrap();
    assert_eq!(byte, [4]);
}

#[test]
fn pinning_waits_for_writable_mappings_and_then_tables_are_read_only() {
    let machine = Machine::default();
    let built = build(&machine, &tiny(8 * MIB)).unwrap();
    let l4 = built.console_mfn + 1;
    assert_eq!(errno(machine.map(built.domid, Access::Write, &[l4])), Some(libc::EINVAL));
    assert_eq!(errno(machine.map(built.domid, Access::Read, &[l4])), None);
    assert_eq!(
        errno(machine.pin_l4_table(built.domid, built.console_mfn)),
        None,
        "an empty L4 is a valid one"
    );
    let stack = machine.map(built.domid, Access::Write, &[built.store_mfn]).unwrap();
    assert_eq!(errno(machine.pin_l4_table(built.domid, built.store_mfn)), Some(libc::EINVAL));
    drop(stack);
    let console = String::from_utf8(machine.read_console(ConsoleRead::Clear).unwrap()).unwrap();
    assert!(console.contains("is mapped writable by a toolstack"), "{console}");
    assert!(machine.read_console(ConsoleRead::Keep).unwrap().is_empty());
}

#[test]
fn an_unknown_interface_is_read_only_and_says_why() {
    let machine = Machine::new(HostConfig::release(40));
    let error = machine.create(&CreateDomain::pv(Uuid::nil(), 1)).unwrap_err();
    assert_eq!(machine.read_only_reason().map(|reason| error.to_string().contains(reason)), Some(true));
    assert_eq!(machine.list().unwrap().len(), 1);
}

#[test]
fn events_tell_the_life_of_a_domain_in_order() {
    let machine = Machine::default();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (log, inside) = (Arc::clone(&seen), machine.clone());
    machine.on_event(Box::new(move |event| {
        // A listener may look at the machine: no lock is held.
        assert!(!inside.list().unwrap().is_empty());
        log.lock().unwrap().push(event);
    }));
    let domid = build(&machine, &tiny(8 * MIB)).unwrap().domid;
    machine.unpause(domid).unwrap();
    machine.pause(domid).unwrap();
    machine.guest(domid).shutdown(ShutdownCode::Reboot).unwrap();
    machine.force_shutdown(domid, ShutdownCode::Crash).unwrap();
    assert_eq!(machine.info(domid).unwrap().unwrap().shutdown, Some(ShutdownCode::Reboot));
    machine.destroy(domid).unwrap();
    let wanted = [
        Event::Created(domid),
        Event::Unpaused(domid),
        Event::Paused(domid),
        Event::Shutdown(domid, ShutdownCode::Reboot),
        Event::Dying(domid),
        Event::Gone(domid),
    ];
    assert_eq!(*seen.lock().unwrap(), wanted);
}

#[test]
fn a_planned_fault_strikes_once_and_a_dead_daemon_changes_nothing() {
    let machine = Machine::default();
    let faults = machine.faults();
    faults.fail(Call::PinL4Table, 1, libc::EBUSY);
    assert_eq!(errno(build(&machine, &tiny(8 * MIB))), Some(libc::EBUSY));
    assert_eq!(machine.list().unwrap().len(), 1, "the builder cleaned up");
    faults.populate_at_most(1500);
    let error = build(&machine, &tiny(8 * MIB)).unwrap_err();
    assert!(matches!(error, HypervisorError::Partial { done: 1500, asked: 2048, .. }), "{error}");
    faults.clear();
    let built = build(&machine, &tiny(8 * MIB)).unwrap();
    faults.set_gate(Arc::new(|| false));
    assert_eq!(errno(machine.destroy(built.domid)), Some(libc::EIO));
    assert_eq!(errno(machine.unpause(built.domid)), Some(libc::EIO));
    assert!(machine.info(built.domid).unwrap().unwrap().flags.paused);
}

#[test]
fn the_console_carries_bytes_and_events_both_ways() {
    let machine = Machine::default();
    let built = build(&machine, &tiny(8 * MIB)).unwrap();
    let guest = machine.guest(built.domid);
    assert!(guest.console_put(b"x").is_err(), "not before it has booted");
    guest.verify_boot().unwrap();
    guest.settle().unwrap();
    let port = machine.bind_port(DomId::DOM0, built.domid, built.console_port).unwrap();
    assert!(machine.take_event(DomId::DOM0, port));
    assert_eq!(machine.port_link(built.domid, built.console_port), Some(Link::Bound(DomId::DOM0, port)));
    assert_eq!(guest.console_put(b"hello").unwrap(), 5);
    assert!(machine.wait_event(DomId::DOM0, port, Duration::ZERO));
    let ring = ConsoleRing { domid: built.domid, mfn: built.console_mfn };
    assert_eq!(machine.console_get(ring, Side::Backend, 99).unwrap(), b"hello");
    let wild = ConsoleRing { mfn: built.console_mfn + 1, ..ring };
    assert!(machine.console_get(wild, Side::Backend, 99).is_err(), "a page table is no ring");
    machine.console_put(ring, Side::Backend, b"root\n").unwrap();
    machine.notify(DomId::DOM0, port).unwrap();
    assert!(guest.wait(built.console_port, Duration::ZERO));
    assert_eq!(guest.console_get().unwrap(), b"root\n");
}

#[test]
fn a_settled_guest_is_small_and_does_not_pretend_to_boot_again() {
    let machine = Machine::default();
    let built = build(&machine, &tiny(64 * MIB)).unwrap();
    let guest = machine.guest(built.domid);
    guest.verify_boot().unwrap();
    guest.console_put(&[b'x'; 2048]).unwrap();
    machine.unpause(built.domid).unwrap();
    guest.settle().unwrap();
    assert!(machine.host_bytes(built.domid) < 8 * 1024, "{}", machine.host_bytes(built.domid));
    assert_eq!(guest.verify_boot(), Err(BootError::Settled));
    assert!(machine.info(built.domid).unwrap().unwrap().flags.blocked);
}

#[test]
fn processor_time_follows_the_clock_that_was_supplied() {
    let now = Arc::new(Mutex::new(Duration::ZERO));
    let clock = Arc::clone(&now);
    let machine =
        Machine::new(HostConfig { clock: Arc::new(move || *clock.lock().unwrap()), ..HostConfig::default() });
    let domid = build(&machine, &tiny(8 * MIB)).unwrap().domid;
    let cpu_time = || machine.info(domid).unwrap().unwrap().cpu_time_ns;
    *now.lock().unwrap() += Duration::from_secs(50);
    assert_eq!(cpu_time(), 0, "paused");
    machine.unpause(domid).unwrap();
    *now.lock().unwrap() += Duration::from_secs(100);
    assert_eq!(cpu_time(), 1_000_000_000);
    machine.pause(domid).unwrap();
    *now.lock().unwrap() += Duration::from_secs(100);
    assert_eq!(cpu_time(), 1_000_000_000);
}

#[test]
fn threads_build_and_destroy_side_by_side_without_losing_a_page() {
    let machine = Machine::default();
    let before = free(&machine);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let built = build(&machine, &tiny(16 * MIB)).unwrap();
                    machine.unpause(built.domid).unwrap();
                    machine.guest(built.domid).verify_boot().unwrap();
                    machine.guest(built.domid).settle().unwrap();
                    machine.destroy(built.domid).unwrap();
                }
            });
        }
    });
    assert_eq!(free(&machine), before);
    assert_eq!(machine.list().unwrap().len(), 1);
}

#[test]
fn a_port_for_nobody_is_refused() {
    let (machine, domid) = with_shell();
    assert_eq!(machine.alloc_unbound(domid, DomId::DOM0).unwrap(), 1);
    assert_eq!(errno(machine.alloc_unbound(DomId(77), DomId::DOM0)), Some(libc::ESRCH));
}

/// A small generator: the same seed gives the same life.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

/// Pages are neither lost nor made, whatever happens in whatever order.
#[test]
fn random_lives_of_domains_keep_the_books_balanced() {
    for seed in 0..40 {
        let mut dice = Dice(seed);
        let machine =
            Machine::new(HostConfig { memory_mib: 300, dom0_memory_mib: 100, seed, ..HostConfig::default() });
        let all = free(&machine);
        let mut mapped = Vec::new();
        let mut alive: Vec<(DomId, Vec<Mfn>, u64)> = Vec::new();
        for _ in 0..300 {
            let pick = dice.roll(alive.len().max(1) as u64) as usize;
            match dice.roll(6) {
                0 if alive.len() < 12 => {
                    let domid = machine.create(&CreateDomain::pv(Uuid::from_u128(seed.into()), 1)).unwrap();
                    machine.set_max_mem_kib(domid, dice.roll(64) * MIB).unwrap();
                    alive.push((domid, Vec::new(), 0));
                }
                1 | 2 => {
                    let Some((domid, mfns, next)) = alive.get_mut(pick) else { continue };
                    let order = if dice.roll(2) == 0 { 0 } else { 9 };
                    let pfns: Vec<u64> = (0..dice.roll(40)).map(|extent| *next + (extent << order)).collect();
                    *next += 40 << order;
                    let got = machine.populate(*domid, order, &pfns).unwrap();
                    assert!(got.iter().all(|mfn| mfn % (1 << order) == 0 && !mfns.contains(mfn)));
                    mfns.extend(got);
                }
                3 => {
                    let Some((domid, mfns, _)) = alive.get(pick) else { continue };
                    let Some(mfn) = mfns.get(dice.roll(mfns.len().max(1) as u64) as usize) else { continue };
                    mapped.push(machine.map(*domid, Access::Write, &[*mfn]).unwrap());
                }
                4 if !mapped.is_empty() => {
                    mapped.swap_remove(dice.roll(mapped.len() as u64) as usize);
                }
                5 if !alive.is_empty() => {
                    let (domid, _, _) = alive.swap_remove(pick);
                    machine.destroy(domid).unwrap();
                }
                _ => {}
            }
            let list = machine.list().unwrap();
            let used: u64 =
                list.iter().filter(|info| info.domid != DomId::DOM0).map(|info| info.tot_pages + 2).sum();
            assert_eq!(free(&machine) + used, all, "seed {seed}");
        }
        drop(mapped);
        for (domid, _, _) in alive {
            machine.destroy(domid).unwrap();
        }
        assert_eq!((free(&machine), machine.list().unwrap().len()), (all, 1), "seed {seed}");
    }
}

/// Whatever a builder writes where, the answer is a refusal or a report, and it comes soon.
#[test]
fn random_damage_is_refused_without_a_panic() {
    let mut refused = 0;
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let machine = Machine::default();
        let built = build(&machine, &tiny(8 * MIB)).unwrap();
        let shared_info = machine.info(built.domid).unwrap().unwrap().shared_info_frame;
        for _ in 0..=dice.roll(3) {
            let mfn = [built.store_mfn - 1, built.store_mfn - 2, built.store_mfn, shared_info]
                [dice.roll(4) as usize];
            let mut page = machine.map(built.domid, Access::Write, &[mfn]).unwrap();
            let value = [u64::MAX, 0, 1 << 63, 0xfff, dice.roll(1 << 31)][dice.roll(5) as usize];
            page.write(dice.roll(160) as usize * 8, &value.to_le_bytes());
        }
        refused += u32::from(machine.guest(built.domid).verify_boot().is_err());
    }
    assert!(refused > 200, "most damage shows: {refused}");
}

#[test]
fn random_page_tables_are_refused_without_a_panic() {
    for seed in 0..300 {
        let mut dice = Dice(seed);
        let (machine, domid) = with_shell();
        let mfns = machine.populate(domid, 0, &(0..16).collect::<Vec<_>>()).unwrap();
        let mut tables = machine.map(domid, Access::Write, &mfns).unwrap();
        for _ in 0..40 {
            let target = mfns[dice.roll(16) as usize] + dice.roll(20) / 19;
            let bits = [0x67, 0x21, 0x23, 0x1e7, 0xffff_0000_0000_0001][dice.roll(5) as usize];
            tables.write(dice.roll(16 * 512) as usize * 8, &(target << 12 | bits).to_le_bytes());
        }
        drop(tables);
        let _verdict = machine.pin_l4_table(domid, mfns[0]);
        machine.destroy(domid).unwrap();
    }
}
