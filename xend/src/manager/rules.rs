//! What may happen to a domain and what it needs: pure functions over plain values. The task that acts is a thin
//! loop around them (`manager::task`).
//!
//! ```text
//!   request ──> admit ──> queue | already done | refuse(reason)
//!   operation ─> plan ──> steps, in order (`operations::plan`)
//!   record + what Xen has ──> check ──> keep | finish | undo | undo and create | act on the end (policy)
//! ```

use std::time::Duration;

use crate::domain::{ExitAction, ExitActions, Phase};

/// How a domain of ours stands at this moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not in Xen.
    Absent,
    /// Alive and paused.
    Paused,
    /// Alive; blocked counts.
    Running,
    /// Has shut down and is still there, whatever the reason.
    Ended(Ending),
    /// Being torn down by Xen.
    Dying,
}

/// Why a domain shut down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// `poweroff`
    Poweroff,
    /// `reboot`
    Reboot,
    /// `suspend`
    Suspend,
    /// A crash.
    Crash,
    /// A watchdog or a number that has no meaning here: destroyed at once.
    Other,
}

/// What a client can ask of one domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Stop its vcpus.
    Pause,
    /// Let them go on.
    Unpause,
    /// Ask the guest to end.
    Shutdown,
    /// Give it a device, take one away, change one.
    Devices,
    /// End it.
    Destroy,
}

/// Why a guest is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ShutdownReason {
    /// `poweroff`
    Poweroff,
    /// `reboot`
    Reboot,
    /// `suspend`
    Suspend,
    /// `halt`
    Halt,
    /// Not asked: put into the crashed state from outside.
    Crash,
}

impl ShutdownReason {
    /// From the word of a request.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "poweroff" => Self::Poweroff,
            "reboot" => Self::Reboot,
            "suspend" => Self::Suspend,
            "halt" => Self::Halt,
            "crash" => Self::Crash,
            _ => return None,
        })
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Poweroff => "poweroff",
            Self::Reboot => "reboot",
            Self::Suspend => "suspend",
            Self::Halt => "halt",
            Self::Crash => "crash",
        }
    }
}

/// The answer to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Do it, after what is being done.
    Queue,
    /// Nothing to do.
    AlreadyDone,
    /// It can't be done.
    Refuse(Refusal),
}

/// Why a request is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There is no live domain to do it to.
    NotStarted,
    /// It has shut down already.
    HasEnded,
    /// To be started, and there already: it runs, is suspended, or is being started.
    AlreadyRunning,
    /// To be deleted, and not halted.
    NotHalted,
    /// To be suspended, and not running.
    NotRunning,
    /// To be suspended, and not managed.
    NotManaged,
    /// It belongs to another tool.
    Foreign,
    /// Its stored devices are to be changed while it is being started, or is just ending.
    InMotion,
}

/// Answers a request.
pub fn admit(standing: Standing, asked: Asked) -> Verdict {
    use Verdict::{AlreadyDone, Queue, Refuse};
    match (standing, asked) {
        (Standing::Running, Asked::Pause) | (Standing::Paused, Asked::Unpause) => Queue,
        (Standing::Paused, Asked::Pause) | (Standing::Running, Asked::Unpause) => AlreadyDone,
        // The original let a crashed domain be paused, so that its memory can be looked at in peace.
        (Standing::Ended(Ending::Crash), Asked::Pause) => AlreadyDone,
        (Standing::Ended(_) | Standing::Dying | Standing::Absent, Asked::Pause | Asked::Unpause) => {
            Refuse(Refusal::NotStarted)
        }
        (Standing::Running | Standing::Paused, Asked::Devices) => Queue,
        (Standing::Ended(_) | Standing::Dying | Standing::Absent, Asked::Devices) => {
            Refuse(Refusal::NotStarted)
        }
        (Standing::Running | Standing::Paused, Asked::Shutdown) => Queue,
        (Standing::Ended(_) | Standing::Dying | Standing::Absent, Asked::Shutdown) => {
            Refuse(Refusal::HasEnded)
        }
        (Standing::Running | Standing::Paused | Standing::Ended(_) | Standing::Dying, Asked::Destroy) => {
            Queue
        }
        (Standing::Absent, Asked::Destroy) => AlreadyDone,
    }
}

/// What a domain of ours needs, seen from its record and from Xen. The same after a restart of the daemon, after a
/// failure and on news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: it is as it should be.
    Nothing,
    /// Whatever there is of it goes.
    Undo,
    /// Whatever there is of it goes, and it is made again.
    UndoAndCreate,
    /// It is complete and runs; only its record does not say so yet.
    Finish,
    /// It has ended: `policy` says what follows.
    ActOnEnd(Ending),
}

