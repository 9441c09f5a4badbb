//! What follows the end of a domain: on_poweroff, on_reboot, on_crash, the floor for restarts, preserved domains.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod harness;

use std::time::Duration;

use harness::{Config, Daemon, Host, Setup, eventually};
use hypervisor::{DomId, Domains, ShutdownCode};
use xend::settings::Settings;
use xend_api::Sxp;
use xenstore::paths;

fn config(host: &Host) -> Config {
    host.config("vm1").disk(&host.disk("a.img"), "xvda1").vif("xenbr0")
}

fn domid(daemon: &Daemon) -> Option<u16> {
    daemon.tree("vm1")?.value("domid").and_then(Sxp::int).map(|domid| domid as u16)
}

/// Waits until a domain of another number runs under the name.
fn comes_again(daemon: &Daemon, old: u16) -> u16 {
    eventually("the domain comes again and runs", || {
        let tree = daemon.tree("vm1")?;
        let new = tree.value("domid").and_then(Sxp::int)? as u16;
        (new != old && tree.value("status") == Some(&Sxp::Int(2))).then_some(new)
    })
}

fn goes(host: &Host, daemon: &Daemon) {
    eventually("the domain goes", || daemon.tree("vm1").is_none().then_some(()));
    assert_eq!(host.domid_of("vm1"), None);
}

#[test]
fn each_ending_has_the_action_of_the_configuration() {
    let endings = [
        ("on_poweroff", ShutdownCode::Poweroff),
        ("on_reboot", ShutdownCode::Reboot),
        ("on_crash", ShutdownCode::Crash),
    ];
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    for (key, code) in endings {
        for action in ["destroy", "restart", "preserve"] {
            let old = daemon.start_domain(&config(&host).with(&format!("({key} {action})")), "vm1");
            daemon.devices_connect(&host, old, 2);
            host.guest_ends(old, code);
            match action {
                "destroy" => goes(&host, &daemon),
                "restart" => {
                    let new = comes_again(&daemon, old);
                    daemon.devices_connect(&host, new, 2);
                    daemon.destroy("vm1");
                }
                _ => {
                    let mark = paths::xend_node(old, "shutdown_completed");
                    eventually("it is preserved", || (host.node(&mark)? == "True").then_some(()));
                    assert_eq!(domid(&daemon), Some(old), "{key} {action}");
                    let letters = if code == ShutdownCode::Crash { "----c-" } else { "---s--" };
                    assert_eq!(daemon.state("vm1").unwrap(), letters);
                    daemon.destroy("vm1");
                }
            }
            host.is_as(&before, &format!("{key} {action}"));
        }
    }
}

#[test]
fn a_restart_keeps_everything_but_the_number() {
    let host = Host::new();
    let daemon = host.daemon();
    let old = daemon.start_domain(&config(&host).args("console=hvc0"), "vm1");
    let shape = |tree: Sxp| {
        let changes = ["domid", "start_time", "cpu_time", "state", "status", "store_mfn", "console_mfn"];
        let kept = tree.items().iter().filter(|form| !changes.contains(&form.name().unwrap_or("")));
        kept.map(ToString::to_string).collect::<Vec<_>>()
    };
    let first = shape(daemon.tree("vm1").unwrap());
    host.guest_ends(old, ShutdownCode::Reboot);
    let second = comes_again(&daemon, old);
    assert_eq!(shape(daemon.tree("vm1").unwrap()), first);
    assert_eq!(daemon.ask("xend.domain.getRestartCount", "vm1"), Ok(Sxp::from("1")));
    host.guest_ends(second, ShutdownCode::Crash);
    comes_again(&daemon, second);
    assert_eq!(shape(daemon.tree("vm1").unwrap()), first);
    assert_eq!(daemon.ask("xend.domain.getRestartCount", "vm1"), Ok(Sxp::from("2")));
}

#[test]
fn a_reboot_that_a_client_asks_for_is_a_restart() {
    let host = Host::new();
    let daemon = host.daemon();
    let old = daemon.start_domain(&config(&host), "vm1");
    daemon.devices_connect(&host, old, 2);
    daemon.call("xend.domain.shutdown", &[Sxp::from("vm1"), Sxp::from("reboot")]).unwrap();
    comes_again(&daemon, old);
}

