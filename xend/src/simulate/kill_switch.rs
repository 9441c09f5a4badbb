//! `kill -9` for a daemon that runs on the simulated host: from a chosen side effect on, everything that it tries to
//! change is refused and stays as it is, be it in the hypervisor, in the store or by a script. What the daemon changes
//! elsewhere (its own files) can ask the same switch.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// As good as never.
const NEVER: u64 = u64::MAX;

/// Counts the daemon's side effects and refuses them from a chosen one on. Clones are the same switch.
#[derive(Clone)]
pub struct KillSwitch {
    counters: Arc<Counters>,
}

struct Counters {
    /// Side effects asked for so far, refused ones included.
    asked: AtomicU64,
    /// The last one that is let through.
    last: AtomicU64,
}

impl fmt::Debug for KillSwitch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KillSwitch").field("asked", &self.asked()).field("killed", &self.is_killed()).finish()
    }
}

impl Default for KillSwitch {
    fn default() -> Self {
        Self { counters: Arc::new(Counters { asked: AtomicU64::new(0), last: AtomicU64::new(NEVER) }) }
    }
}

impl KillSwitch {
    /// Lets `side_effects` more through and none after that.
    pub fn kill_after(&self, side_effects: u64) {
        let last = self.asked().saturating_add(side_effects);
        self.counters.last.store(last, Ordering::SeqCst);
    }

    /// Lets everything through again: for the next daemon, when the killed one does nothing any more.
    pub fn revive(&self) {
        self.counters.last.store(NEVER, Ordering::SeqCst);
    }

    /// How many side effects were asked for so far: what one operation needs is how far `kill_after` need count.
    pub fn asked(&self) -> u64 {
        self.counters.asked.load(Ordering::SeqCst)
    }

    /// True once a side effect was refused.
    pub fn is_killed(&self) -> bool {
        self.asked() > self.counters.last.load(Ordering::SeqCst)
    }

    /// Asks for one side effect; `false` when the daemon is dead.
    pub fn admit(&self) -> bool {
        let number = self.counters.asked.fetch_add(1, Ordering::SeqCst) + 1;
        number <= self.counters.last.load(Ordering::SeqCst)
    }

    /// The same question as a closure.
    pub fn gate(&self) -> Arc<dyn Fn() -> bool + Send + Sync> {
        let switch = self.clone();
        Arc::new(move || switch.admit())
    }
}

#[cfg(test)]
mod tests {
    use super::KillSwitch;

    #[test]
    fn the_chosen_number_passes_and_nothing_after_it_until_the_daemon_is_revived() {
        let switch = KillSwitch::default();
        let gate = switch.gate();
        assert!(gate() && gate());
        switch.kill_after(2);
        assert_eq!([gate(), gate(), switch.is_killed(), gate(), gate()], [true, true, false, false, false]);
        assert!(switch.is_killed());
        switch.revive();
        assert!(gate() && !switch.is_killed());
        assert_eq!(switch.asked(), 7);
    }
}
