//! `memory_op` and `mmuext_op`: giving memory to a guest and pinning its page tables (`hypervisor-interface` §2.10).

use super::bytes::{Record, View};
use super::request::{Reply, Request, hypercall};
use crate::{DomId, Mfn, Pfn};

const POPULATE_PHYSMAP: u64 = 6;
const SET_MEMORY_MAP: u64 = 13;
const CLAIM_PAGES: u64 = 24;

const RESERVATION_SIZE: usize = 32;
const EXTENT_START: usize = 0;
const NR_EXTENTS: usize = 8;
const EXTENT_ORDER: usize = 16;
const DOMID: usize = 24;

fn memory_op(sub: u64, structure: &[u8]) -> Request {
    Request::new(hypercall::MEMORY_OP).value(sub).structure(structure)
}

/// Allocates an extent of 2^`order` pages at each of `pfns`. The reply's value is how many were.
pub fn populate(domid: DomId, order: u32, pfns: &[Pfn]) -> Request {
    let record = Record::<RESERVATION_SIZE>::new()
        .u64(NR_EXTENTS, pfns.len() as u64)
        .u32(EXTENT_ORDER, order)
        .u16(DOMID, domid.0);
    let list: Vec<u8> = pfns.iter().flat_map(|pfn| pfn.to_le_bytes()).collect();
    memory_op(POPULATE_PHYSMAP, &record.done()).payload(EXTENT_START, &list)
}

/// First machine frames of the extents that [`populate`] has allocated.
pub fn populate_answer(request: &Request, reply: &Reply) -> Vec<Mfn> {
    let start = request.payload_at(0);
    let view = View::new(&reply.image, start);
    let asked = (reply.image.len() - start) / 8;
    let done = usize::try_from(reply.value).unwrap_or(asked).min(asked);
    (0..done).map(|n| view.u64(n * 8)).collect()
}

/// Reserves free pages for a domain.
pub fn claim_pages(domid: DomId, nr_pages: u64) -> Request {
    let record = Record::<RESERVATION_SIZE>::new().u64(NR_EXTENTS, nr_pages).u16(DOMID, domid.0);
    memory_op(CLAIM_PAGES, &record.done())
}

const MAP_SIZE: usize = 24;
const MAP_DOMID: usize = 0;
const MAP_NR_ENTRIES: usize = 8;
const MAP_BUFFER: usize = 16;

const E820_SIZE: usize = 20;
const E820_ADDR: usize = 0;
const E820_BYTES: usize = 8;
const E820_TYPE: usize = 16;
const E820_RAM: u32 = 1;

/// Tells Xen what the guest may ask for as its memory map: one entry of RAM from 0 to `bytes`.
pub fn set_memory_map(domid: DomId, bytes: u64) -> Request {
    let entry = Record::<E820_SIZE>::new().u64(E820_ADDR, 0).u64(E820_BYTES, bytes).u32(E820_TYPE, E820_RAM);
    let map = Record::<MAP_SIZE>::new().u16(MAP_DOMID, domid.0).u32(MAP_NR_ENTRIES, 1);
    memory_op(SET_MEMORY_MAP, &map.done()).payload(MAP_BUFFER, &entry.done())
}

const MMUEXT_SIZE: usize = 24;
const MMUEXT_COMMAND: usize = 0;
const MMUEXT_ARG1: usize = 8;
const PIN_L4_TABLE: u32 = 3;

/// Validates and pins a guest's top page table.
pub fn pin_l4_table(domid: DomId, mfn: Mfn) -> Request {
    let operation = Record::<MMUEXT_SIZE>::new().u32(MMUEXT_COMMAND, PIN_L4_TABLE).u64(MMUEXT_ARG1, mfn);
    Request::new(hypercall::MMUEXT_OP)
        .structure(&operation.done())
        .value(1)
        .structure(&[0; 4])
        .value(domid.0.into())
}
