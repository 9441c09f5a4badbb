//! A guest's use of the daemon is bounded, and given back.

use super::super::{Gate, Limits, Server, Service};
use super::{Errno, Op, Raw, server};
use crate::{Batch, Permissions, Store};

async fn own_area(dom0: &Store, domid: u16) {
    let path = crate::paths::domain(domid);
    dom0.mkdir(&path).await.unwrap();
    dom0.set_permissions(&path, &Permissions::owned_by(domid)).await.unwrap();
}

#[tokio::test]
async fn a_guest_owns_so_many_nodes_and_no_more_also_through_transactions() {
    let server = Server::new(Limits { nodes: 10, ..Limits::default() });
    own_area(&server.connect_as(0), 5).await;
    let guest = Raw::new(&server, 5);
    for number in 0..8 {
        guest.ask(Op::Mkdir, 0, format!("{number}\0").as_bytes()).unwrap();
    }
    assert_eq!(guest.ask(Op::Mkdir, 0, b"a/b\0"), Err(Errno::NoSpace));
    let (one, two) = (guest.begin().unwrap(), guest.begin().unwrap());
    guest.ask(Op::Mkdir, one, b"x\0").unwrap();
    assert_eq!(guest.ask(Op::Mkdir, one, b"y\0"), Err(Errno::NoSpace));
    guest.ask(Op::Mkdir, two, b"z\0").unwrap();
    assert!(guest.ask(Op::TransactionEnd, one, b"T\0").is_ok());
    assert_eq!(guest.ask(Op::TransactionEnd, two, b"T\0"), Err(Errno::NoSpace));
    assert!(!server.snapshot().contains("/local/domain/5/z"));
    guest.ask(Op::Rm, 0, b"x\0").unwrap();
    guest.ask(Op::Mkdir, 0, b"y\0").unwrap();
}

#[tokio::test]
async fn values_and_permissions_of_a_guest_are_bounded() {
    let server = server();
    own_area(&server.connect_as(0), 5).await;
    let guest = Raw::new(&server, 5);
    let write = |len: usize| guest.ask(Op::Write, 0, &[b"a\0", vec![b'x'; len].as_slice()].concat());
    assert!(write(2048).is_ok());
    assert_eq!(write(2049), Err(Errno::NoSpace));
    assert!(guest.ask(Op::SetPerms, 0, b"a\0n5\0r1\0r2\0r3\0r4\0").is_ok());
    assert_eq!(guest.ask(Op::SetPerms, 0, b"a\0n5\0r1\0r2\0r3\0r4\0r6\0"), Err(Errno::NoSpace));
    assert_eq!(guest.ask(Op::SetPerms, 0, b"a\0"), Err(Errno::Invalid));
    assert_eq!(guest.ask(Op::SetPerms, 0, b"a\0n5"), Err(Errno::Invalid));
}

#[tokio::test]
async fn watches_and_transactions_of_a_guest_are_bounded_over_all_its_connections() {
    let server = Server::new(Limits { watches: 3, transactions: 2, ..Limits::default() });
    let (guest, again) = (Raw::new(&server, 5), Raw::new(&server, 5));
    for token in 0..3 {
        guest.ask(Op::Watch, 0, format!("a\0{token}\0").as_bytes()).unwrap();
    }
    assert_eq!(again.ask(Op::Watch, 0, b"a\0t\0"), Err(Errno::TooBig));
    guest.begin().unwrap();
    again.begin().unwrap();
    assert_eq!(guest.begin(), Err(Errno::NoSpace));
    guest.ask(Op::ResetWatches, 0, b"\0").unwrap();
    assert_eq!(server.load().watches, 0);
    guest.begin().unwrap();
    again.ask(Op::Watch, 0, b"a\0t\0").unwrap();
    assert_eq!(again.ask(Op::Watch, 0, b"a\0t\0"), Err(Errno::Exists));
}

