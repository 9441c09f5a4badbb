//! A daemon that is started finds the domains of the one before it, and leaves those of other tools alone.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod harness;

use std::fs;

use harness::{Config, Daemon, Host, eventually};
use hypervisor::{
    DomId, Domains, ShutdownCode,
    sim::fixture::{self, TinyGuest},
};
use uuid::Uuid;
use xend_api::Sxp;
use xenstore::{Batch, paths};

fn config(host: &Host) -> Config {
    host.config("vm1")
        .disk(&host.disk("a.img"), "xvda1")
        .with("(device (vbd (uname '') (dev hdc:cdrom) (mode r)))")
        .vif("xenbr0")
        .with("(device (vif (mac 00:16:3e:00:00:11) (ip 192.0.2.7) (rate 10Mb/s)))")
}

/// All trees, without what goes on by itself.
fn trees(daemon: &Daemon) -> Vec<String> {
    let params = [Sxp::Bool(true), Sxp::from("all"), Sxp::Int(1)];
    let listed = daemon.call("xend.domains_with_state", &params).unwrap();
    let still = |form: &&Sxp| !matches!(form.name(), Some("cpu_time" | "state" | "start_time"));
    let shape = |tree: &Sxp| Sxp::List(tree.items().iter().filter(still).cloned().collect()).to_string();
    listed.items().iter().map(shape).collect()
}

#[test]
fn after_a_restart_of_the_daemon_everything_is_as_it_was() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    let domid = daemon.start_domain(&config(&host), "vm1");
    daemon.devices_connect(&host, domid, 3);
    daemon.create(&host.config("vm2").with("(description 'two words') (vcpu_avail 1)").vcpus("2"));
    for name in ["vm1", "vm2"] {
        daemon.ask("xend.domain.waitForDevices", name).unwrap();
        daemon.ask("xend.domain.console_tty", name).unwrap();
    }
    let start = daemon.tree("vm1").unwrap().value("start_time").and_then(Sxp::float).unwrap();
    let (listed, with_domains) = (trees(&daemon), host.traces());
    for _ in 0..2 {
        let daemon = host.daemon();
        host.is_as(&with_domains, "adopted");
        assert_eq!(trees(&daemon), listed);
        let again = daemon.tree("vm1").unwrap().value("start_time").and_then(Sxp::float).unwrap();
        assert!((start - again).abs() < 0.02, "{start} {again}");
        daemon.kill();
    }
    daemon.kill();
    let daemon = host.daemon();
    daemon.ask("xend.domain.waitForDevices", "vm1").unwrap();
    daemon.ask("xend.domain.unpause", "vm2").unwrap();
    daemon.call("xend.domain.shutdown", &[Sxp::from("vm1"), Sxp::from("poweroff")]).unwrap();
    eventually("vm1 goes", || daemon.tree("vm1").is_none().then_some(()));
    daemon.destroy("vm2");
    host.is_as(&before, "both gone");
}

#[test]
fn what_ended_while_no_daemon_ran_has_its_action_at_the_next_start() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    let ends = daemon.start_domain(&config(&host), "vm1");
    let reboots = daemon.start_domain(&host.config("vm2"), "vm2");
    daemon.kill();
    host.guest_ends(ends, ShutdownCode::Poweroff);
    host.guest_ends(reboots, ShutdownCode::Reboot);
    let daemon = host.daemon();
    assert_eq!(daemon.names(), ["Domain-0", "vm2"]);
    assert_ne!(host.domid_of("vm2"), Some(reboots));
    assert_eq!(daemon.ask("xend.domain.getRestartCount", "vm2"), Ok(Sxp::from("1")));
    daemon.destroy("vm2");
    host.is_as(&before, "all gone");
}

#[test]
fn what_another_tool_destroyed_is_cleaned_up_at_once_or_at_the_next_start() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    let domid = daemon.start_domain(&config(&host), "vm1");
    host.machine().destroy(DomId(domid)).unwrap();
    host.is_as(&before, "while the daemon runs");
    let domid = daemon.start_domain(&config(&host), "vm1");
    daemon.kill();
    host.machine().destroy(DomId(domid)).unwrap();
    let daemon = host.daemon();
    assert_eq!(daemon.names(), ["Domain-0"]);
    host.is_as(&before, "while it did not run");
}

