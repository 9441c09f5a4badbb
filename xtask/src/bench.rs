//! `cargo xtask bench`: figures against `xl` in the same boot.

use std::process::ExitCode;

use anyhow::{Result, bail};
use lab::Suite;

use crate::install::Build;

/// Measures.
pub(crate) fn run(_suite: Suite, _build: Build) -> Result<ExitCode> {
    bail!("bench is not there yet: xend does not start domains yet")
}
