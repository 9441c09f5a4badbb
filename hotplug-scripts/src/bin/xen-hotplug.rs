//! `xen-hotplug SCRIPT COMMAND [NAME=VALUE…]`: what the installed hotplug scripts run.
//!
//! Exit code 0: done, or nothing to do. 1: not done; the reason is in the log, and for a device in its backend's
//! `hotplug-error`, for the host on standard error.

use hotplug::check;
use hotplug::host::{Host, ROOT_VARIABLE};
use hotplug::image_server;
use hotplug::invocation::Invocation;
use hotplug::report::Log;
use std::error::Error;
use std::ffi::OsString;
use std::io::Read;
use std::process::ExitCode;

const USAGE: &str = "\
Usage: xen-hotplug SCRIPT COMMAND [NAME=VALUE...]
  block add|remove                          the host side of a disk
  block-nbd add|remove                      of a disk nbd:HOST:PORT[/EXPORT]
  block-iscsi add|remove                    of a disk iscsi:iqn=IQN;portal=ADDRESS:PORT[;multipath=y]
  vif-bridge online|offline|add|remove      a guest's interface as the port of a bridge
  vif-openvswitch online|offline|add|remove the same for Open vSwitch
  vif-route online|offline                  a guest's interface that dom0 routes for
  vif-nat online|offline                    the same behind network-nat
  vif-setup COMMAND                         the script that the device's configuration names
  xen-hotplug-cleanup                       removes a device's nodes
  check < DEVICES                           whether devices that are to come could be connected
xend runs these for each device and sets XENBUS_PATH; the answer is in the device's backend in xenstore.
  network-bridge start|stop|status [netdev=eth0] [bridge=xenbr0] [antispoof=yes] [layout=3.1 [vifnum=0]]
  network-route start|stop|status [netdev=eth0] [antispoof=yes] [ipv6=yes]
  network-nat start|stop|status [netdev=eth0] [antispoof=yes] [dhcp=yes]
xend runs one of these when it starts. See xend-networks(5).
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
        Some(image_server::confine::NAME) => {
            let words = std::env::args_os().skip(2);
            return match image_server::confine::enter(words) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("{error}");
                    ExitCode::FAILURE
                }
            };
        }
        Some(script) => script.to_owned(),
    };
    let host = Host::new(std::env::var_os(ROOT_VARIABLE).unwrap_or_default());
    let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value)));
    if script == check::NAME {
        return look_at_devices(&host, environment.collect());
    }
    let call = Invocation::new(script, arguments, environment);
    if !hotplug::is_for_host(&call.script) {
        Log::redirect(&host);
    }
    let Some(runtime) = runtime() else { return ExitCode::FAILURE };
    match runtime.block_on(hotplug::run(&call, &host)) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            // Of a device's script, what went wrong is in the store and in the log by now.
            let text = failure.for_caller(&call.script).filter(|_| hotplug::is_for_host(&call.script));
            if let Some(text) = text {
                eprintln!("{text}");
            }
            // Whoever ran us shows our last words with the reasons.
            if let Some(because) = failure.because() {
                println!("{because}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Standard input has the devices, standard output gets what is in their way.
fn look_at_devices(host: &Host, variables: Vec<(String, String)>) -> ExitCode {
    let mut input = Vec::new();
    let read = std::io::stdin().take(check::INPUT_MAX).read_to_end(&mut input);
    let input = read.map(|_| String::from_utf8_lossy(&input).into_owned());
    let (Some(runtime), Ok(input)) = (runtime(), input) else { return ExitCode::FAILURE };
    match runtime.block_on(hotplug::check_devices(&input, host, &variables)) {
        Ok(answer) => {
            print!("{answer}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let cause = error.source().map_or_else(String::new, |cause| format!(": {cause}"));
            eprintln!("{error}{cause}");
            ExitCode::FAILURE
        }
    }
}

fn runtime() -> Option<tokio::runtime::Runtime> {
    match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => Some(runtime),
        Err(error) => {
            eprintln!("cannot start: {error}");
            None
        }
    }
}

fn text(word: OsString) -> String {
    word.into_string().unwrap_or_else(|word| word.to_string_lossy().into_owned())
}
