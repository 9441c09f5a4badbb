//! Which steps an operation consists of: a pure function. [`super::run`] performs them one by one.

use crate::domain::Phase;

/// What is done for a domain as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Made from its configuration; left paused.
    Create,
    /// Taken away with everything that belongs to it.
    Destroy,
    /// Taken away and made again.
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
    let create = [
        Step::Record(Phase::Creating),
        Step::CreateShell,
        Step::Furnish,
        Step::Build,
        Step::Introduce,
        Step::Record(Phase::Live),
    ];
    let take_away = [Step::EndInXen, Step::DetachDevices, Step::AwaitGone, Step::RemoveNodes];
    match operation {
        Operation::Create => create.to_vec(),
        Operation::Destroy => [&[Step::Record(Phase::Ending)], &take_away[..], &[Step::Forget]].concat(),
        Operation::Restart => [&[Step::Record(Phase::Restarting)], &take_away[..], &create[..]].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_written_before_anything_and_forgotten_after_everything() {
        assert_eq!(plan(Operation::Create).first(), Some(&Step::Record(Phase::Creating)));
        assert_eq!(plan(Operation::Create).last(), Some(&Step::Record(Phase::Live)));
        assert_eq!(plan(Operation::Destroy).first(), Some(&Step::Record(Phase::Ending)));
        assert_eq!(plan(Operation::Destroy).last(), Some(&Step::Forget));
        let restart = plan(Operation::Restart);
        assert!(!restart.contains(&Step::Forget));
        assert_eq!(restart.first(), Some(&Step::Record(Phase::Restarting)));
    }
}
