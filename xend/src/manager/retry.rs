//! When a domain is looked at again after something failed: soon at first, then ever later. Without it a domain whose
//! undoing met a failing store would keep its name until the daemon is started again.

use std::time::Duration;

use tokio::time::Instant;

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The next look that nobody asked for.
#[derive(Debug)]
pub(super) struct Retry {
    due: Option<Instant>,
    pause: Duration,
}

impl Default for Retry {
    fn default() -> Self {
        Self { due: None, pause: FIRST_PAUSE }
    }
}

impl Retry {
    /// Something failed: look again after a pause, twice as long as the one before.
    pub(super) fn schedule(&mut self) {
        self.due = Some(Instant::now() + self.pause);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
    }

    /// A look begins, for whatever reason.
    pub(super) fn begin(&mut self) {
        self.due = None;
    }

    /// All is well: the next failure is a new one.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }

    /// When to look; `None` when there is no need to.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_start_anew_after_success() {
        let mut retry = Retry::default();
        assert_eq!(retry.due(), None);
        for _ in 0..20 {
            retry.schedule();
        }
        assert_eq!(retry.pause, LONGEST_PAUSE);
        retry.begin();
        assert_eq!((retry.due(), retry.pause), (None, LONGEST_PAUSE));
        retry.reset();
        assert_eq!(retry.pause, FIRST_PAUSE);
    }
}