#[tokio::test]
async fn a_transaction_of_a_guest_looks_at_so_many_nodes_and_no_more() {
    let server = Server::new(Limits { transaction_nodes: 4, ..Limits::default() });
    own_area(&server.connect_as(0), 5).await;
    let guest = Raw::new(&server, 5);
    let transaction = guest.begin().unwrap();
    let read = |name: u32| guest.ask(Op::Read, transaction, format!("{name}\0").as_bytes());
    assert!((0..4).all(|name| read(name) == Err(Errno::NotFound)));
    assert_eq!(read(4), Err(Errno::NoSpace));
    assert_eq!(read(0), Err(Errno::NotFound));
}

#[tokio::test]
async fn when_a_domain_dies_its_connections_watches_and_nodes_go() {
    let server = server();
    let dom0 = server.connect_as(0);
    let mut released = dom0.watch("@releaseDomain").await.unwrap();
    assert_eq!(released.next().await.unwrap(), "@releaseDomain");
    let before = server.snapshot();
    own_area(&dom0, 5).await;
    dom0.mkdir("/elsewhere").await.unwrap();
    dom0.set_permissions("/elsewhere", &Permissions::owned_by(5)).await.unwrap();
    dom0.introduce(5, 77, 3).await.unwrap();
    let guest = server.connect_as(5);
    let mut watch = guest.watch("a").await.unwrap();
    watch.next().await.unwrap();
    guest.write("a/b/c", "").await.unwrap();
    server.domain_died(5);
    assert_eq!(released.next().await.unwrap(), "@releaseDomain");
    assert_eq!(watch.next().await.unwrap(), "a/b/c");
    assert!(watch.next().await.unwrap_err().is_lost());
    assert!(guest.read("a").await.unwrap_err().is_lost());
    assert_eq!(server.snapshot(), before);
    assert_eq!((server.load().connections, server.introduced().len()), (1, 0));
}

#[tokio::test]
async fn the_gate_refuses_changes_of_domain_0_after_so_many_and_they_have_no_effect() {
    let server = server();
    let (dom0, kernel) = (server.connect_as(0), server.connect_kernel());
    server.fail_after(Some(3));
    dom0.write("/a", "1").await.unwrap();
    dom0.read("/a").await.unwrap();
    dom0.mkdir("/b").await.unwrap();
    dom0.remove("/b").await.unwrap();
    assert_eq!(dom0.write("/a", "2").await.unwrap_err().errno(), Some(Errno::Io));
    assert_eq!(dom0.introduce(4, 1, 1).await.unwrap_err().errno(), Some(Errno::Io));
    assert!(dom0.commit(Batch::new().write("/a", "2").write("/c", "2")).await.is_err());
    kernel.write("/k", "1").await.unwrap();
    assert_eq!(dom0.read("/a").await.unwrap().as_deref(), Some("1"));
    assert!(!server.snapshot().contains("/c") && server.introduced().is_empty());
    server.fail_after(None);
    dom0.write("/a", "2").await.unwrap();
    assert_eq!(server.load().transactions, 0);
}

#[tokio::test]
async fn a_commit_that_the_gate_refuses_has_no_effect() {
    let server = server();
    let dom0 = server.connect_as(0);
    // Two writes pass, the commit does not.
    server.fail_after(Some(2));
    let error = dom0.commit(Batch::new().write("/a", "1").write("/b", "1")).await.unwrap_err();
    assert_eq!(error.errno(), Some(Errno::Io));
    assert!(!server.snapshot().contains("/a"));
}

#[tokio::test]
async fn refused_service_is_for_domain_0_and_a_gate_may_be_any_function() {
    let server = server();
    let (dom0, guest) = (server.connect_as(0), server.connect_as(5));
    server.set_service(Service::Refused);
    assert_eq!(dom0.read("/").await.unwrap_err().errno(), Some(Errno::Io));
    assert_eq!(guest.domain_path(5).await.unwrap(), "/local/domain/5");
    server.set_service(Service::Normal);
    let never: Gate = std::sync::Arc::new(|| false);
    server.set_gate(Some(never));
    assert!(dom0.read("/").await.is_ok());
    assert!(dom0.mkdir("/x").await.is_err());
}
