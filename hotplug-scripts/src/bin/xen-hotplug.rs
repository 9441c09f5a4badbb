//! `xen-hotplug SCRIPT COMMAND [NAME=VALUE…]`: what the installed hotplug scripts run.
//!
//! Exit code 0: done, or nothing to do. 1: not done; the reason is in the backend's `hotplug-error` and in the log.

use hotplug::host::{Host, ROOT_VARIABLE};
use hotplug::invocation::Invocation;
use hotplug::report::Log;
use std::ffi::OsString;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: xen-hotplug SCRIPT COMMAND [NAME=VALUE...]
  block add|remove                        the host side of a disk
  vif-bridge online|offline|add|remove    the host side of a network interface
xend runs it for each device and sets XENBUS_PATH; the answer is in the device's backend in xenstore.
";

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1).map(text);
    let script = match arguments.next().as_deref() {
        Some("--help" | "-h") => {
            print!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        None => {
            eprint!("{USAGE}");
            return ExitCode::FAILURE;
        }
        Some(script) => script.to_owned(),
    };
    let host = Host::new(std::env::var_os(ROOT_VARIABLE).unwrap_or_default());
    let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    let call = Invocation::new(script, arguments, environment);
    Log::redirect(&host);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    // What went wrong is in the store and in the log by now.
    runtime.block_on(hotplug::run(&call, &host)).map_or(ExitCode::FAILURE, |()| ExitCode::SUCCESS)
}

fn text(word: OsString) -> String {
    word.into_string().unwrap_or_else(|word| word.to_string_lossy().into_owned())
}
