//! Guests do what they may and nothing else.

use super::{Errno, Op, Raw, server};
use crate::{Access, Batch, Permissions, Store, StoreError};

fn refusal<T: std::fmt::Debug>(result: Result<T, StoreError>) -> Errno {
    result.unwrap_err().errno().unwrap()
}

async fn with_domain(dom0: &Store, domid: u16) {
    let own = crate::paths::domain(domid);
    let mut batch = Batch::new();
    batch.mkdir(own.as_str()).permissions(own.as_str(), Permissions::readable_by(domid));
    batch.write(format!("{own}/vm"), "/vm/u").mkdir(format!("{own}/device"));
    batch.permissions(format!("{own}/device"), Permissions::owned_by(domid));
    dom0.commit(&batch).await.unwrap();
}

#[tokio::test]
async fn a_guest_reads_its_directory_and_writes_only_where_it_is_the_owner() {
    let server = server();
    let (dom0, guest, other) = (server.connect_as(0), server.connect_as(5), server.connect_as(6));
    with_domain(&dom0, 5).await;
    assert_eq!(guest.read("vm").await.unwrap().as_deref(), Some("/vm/u"));
    assert_eq!(guest.list("/local/domain/5").await.unwrap().unwrap(), ["device", "vm"]);
    assert_eq!(refusal(guest.write("vm", "/vm/other").await), Errno::Denied);
    assert_eq!(refusal(guest.write("fresh", "").await), Errno::Denied);
    assert_eq!(refusal(guest.remove("vm").await), Errno::Denied);
    guest.write("device/vif/0/state", "4").await.unwrap();
    assert_eq!(refusal(other.read("/local/domain/5/device/vif/0/state").await), Errno::Denied);
    assert_eq!(refusal(other.read("/local/domain/5/absent").await), Errno::Denied);
    assert_eq!(refusal(guest.list("/").await), Errno::Denied);
    assert_eq!(guest.read("absent").await.unwrap(), None);
}

#[tokio::test]
async fn new_nodes_take_over_the_parents_permissions_and_a_guests_are_its_own() {
    let server = server();
    let (dom0, guest) = (server.connect_as(0), server.connect_as(5));
    dom0.mkdir("/shared").await.unwrap();
    dom0.set_permissions("/shared", &Permissions::owned_by(0).and(5, Access::Both)).await.unwrap();
    dom0.write("/shared/of-dom0", "").await.unwrap();
    guest.write("/shared/of-guest/below", "").await.unwrap();
    let snapshot = server.snapshot();
    let text = |path: &str| snapshot.permissions(path).unwrap().to_string();
    assert_eq!(text("/shared/of-dom0"), "n0,b5");
    assert_eq!((text("/shared/of-guest"), text("/shared/of-guest/below")), ("n5,b5".into(), "n5,b5".into()));
}

#[tokio::test]
async fn only_owner_and_domain_0_set_permissions_and_a_guest_cannot_give_a_node_away() {
    let server = server();
    let (dom0, guest) = (server.connect_as(0), server.connect_as(5));
    with_domain(&dom0, 5).await;
    let open = Permissions::owned_by(5).and(6, Access::Read);
    guest.set_permissions("device", &open).await.unwrap();
    assert_eq!(dom0.permissions("/local/domain/5/device").await.unwrap(), Some(open));
    assert_eq!(
        refusal(guest.set_permissions("device", &Permissions::owned_by(0)).await),
        Errno::NotPermitted
    );
    assert_eq!(refusal(guest.set_permissions("vm", &Permissions::owned_by(5)).await), Errno::Denied);
    assert_eq!(refusal(dom0.set_permissions("/absent", &Permissions::owned_by(5)).await), Errno::NotFound);
}

#[test]
fn administration_is_for_domain_0_only() {
    let server = server();
    let (dom0, guest) = (Raw::new(&server, 0), Raw::new(&server, 5));
    let requests: [(Op, &[u8]); 5] = [
        (Op::Introduce, b"7\x001\x002\0"),
        (Op::Resume, b"7\0"),
        (Op::SetTarget, b"7\x000\0"),
        (Op::Release, b"7\0"),
        (Op::Control, b"help\0"),
    ];
    for (op, payload) in requests {
        assert_eq!(guest.ask(op, 0, payload), Err(Errno::Denied), "{op:?}");
        assert!(dom0.ask(op, 0, payload).is_ok(), "{op:?}");
    }
    assert_eq!(dom0.ask(Op::Control, 0, b"check\0"), Err(Errno::Invalid));
    assert_eq!(dom0.ask(Op::Release, 0, b"7\0"), Err(Errno::NotFound));
    assert_eq!(dom0.ask(Op::Release, 0, b"0\0"), Err(Errno::Invalid));
    assert_eq!(dom0.ask(Op::SetTarget, 0, b"7\x008\0"), Err(Errno::NotFound));
}

#[tokio::test]
async fn a_stub_domain_has_the_rights_of_its_target() {
    let server = server();
    let (dom0, stub) = (server.connect_as(0), server.connect_as(9));
    with_domain(&dom0, 5).await;
    for domid in [5, 9] {
        dom0.introduce(domid, 1, 1).await.unwrap();
    }
    assert_eq!(refusal(stub.read("/local/domain/5/vm").await), Errno::Denied);
    dom0.set_target(9, 5).await.unwrap();
    assert_eq!(stub.read("/local/domain/5/vm").await.unwrap().as_deref(), Some("/vm/u"));
}

#[tokio::test]
async fn permissions_that_close_a_path_in_the_meantime_make_a_guests_transaction_conflict() {
    let server = server();
    let (dom0, guest) = (server.connect_as(0), Raw::new(&server, 5));
    with_domain(&dom0, 5).await;
    let transaction = guest.begin().unwrap();
    guest.ask(Op::Write, transaction, b"device/a/b/c\0x").unwrap();
    dom0.mkdir("/local/domain/5/device/a").await.unwrap();
    dom0.set_permissions("/local/domain/5/device/a", &Permissions::owned_by(0)).await.unwrap();
    assert_eq!(guest.ask(Op::TransactionEnd, transaction, b"T\0"), Err(Errno::Again));
    assert!(!server.snapshot().contains("/local/domain/5/device/a/b"));
}
