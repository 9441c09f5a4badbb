//! The translation between traits and hypercalls, against a stand-in for Xen that speaks bytes: one per release, each with
//! that release's manners. Where fields lie is checked in `tests/abi`; here it is what is asked, and what is made of it.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use uuid::Uuid;

use super::connection::Xen;
use super::gate::Gate;
use crate::abi::{Dialect, Reply, Request};
use crate::{
    Access, ConsoleRead, CreateDomain, DomId, Domains, EventChannels, GuestMemory, Host, HypervisorError,
    Mapping, Mfn, Scheduler, ShutdownCode,
};

/// A very small Xen.
struct Stand {
    release: u32,
    domctl: u32,
    sysctl: u32,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    domains: BTreeMap<u16, u32>,
    next: u16,
    free_extents: u64,
    refuse_destroy: u32,
    refuse_pool: bool,
    /// Calls that fail with `EFAULT` before anything is done.
    faults: u32,
    /// The next domain is made, and its number not told.
    hide_created: bool,
    /// `EPERM` for everything that needs privilege.
    unprivileged: bool,
    /// Grant tables can't be mapped by name: the errno that says so.
    no_resource: Option<i32>,
    grant_status: i16,
    console: Vec<u8>,
    /// Sub-operations of `domctl` (positive) and `sysctl` (negative) in order.
    asked: Vec<i64>,
    mapped: Vec<Mfn>,
    created: Vec<u8>,
}

struct Pages(usize);

impl Mapping for Pages {
    fn len(&self) -> usize {
        self.0
    }
    fn read(&self, _: usize, _: &mut [u8]) {}
    fn write(&mut self, _: usize, _: &[u8]) {}
    fn zero(&mut self, _: usize, _: usize) {}
}

fn errno<T>(number: i32) -> io::Result<T> {
    Err(io::Error::from_raw_os_error(number))
}

fn get(image: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(image[at..at + 4].try_into().unwrap())
}

