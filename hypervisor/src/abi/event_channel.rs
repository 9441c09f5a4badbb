//! `event_channel_op`: ports made on behalf of a guest (`hypervisor-interface` §2.11).

use super::bytes::{Record, View};
use super::request::{Reply, Request, hypercall};
use crate::{DomId, Port};

const ALLOC_UNBOUND: u64 = 6;
const DOM: usize = 0;
const REMOTE_DOM: usize = 2;
const PORT: usize = 4;

/// Makes a port of `domid` that `remote` may bind to.
pub fn alloc_unbound(domid: DomId, remote: DomId) -> Request {
    let record = Record::<8>::new().u16(DOM, domid.0).u16(REMOTE_DOM, remote.0);
    Request::new(hypercall::EVENT_CHANNEL_OP).value(ALLOC_UNBOUND).structure(&record.done())
}

/// The port that [`alloc_unbound`] has made.
pub fn alloc_unbound_answer(reply: &Reply) -> Port {
    View::new(&reply.image, 0).u32(PORT)
}
