//! `sched_op`: putting a domain into the shutdown state from outside (`hypervisor-interface` §2.11).

use super::bytes::Record;
use super::request::{Request, hypercall};
use crate::{DomId, ShutdownCode};

const REMOTE_SHUTDOWN: u64 = 4;
const DOMAIN_ID: usize = 0;
const REASON: usize = 4;

/// Shuts a domain down with a code, as if it had asked for it.
pub fn remote_shutdown(domid: DomId, code: ShutdownCode) -> Request {
    let record = Record::<8>::new().u16(DOMAIN_ID, domid.0).u32(REASON, code.to_raw().into());
    Request::new(hypercall::SCHED_OP).value(REMOTE_SHUTDOWN).structure(&record.done())
}