fn put(image: &mut [u8], at: usize, value: u32) {
    image[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

impl Stand {
    fn of(dialect: Dialect) -> Self {
        let minor = match dialect {
            Dialect::Xen4_14 => 14,
            Dialect::Xen4_15 => 15,
            Dialect::Xen4_16 => 16,
            Dialect::Xen4_17 => 17,
            Dialect::Xen4_18 => 18,
            Dialect::Xen4_19 => 20,
            Dialect::Xen4_21 => 21,
            Dialect::Xen4_22 => 22,
        };
        let state =
            State { domains: BTreeMap::from([(0, 0)]), next: 1, free_extents: 1 << 20, ..State::default() };
        Self {
            release: 4 << 16 | minor,
            domctl: dialect.domctl(),
            sysctl: dialect.sysctl(),
            state: Mutex::new(state),
        }
    }

    fn skips(&self) -> bool {
        self.release & 0xffff <= 17
    }

    fn absent(&self) -> i32 {
        if self.release & 0xffff >= 22 { libc::EPERM } else { libc::ESRCH }
    }

    fn entry(&self) -> usize {
        if self.release & 0xffff >= 16 { 112 } else { 104 }
    }

    fn domctl(&self, request: &Request) -> io::Result<Reply> {
        let mut image = request.image().to_vec();
        let (command, version) = (get(&image, 0), get(&image, 4));
        let domid = get(&image, 8) as u16;
        if version != self.domctl {
            return errno(libc::EACCES);
        }
        let mut state = self.state.lock().unwrap();
        if state.unprivileged {
            return errno(libc::EPERM);
        }
        state.asked.push(command.into());
        match command {
            1 => {
                assert_eq!(domid, 0x7ff5);
                state.created = image[16..].to_vec();
                let new = state.next;
                state.next += 1;
                state.domains.insert(new, 0);
                if std::mem::take(&mut state.hide_created) {
                    return errno(libc::EFAULT);
                }
                put(&mut image, 8, new.into());
            }
            5 => {
                let found = state.domains.range(domid..).next().map(|(id, _)| *id);
                let found = found.filter(|id| self.skips() || *id == domid);
                let Some(found) = found else { return errno(self.absent()) };
                describe(&mut image[16..], found);
            }
            _ if !state.domains.contains_key(&domid) => return errno(self.absent()),
            2 if state.refuse_destroy > 0 => {
                state.refuse_destroy -= 1;
                return errno(libc::EAGAIN);
            }
            2 => drop(state.domains.remove(&domid)),
            14 if get(&image, 16) >= 2 => {
                return errno(if self.release & 0xffff >= 22 { libc::ENOENT } else { libc::EINVAL });
            }
            14 => put(&mut image, 20, 1),
            _ => {}
        }
        Ok(Reply { value: 0, image })
    }

    fn sysctl(&self, request: &Request) -> io::Result<Reply> {
        let mut image = request.image().to_vec();
        let (command, version) = (get(&image, 0), get(&image, 4));
        if version != self.sysctl {
            return errno(libc::EACCES);
        }
        let mut state = self.state.lock().unwrap();
        if state.unprivileged {
            return errno(libc::EPERM);
        }
        state.asked.push(-i64::from(command));
        match command {
            1 => {
                let index = get(&image, 12) as usize;
                let start = request.payload_at(0);
                let count = (get(&image, 24) as usize).min(state.console.len() - index);
                image[start..start + count].copy_from_slice(&state.console[index..index + count]);
                put(&mut image, 12, (index + count) as u32);
                put(&mut image, 24, count as u32);
            }
            3 => put(&mut image, 8 + 28, 0x30b),
            4 => put(&mut image, 8, 6),
            6 => {
                let (first, max) = (get(&image, 8) as u16, get(&image, 12) as usize);
                let start = request.payload_at(0);
                assert_eq!(image.len() - start, max * self.entry());
                let found: Vec<u16> = state.domains.range(first..).map(|(id, _)| *id).take(max).collect();
                for (n, id) in found.iter().enumerate() {
                    describe(&mut image[start + n * self.entry()..], *id);
                }
                put(&mut image, 24, found.len() as u32);
            }
            18 if state.refuse_pool => return errno(libc::ENOENT),
            18 => {
                let (pool, domid) = (get(&image, 12), get(&image, 20) as u16);
                state.domains.insert(domid, pool);
            }
            _ => {}
        }
        Ok(Reply { value: 0, image })
    }

    fn memory_op(&self, request: &Request) -> io::Result<Reply> {
        let mut image = request.image().to_vec();
        let mut state = self.state.lock().unwrap();
        if !state.domains.contains_key(&(get(&image, 24) as u16)) {
            return Ok(Reply { value: 0, image });
        }
        let asked = u64::from(get(&image, 8));
        let done = asked.min(state.free_extents);
        state.free_extents -= done;
        let start = request.payload_at(0);
        for n in 0..done as usize {
            let pfn = get(&image, start + n * 8);
            put(&mut image, start + n * 8, pfn + 0x1000);
        }
        Ok(Reply { value: done, image })
    }
}

/// Writes number, handle and "no vcpus" of a domain.
fn describe(entry: &mut [u8], id: u16) {
    put(entry, 0, id.into());
    put(entry, 68, u32::MAX);
    entry[76..92].fill(id as u8);
}

impl Gate for Arc<Stand> {
    fn pass(&self, request: &Request) -> io::Result<Reply> {
        let mut state = self.state.lock().unwrap();
        if state.faults > 0 {
            state.faults -= 1;
            return errno(libc::EFAULT);
        }
        drop(state);
        match request.hypercall() {
            36 => self.domctl(request),
            35 => self.sysctl(request),
            12 => self.memory_op(request),
            17 if request.image().is_empty() => Ok(Reply { value: self.release.into(), image: vec![] }),
            20 => {
                let mut image = request.image().to_vec();
                image[8..10].copy_from_slice(&self.state.lock().unwrap().grant_status.to_le_bytes());
                put(&mut image, request.payload_at(0), 0x77);
                Ok(Reply { value: 0, image })
            }
            29 if !self.state.lock().unwrap().domains.contains_key(&(get(request.image(), 0) as u16)) => {
                errno(libc::EPERM)
            }
            32 => {
                let mut image = request.image().to_vec();
                put(&mut image, 4, 9);
                Ok(Reply { value: 0, image })
            }
            _ => Ok(Reply { value: 0, image: request.image().to_vec() }),
        }
    }

    fn map_frames(&self, domid: DomId, _: Access, frames: &[Mfn]) -> io::Result<Box<dyn Mapping>> {
        let mut state = self.state.lock().unwrap();
        if !state.domains.contains_key(&domid.0) {
            return errno(libc::EINVAL);
        }
        state.mapped.extend_from_slice(frames);
        Ok(Box::new(Pages(frames.len() * 4096)))
    }

    fn map_grant_table(&self, _: DomId) -> io::Result<Box<dyn Mapping>> {
        match self.state.lock().unwrap().no_resource {
            Some(number) => errno(number),
            None => Ok(Box::new(Pages(4096))),
        }
    }
}

fn connect(stand: Stand) -> (Xen, Arc<Stand>) {
    let stand = Arc::new(stand);
    (Xen::over(Box::new(Arc::clone(&stand)), None).unwrap(), stand)
}

fn with(dialect: Dialect, prepare: impl FnOnce(&mut State)) -> (Xen, Arc<Stand>) {
    let stand = Stand::of(dialect);
    prepare(&mut stand.state.lock().unwrap());
    connect(stand)
}

fn xen(dialect: Dialect) -> Xen {
    with(dialect, |_| {}).0
}

fn wanted(cpupool: u32) -> CreateDomain {
    CreateDomain { cpupool, ..CreateDomain::pv(Uuid::from_bytes([5; 16]), 2) }
}

#[test]
fn opening_finds_both_numbers_of_every_release() {
    for dialect in Dialect::ALL {
        let xen = xen(dialect);
        assert_eq!(xen.version().domctl, Some(dialect.domctl()), "{dialect:?}");
        assert_eq!(xen.version().sysctl, Some(dialect.sysctl()), "{dialect:?}");
        assert_eq!(xen.read_only_reason(), None, "{dialect:?}");
        assert_eq!(xen.scheduler().unwrap(), Scheduler::Credit2);
    }
}

#[test]
fn an_unknown_domctl_leaves_what_can_be_read_without_it() {
    let (xen, stand) = connect(Stand { domctl: 0x19, release: 4 << 16 | 23, ..Stand::of(Dialect::Xen4_22) });
    let reason = "domctl of Xen 4.23 has an interface number that this program does not know";
    assert_eq!(xen.read_only_reason(), Some(reason));
    assert_eq!((xen.version().major, xen.version().minor), (4, 23));
    assert_eq!(xen.scheduler().unwrap(), Scheduler::Credit2);
    assert_eq!(xen.phys_info().unwrap().capabilities, 0x30b);
    let refused = xen.create(&wanted(0)).unwrap_err();
    assert_eq!(refused.to_string(), format!("cannot create a domain: {reason}"));
    assert!(matches!(xen.list(), Err(HypervisorError::ReadOnly { .. })));
    assert!(matches!(xen.populate(DomId(1), 0, &[0]), Err(HypervisorError::ReadOnly { .. })));
    assert!(matches!(xen.alloc_unbound(DomId(1), DomId(0)), Err(HypervisorError::ReadOnly { .. })));
    assert_eq!(stand.state.lock().unwrap().domains.len(), 1);
}

#[test]
fn a_known_number_of_another_release_is_not_believed() {
    let (xen, _) = connect(Stand { release: 4 << 16 | 23, ..Stand::of(Dialect::Xen4_22) });
    let reason = "Xen 4.23 answers to domctl 0x18 and sysctl 0x16, which no such release has";
    assert_eq!(xen.read_only_reason(), Some(reason));
}

#[test]
fn a_developer_may_name_the_dialect() {
    let stand = Arc::new(Stand { release: 4 << 16 | 23, ..Stand::of(Dialect::Xen4_22) });
    let xen = Xen::over(Box::new(Arc::clone(&stand)), Some(Dialect::Xen4_22)).unwrap();
    assert_eq!(xen.read_only_reason(), None);
    assert_eq!(xen.create(&wanted(0)).unwrap(), DomId(1));
}

#[test]
fn a_domain_without_privilege_is_told_so() {
    let (xen, _) = with(Dialect::Xen4_17, |state| state.unprivileged = true);
    let reason = xen.read_only_reason().unwrap();
    assert!(reason.contains("not the privileged one"), "{reason}");
    assert!(matches!(xen.phys_info(), Err(HypervisorError::ReadOnly { .. })));
}

#[test]
fn a_domain_that_is_not_there_is_none_on_every_release_even_if_another_follows() {
    for dialect in Dialect::ALL {
        let (xen, _) = with(dialect, |state| {
            state.domains.insert(7, 0);
        });
        assert_eq!(xen.info(DomId(3)).unwrap(), None, "{dialect:?}");
        assert_eq!(xen.info(DomId(8)).unwrap(), None, "{dialect:?}");
        let seven = xen.info(DomId(7)).unwrap().unwrap();
        assert_eq!((seven.uuid, seven.max_vcpu_id), (Uuid::from_bytes([7; 16]), None), "{dialect:?}");
    }
}

#[test]
fn calls_on_a_domain_that_is_not_there_fail_alike_on_every_release() {
    for dialect in Dialect::ALL {
        let (xen, _) = with(dialect, |state| {
            state.domains.insert(7, 0);
        });
        let absent = DomId(3);
        let errors = [
            xen.pause(absent).unwrap_err(),
            xen.destroy(absent).unwrap_err(),
            xen.vcpu_info(absent, 0).unwrap_err(),
            xen.force_shutdown(absent, ShutdownCode::Crash).unwrap_err(),
            xen.populate(absent, 0, &[1]).unwrap_err(),
            xen.map(absent, Access::Read, &[1]).map(|_| ()).unwrap_err(),
        ];
        for error in errors {
            assert!(error.is_no_domain(), "{dialect:?}: {error}");
        }
    }
}

#[test]
fn a_vcpu_that_is_not_there_is_none_on_every_release() {
    for dialect in Dialect::ALL {
        let xen = xen(dialect);
        assert_eq!(xen.vcpu_info(DomId(0), 2).unwrap(), None, "{dialect:?}");
        assert!(xen.vcpu_info(DomId(0), 1).unwrap().unwrap().online, "{dialect:?}");
    }
}

#[test]
fn the_list_is_complete_however_many_domains_there_are() {
    for dialect in Dialect::ALL {
        for count in [1_u16, 127, 128, 129, 300] {
            let (xen, _) = with(dialect, |state| state.domains = (0..count).map(|n| (n * 3, 0)).collect());
            let ids: Vec<u16> = xen.list().unwrap().iter().map(|info| info.domid.0).collect();
            assert_eq!(ids, (0..count).map(|n| n * 3).collect::<Vec<_>>(), "{dialect:?}");
        }
    }
}

#[test]
fn a_pool_is_chosen_at_creation_or_by_a_move_right_after() {
    for dialect in Dialect::ALL {
        let (xen, stand) = with(dialect, |_| {});
        let domid = xen.create(&wanted(4)).unwrap();
        let moved = stand.state.lock().unwrap().domains[&domid.0] == 4;
        assert_eq!(moved, dialect < Dialect::Xen4_17, "{dialect:?}");
    }
}

#[test]
fn a_domain_that_can_not_be_moved_to_its_pool_is_not_left_behind() {
    let (xen, stand) = with(Dialect::Xen4_14, |state| state.refuse_pool = true);
    let refused = xen.create(&wanted(4)).unwrap_err();
    assert_eq!(refused.to_string(), "cannot choose the CPU pool for domain 1");
    assert_eq!(stand.state.lock().unwrap().domains.len(), 1);
}

#[test]
fn the_grant_version_is_the_highest_that_the_host_offers() {
    let (xen, stand) = with(Dialect::Xen4_17, |_| {});
    xen.create(&wanted(0)).unwrap();
    assert_eq!(get(&stand.state.lock().unwrap().created, 44), 2);
}

#[test]
fn a_destruction_that_is_put_off_is_asked_for_again() {
    let (xen, stand) = with(Dialect::Xen4_14, |state| {
        state.domains.insert(5, 0);
        state.refuse_destroy = 3;
    });
    xen.destroy(DomId(5)).unwrap();
    let state = stand.state.lock().unwrap();
    assert!(!state.domains.contains_key(&5));
    assert_eq!(state.asked.iter().filter(|op| **op == 2).count(), 4);
}

#[test]
fn memory_is_allocated_in_pieces_and_answered_in_order() {
    let (xen, _) = with(Dialect::Xen4_19, |state| {
        state.domains.insert(1, 0);
    });
    let pfns: Vec<u64> = (0..70_000).collect();
    let frames = xen.populate(DomId(1), 0, &pfns).unwrap();
    assert_eq!(frames, pfns.iter().map(|pfn| pfn + 0x1000).collect::<Vec<_>>());
}

#[test]
fn running_out_of_memory_is_a_short_answer() {
    let (xen, stand) = with(Dialect::Xen4_17, |state| {
        state.domains.insert(1, 0);
        state.free_extents = 65_540;
    });
    let pfns: Vec<u64> = (0..200_000).collect();
    assert_eq!(xen.populate(DomId(1), 0, &pfns).unwrap().len(), 65_540);
    assert_eq!(xen.populate(DomId(1), 0, &pfns).unwrap(), []);
    assert_eq!(stand.state.lock().unwrap().free_extents, 0);
}

#[test]
fn the_message_ring_is_read_to_its_end_piece_by_piece() {
    let text: Vec<u8> = (0..100_000_u32).map(|n| n as u8).collect();
    let (xen, _) = with(Dialect::Xen4_17, |state| state.console = text.clone());
    assert_eq!(xen.read_console(ConsoleRead::Keep).unwrap(), text);
}

#[test]
fn a_grant_table_that_has_no_name_is_mapped_by_its_frame() {
    for number in [libc::ENOTTY, libc::EINVAL, libc::ENOSYS, libc::EOPNOTSUPP] {
        let (xen, stand) = with(Dialect::Xen4_14, |state| state.no_resource = Some(number));
        assert_eq!(xen.map_grant_table(DomId(0)).unwrap().len(), 4096);
        assert_eq!(stand.state.lock().unwrap().mapped, [0x77]);
    }
}

#[test]
fn a_grant_table_that_can_not_be_set_up_is_an_error() {
    let (xen, _) = with(Dialect::Xen4_14, |state| {
        state.no_resource = Some(libc::ENOTTY);
        state.grant_status = -1;
    });
    let refused = xen.map_grant_table(DomId(0)).map(|_| ()).unwrap_err();
    assert_eq!(refused.to_string(), "cannot set up the grant table for domain 0");
}

#[test]
fn a_new_port_is_the_one_that_xen_names() {
    assert_eq!(xen(Dialect::Xen4_17).alloc_unbound(DomId(0), DomId(0)).unwrap(), 9);
}

#[test]
fn a_buffer_that_was_away_for_an_instant_goes_unnoticed() {
    let (xen, stand) = with(Dialect::Xen4_17, |state| state.faults = 3);
    assert_eq!(xen.version().domctl, Some(0x15));
    for _ in 0..3 {
        stand.state.lock().unwrap().faults = 3;
        assert!(xen.info(DomId(0)).unwrap().is_some());
        stand.state.lock().unwrap().faults = 3;
        assert_eq!(xen.list().unwrap().len(), 1);
    }
    stand.state.lock().unwrap().faults = u32::MAX;
    assert_eq!(xen.list().unwrap_err().errno(), Some(libc::EFAULT));
}

#[test]
fn a_domain_whose_number_got_lost_is_found_by_its_handle_and_not_made_twice() {
    let (xen, stand) = with(Dialect::Xen4_17, |state| {
        state.next = 5;
        state.hide_created = true;
    });
    // The stand-in gives domain n the handle nnnn…; the one asked for is that of domain 5.
    assert_eq!(xen.create(&wanted(0)).unwrap(), DomId(5));
    assert_eq!(stand.state.lock().unwrap().domains.len(), 2);
}

#[test]
fn a_creation_that_did_not_happen_is_made_again() {
    let (xen, stand) = with(Dialect::Xen4_17, |_| {});
    stand.state.lock().unwrap().faults = 1;
    assert_eq!(xen.create(&wanted(0)).unwrap(), DomId(1));
    assert_eq!(stand.state.lock().unwrap().domains.len(), 2);
}
