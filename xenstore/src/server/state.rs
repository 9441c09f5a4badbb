//! Everything the server knows, and the plain bookkeeping of it.

use std::collections::{BTreeMap, HashMap};

use super::actor::{Actor, Right};
use super::change::{News, Reach};
use super::connection::{Connection, ConnectionId, Identity, Sink};
use super::domains::Domains;
use super::quota::{Countable, Limits, Usage};
use super::tree::{Tree, split_last};
use super::watch::{Registered, Watches};
use super::{Gated, Load};
use crate::{Permissions, paths};

/// The server behind its lock.
#[derive(Debug)]
pub(crate) struct State {
    pub(super) tree: Tree,
    /// Grows with every change of the tree.
    pub(super) version: u64,
    pub(super) limits: Limits,
    pub(super) watches: Watches,
    pub(super) usage: Usage,
    pub(super) domains: Domains,
    /// Permissions of `@introduceDomain` and `@releaseDomain`, which are no nodes.
    pub(super) special: BTreeMap<&'static str, Permissions>,
    connections: HashMap<ConnectionId, (Gated, Connection)>,
    last_connection: u64,
}

impl State {
    pub(super) fn new(limits: Limits) -> Self {
        let closed = Permissions::owned_by(0);
        let mut tree = Tree::new();
        tree.create(paths::DOMAINS.as_bytes(), None, 1);
        tree.create(paths::XENSTORED.as_bytes(), None, 1);
        Self {
            tree,
            version: 1,
            limits,
            watches: Watches::default(),
            usage: Usage::default(),
            domains: Domains::default(),
            special: BTreeMap::from([
                (paths::INTRODUCE_DOMAIN, closed.clone()),
                (paths::RELEASE_DOMAIN, closed),
            ]),
            connections: HashMap::new(),
            last_connection: 0,
        }
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    pub(super) fn next_version(&mut self) -> u64 {
        self.version += 1;
        self.version
    }

    pub(super) fn connect(&mut self, domid: u16, gated: Gated, sink: Sink) -> ConnectionId {
        self.last_connection += 1;
        let id = ConnectionId(self.last_connection);
        let actor = Actor { domid, target: self.domains.target_of(domid) };
        self.connections.insert(id, (gated, Connection::new(actor, sink)));
        id
    }

    /// Forgets a connection with all that belongs to it. The caller drops what is left of it.
    pub(super) fn disconnect(&mut self, id: ConnectionId) -> Option<Connection> {
        self.reset(id);
        self.connections.remove(&id).map(|(_, connection)| connection)
    }

    pub(super) fn disconnect_all(&mut self) {
        self.disconnect_those(|_| true);
    }

    pub(super) fn disconnect_those(&mut self, mut whose: impl FnMut(Actor) -> bool) {
        let those = self.connections.iter().filter(|(_, (_, connection))| whose(connection.actor));
        let those: Vec<_> = those.map(|(&id, _)| id).collect();
        for id in those {
            if let Some(connection) = self.disconnect(id) {
                connection.hang_up();
            }
        }
    }

    /// Drops the watches and transactions of a connection.
    pub(super) fn reset(&mut self, id: ConnectionId) {
        let Some((_, connection)) = self.connections.get_mut(&id) else { return };
        let domid = connection.actor.domid;
        let watches = std::mem::take(&mut connection.watches);
        let transactions = connection.take_all();
        if watches > 0 {
            self.watches.remove_all(id);
        }
        self.usage.give_back(domid, Countable::Watch, watches as usize);
        self.usage.give_back(domid, Countable::Transaction, transactions.len());
    }

    pub(super) fn identity(&self, id: ConnectionId) -> Option<Identity> {
        let (gated, connection) = self.connections.get(&id)?;
        Some(Identity { domid: connection.actor.domid, gated: *gated })
    }

    pub(super) fn connection(&self, id: ConnectionId) -> Option<&Connection> {
        self.connections.get(&id).map(|(_, connection)| connection)
    }

    pub(super) fn connection_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.get_mut(&id).map(|(_, connection)| connection)
    }

    pub(super) fn connections_mut(&mut self) -> impl Iterator<Item = &mut Connection> {
        self.connections.values_mut().map(|(_, connection)| connection)
    }

    pub(super) fn load(&self) -> Load {
        let connections = self.connections.values();
        Load {
            connections: self.connections.len(),
            watches: self.watches.len(),
            transactions: connections.map(|(_, connection)| connection.open_transactions()).sum(),
        }
    }

    /// Tells those who watch, and who may know, of changes.
    pub(super) fn publish(&self, news: &[News]) {
        for item in news {
            match item.reach {
                Reach::Upwards => self.watches.upwards(&item.path).for_each(|watch| self.tell(watch, item)),
                Reach::Itself => self.watches.on(&item.path).iter().for_each(|watch| self.tell(watch, item)),
            }
        }
    }

    /// Tells those who watch a special path, and may read it.
    pub(super) fn publish_special(&self, name: &str) {
        let Some(permissions) = self.special.get(name) else { return };
        for watch in self.watches.on(name.as_bytes()) {
            if let Some(connection) = self.connection(watch.connection)
                && connection.actor.may(Right::Read, permissions)
            {
                connection.tell(name.as_bytes(), &watch.token);
            }
        }
    }

    fn tell(&self, watch: &Registered, item: &News) {
        let Some(connection) = self.connection(watch.connection) else { return };
        if self.may_know(connection.actor, item) {
            connection.tell(&item.path[watch.implied.min(item.path.len())..], &watch.token);
        }
    }

    /// Who can read the node, could read it before, or can read its parent.
    fn may_know(&self, actor: Actor, item: &News) -> bool {
        let may_read =
            |path: &[u8]| self.tree.get(path).is_some_and(|node| actor.may(Right::Read, node.permissions()));
        actor.is_privileged()
            || item.before.as_ref().is_some_and(|before| actor.may(Right::Read, before))
            || may_read(&item.path)
            || split_last(&item.path).is_some_and(|(parent, _)| may_read(parent))
    }
}
