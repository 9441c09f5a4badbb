//! Who is told of what.

use std::time::Duration;

use super::{Op, Raw, server};
use crate::{Access, Batch, Permissions, Watch};

/// Everything that has been told so far. News come before the answer to the change that caused them.
async fn told(watch: &mut Watch) -> Vec<String> {
    let mut paths = Vec::new();
    while let Ok(path) = tokio::time::timeout(Duration::ZERO, watch.next()).await {
        paths.push(path.unwrap());
    }
    paths
}

#[tokio::test]
async fn a_watch_speaks_up_at_once_and_then_of_changes_at_and_below_its_path() {
    let server = server();
    let dom0 = server.connect_as(0);
    let mut watch = dom0.watch("/a/b").await.unwrap();
    assert_eq!(told(&mut watch).await, ["/a/b"]);
    for path in ["/a", "/a/bb", "/a/b/c/d", "/a/b"] {
        dom0.write(path, "1").await.unwrap();
    }
    assert_eq!(told(&mut watch).await, ["/a/b/c/d", "/a/b"]);
    dom0.mkdir("/a/b").await.unwrap();
    assert!(told(&mut watch).await.is_empty(), "nothing changed");
    dom0.set_permissions("/a/b/c", &Permissions::owned_by(3)).await.unwrap();
    dom0.remove("/a/b/c").await.unwrap();
    assert_eq!(told(&mut watch).await, ["/a/b/c"], "two changes of one path are told once");
}

#[tokio::test]
async fn removing_a_directory_is_told_to_watches_on_what_was_below_it() {
    let server = server();
    let dom0 = server.connect_as(0);
    dom0.write("/a/b/state", "4").await.unwrap();
    let mut node = dom0.watch("/a/b/state").await.unwrap();
    let mut top = dom0.watch("/a").await.unwrap();
    let mut absent = dom0.watch("/a/b/other").await.unwrap();
    for watch in [&mut node, &mut top, &mut absent] {
        told(watch).await;
    }
    dom0.remove("/a").await.unwrap();
    assert_eq!(told(&mut node).await, ["/a/b/state"]);
    assert_eq!(told(&mut top).await, ["/a"]);
    assert!(told(&mut absent).await.is_empty());
}

#[tokio::test]
async fn changes_in_a_transaction_are_told_when_it_commits_and_each_path_once() {
    let server = server();
    let dom0 = server.connect_as(0);
    let mut watch = dom0.watch("/a").await.unwrap();
    told(&mut watch).await;
    let raw = Raw::new(&server, 0);
    let (kept, dropped) = (raw.begin().unwrap(), raw.begin().unwrap());
    raw.ask(Op::Write, dropped, b"/a/never\0").unwrap();
    for value in [b"/a/x\x001", b"/a/x\x002", b"/a/y\x001"] {
        raw.ask(Op::Write, kept, value).unwrap();
    }
    raw.ask(Op::TransactionEnd, dropped, b"F\0").unwrap();
    assert!(told(&mut watch).await.is_empty());
    raw.ask(Op::TransactionEnd, kept, b"T\0").unwrap();
    assert_eq!(told(&mut watch).await, ["/a/x", "/a/y"]);
}

#[tokio::test]
async fn a_relative_watch_hears_relative_paths() {
    let server = server();
    let (dom0, guest) = (server.connect_as(0), server.connect_as(5));
    dom0.mkdir("/local/domain/5").await.unwrap();
    dom0.set_permissions("/local/domain/5", &Permissions::readable_by(5)).await.unwrap();
    let mut relative = guest.watch("device").await.unwrap();
    let mut absolute = guest.watch("/local/domain/5/device").await.unwrap();
    assert_eq!((told(&mut relative).await, told(&mut absolute).await.len()), (vec!["device".into()], 1));
    dom0.write("/local/domain/5/device/vif/0/state", "1").await.unwrap();
    assert_eq!(told(&mut relative).await, ["device/vif/0/state"]);
    assert_eq!(told(&mut absolute).await, ["/local/domain/5/device/vif/0/state"]);
}

#[tokio::test]
async fn a_guest_hears_only_of_what_it_may_read() {
    let server = server();
    let (dom0, guest) = (server.connect_as(0), server.connect_as(5));
    dom0.mkdir("/secret").await.unwrap();
    dom0.mkdir("/open").await.unwrap();
    dom0.set_permissions("/open", &Permissions::owned_by(0).and(5, Access::Read)).await.unwrap();
    let mut everything = guest.watch("/").await.unwrap();
    assert_eq!(told(&mut everything).await, ["/"]);
    dom0.commit(Batch::new().write("/secret/a", "").write("/open/a", "")).await.unwrap();
    assert_eq!(told(&mut everything).await, ["/open/a"]);
    // The last thing that it hears of a node is that it was closed.
    dom0.set_permissions("/open", &Permissions::owned_by(0)).await.unwrap();
    assert_eq!(told(&mut everything).await, ["/open"]);
    dom0.write("/open", "x").await.unwrap();
    assert!(told(&mut everything).await.is_empty());
}

#[tokio::test]
async fn domains_that_come_and_go_are_told_to_domain_0_and_to_whom_it_allows() {
    let server = server();
    let (dom0, guest) = (server.connect_as(0), server.connect_as(5));
    let mut came = dom0.watch("@introduceDomain").await.unwrap();
    let mut gone = dom0.watch("@releaseDomain").await.unwrap();
    let mut guests = guest.watch("@releaseDomain").await.unwrap();
    for watch in [&mut came, &mut gone, &mut guests] {
        assert_eq!(told(watch).await.len(), 1);
    }
    dom0.introduce(7, 99, 4).await.unwrap();
    assert!(dom0.is_introduced(7).await.unwrap() && !dom0.is_introduced(8).await.unwrap());
    assert_eq!(told(&mut came).await, ["@introduceDomain"]);
    server.domain_shut_down(7);
    assert_eq!(told(&mut gone).await, ["@releaseDomain"]);
    server.domain_shut_down(7);
    assert!(told(&mut gone).await.is_empty());
    dom0.resume(7).await.unwrap();
    server.domain_shut_down(7);
    assert_eq!(told(&mut gone).await, ["@releaseDomain"]);
    assert!(told(&mut guests).await.is_empty());
    dom0.release(7).await.unwrap();
    assert_eq!(told(&mut gone).await, ["@releaseDomain"]);
    server.domain_died(7);
    assert!(told(&mut gone).await.is_empty(), "it was released before");
    let raw = Raw::new(&server, 0);
    raw.ask(Op::SetPerms, 0, b"@releaseDomain\0r0\0").unwrap();
    dom0.introduce(8, 1, 1).await.unwrap();
    server.domain_died(8);
    assert_eq!(told(&mut guests).await, ["@releaseDomain"]);
}

#[tokio::test]
async fn a_dropped_watch_is_taken_back_and_so_are_those_of_a_dropped_connection() {
    let server = server();
    let dom0 = server.connect_as(0);
    let watch = dom0.watch("/a").await.unwrap();
    let kept = dom0.watch("/a").await.unwrap();
    assert_eq!(server.load().watches, 2);
    drop(watch);
    assert_eq!(server.load().watches, 1);
    drop(dom0);
    assert_eq!(server.load().connections, 1, "a watch keeps its connection");
    drop(kept);
    assert_eq!((server.load().watches, server.load().connections), (0, 0));
}
