//! `cargo xtask try`: a real hypervisor, our daemon, a guest's console, with one command.

use std::process::ExitCode;

use anyhow::Result;
use lab::Suite;

use crate::install::Build;
use crate::lab_run;

/// Boots a host and leaves the person in its dom0.
pub(crate) fn run(suite: Suite) -> Result<ExitCode> {
    lab_run::shell(suite, Build::Make)
}
