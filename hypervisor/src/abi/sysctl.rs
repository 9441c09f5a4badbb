//! `sysctl`: what a toolstack asks of the host (`hypervisor-interface` §2.8). Offsets named here are inside the union.
//!
//! Most functions take the interface number itself: their layouts are the same under each known number, so they work
//! even where the `domctl` of a newer release is unknown. Processors and nodes are in [`super::topology`].

use super::bytes::{Record, View};
use super::dialect::Dialect;
use super::domain_info;
use super::request::{Reply, Request, hypercall};
use crate::{ConsoleRead, DomId, DomainInfo, PhysInfo, Scheduler};

/// Bytes of the structure.
pub const SIZE: usize = 136;
/// Where the union begins.
pub const UNION: usize = 8;
const COMMAND: usize = 0;
const VERSION: usize = 4;

const READCONSOLE: u32 = 1;
const PHYSINFO: u32 = 3;
const SCHED_ID: u32 = 4;
const GETDOMAININFOLIST: u32 = 6;
const DEBUG_KEYS: u32 = 7;
const GETCPUINFO: u32 = 8;
const AVAILHEAP: u32 = 9;
const CPUPOOL_OP: u32 = 18;

pub(super) fn record(version: u32, command: u32) -> Record<SIZE> {
    Record::new().u32(COMMAND, command).u32(VERSION, version)
}

pub(super) fn request(record: Record<SIZE>) -> Request {
    Request::new(hypercall::SYSCTL).structure(&record.done())
}

/// Asks for the scheduler; also the way to find the interface number, since nothing is smaller.
pub fn scheduler(version: u32) -> Request {
    request(record(version, SCHED_ID))
}

/// What [`scheduler`] has shown.
pub fn scheduler_answer(reply: &Reply) -> Scheduler {
    match View::new(&reply.image, UNION).u32(0) {
        5 => Scheduler::Credit,
        6 => Scheduler::Credit2,
        7 => Scheduler::Arinc653,
        8 => Scheduler::Rtds,
        9 => Scheduler::Null,
        other => Scheduler::Other(other),
    }
}

/// Asks for processors and memory.
pub fn phys_info(version: u32) -> Request {
    request(record(version, PHYSINFO))
}

/// What [`phys_info`] has shown. From 0x15 on two words sit between the capabilities and the page counts.
pub fn phys_info_answer(version: u32, reply: &Reply) -> PhysInfo {
    const CAPABILITIES: usize = 28;
    let pages = CAPABILITIES + if version >= 0x15 { 12 } else { 4 };
    let view = View::new(&reply.image, UNION);
    let mut hw_cap = [0; 8];
    for (n, word) in hw_cap.iter_mut().enumerate() {
        *word = view.u32(pages + 40 + n * 4);
    }
    PhysInfo {
        threads_per_core: view.u32(0),
        cores_per_socket: view.u32(4),
        nr_cpus: view.u32(8),
        max_cpu_id: view.u32(12),
        nr_nodes: view.u32(16),
        cpu_khz: view.u32(24),
        capabilities: view.u32(CAPABILITIES),
        total_pages: view.u64(pages),
        free_pages: view.u64(pages + 8),
        scrub_pages: view.u64(pages + 16),
        outstanding_pages: view.u64(pages + 24),
        hw_cap,
    }
}

const LIST_FIRST: usize = 0;
const LIST_MAX: usize = 4;
const LIST_BUFFER: usize = 8;
const LIST_NUM: usize = 16;

/// Asks for at most `max` domains from number `first` on.
pub fn domain_list(dialect: Dialect, first: DomId, max: u16) -> Request {
    let room = vec![0; usize::from(max) * domain_info::size(dialect)];
    let record = record(dialect.sysctl(), GETDOMAININFOLIST)
        .u16(UNION + LIST_FIRST, first.0)
        .u32(UNION + LIST_MAX, max.into());
    request(record).payload(UNION + LIST_BUFFER, &room)
}

