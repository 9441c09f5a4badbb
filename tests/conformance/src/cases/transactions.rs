//! Transactions.

use xenstore::wire::Op;

use crate::{Dialect, Target, ok, refused, words};

/// Isolation.
pub fn changes_are_seen_inside_at_once_and_outside_after_the_commit(target: &Target) {
    let mut session = target.connect();
    let path = target.path("a");
    assert_eq!(session.write(0, &path, "old"), ok());
    let transaction = session.begin();
    assert_ne!(transaction, 0);
    assert_eq!(session.write(transaction, &path, "new"), ok());
    assert_eq!(session.call(Op::Mkdir, transaction, &words(&[&target.path("b/c")])), ok());
    assert_eq!(session.read(transaction, &path), Ok("new".to_owned()));
    assert_eq!(session.list(transaction, target.base()), Ok(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(session.read(0, &path), Ok("old".to_owned()));
    assert_eq!(session.list(0, target.base()), Ok(vec!["a".to_owned()]));
    assert_eq!(session.commit(transaction), ok());
    assert_eq!(session.read(0, &path), Ok("new".to_owned()));
    assert_eq!(session.list(0, &target.path("b")), Ok(vec!["c".to_owned()]));
}

/// TRANSACTION_END with `F`.
pub fn an_aborted_transaction_never_happened(target: &Target) {
    let mut session = target.connect();
    let transaction = session.begin();
    assert_eq!(session.write(transaction, &target.path("a"), "x"), ok());
    assert_eq!(session.call(Op::TransactionEnd, transaction, b"F\0"), ok());
    assert_eq!(session.read(0, &target.path("a")), Err("ENOENT".to_owned()));
}

/// A transaction that looks with `look`, then writes; meanwhile another connection does `disturb`.
fn disturbed(
    target: &Target,
    look: impl Fn(&mut crate::Session, u32),
    disturb: impl Fn(&mut crate::Session),
) -> crate::Answer {
    let (mut session, mut other) = (target.connect(), target.connect());
    assert_eq!(session.write(0, &target.path("dir/node"), "1"), ok());
    let transaction = session.begin();
    look(&mut session, transaction);
    assert_eq!(session.write(transaction, &target.path("mine"), "x"), ok());
    disturb(&mut other);
    let answer = session.commit(transaction);
    let expected = if answer.is_ok() { Ok("x".to_owned()) } else { Err("ENOENT".to_owned()) };
    assert_eq!(session.read(0, &target.path("mine")), expected, "all or nothing");
    assert_eq!(
        session.commit(transaction),
        refused(target.either("ENOENT", "EIO")),
        "a transaction ends once, whatever the answer"
    );
    answer
}

/// Read, then changed by another.
pub fn a_change_of_what_was_read_makes_the_commit_eagain(target: &Target) {
    let node = target.path("dir/node");
    let answer = disturbed(
        target,
        |session, transaction| assert_eq!(session.read(transaction, &node), Ok("1".to_owned())),
        |other| assert_eq!(other.write(0, &node, "2"), ok()),
    );
    assert_eq!(answer, refused("EAGAIN"));
}

/// Written by both.
pub fn a_change_of_what_was_written_makes_the_commit_eagain(target: &Target) {
    let node = target.path("dir/node");
    let answer = disturbed(
        target,
        |session, transaction| assert_eq!(session.write(transaction, &node, "2"), ok()),
        |other| assert_eq!(other.write(0, &node, "3"), ok()),
    );
    // oxenstored commits a write that no read came before: the transaction happened after the other's.
    let merges = target.dialect() == Dialect::Oxenstored && answer.is_ok();
    assert_eq!(answer, if merges { ok() } else { refused("EAGAIN") });
    assert_eq!(target.connect().read(0, &node), Ok(if merges { "2" } else { "3" }.to_owned()));
}

/// Seen as absent, then made by another.
pub fn a_new_node_where_none_was_seen_makes_the_commit_eagain(target: &Target) {
    let node = target.path("dir/new");
    let answer = disturbed(
        target,
        |session, transaction| assert_eq!(session.read(transaction, &node), Err("ENOENT".to_owned())),
        |other| assert_eq!(other.write(0, &node, "2"), ok()),
    );
    assert_eq!(answer, refused("EAGAIN"));
}

/// Listed, then extended by another.
pub fn a_new_child_in_a_listed_directory_makes_the_commit_eagain(target: &Target) {
    let answer = disturbed(
        target,
        |session, transaction| {
            assert_eq!(session.list(transaction, &target.path("dir")), Ok(vec!["node".to_owned()]));
        },
        |other| assert_eq!(other.write(0, &target.path("dir/new"), "2"), ok()),
    );
    assert_eq!(answer, refused("EAGAIN"));
}

/// Nodes that the transaction has nothing to do with.
pub fn a_change_elsewhere_does_not_disturb(target: &Target) {
    let answer = disturbed(
        target,
        |session, transaction| {
            assert_eq!(session.list(transaction, target.base()), Ok(vec!["dir".to_owned()]))
        },
        |other| assert_eq!(other.write(0, &target.path("dir/node"), "2"), ok()),
    );
    assert_eq!(answer, ok());
    assert_eq!(target.connect().read(0, &target.path("dir/node")), Ok("2".to_owned()));
}

/// Unknown numbers, other people's numbers, transactions in transactions, `X`.
pub fn numbers_and_words_that_make_no_sense_are_refused(target: &Target) {
    let (mut session, mut other) = (target.connect(), target.connect());
    let unknown = target.either("ENOENT", "EIO");
    assert_eq!(session.read(1_000_000_000, "/"), Err(unknown.to_owned()));
    assert_eq!(session.commit(1_000_000_000), refused(unknown));
    assert_eq!(session.commit(0), refused("ENOENT"));
    let transaction = session.begin();
    assert_eq!(session.call(Op::TransactionStart, transaction, b"\0"), refused("EBUSY"));
    assert_eq!(session.call(Op::TransactionEnd, transaction, b"X\0"), refused("EINVAL"));
    assert_eq!(other.read(transaction, "/").err(), Some(unknown.to_owned()));
    assert_eq!(session.commit(transaction), ok());
}

/// Nothing is committed by going away.
pub fn a_closed_connection_takes_its_transactions_along(target: &Target) {
    let mut session = target.connect();
    let transaction = session.begin();
    assert_eq!(session.write(transaction, &target.path("a"), "x"), ok());
    drop(session);
    assert_eq!(target.connect().read(0, &target.path("a")), Err("ENOENT".to_owned()));
}
