//! Many domains, many watches, and how quick it is.

use std::time::Instant;

use super::{Op, Raw, server};
use crate::{Batch, Permissions, Store, paths};

async fn create_domain(dom0: &Store, domid: u16) {
    let own = paths::domain(domid);
    let mut batch = Batch::new();
    batch.mkdir(own.as_str()).permissions(own.as_str(), Permissions::readable_by(domid));
    for directory in paths::node::GUEST_DIRECTORIES {
        let path = paths::join(&own, directory);
        batch.mkdir(path.as_str()).permissions(path, Permissions::owned_by(domid));
    }
    for number in 0..20 {
        batch.write(format!("{own}/image/note-{number}"), "some value");
        batch.write(format!("/vm/{domid}/thing-{number}"), "1");
    }
    for node in ["frontend", "frontend-id", "state", "online", "domain", "hotplug-status"] {
        batch.write(paths::join(&paths::backend(0, "vif", domid, 0), node), "1");
    }
    dom0.commit(&batch).await.unwrap();
}

#[tokio::test]
async fn a_thousand_watches_are_told_each_of_its_own_path_only() {
    let server = server();
    let dom0 = server.connect_as(0);
    let mut watches = Vec::new();
    for number in 0..1000 {
        let mut watch = dom0.watch(&format!("/w/{number}")).await.unwrap();
        watch.next().await.unwrap();
        watches.push(watch);
    }
    for number in (0..1000).rev() {
        dom0.write(&format!("/w/{number}/x"), "").await.unwrap();
    }
    for (number, watch) in watches.iter_mut().enumerate() {
        assert_eq!(watch.next().await.unwrap(), format!("/w/{number}/x"));
    }
    drop(watches);
    assert_eq!(server.load().watches, 0);
}

#[tokio::test]
async fn paths_of_a_thousand_components_do_not_hold_up_the_others() {
    let server = server();
    let dom0 = server.connect_as(0);
    let _watch = dom0.watch("/local/domain/5").await.unwrap();
    dom0.mkdir("/local/domain/5").await.unwrap();
    let deep = format!("/local/domain/5{}", "/a".repeat(1000));
    let start = Instant::now();
    for _ in 0..600 {
        dom0.write(&deep, "x").await.unwrap();
    }
    // A hundred times what it takes; looking each prefix up by itself takes longer.
    assert!(start.elapsed().as_secs() < 60, "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_thousand_domains_with_their_own_connections_come_and_go_without_a_trace() {
    let server = server();
    let dom0 = server.connect_as(0);
    dom0.commit(Batch::new().mkdir("/vm").mkdir("/local/domain/0/backend/vif")).await.unwrap();
    let before = server.snapshot();
    let mut guests = Vec::new();
    for domid in 1..=1000 {
        create_domain(&dom0, domid).await;
        dom0.introduce(domid, 1, 1).await.unwrap();
        let guest = server.connect_as(domid);
        let watch = guest.watch("control/shutdown").await.unwrap();
        guests.push((guest, watch));
    }
    assert_eq!(dom0.list("/local/domain").await.unwrap().unwrap().len(), 1001);
    let snapshot = server.snapshot();
    assert!(snapshot.len() > 55_000, "{}", snapshot.len());
    for domid in 1..=1000 {
        server.domain_died(domid);
        let mut batch = Batch::new();
        batch.remove(paths::domain(domid)).remove(paths::vm(domid));
        batch.remove(paths::backend_domain(0, "vif", domid));
        dom0.commit(&batch).await.unwrap();
    }
    assert_eq!(server.snapshot(), before);
    assert_eq!(server.load().connections, 1);
}

/// Prints its figures: `cargo test -p xenstore figures -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn figures() {
    let server = server();
    let dom0 = server.connect_as(0);
    let resident = || {
        let text = std::fs::read_to_string("/proc/self/statm").unwrap();
        text.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4
    };
    let memory = resident();
    let start = Instant::now();
    for domid in 1..=1000 {
        create_domain(&dom0, domid).await;
    }
    println!("1,000 domains, {} nodes: {:?}", server.snapshot().len(), start.elapsed());
    println!("  {} KiB", resident() - memory);
    let memory = resident();
    let mut guests = Vec::new();
    for domid in 1..=1000 {
        let guest = server.connect_as(domid);
        let mut watches = Vec::new();
        for path in ["control/shutdown", "memory/target", "device", "error"] {
            watches.push(guest.watch(path).await.unwrap());
        }
        guests.push((guest, watches));
    }
    println!("1,000 connections with 4 watches each: {} KiB", resident() - memory);
    let raw = Raw::new(&server, 0);
    for (op, payload) in [(Op::Read, &b"/local/domain/500/image/note-7\0"[..]), (Op::Write, b"/vm/500/x\0y")]
    {
        let start = Instant::now();
        for _ in 0..200_000 {
            raw.ask(op, 0, payload).unwrap();
        }
        println!("{op:?}: {:.0} a second", 200_000.0 / start.elapsed().as_secs_f64());
    }
    let start = Instant::now();
    for _ in 0..200_000 {
        dom0.write("/local/domain/500/image/note-7", "other").await.unwrap();
    }
    println!("client's write: {:.0} a second", 200_000.0 / start.elapsed().as_secs_f64());
}