/// Works out what a domain needs.
pub fn check(phase: Phase, standing: Standing) -> Need {
    match (phase, standing) {
        (Phase::Creating | Phase::Ending, _) => Need::Undo,
        // Only a start that came to its end makes it run.
        (Phase::Starting, Standing::Running) => Need::Finish,
        // It ran, or it could not have ended: only its record is behind.
        (Phase::Starting, Standing::Ended(ending)) => Need::ActOnEnd(ending),
        (Phase::Starting, Standing::Absent | Standing::Paused | Standing::Dying) => Need::Undo,
        // Only the one that came again runs: the one that went had ended.
        (Phase::Restarting, Standing::Running) => Need::Finish,
        (Phase::Restarting, Standing::Absent | Standing::Paused | Standing::Ended(_) | Standing::Dying) => {
            Need::UndoAndCreate
        }
        (Phase::Live, Standing::Absent | Standing::Dying) => Need::Undo,
        (Phase::Live, Standing::Ended(ending)) => Need::ActOnEnd(ending),
        (Phase::Live, Standing::Running | Standing::Paused) => Need::Nothing,
    }
}

/// What follows the end of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It goes.
    Destroy,
    /// It comes again.
    Restart,
    /// It would come again, but it ended too soon after its start: it goes, to avoid a loop.
    RestartedTooFast,
    /// It stays as it is, dead.
    Preserve,
    /// It stays as it is: whoever suspended it goes on with it.
    Leave,
}

/// Decides what follows the end of a domain (`xend-daemon` §4.3, §4.4). `age` is the time since its start.
pub fn policy(ending: Ending, actions: ExitActions, age: Duration, floor: Duration) -> Outcome {
    let action = match ending {
        Ending::Poweroff => actions.on_poweroff,
        Ending::Reboot => actions.on_reboot,
        Ending::Crash => actions.on_crash,
        Ending::Suspend => return Outcome::Leave,
        Ending::Other => return Outcome::Destroy,
    };
    match action {
        ExitAction::Destroy => Outcome::Destroy,
        ExitAction::Preserve => Outcome::Preserve,
        ExitAction::Restart if age < floor => Outcome::RestartedTooFast,
        ExitAction::Restart => Outcome::Restart,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STANDINGS: [Standing; 9] = [
        Standing::Absent,
        Standing::Paused,
        Standing::Running,
        Standing::Ended(Ending::Poweroff),
        Standing::Ended(Ending::Reboot),
        Standing::Ended(Ending::Suspend),
        Standing::Ended(Ending::Crash),
        Standing::Ended(Ending::Other),
        Standing::Dying,
    ];

    #[test]
    fn a_domain_that_is_there_can_always_be_destroyed() {
        for standing in STANDINGS {
            let wanted = if standing == Standing::Absent { Verdict::AlreadyDone } else { Verdict::Queue };
            assert_eq!(admit(standing, Asked::Destroy), wanted, "{standing:?}");
        }
    }

    #[test]
    fn only_a_live_domain_is_paused_or_asked_to_shut_down() {
        for standing in [Standing::Absent, Standing::Dying, Standing::Ended(Ending::Poweroff)] {
            assert_eq!(admit(standing, Asked::Pause), Verdict::Refuse(Refusal::NotStarted));
            assert_eq!(admit(standing, Asked::Shutdown), Verdict::Refuse(Refusal::HasEnded));
        }
        assert_eq!(admit(Standing::Paused, Asked::Pause), Verdict::AlreadyDone);
        assert_eq!(admit(Standing::Running, Asked::Unpause), Verdict::AlreadyDone);
    }

    #[test]
    fn a_domain_that_was_not_complete_is_undone_whatever_xen_has_of_it() {
        for standing in STANDINGS {
            assert_eq!(check(Phase::Creating, standing), Need::Undo);
            assert_eq!(check(Phase::Ending, standing), Need::Undo);
            let wanted = match standing {
                Standing::Running => Need::Finish,
                // One that ended has run: it is not lost for a record that is behind.
                Standing::Ended(ending) => Need::ActOnEnd(ending),
                Standing::Absent | Standing::Paused | Standing::Dying => Need::Undo,
            };
            assert_eq!(check(Phase::Starting, standing), wanted);
            let wanted = if standing == Standing::Running { Need::Finish } else { Need::UndoAndCreate };
            assert_eq!(check(Phase::Restarting, standing), wanted);
        }
        assert_eq!(check(Phase::Live, Standing::Running), Need::Nothing);
        assert_eq!(check(Phase::Live, Standing::Absent), Need::Undo);
    }

    #[test]
    fn a_restart_within_the_floor_is_not_made() {
        let actions = ExitActions::default();
        let floor = Duration::from_secs(60);
        let after = |seconds| policy(Ending::Reboot, actions, Duration::from_secs(seconds), floor);
        assert_eq!(after(59), Outcome::RestartedTooFast);
        assert_eq!(after(60), Outcome::Restart);
        assert_eq!(policy(Ending::Poweroff, actions, floor, floor), Outcome::Destroy);
        assert_eq!(policy(Ending::Suspend, actions, floor, floor), Outcome::Leave);
        assert_eq!(policy(Ending::Other, actions, floor, floor), Outcome::Destroy);
    }
}
