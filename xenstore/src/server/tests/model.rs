//! The server against a model of a few lines: every answer as expected, every commit serialisable.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Errno, Op, Raw, server};
use crate::wire::c_string;

const PATHS: [&str; 8] = ["/m", "/m/a", "/m/a/b", "/m/a/b/c", "/m/a/d", "/m/e", "/m/e/f", "/m/ab"];

#[derive(Clone, Debug)]
enum Request {
    Write(&'static str, u8),
    Mkdir(&'static str),
    Remove(&'static str),
    Read(&'static str),
    List(&'static str),
}

#[derive(Clone, Debug)]
enum Step {
    /// Outside of transactions.
    Plain(Request),
    /// Inside the transaction of one of the clients; begins one if need be.
    Within(usize, Request),
    Commit(usize),
    Abort(usize),
}

type Reply = Result<Vec<u8>, Errno>;

/// The model: absolute paths and values.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model(BTreeMap<String, Vec<u8>>);

impl Model {
    fn parent(path: &str) -> &str {
        let end = path.rfind('/').unwrap();
        &path[..end]
    }

    fn create(&mut self, path: &str) {
        if !path.is_empty() && !self.0.contains_key(path) {
            self.create(Self::parent(path));
            self.0.insert(path.to_owned(), Vec::new());
        }
    }

    fn perform(&mut self, request: &Request) -> Reply {
        match request {
            Request::Write(path, value) => {
                self.create(path);
                self.0.insert((*path).to_owned(), vec![*value]);
            }
            Request::Mkdir(path) => self.create(path),
            Request::Remove(path) => {
                let parent = Self::parent(path);
                if !parent.is_empty() && !self.0.contains_key(parent) {
                    return Err(Errno::NotFound);
                }
                let below = format!("{path}/");
                self.0.retain(|other, _| other != path && !other.starts_with(&below));
            }
            Request::Read(path) => return self.0.get(*path).cloned().ok_or(Errno::NotFound),
            Request::List(path) => {
                self.0.get(*path).ok_or(Errno::NotFound)?;
                let children = self.0.keys().filter(|other| Self::parent(other) == *path);
                return Ok(children
                    .flat_map(|child| c_string(&child.as_bytes()[path.len() + 1..]))
                    .collect());
            }
        }
        Ok(b"OK\0".to_vec())
    }
}

fn ask(raw: &Raw, tx_id: u32, request: &Request) -> Reply {
    let path = |path: &str| c_string(path.as_bytes());
    match request {
        Request::Write(node, value) => raw.ask(Op::Write, tx_id, &[path(node), vec![*value]].concat()),
        Request::Mkdir(node) => raw.ask(Op::Mkdir, tx_id, &path(node)),
        Request::Remove(node) => raw.ask(Op::Rm, tx_id, &path(node)),
        Request::Read(node) => raw.ask(Op::Read, tx_id, &path(node)),
        Request::List(node) => raw.ask(Op::Directory, tx_id, &path(node)),
    }
}

fn request() -> impl Strategy<Value = Request> {
    (0..5, 0..PATHS.len(), any::<u8>()).prop_map(|(kind, path, value)| match kind {
        0 => Request::Write(PATHS[path], value),
        1 => Request::Mkdir(PATHS[path]),
        2 => Request::Remove(PATHS[path]),
        3 => Request::Read(PATHS[path]),
        _ => Request::List(PATHS[path]),
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => request().prop_map(Step::Plain),
        6 => (0..3_usize, request()).prop_map(|(client, request)| Step::Within(client, request)),
        2 => (0..3_usize).prop_map(Step::Commit),
        1 => (0..3_usize).prop_map(Step::Abort),
    ]
}

/// A transaction under way: what it was asked and answered, and what the model says it sees.
struct Open {
    id: u32,
    view: Model,
    start: Model,
    history: Vec<(Request, Reply)>,
}

fn within(raw: &Raw, open: &mut Option<Open>, now: &Model, request: Request) {
    let open = open.get_or_insert_with(|| Open {
        id: raw.begin().unwrap(),
        view: now.clone(),
        start: now.clone(),
        history: Vec::new(),
    });
    let reply = ask(raw, open.id, &request);
    assert_eq!(reply, open.view.perform(&request), "{request:?}");
    open.history.push((request, reply));
}

fn commit(raw: &Raw, open: Open, now: &mut Model) {
    match raw.ask(Op::TransactionEnd, open.id, b"T\0") {
        Ok(_) => {
            // As if everything had happened at once, now: every answer would have been the same.
            for (request, reply) in open.history {
                assert_eq!(now.perform(&request), reply, "{request:?} was answered from a past that is gone");
            }
        }
        Err(errno) => {
            assert_eq!(errno, Errno::Again);
            assert_ne!(*now, open.start, "a conflict with nobody");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn answers_are_those_of_the_model_and_commits_are_serialisable(steps in prop::collection::vec(step(), 1..60)) {
        let server = server();
        let clients: Vec<_> = (0..3).map(|_| Raw::new(&server, 0)).collect();
        let mut open: [Option<Open>; 3] = [None, None, None];
        let mut now = Model::default();
        // A model that equals the start again after changes would call a conflict with real changes a conflict
        // with nobody: a counter makes every change visible.
        let mut changes = 0_u32;
        for step in steps {
            match step {
                Step::Plain(request) => {
                    prop_assert_eq!(ask(&clients[0], 0, &request), now.perform(&request));
                    changes += 1;
                    now.0.insert("/#".to_owned(), changes.to_le_bytes().to_vec());
                }
                Step::Within(client, request) => within(&clients[client], &mut open[client], &now, request),
                Step::Commit(client) => {
                    if let Some(open) = open[client].take() {
                        commit(&clients[client], open, &mut now);
                        changes += 1;
                        now.0.insert("/#".to_owned(), changes.to_le_bytes().to_vec());
                    }
                }
                Step::Abort(client) => {
                    if let Some(open) = open[client].take() {
                        prop_assert!(clients[client].ask(Op::TransactionEnd, open.id, b"F\0").is_ok());
                    }
                }
            }
        }
        now.0.remove("/#");
        let nodes = server.snapshot().nodes();
        let nodes = nodes.into_iter().filter(|node| node.path.starts_with("/m"));
        let seen: BTreeMap<_, _> = nodes.map(|node| (node.path, node.value)).collect();
        prop_assert_eq!(seen, now.0);
    }

    #[test]
    fn hostile_requests_are_answered_and_the_server_lives(
        requests in prop::collection::vec(
            (0_u32..30, 0_u32..3, prop::collection::vec(prop_oneof![Just(0), Just(b'/'), Just(b'@'), Just(b'1'), any::<u8>()], 0..40)),
            1..60,
        ),
        domid in 0_u16..2,
    ) {
        let server = server();
        let raw = Raw::new(&server, domid);
        for (op, tx_id, payload) in requests {
            let frame = crate::wire::Frame { op, req_id: 9, tx_id, payload };
            let answer = raw.shared.answer(raw.id, &frame).unwrap();
            prop_assert!(answer.op == op || answer.op == Op::Error.number());
            prop_assert_eq!((answer.req_id, answer.tx_id), (9, tx_id));
            prop_assert!(answer.payload.len() <= crate::wire::PAYLOAD_MAX);
        }
        raw.shared.close(raw.id);
        prop_assert_eq!(server.load().transactions, 0);
        prop_assert_eq!(server.load().watches, 0);
    }
}

#[test]
fn new_children_of_one_parent_do_not_conflict_but_the_same_child_does() {
    let server = server();
    let (one, two) = (Raw::new(&server, 0), Raw::new(&server, 0));
    let (first, second, third) = (one.begin().unwrap(), two.begin().unwrap(), two.begin().unwrap());
    one.ask(Op::Write, first, b"/local/domain/1/name\0a").unwrap();
    two.ask(Op::Write, second, b"/local/domain/2/name\0b").unwrap();
    two.ask(Op::Write, third, b"/local/domain/1/name\0c").unwrap();
    assert!(one.ask(Op::TransactionEnd, first, b"T\0").is_ok());
    assert!(two.ask(Op::TransactionEnd, second, b"T\0").is_ok());
    assert_eq!(two.ask(Op::TransactionEnd, third, b"T\0"), Err(Errno::Again));
    assert_eq!(server.snapshot().value("/local/domain/1/name").as_deref(), Some("a"));
}

#[test]
fn a_listing_conflicts_with_a_new_child() {
    let server = server();
    let (one, two) = (Raw::new(&server, 0), Raw::new(&server, 0));
    let transaction = one.begin().unwrap();
    one.ask(Op::Directory, transaction, b"/local/domain\0").unwrap();
    one.ask(Op::Write, transaction, b"/x\0y").unwrap();
    two.ask(Op::Mkdir, 0, b"/local/domain/9\0").unwrap();
    assert_eq!(one.ask(Op::TransactionEnd, transaction, b"T\0"), Err(Errno::Again));
    assert!(!server.snapshot().contains("/x"));
}

#[test]
fn a_transaction_ends_once_and_only_with_a_clear_word() {
    let server = server();
    let raw = Raw::new(&server, 0);
    let transaction = raw.begin().unwrap();
    assert_eq!(raw.ask(Op::TransactionStart, transaction, b"\0"), Err(Errno::Busy));
    assert_eq!(raw.ask(Op::TransactionEnd, transaction, b"X\0"), Err(Errno::Invalid));
    assert!(raw.ask(Op::TransactionEnd, transaction, b"T\0").is_ok());
    assert_eq!(raw.ask(Op::TransactionEnd, transaction, b"T\0"), Err(Errno::NotFound));
    assert_eq!(raw.ask(Op::Read, transaction, b"/\0"), Err(Errno::NotFound));
    assert_eq!(raw.ask(Op::TransactionEnd, 0, b"T\0"), Err(Errno::NotFound));
}
