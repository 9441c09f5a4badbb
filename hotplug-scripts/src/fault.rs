//! Faults on demand, for tests only: a script fails, or is killed, just before one of its steps.
//!
//! `XEN_HOTPLUG_FAULT=fail:3` lets the third step of a run fail, `kill:5` ends the program before its fifth as
//! `kill -9` would, together with the process that waits for it if there is one; `kill-worker:5` leaves that one.
//! `pause:2` lets it wait a second before its second; a comma parts several. Steps of an undo count on. A release
//! build does not look at the variable: nobody can make an installed script fail with it.

use crate::invocation::Invocation;
use std::cell::Cell;
use std::time::Duration;

/// The variable that asks for faults.
pub const VARIABLE: &str = "XEN_HOTPLUG_FAULT";

/// The variable that tells a process that another waits for it, and will take back what it leaves undone.
pub const WORKER: &str = "XEN_HOTPLUG_WORKER";

/// How long a pause is.
const PAUSE: Duration = Duration::from_secs(1);

/// A step that a test let fail.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step}: a test let it fail")]
pub struct Fault {
    /// The step.
    pub step: String,
}

/// What is to happen instead of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Fail,
    Kill,
    KillWorker,
    Pause,
}

/// The faults of one run, and how far it came.
#[derive(Debug, Default)]
pub struct Faults {
    planned: Vec<(u32, Kind)>,
    reached: Cell<u32>,
    is_worker: bool,
}

impl Faults {
    /// Those that the caller asks for.
    pub fn of(call: &Invocation) -> Self {
        let wish = call.variable(VARIABLE).filter(|_| cfg!(debug_assertions));
        let planned = wish.into_iter().flat_map(|wish| wish.split(',')).filter_map(parse).collect();
        Faults { planned, reached: Cell::new(0), is_worker: call.variable(WORKER).is_some() }
    }

    /// Called before each step that changes the host.
    pub fn reach(&self, step: &str) -> Result<(), Fault> {
        let number = self.reached.get() + 1;
        self.reached.set(number);
        match self.planned.iter().find(|(at, _)| *at == number).map(|(_, kind)| *kind) {
            None => Ok(()),
            Some(Kind::KillWorker) if !self.is_worker => Ok(()),
            Some(Kind::Fail) => Err(Fault { step: step.to_owned() }),
            Some(Kind::Pause) => {
                std::thread::sleep(PAUSE);
                Ok(())
            }
            Some(kind @ (Kind::Kill | Kind::KillWorker)) => {
                if kind == Kind::Kill && self.is_worker {
                    let parent = nix::unistd::getppid();
                    let _ = nix::sys::signal::kill(parent, nix::sys::signal::Signal::SIGKILL);
                }
                let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
                Err(Fault { step: step.to_owned() })
            }
        }
    }
}

fn parse(wish: &str) -> Option<(u32, Kind)> {
    let (kind, number) = wish.split_once(':')?;
    let kind = match kind {
        "fail" => Kind::Fail,
        "kill" => Kind::Kill,
        "kill-worker" => Kind::KillWorker,
        "pause" => Kind::Pause,
        _ => return None,
    };
    Some((number.parse().ok()?, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_fails_when_it_is_asked_to_and_once_only() {
        let wish = (VARIABLE.to_owned(), "fail:2,x,fail:,fail:4".to_owned());
        let faults = Faults::of(&Invocation::new("network-bridge", ["start".to_owned()], [wish]));
        let outcomes: Vec<bool> = (0..5).map(|_| faults.reach("rename eth0").is_ok()).collect();
        assert_eq!(outcomes, [true, false, true, false, true]);
    }
}
