//! Two processes instead of one while an interface changes: one does it, the other waits and takes it back when the
//! first is killed. The host may be reached over that very interface, so nobody could come and run `stop`.

use super::NetworkError;
use crate::fault::WORKER;
use crate::invocation::Invocation;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, Stdio};

/// What became of the one that works.
pub(super) enum Outcome {
    /// We are that one, or there can be no second.
    WorkHere,
    /// It came to its end and told the caller what there was to tell.
    Ended {
        /// Whether it succeeded.
        well: bool,
    },
    /// It was killed.
    Killed,
}

/// Starts the process that works and waits for its end.
pub(super) fn watch(call: &Invocation) -> Outcome {
    if call.variable(WORKER).is_some() {
        return Outcome::WorkHere;
    }
    let Ok(program) = std::env::current_exe() else { return Outcome::WorkHere };
    let mut command = Command::new(program);
    command.arg(&call.script).args(&call.arguments).env(WORKER, "1").stdin(Stdio::null());
    // Who ends a script that takes too long, as xend does, ends the whole group: not this one halfway.
    command.process_group(0);
    match command.status() {
        // Better by one process than not at all.
        Err(_) => Outcome::WorkHere,
        Ok(status) if status.signal().is_some() => Outcome::Killed,
        Ok(status) => Outcome::Ended { well: status.success() },
    }
}

/// What a start or stop that was killed answers when all is as before.
pub(super) fn killed() -> NetworkError {
    NetworkError::Undone { step: "the script was killed while it worked".to_owned() }
}