/// What [`domain_list`] has shown; fewer than asked for means that there are no more.
pub fn domain_list_answer(dialect: Dialect, request: &Request, reply: &Reply) -> Vec<DomainInfo> {
    let stride = domain_info::size(dialect);
    let start = request.payload_at(0);
    let room = (reply.image.len() - start) / stride;
    let count = View::new(&reply.image, UNION).u32(LIST_NUM) as usize;
    (0..count.min(room)).map(|n| domain_info::decode(&reply.image, start + n * stride)).collect()
}

const CONSOLE_CLEAR: usize = 0;
const CONSOLE_INCREMENTAL: usize = 1;
const CONSOLE_INDEX: usize = 4;
const CONSOLE_BUFFER: usize = 8;
const CONSOLE_COUNT: usize = 16;

/// Asks for up to `count` bytes of Xen's message ring from `index` on; 0 and anything stale mean its oldest byte.
pub fn read_console(version: u32, how: ConsoleRead, index: u32, count: u32) -> Request {
    let record = record(version, READCONSOLE)
        .u8(UNION + CONSOLE_CLEAR, u8::from(how == ConsoleRead::Clear))
        .u8(UNION + CONSOLE_INCREMENTAL, 1)
        .u32(UNION + CONSOLE_INDEX, index)
        .u32(UNION + CONSOLE_COUNT, count);
    request(record).payload(UNION + CONSOLE_BUFFER, &vec![0; count as usize])
}

/// What [`read_console`] has shown, and the index to go on from.
pub fn read_console_answer<'a>(request: &Request, reply: &'a Reply) -> (&'a [u8], u32) {
    let view = View::new(&reply.image, UNION);
    let text = &reply.image[request.payload_at(0)..];
    let count = (view.u32(CONSOLE_COUNT) as usize).min(text.len());
    (&text[..count], view.u32(CONSOLE_INDEX))
}

/// Presses keys on Xen's console, one byte each.
pub fn debug_keys(version: u32, keys: &[u8]) -> Request {
    let count = u32::try_from(keys.len()).unwrap_or(u32::MAX);
    request(record(version, DEBUG_KEYS).u32(UNION + 8, count)).payload(UNION, keys)
}

/// Asks how long each of the first `count` processors was idle.
pub fn cpu_idle_times(version: u32, count: u16) -> Request {
    request(record(version, GETCPUINFO).u32(UNION, count.into()))
        .payload(UNION + 8, &vec![0; usize::from(count) * 8])
}

/// What [`cpu_idle_times`] has shown, nanoseconds.
pub fn cpu_idle_times_answer(request: &Request, reply: &Reply) -> Vec<u64> {
    let start = request.payload_at(0);
    let view = View::new(&reply.image, start);
    let count = (View::new(&reply.image, UNION).u32(16) as usize).min((reply.image.len() - start) / 8);
    (0..count).map(|n| view.u64(n * 8)).collect()
}

const HEAP_MAX_BITWIDTH: usize = 4;
const HEAP_NODE: usize = 8;
const HEAP_AVAIL: usize = 16;

/// Asks for free memory whose addresses have at most `bits` bits (0: any), on any node.
pub fn available_heap(version: u32, bits: u32) -> Request {
    let record = record(version, AVAILHEAP)
        .u32(UNION + HEAP_MAX_BITWIDTH, bits)
        .bytes(UNION + HEAP_NODE, &(-1_i32).to_le_bytes());
    request(record)
}

/// What [`available_heap`] has shown, bytes.
pub fn available_heap_answer(reply: &Reply) -> u64 {
    View::new(&reply.image, UNION).u64(HEAP_AVAIL)
}

const CPUPOOL_MOVEDOMAIN: u32 = 6;

/// Moves a domain to a CPU pool.
pub fn move_to_cpupool(version: u32, domid: DomId, pool: u32) -> Request {
    let record = record(version, CPUPOOL_OP)
        .u32(UNION, CPUPOOL_MOVEDOMAIN)
        .u32(UNION + 4, pool)
        .u32(UNION + 12, domid.0.into());
    request(record)
}
