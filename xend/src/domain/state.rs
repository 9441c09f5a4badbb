//! What a live domain is doing, worked out from what Xen says about it (`xend-daemon` §4.1). Never stored.

/// What Xen and the daemon know of a live domain at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[allow(clippy::struct_excessive_bools)]
pub struct LiveFacts {
    /// A vcpu is on a processor.
    pub running: bool,
    /// All vcpus wait.
    pub blocked: bool,
    /// Paused by a toolstack.
    pub paused: bool,
    /// Has shut down, for whatever reason.
    pub shutdown: bool,
    /// Has shut down by a crash.
    pub crashed: bool,
    /// Being torn down.
    pub dying: bool,
    /// CPU time of all vcpus, seconds.
    pub cpu_seconds: f64,
    /// Vcpus that are up.
    pub online_vcpus: u32,
}

/// The power states and their numbers on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerState {
    /// 0: not there, or shut down.
    Halted,
    /// 1
    Paused,
    /// 2: blocked counts as running.
    Running,
    /// 3: managed, with its memory in a file.
    Suspended,
    /// 5
    Crashed,
}

impl PowerState {
    /// Of a live domain.
    pub fn of(facts: &LiveFacts) -> Self {
        if facts.crashed {
            Self::Crashed
        } else if facts.shutdown || facts.dying {
            Self::Halted
        } else if facts.paused {
            Self::Paused
        } else {
            Self::Running
        }
    }

    /// Number in `(status N)`.
    pub fn number(self) -> i64 {
        match self {
            Self::Halted => 0,
            Self::Paused => 1,
            Self::Running => 2,
            Self::Suspended => 3,
            Self::Crashed => 5,
        }
    }

    /// The word that `domains_with_state` takes, in lower case.
    pub fn word(self) -> &'static str {
        match self {
            Self::Halted => "halted",
            Self::Paused => "paused",
            Self::Running => "running",
            Self::Suspended => "suspended",
            Self::Crashed => "crashed",
        }
    }
}

/// `rbpscd`, a dash for what is not so. A crash clears the `s`, as the original's library had it.
pub fn state_letters(facts: &LiveFacts) -> String {
    [
        (facts.running, 'r'),
        (facts.blocked, 'b'),
        (facts.paused, 'p'),
        (facts.shutdown && !facts.crashed, 's'),
        (facts.crashed, 'c'),
        (facts.dying, 'd'),
    ]
    .into_iter()
    .map(|(set, letter)| if set { letter } else { '-' })
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_stand_in_the_fixed_order() {
        let facts = LiveFacts { blocked: true, paused: true, ..LiveFacts::default() };
        assert_eq!(state_letters(&facts), "-bp---");
        let facts = LiveFacts { shutdown: true, crashed: true, ..LiveFacts::default() };
        assert_eq!(state_letters(&facts), "----c-");
        assert_eq!(PowerState::of(&facts), PowerState::Crashed);
    }
}
