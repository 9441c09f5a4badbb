//! `grant_table_op`: finding a guest's grant table where the kernel can't map it by name (`hypervisor-interface` §3.9).

use super::bytes::{Record, View};
use super::request::{Reply, Request, hypercall};
use crate::{DomId, Mfn};

const SETUP_TABLE: u64 = 2;
const DOM: usize = 0;
const NR_FRAMES: usize = 4;
const STATUS: usize = 8;
const FRAME_LIST: usize = 16;

/// Sets up the first frame of a guest's grant table and asks where it is.
pub fn setup_table(domid: DomId) -> Request {
    let record = Record::<24>::new().u16(DOM, domid.0).u32(NR_FRAMES, 1);
    Request::new(hypercall::GRANT_TABLE_OP)
        .value(SETUP_TABLE)
        .structure(&record.done())
        .payload(FRAME_LIST, &[0; 8])
        .value(1)
}

/// The frame that [`setup_table`] has found, or the status (negative) that says why not: the hypercall itself succeeds.
pub fn setup_table_answer(request: &Request, reply: &Reply) -> Result<Mfn, i16> {
    let status = View::new(&reply.image, 0).u16(STATUS).cast_signed();
    if status == 0 { Ok(View::new(&reply.image, request.payload_at(0)).u64(0)) } else { Err(status) }
}
