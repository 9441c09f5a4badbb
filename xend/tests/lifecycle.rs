//! The life of a domain, as clients live it.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod harness;

use std::{
    fs::File,
    io::{Read, Write},
    os::unix::fs::OpenOptionsExt,
};

use harness::{Host, eventually};
use hypervisor::{Access, DomId, Domains, GuestMemory};
use xend_api::Sxp;
use xenstore::{Batch, paths};

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

#[test]
fn the_daemon_keeps_nothing_of_domains_that_are_gone() {
    let host = Host::new();
    let daemon = host.daemon();
    let round = || {
        let config = host.config("vm1").disk(&host.disk("a.img"), "xvda").vif("xenbr0");
        let domid = daemon.start_domain(&config, "vm1");
        daemon.devices_connect(&host, domid, 2);
        daemon.destroy("vm1");
    };
    round();
    let quiet = || (host.server().load(), daemon.tasks());
    let before = eventually("it is quiet", || {
        let first = quiet();
        std::thread::yield_now();
        (first == quiet() && host.server().load().transactions == 0).then_some(first)
    });
    for _ in 0..10 {
        round();
    }
    // Fewer where the first round was still ending as it was looked at; what a round leaves would be there ten times.
    eventually("there are no more connections, watches and tasks than before", || {
        let (now, tasks) = quiet();
        let is_no_more = now.connections <= before.0.connections
            && now.watches <= before.0.watches
            && now.transactions == 0
            && tasks <= before.1;
        is_no_more.then_some(())
    });
}

#[test]
fn a_guest_that_makes_a_mess_of_its_nodes_is_destroyed_as_any_other() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    let config = host.config("vm1").disk(&host.disk("a.img"), "xvda").vif("xenbr0");
    let domid = daemon.start_domain(&config, "vm1");
    daemon.devices_connect(&host, domid, 2);
    let guest = host.server().connect_as(domid);
    let (vbd, vif) = (paths::frontend(domid, "vbd", 51712), paths::frontend(domid, "vif", 0));
    host.block_on(async {
        let mut batch = Batch::new();
        batch.write(paths::join(&vbd, "state"), "\u{1}-99999999999999999999");
        batch.write(paths::join(&vbd, "backend"), paths::backend(0, "vbd", 0, 1));
        batch.write(paths::join(&vbd, "backend-id"), "7777777");
        batch.write(paths::control_shutdown(domid), "x".repeat(2000));
        batch.remove(&vif);
        for number in 0..200 {
            batch.write(paths::join(&paths::domain_node(domid, "data"), &number.to_string()), "mess");
        }
        guest.commit(&batch).await.unwrap();
        let strange = xenstore::Permissions::owned_by(domid);
        guest.set_permissions(&vbd, &strange).await.unwrap();
        guest.write(&paths::join(&paths::frontend(domid, "vbd", 4_000_000_000), "state"), "1").await.unwrap();
    });
    assert!(daemon.tree("vm1").is_some());
    assert_eq!(daemon.names(), ["Domain-0", "vm1"]);
    daemon.kill();
    let daemon = host.daemon();
    assert_eq!(daemon.names(), ["Domain-0", "vm1"]);
    daemon.destroy("vm1");
    host.is_as(&before, "destroyed");
}

#[test]
fn a_destruction_waits_for_whoever_maps_the_guest_s_pages() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    let domid = daemon.start_domain(&host.config("vm1"), "vm1");
    let frame = daemon.tree("vm1").unwrap().value("console_mfn").and_then(Sxp::int).unwrap() as u64;
    let held = host.machine().map(DomId(domid), Access::Read, &[frame]).unwrap();
    let api = daemon.api.clone();
    let (told, answer) = std::sync::mpsc::channel();
    daemon.spawn(async move {
        told.send(api.call("xend.domain.destroy", &[Sxp::from("vm1")]).await).unwrap();
    });
    eventually("it is dying", || host.machine().info(DomId(domid)).unwrap()?.flags.dying.then_some(()));
    assert_eq!(daemon.state("vm1").unwrap().chars().last(), Some('d'), "it is shown while it is held");
    assert!(answer.try_recv().is_err(), "not answered before it is gone");
    drop(held);
    answer.recv_timeout(harness::LIMIT).unwrap().unwrap();
    host.is_as(&before, "destroyed");
}

#[test]
fn a_daemon_that_stops_asks_the_guests_that_want_it_to_end() {
    let host = Host::new();
    let daemon = host.daemon();
    daemon.start_domain(&host.config("asked").with("(on_xend_stop shutdown)"), "asked");
    daemon.start_domain(&host.config("left"), "left");
    for name in ["asked", "left"] {
        let domid = host.domid_of(name).unwrap();
        eventually("the guest runs", || host.node(&paths::control_node(domid, "feature-poweroff")));
    }
    daemon.block_on(daemon.manager.act_on_stop());
    eventually("it ends", || daemon.tree("asked").is_none().then_some(()));
    assert_eq!(&daemon.state("left").unwrap()[2..], "----");
}