#[test]
fn a_guest_that_ends_too_soon_after_its_start_is_not_started_again() {
    let host = Host::new();
    let settings = Settings { restart_floor: Duration::from_secs(3600), ..Settings::default() };
    let daemon = host.daemon_with(Setup { settings, ..Setup::default() });
    let before = host.traces();
    let domid = daemon.start_domain(&config(&host), "vm1");
    host.guest_ends(domid, ShutdownCode::Reboot);
    goes(&host, &daemon);
    host.is_as(&before, "gone");
}

#[test]
fn a_watchdog_destroys_whatever_the_configuration_says() {
    let host = Host::new();
    let daemon = host.daemon();
    let all = "(on_poweroff restart) (on_reboot restart) (on_crash restart)";
    for code in [ShutdownCode::Watchdog, ShutdownCode::SoftReset, ShutdownCode::Other(9)] {
        let domid = daemon.start_domain(&config(&host).with(all), "vm1");
        host.guest_ends(domid, code);
        goes(&host, &daemon);
    }
}

#[test]
fn a_suspended_guest_is_left_to_whoever_suspended_it() {
    let host = Host::new();
    let daemon = host.daemon();
    let domid = daemon.start_domain(&config(&host).with("(on_poweroff restart)"), "vm1");
    host.guest_ends(domid, ShutdownCode::Suspend);
    assert_eq!(daemon.state("vm1").unwrap(), "---s--");
    // A second look, by a daemon that knows nothing of the first.
    daemon.kill();
    let daemon = host.daemon();
    assert_eq!(daemon.state("vm1").unwrap(), "---s--");
    daemon.destroy("vm1");
}

#[test]
fn a_crash_that_a_client_asks_for_is_one() {
    let host = Host::new();
    let daemon = host.daemon();
    let old = daemon.start_domain(&config(&host), "vm1");
    daemon.call("xend.domain.shutdown", &[Sxp::from("vm1"), Sxp::from("crash")]).unwrap();
    comes_again(&daemon, old);
}

#[test]
fn a_preserved_domain_outlives_the_daemon_and_is_not_ended_again() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    let domid_then = daemon.start_domain(&config(&host).with("(on_crash preserve)"), "vm1");
    host.guest_ends(domid_then, ShutdownCode::Crash);
    let mark = paths::xend_node(domid_then, "shutdown_completed");
    eventually("it is preserved", || host.node(&mark));
    for _ in 0..2 {
        daemon_restarts_and_finds(&host, domid_then);
    }
    daemon.kill();
    let daemon = host.daemon();
    daemon.destroy("vm1");
    host.is_as(&before, "destroyed");
}

fn daemon_restarts_and_finds(host: &Host, domid_then: u16) {
    let daemon = host.daemon();
    assert_eq!(domid(&daemon), Some(domid_then));
    assert_eq!(daemon.state("vm1").unwrap(), "----c-");
    // Its memory and devices are there to be looked at.
    assert_eq!(daemon.tree("vm1").unwrap().children("device").count(), 3);
    assert!(host.machine().info(DomId(domid_then)).unwrap().unwrap().tot_pages > 0);
    daemon.kill();
}

#[test]
fn a_guest_that_does_not_answer_a_request_is_noted_and_lives_on() {
    let host = Host::new();
    let settings = Settings { shutdown_notice: Duration::from_millis(50), ..Settings::default() };
    let daemon = host.daemon_with(Setup { settings, ..Setup::default() });
    let domid = daemon.start_domain(&host.config("vm1").args("sim.ignore_shutdown"), "vm1");
    daemon.call("xend.domain.shutdown", &[Sxp::from("vm1"), Sxp::from("poweroff")]).unwrap();
    let mark = paths::xend_node(domid, "unresponsive");
    eventually("the silence is noted", || (host.node(&mark)? == "True").then_some(()));
    assert_eq!(&daemon.state("vm1").unwrap()[2..], "----");
}
