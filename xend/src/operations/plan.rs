//! Which steps an operation consists of: a pure function. [`super::run`] performs them one by one.

use crate::domain::Phase;

/// What is done for a domain as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Made from its configuration; left paused.
    Create,
    /// Made from its configuration and started; until it runs, a restart of the daemon takes it away again.
    Start,
    /// The same, but left paused once its devices are connected.
    StartPaused,
    /// Taken away with everything that belongs to it.
    Destroy,
    /// Taken away, made again and started: until it runs, a restart of the daemon begins anew.
    Restart,
}

/// One visible act of an operation. Each may be the last before a crash; each succeeds when it finds its work done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The record says what is coming, before anything else exists.
    Record(Phase),
    /// An empty domain in Xen: vcpus and limits, its handle the domain's UUID.
    CreateShell,
    /// Its nodes in the store with its devices; their scripts start. Beside it: memory, kernel, event channels.
    Furnish,
    /// Kernel, page tables, start info, first registers.
    Build,
    /// Its rings in the store; the store's daemon is told.
    Introduce,
    /// All its devices are connected on this side.
    AwaitDevices,
    /// Its first instruction.
    Unpause,
    /// Devices' backends close; their scripts run for removal.
    DetachDevices,
    /// Xen ends the domain.
    EndInXen,
    /// Xen has let go of it.
    AwaitGone,
    /// Its nodes go.
    RemoveNodes,
    /// Its record goes.
    Forget,
}

/// Lists the steps of an operation in order.
pub fn plan(operation: Operation) -> Vec<Step> {
    let make = [Step::CreateShell, Step::Furnish, Step::Build, Step::Introduce];
    let take_away = [Step::EndInXen, Step::DetachDevices, Step::AwaitGone, Step::RemoveNodes];
    match operation {
        Operation::Create => {
            // Its record says that it is complete once its creator knows: `manager::task`, `settle`.
            [&[Step::Record(Phase::Creating)], &make[..]].concat()
        }
        Operation::Start => {
            let start = [Step::AwaitDevices, Step::Unpause, Step::Record(Phase::Live)];
            [&[Step::Record(Phase::Starting)], &make[..], &start[..]].concat()
        }
        Operation::StartPaused => {
            let start = [Step::AwaitDevices, Step::Record(Phase::Live)];
            [&[Step::Record(Phase::Starting)], &make[..], &start[..]].concat()
        }
        Operation::Destroy => [&[Step::Record(Phase::Ending)], &take_away[..], &[Step::Forget]].concat(),
        Operation::Restart => {
            let start = [Step::AwaitDevices, Step::Unpause, Step::Record(Phase::Live)];
            [&[Step::Record(Phase::Restarting)], &take_away[..], &make[..], &start[..]].concat()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_written_before_anything_and_forgotten_after_everything() {
        assert_eq!(plan(Operation::Create).first(), Some(&Step::Record(Phase::Creating)));
        assert!(
            !plan(Operation::Create).contains(&Step::Record(Phase::Live)),
            "a crash would leave it paused"
        );
        for start in [Operation::Start, Operation::StartPaused] {
            assert_eq!(plan(start).first(), Some(&Step::Record(Phase::Starting)));
            assert_eq!(plan(start).last(), Some(&Step::Record(Phase::Live)));
        }
        assert_eq!(plan(Operation::Destroy).first(), Some(&Step::Record(Phase::Ending)));
        assert_eq!(plan(Operation::Destroy).last(), Some(&Step::Forget));
        let restart = plan(Operation::Restart);
        assert!(!restart.contains(&Step::Forget));
        assert_eq!(restart.first(), Some(&Step::Record(Phase::Restarting)));
        assert_eq!(restart.last(), Some(&Step::Record(Phase::Live)));
        assert!(
            !restart.contains(&Step::Record(Phase::Creating)),
            "a crash would undo what was to come back"
        );
    }
}
