//! Refuses requests of domain 0 on purpose: tests end a daemon between any two of its side effects.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::Gated;
use super::connection::Identity;
use crate::Errno;
use crate::wire::{Frame, Op};

/// Asked before each changing request of domain 0; `false` refuses it with EIO and without effect.
pub type Gate = Arc<dyn Fn() -> bool + Send + Sync>;

/// Whether domain 0 is served at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Service {
    /// As usual.
    Normal,
    /// Every request, reads too, is refused with EIO.
    Refused,
}

/// The gate and the service of a server.
#[derive(Default)]
pub(super) struct Guard {
    gate: RwLock<Option<Gate>>,
    has_gate: AtomicBool,
    is_refused: AtomicBool,
}

impl Guard {
    pub(super) fn set_gate(&self, gate: Option<Gate>) {
        let mut place = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.has_gate.store(gate.is_some(), Ordering::Release);
        *place = gate;
    }

    pub(super) fn set_service(&self, service: Service) {
        self.is_refused.store(service == Service::Refused, Ordering::Release);
    }

    /// Called without the server's lock: a gate may do what it likes.
    pub(super) fn admit(&self, identity: Identity, frame: &Frame) -> Result<(), Errno> {
        if identity.domid != 0 || identity.gated == Gated::No {
            return Ok(());
        }
        if self.is_refused.load(Ordering::Acquire) {
            return Err(Errno::Io);
        }
        if !self.has_gate.load(Ordering::Acquire) || !changes(frame) {
            return Ok(());
        }
        let gate = self.gate.read().unwrap_or_else(PoisonError::into_inner).clone();
        if gate.is_none_or(|gate| gate()) { Ok(()) } else { Err(Errno::Io) }
    }
}

/// A gate that lets `count` requests through.
pub(super) fn count_down(count: u64) -> Gate {
    let left = AtomicU64::new(count);
    Arc::new(move || {
        left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1)).is_ok()
    })
}

fn changes(frame: &Frame) -> bool {
    match Op::from_number(frame.op) {
        Some(
            Op::Write
            | Op::Mkdir
            | Op::Rm
            | Op::SetPerms
            | Op::Introduce
            | Op::Release
            | Op::Resume
            | Op::SetTarget,
        ) => true,
        Some(Op::TransactionEnd) => frame.payload.starts_with(b"T"),
        _ => false,
    }
}
