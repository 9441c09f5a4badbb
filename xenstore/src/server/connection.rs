//! One client of the server.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Gated;
use super::actor::Actor;
use super::socket::Outbox;
use super::transaction::Branch;
use crate::client::{Lost, Requests};

/// A connection's number, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct ConnectionId(pub(crate) u64);

/// Who is at the other end, as far as it never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) domid: u16,
    pub(crate) gated: Gated,
}

/// Where news for a client go.
#[derive(Debug)]
pub(crate) enum Sink {
    /// A client in process: straight into its watches.
    Local(Arc<Requests>),
    /// A client on a socket: behind the answers that wait to be written.
    Socket(Arc<Outbox>),
}

/// What the server keeps of a client.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) actor: Actor,
    sink: Sink,
    transactions: BTreeMap<u32, Box<Branch>>,
    last_transaction: u32,
    pub(crate) watches: u32,
}

impl Connection {
    pub(crate) fn new(actor: Actor, sink: Sink) -> Self {
        Self { actor, sink, transactions: BTreeMap::new(), last_transaction: 0, watches: 0 }
    }

    /// Tells the client. Never waits, and never calls back into the server.
    pub(crate) fn tell(&self, path: &[u8], token: &[u8]) {
        match &self.sink {
            Sink::Local(requests) => requests.deliver_event(path, token),
            Sink::Socket(outbox) => outbox.push_event(path, token),
        }
    }

    /// Ends the connection from this side.
    pub(crate) fn hang_up(&self) {
        match &self.sink {
            Sink::Local(requests) => requests.fail(&Lost::ClosedByDaemon),
            Sink::Socket(outbox) => outbox.close(),
        }
    }

    /// Opens a transaction, under a number that is not in use.
    pub(crate) fn begin(&mut self, branch: Branch) -> u32 {
        let id = loop {
            self.last_transaction = self.last_transaction.wrapping_add(1);
            if self.last_transaction != 0 && !self.transactions.contains_key(&self.last_transaction) {
                break self.last_transaction;
            }
        };
        self.transactions.insert(id, Box::new(branch));
        id
    }

    pub(crate) fn take(&mut self, id: u32) -> Option<Box<Branch>> {
        self.transactions.remove(&id)
    }

    pub(crate) fn put_back(&mut self, id: u32, branch: Box<Branch>) {
        self.transactions.insert(id, branch);
    }

    pub(crate) fn take_all(&mut self) -> BTreeMap<u32, Box<Branch>> {
        std::mem::take(&mut self.transactions)
    }

    pub(crate) fn open_transactions(&self) -> usize {
        self.transactions.len()
    }
}
