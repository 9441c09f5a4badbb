//! `vif-setup`: becomes the script that the device's configuration names, or `vif-bridge`.
//!
//! Words behind the configured script's name come before our own arguments, as they always did.

use crate::host::{Host, script_dirs};
use crate::invocation::Invocation;
use crate::report::Failure;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// The script's name.
pub const NAME: &str = "vif-setup";
const USUAL: &str = "vif-bridge";

/// Does not come back when it succeeds.
pub fn run(call: &Invocation, host: &Host) -> Result<(), Failure> {
    let configured = call.variable("script").unwrap_or(USUAL).to_owned();
    let mut words = configured.split_whitespace();
    let name = words.next().unwrap_or(USUAL);
    let path = if name.contains('/') { Some(PathBuf::from(name)) } else { host.script(name) };
    let fail = |source| Failure::Setup { script: configured.clone(), source };
    let path = path.ok_or_else(|| {
        let text = format!("there is none of that name in {}", script_dirs().join(", "));
        fail(io::Error::new(io::ErrorKind::NotFound, text))
    })?;
    Err(fail(Command::new(path).args(words).args(&call.arguments).exec()))
}
