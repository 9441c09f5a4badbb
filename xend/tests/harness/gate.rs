//! Counts side effects, and from one of them on refuses all: what a daemon does not do any more after `kill -9`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use tokio::sync::Notify;

const OPEN: u64 = u64::MAX;

/// Asked before every side effect. Clones are the same gate.
#[derive(Clone)]
pub struct Gate(Arc<State>);

struct State {
    left: AtomicU64,
    passed: AtomicU64,
    is_shut: AtomicBool,
    /// Only one side effect is refused.
    once: AtomicBool,
    shut: Notify,
}

impl Default for Gate {
    fn default() -> Self {
        let (left, passed) = (AtomicU64::new(OPEN), AtomicU64::new(0));
        let (is_shut, once) = (AtomicBool::new(false), AtomicBool::new(false));
        Self(Arc::new(State { left, passed, is_shut, once, shut: Notify::new() }))
    }
}

impl Gate {
    /// Whether the next side effect may happen.
    pub fn ask(&self) -> bool {
        let state = &self.0;
        let take = |left: u64| if left == OPEN { Some(OPEN) } else { left.checked_sub(1) };
        if state.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, take).is_ok() {
            state.passed.fetch_add(1, Ordering::AcqRel);
            return true;
        }
        state.is_shut.store(true, Ordering::Release);
        if state.once.load(Ordering::Acquire) {
            state.left.store(OPEN, Ordering::Release);
        }
        state.shut.notify_waiters();
        false
    }

    /// Lets `count` side effects pass and refuses all that follow.
    pub fn shut_after(&self, count: u64) {
        self.0.passed.store(0, Ordering::Release);
        self.0.left.store(count, Ordering::Release);
    }

    /// Lets `count` side effects pass and refuses the next one only: a passing disturbance.
    pub fn refuse_one_after(&self, count: u64) {
        self.0.once.store(true, Ordering::Release);
        self.shut_after(count);
    }

    /// Lets everything pass again.
    pub fn open(&self) {
        self.0.once.store(false, Ordering::Release);
        self.0.left.store(OPEN, Ordering::Release);
        self.0.is_shut.store(false, Ordering::Release);
        self.0.passed.store(0, Ordering::Release);
    }

    /// How many side effects passed since the gate was opened or set.
    pub fn passed(&self) -> u64 {
        self.0.passed.load(Ordering::Acquire)
    }

    /// Returns when a side effect has been refused.
    pub async fn refused(&self) {
        loop {
            let shut = self.0.shut.notified();
            if self.is_shut() {
                return;
            }
            shut.await;
        }
    }

    /// Whether a side effect has been refused.
    pub fn is_shut(&self) -> bool {
        self.0.is_shut.load(Ordering::Acquire)
    }
}