#[test]
fn a_record_that_cannot_be_read_makes_its_domain_another_tool_s() {
    let host = Host::new();
    let daemon = host.daemon();
    let domid = daemon.start_domain(&host.config("vm1"), "vm1");
    daemon.start_domain(&host.config("vm2"), "vm2");
    let uuid = daemon.tree("vm1").unwrap().value("uuid").and_then(Sxp::atom).unwrap();
    daemon.kill();
    let record = host.places.records().join(format!("{uuid}.sxp"));
    let text = fs::read_to_string(&record).unwrap();
    fs::write(&record, &text[..text.len() / 2]).unwrap();
    let daemon = host.daemon();
    assert_eq!(daemon.names(), ["Domain-0", "vm1", "vm2"]);
    assert_eq!(host.domid_of("vm1"), Some(domid));
    assert_eq!(daemon.ask("xend.domain.getRestartCount", "vm1"), Ok(Sxp::Nil), "not ours");
    assert_eq!(daemon.ask("xend.domain.getRestartCount", "vm2"), Ok(Sxp::from("0")));
    assert!(record.exists(), "an operator may want to look at it");
}

/// A domain that another tool made.
fn foreign(host: &Host, name: &str) -> u16 {
    let guest = TinyGuest { uuid: Uuid::new_v4(), memory_kib: 16 << 10, vcpus: 1, cmd_line: String::new() };
    let built = fixture::build(host.machine(), &guest).unwrap();
    let domid = built.domid.0;
    let mut batch = Batch::new();
    let home = paths::domain(domid);
    for node in ["control", "device", "data"] {
        let path = paths::join(&home, node);
        batch.mkdir(&path).permissions(&path, xenstore::Permissions::owned_by(domid));
    }
    batch.write(paths::domain_name(domid), name).write(paths::memory_target(domid), "16384");
    host.block_on(async {
        host.store().commit(&batch).await.unwrap();
        host.store().introduce(domid, built.store_mfn, built.store_port).await.unwrap();
    });
    host.machine().unpause(built.domid).unwrap();
    eventually("the guest runs", || host.node(&paths::control_node(domid, "feature-poweroff")));
    domid
}

#[test]
fn domains_of_other_tools_are_listed_and_never_touched() {
    let host = Host::new();
    let others = [foreign(&host, "theirs"), foreign(&host, "")];
    let before = host.traces();
    let daemon = host.daemon();
    let unnamed = format!("Domain-{}", others[1]);
    assert_eq!(daemon.names(), ["Domain-0", unnamed.as_str(), "theirs"]);
    let tree = daemon.tree("theirs").unwrap();
    assert_eq!(tree.value("memory"), Some(&Sxp::Int(16)));
    assert_eq!(tree.value("domid"), Some(&Sxp::Int(i64::from(others[0]))));
    daemon.ask("xend.domain.waitForDevices", "theirs").unwrap();
    let fault = daemon.create_fault(&host.config("theirs"));
    assert_eq!(fault.text, format!("Domain 'theirs' already exists with ID '{}'", others[0]));
    daemon.start_domain(&host.config("vm1"), "vm1");
    daemon.destroy("vm1");
    daemon.kill();
    host.daemon().kill();
    host.is_as(&before, "after two lives of a daemon");
    // One that ends is its own tool's to clean up.
    let daemon = host.daemon();
    host.guest_ends(others[0], ShutdownCode::Crash);
    daemon.start_domain(&host.config("vm1"), "vm1");
    assert_eq!(daemon.state("theirs").unwrap(), "----c-");
    assert!(host.node(&paths::domain_name(others[0])).is_some());
}

#[test]
fn a_domain_of_another_tool_obeys_when_it_is_named() {
    let host = Host::new();
    let domid = foreign(&host, "theirs");
    let daemon = host.daemon();
    for _ in 0..2 {
        daemon.ask("xend.domain.pause", "theirs").unwrap();
    }
    assert_eq!(&daemon.state("theirs").unwrap()[2..3], "p");
    daemon.ask("xend.domain.unpause", &domid.to_string()).unwrap();
    assert_eq!(&daemon.state("theirs").unwrap()[2..3], "-");
    daemon.call("xend.domain.shutdown", &[Sxp::from("theirs"), Sxp::from("poweroff")]).unwrap();
    eventually("it shuts down", || (daemon.state("theirs")? == "---s--").then_some(()));
    daemon.destroy("theirs");
    assert_eq!(daemon.names(), ["Domain-0"]);
}

#[test]
fn a_domain_can_be_named_by_number_and_uuid_and_a_name_goes_first() {
    let host = Host::new();
    let daemon = host.daemon();
    let first = daemon.create(&host.config("vm1"));
    let uuid = daemon.tree("vm1").unwrap().value("uuid").and_then(Sxp::atom).unwrap();
    let number = daemon.create(&host.config(&first.to_string()));
    let domid = |designator: &str| daemon.tree(designator).unwrap().value("domid").cloned();
    assert_eq!(domid(&uuid), Some(Sxp::Int(i64::from(first))));
    assert_eq!(domid(&first.to_string()), Some(Sxp::Int(i64::from(number))), "a name before a number");
    assert_eq!(domid(&number.to_string()), Some(Sxp::Int(i64::from(number))));
    daemon.destroy(&uuid);
    assert!(daemon.tree("vm1").is_none());
}
