//! Many domains: at once, and all the same in the end.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod harness;

use std::collections::HashSet;

use futures_util::future::join_all;
use harness::{Daemon, Host, eventually};
use xend_api::{Fault, Sxp};

/// Requests that are made side by side, as many as clients make them.
fn all<'a>(
    daemon: &'a Daemon,
    calls: impl IntoIterator<Item = (&'static str, Sxp)> + 'a,
) -> Vec<Result<Sxp, Fault>> {
    let calls = calls.into_iter().map(|(method, param)| {
        let api = daemon.api.clone();
        tokio::spawn(async move { api.call(method, &[param]).await })
    });
    daemon.block_on(async { join_all(calls).await.into_iter().map(Result::unwrap).collect() })
}

#[test]
fn a_thousand_domains_are_made_listed_and_destroyed_and_nothing_is_left() {
    const COUNT: usize = 1000;
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    let name = |number: usize| format!("vm{number:04}");
    for batch in (0..COUNT).collect::<Vec<_>>().chunks(50) {
        let calls = batch.iter().map(|number| ("xend.domain.create", host.config(&name(*number)).tree()));
        for made in all(&daemon, calls) {
            made.unwrap();
        }
        let calls = batch.iter().map(|number| ("xend.domain.waitForDevices", Sxp::from(name(*number))));
        for answer in all(&daemon, calls) {
            answer.unwrap();
        }
    }
    let params = [Sxp::Bool(true), Sxp::from("all"), Sxp::Int(1)];
    let listed = daemon.call("xend.domains_with_state", &params).unwrap();
    assert_eq!(listed.items().len(), COUNT + 1);
    let numbers: HashSet<i64> = listed.items().iter().filter_map(|tree| tree.value("domid")?.int()).collect();
    assert_eq!(numbers.len(), COUNT + 1, "every number is given once");
    let names: Vec<String> = listed.items().iter().filter_map(|tree| tree.value("name")?.atom()).collect();
    assert!(names.is_sorted(), "by name");
    // A new daemon has them all.
    daemon.kill();
    let daemon = host.daemon();
    assert_eq!(daemon.names(), names);
    let calls = (0..COUNT).map(|number| ("xend.domain.destroy", Sxp::from(name(number))));
    for gone in all(&daemon, calls) {
        gone.unwrap();
    }
    host.is_as(&before, "all destroyed");
}

#[test]
fn fifty_creations_at_once_with_devices_do_not_disturb_each_other() {
    const COUNT: usize = 50;
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    let name = |number: usize| format!("vm{number}");
    let calls = (0..COUNT).map(|number| {
        let disk = host.disk(&format!("{number}.img"));
        let config = host.config(&name(number)).disk(&disk, "xvda1").vif("xenbr0");
        ("xend.domain.create", config.tree())
    });
    for made in all(&daemon, calls.collect::<Vec<_>>()) {
        made.unwrap();
    }
    for method in ["xend.domain.waitForDevices", "xend.domain.unpause"] {
        for answer in all(&daemon, (0..COUNT).map(|number| (method, Sxp::from(name(number))))) {
            answer.unwrap();
        }
    }
    for number in 0..COUNT {
        daemon.devices_connect(&host, host.domid_of(&name(number)).unwrap(), 2);
    }
    for gone in all(&daemon, (0..COUNT).map(|number| ("xend.domain.destroy", Sxp::from(name(number))))) {
        gone.unwrap();
    }
    host.is_as(&before, "all destroyed");
}

#[test]
fn of_many_creations_of_one_name_one_wins() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    let answers = all(&daemon, (0..20).map(|_| ("xend.domain.create", host.config("vm1").tree())));
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1);
    for fault in answers.into_iter().filter_map(Result::err) {
        assert!(fault.text.contains("'vm1' already exists"), "{fault:?}");
    }
    daemon.destroy("vm1");
    host.is_as(&before, "destroyed");
}

#[test]
fn requests_of_every_sort_at_once_end_in_a_whole_domain_or_none() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    let config = host.config("vm1").disk(&host.disk("a.img"), "xvda1").vif("xenbr0");
    let methods = [
        "xend.domain.create",
        "xend.domain.unpause",
        "xend.domain.pause",
        "xend.domain.destroy",
        "xend.domain.waitForDevices",
        "xend.domain",
    ];
    let calls = (0..120).map(|number| {
        let method = methods[(number * 7 + number / 6) % methods.len()];
        let param = if method == "xend.domain.create" { config.tree() } else { Sxp::from("vm1") };
        (method, param)
    });
    for fault in all(&daemon, calls).into_iter().filter_map(Result::err) {
        let known = ["vm1", "already exists", "is not started", "went away"];
        assert!(known.iter().any(|text| fault.text.contains(text)), "{fault:?}");
    }
    if daemon.tree("vm1").is_some() {
        daemon.destroy("vm1");
    }
    eventually("the name is free", || (daemon.names() == ["Domain-0"]).then_some(()));
    host.is_as(&before, "in the end");
}
