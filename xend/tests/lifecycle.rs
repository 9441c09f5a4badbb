//! The life of a domain, as clients live it.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod harness;

use std::{
    fs::File,
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
};

use harness::{Host, eventually};
use xend_api::Sxp;
use xenstore::paths;

fn open_tty(path: &str) -> File {
    std::fs::OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path).unwrap()
}

/// Reads a console until it shows a text.
fn shows(host: &Host, tty: &File, wanted: &'static str) -> String {
    let mut tty = tty.try_clone().unwrap();
    let read = move || {
        let (mut seen, mut byte) = (Vec::new(), [0]);
        while !String::from_utf8_lossy(&seen).contains(wanted) {
            tty.read_exact(&mut byte).unwrap();
            seen.push(byte[0]);
        }
        String::from_utf8(seen).unwrap()
    };
    host.block_on(async { tokio::time::timeout(harness::LIMIT, tokio::task::spawn_blocking(read)).await })
        .unwrap_or_else(|_| panic!("{wanted:?} does not appear"))
        .unwrap()
}

#[test]
fn a_domain_lives_from_create_to_shutdown_and_leaves_nothing() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    let config = host
        .config("vm1")
        .args("root=/dev/xvda1 ro")
        .disk(&host.disk("a.img"), "xvda1")
        .disk(&host.disk("b.img"), "xvdb")
        .vif("xenbr0");
    let domid = daemon.create(&config);
    assert_eq!(daemon.state("vm1").unwrap(), "--p---");
    assert_eq!(host.node(&paths::domain_name(domid)).as_deref(), Some("vm1"));
    daemon.ask("xend.domain.waitForDevices", "vm1").unwrap();
    let backend = paths::backend(0, "vbd", domid, 51713);
    assert_eq!(host.node(&paths::join(&backend, "hotplug-status")).as_deref(), Some("connected"));
    daemon.ask("xend.domain.unpause", "vm1").unwrap();
    daemon.devices_connect(&host, domid, 3);
    let tty = daemon.ask("xend.domain.console_tty", "vm1").unwrap().atom().unwrap();
    let mut tty = open_tty(&tty);
    let banner = shows(&host, &tty, "sim# ");
    assert!(banner.contains("Command line: root=/dev/xvda1 ro\r\n"), "{banner}");
    tty.write_all(b"help\r").unwrap();
    shows(&host, &tty, "poweroff, reboot");
    let reason = [Sxp::from("vm1"), Sxp::from("poweroff")];
    daemon.call("xend.domain.shutdown", &reason).unwrap();
    eventually("the domain goes", || daemon.tree("vm1").is_none().then_some(()));
    host.is_as(&before, "after the shutdown");
}

#[test]
fn pausing_twice_is_as_pausing_once() {
    let host = Host::new();
    let daemon = host.daemon();
    daemon.start_domain(&host.config("vm1"), "vm1");
    eventually("it runs", || (daemon.state("vm1")? != "--p---").then_some(()));
    for _ in 0..2 {
        daemon.ask("xend.domain.pause", "vm1").unwrap();
        assert_eq!(&daemon.state("vm1").unwrap()[2..], "p---");
    }
    for _ in 0..2 {
        daemon.ask("xend.domain.unpause", "vm1").unwrap();
        assert_eq!(&daemon.state("vm1").unwrap()[2..], "----");
    }
    let told = daemon.call("xend.domain.pause", &[Sxp::from("vm1"), Sxp::Bool(true)]).unwrap();
    assert_eq!(told, Sxp::Int(2), "the state it was in");
}
