//! Disks of other types: a script `block-T` does the work.
//!
//! It gets the command as its argument and our whole environment, and writes `physical-device` and
//! `hotplug-status` itself. It takes our place, so its exit code is ours.

use super::{Command, Disk, VbdError};
use crate::host::script_dirs;
use crate::invocation::Invocation;
use std::os::unix::process::CommandExt;
use std::process;

/// Whether there is a script for `kind`. What it would say is not asked: it may change something to find out.
pub(super) fn check(disk: &Disk<'_>, kind: &str) -> Result<(), VbdError> {
    match disk.host.script(&format!("block-{kind}")) {
        Some(_) => Ok(()),
        None => Err(missing(kind)),
    }
}

fn missing(kind: &str) -> VbdError {
    VbdError::NoHelper { kind: kind.to_owned(), dirs: script_dirs().join(", ") }
}

/// Runs the script for `kind` in our place. Returns only when there is nothing to run.
pub(super) fn run(disk: &Disk<'_>, kind: &str, call: &Invocation, command: Command) -> Result<(), VbdError> {
    let Some(path) = disk.host.script(&format!("block-{kind}")) else {
        return match command {
            Command::Add => Err(missing(kind)),
            // Without a script nothing can have been set up.
            Command::Remove => Ok(()),
        };
    };
    let source = process::Command::new(&path).arg(command.word()).env_clear().envs(call.environment()).exec();
    Err(VbdError::Helper { path, source })
}
