//! Answers requests.

use super::actor::{Actor, Right};
use super::arguments::{self, Resolved, number, resolve, string_and_rest, strings};
use super::change::{Change, Verdict, admit, apply};
use super::connection::ConnectionId;
use super::quota::Countable;
use super::transaction::{Branch, Look};
use super::tree::{Node, Tree};
use super::watch::Registered;
use super::{Introduced, Shared, State};
use crate::wire::{Frame, Op, PAYLOAD_MAX, RELATIVE_PATH_MAX, c_string};
use crate::{Errno, Permissions, paths};

type Reply = Result<Vec<u8>, Errno>;

const OK: &[u8] = b"OK\0";

/// Commands of CONTROL.
const CONTROL_HELP: &[u8] = b"Supported commands:\nhelp\n\0";

impl Shared {
    /// The answer to a request; nothing if the connection is closed.
    pub(super) fn answer(&self, id: ConnectionId, frame: &Frame) -> Option<Frame> {
        let identity = self.state().identity(id)?;
        let reply = match self.guard.admit(identity, frame) {
            Ok(()) => self.state().request(id, frame),
            Err(errno) => Err(errno),
        };
        Some(match reply {
            Ok(payload) => frame.answer(payload),
            Err(errno) => frame.refusal(errno),
        })
    }
}

impl State {
    fn request(&mut self, id: ConnectionId, frame: &Frame) -> Reply {
        let op = Op::from_number(frame.op).ok_or(Errno::NotSupported)?;
        let connection = self.connection_mut(id).ok_or(Errno::Io)?;
        let actor = connection.actor;
        if frame.tx_id == 0 {
            return self.perform((id, actor), op, &frame.payload, None);
        }
        let mut branch = connection.take(frame.tx_id).ok_or(Errno::NotFound)?;
        if op == Op::TransactionEnd {
            return self.end(id, actor, &frame.payload, (frame.tx_id, branch));
        }
        let reply = self.perform((id, actor), op, &frame.payload, Some(&mut branch));
        if let Some(connection) = self.connection_mut(id) {
            connection.put_back(frame.tx_id, branch);
        }
        reply
    }

    fn perform(
        &mut self,
        (id, actor): (ConnectionId, Actor),
        op: Op,
        payload: &[u8],
        branch: Option<&mut Branch>,
    ) -> Reply {
        match op {
            Op::Read | Op::Directory | Op::DirectoryPart | Op::GetPerms => {
                self.look(actor, op, payload, branch)
            }
            Op::Write => {
                let (path, value) = string_and_rest(payload)?;
                self.change(actor, path, Change::Write(value.into()), branch)
            }
            Op::Mkdir => self.change(actor, strings::<1>(payload)?[0], Change::Mkdir, branch),
            Op::Rm => self.change(actor, strings::<1>(payload)?[0], Change::Remove, branch),
            Op::SetPerms => self.set_permissions(actor, payload, branch),
            Op::TransactionStart if branch.is_some() => Err(Errno::Busy),
            Op::TransactionStart => self.begin(id, actor),
            Op::TransactionEnd => Err(Errno::NotFound),
            Op::Watch => self.watch(id, actor, payload),
            Op::Unwatch => self.unwatch(id, actor, payload),
            Op::ResetWatches => {
                self.reset(id);
                Ok(OK.to_vec())
            }
            Op::GetDomainPath => {
                let domid: u16 = number(strings::<1>(payload)?[0])?;
                Ok(c_string(paths::domain(domid).as_bytes()))
            }
            Op::IsDomainIntroduced => {
                let domid = number(strings::<1>(payload)?[0])?;
                Ok(c_string(if self.domains.knows(domid) { b"T" } else { b"F" }))
            }
            Op::Control | Op::Introduce | Op::Release | Op::Resume | Op::SetTarget => {
                self.administer(actor, op, payload)
            }
            Op::WatchEvent | Op::Error => Err(Errno::NotSupported),
        }
    }

    fn look(&mut self, actor: Actor, op: Op, payload: &[u8], branch: Option<&mut Branch>) -> Reply {
        let (path, offset) = match op {
            Op::DirectoryPart => {
                let [path, offset] = strings::<2>(payload)?;
                (path, number(offset)?)
            }
            _ => (strings::<1>(payload)?[0], 0),
        };
        if let (Op::GetPerms, Some(permissions)) = (op, self.special_of(path)) {
            actor.must(Right::Read, permissions)?;
            return Ok(permissions.to_wire());
        }
        let Resolved { path, .. } = resolve(actor, path)?;
        let tree = match branch {
            Some(branch) => {
                let is_listing = matches!(op, Op::Directory | Op::DirectoryPart);
                let look = if is_listing { Look::Children } else { Look::Node };
                branch.look(&path, look)?;
                branch.tree()
            }
            None => &self.tree,
        };
        let node = readable(tree, actor, &path)?;
        match op {
            Op::Read => Ok(node.value().to_vec()),
            Op::GetPerms => Ok(node.permissions().to_wire()),
            Op::Directory => directory(node),
            _ => directory_part(node, offset),
        }
    }

    fn set_permissions(&mut self, actor: Actor, payload: &[u8], branch: Option<&mut Branch>) -> Reply {
        let (path, rest) = string_and_rest(payload)?;
        if !rest.ends_with(b"\0") {
            return Err(Errno::Invalid);
        }
        let permissions = Permissions::from_wire(rest).ok_or(Errno::Invalid)?;
        if !actor.is_privileged() && permissions.entries().len() > self.limits.permissions {
            return Err(Errno::NoSpace);
        }
        if let Some(&name) = self.special.keys().find(|name| name.as_bytes() == path) {
            return match actor.is_privileged() {
                true => {
                    self.special.insert(name, permissions);
                    Ok(OK.to_vec())
                }
                false => Err(Errno::Denied),
            };
        }
        self.change(actor, path, Change::Permissions(permissions), branch)
    }

    fn change(&mut self, actor: Actor, path: &[u8], change: Change, branch: Option<&mut Branch>) -> Reply {
        let Resolved { path, .. } = resolve(actor, path)?;
        let tree = branch.as_ref().map_or(&self.tree, |branch| branch.tree());
        let verdict = admit(tree, actor, &path, &change);
        // What the answer depends on: the node itself; if it is absent, the one from which it inherits, and that
        // this stays the nearest.
        let nearest = tree.nearest(&path).1.len();
        let first_missing = end_of_component(&path, nearest);
        if let Verdict::Do { new_nodes } = verdict.unwrap_or(Verdict::Nothing) {
            let pending = branch.as_ref().map_or(0, |branch| branch.tree().owned_by(actor.domid));
            self.check_quota(actor, &change, pending, new_nodes)?;
        }
        let version = self.next_version();
        let Some(branch) = branch else {
            if let Verdict::Do { .. } = verdict? {
                let news = apply(&mut self.tree, actor, &path, &change, version);
                self.publish(&news);
            }
            return Ok(OK.to_vec());
        };
        for end in [path.len(), nearest, first_missing] {
            branch.look(&path[..end], Look::Node)?;
        }
        if let Verdict::Do { .. } = verdict? {
            branch.change(actor, &path, change, version)?;
        }
        Ok(OK.to_vec())
    }

    fn check_quota(
        &self,
        actor: Actor,
        change: &Change,
        pending: i64,
        new_nodes: usize,
    ) -> Result<(), Errno> {
        if actor.is_privileged() {
            return Ok(());
        }
        let is_big = matches!(change, Change::Write(value) if value.len() > self.limits.node_size);
        let owned = self.tree.owned_by(actor.domid) + pending;
        let is_many = new_nodes > 0
            && owned.saturating_add(i64::try_from(new_nodes).unwrap_or(i64::MAX))
                > i64::from(self.limits.nodes);
        if is_big || is_many { Err(Errno::NoSpace) } else { Ok(()) }
    }

    fn begin(&mut self, id: ConnectionId, actor: Actor) -> Reply {
        self.usage.take(actor.domid, Countable::Transaction, &self.limits)?;
        let branch = Branch::new(&self.tree, actor, &self.limits);
        let connection = self.connection_mut(id).ok_or(Errno::Io)?;
        Ok(c_string(connection.begin(branch).to_string().as_bytes()))
    }

    fn end(&mut self, id: ConnectionId, actor: Actor, payload: &[u8], open: (u32, Box<Branch>)) -> Reply {
        let (tx_id, branch) = open;
        let commits = match payload {
            b"T\0" => true,
            b"F\0" => false,
            _ => {
                if let Some(connection) = self.connection_mut(id) {
                    connection.put_back(tx_id, branch);
                }
                return Err(Errno::Invalid);
            }
        };
        self.usage.give_back(actor.domid, Countable::Transaction, 1);
        if commits {
            let news = branch.commit(actor, &mut self.tree, &mut self.version, &self.limits)?;
            self.publish(&news);
        }
        Ok(OK.to_vec())
    }

    fn watch(&mut self, id: ConnectionId, actor: Actor, payload: &[u8]) -> Reply {
        let [said, token] = strings::<2>(payload)?;
        let Resolved { path, implied } = watched(actor, said)?;
        if self.watches.has(&path, id, token) {
            return Err(Errno::Exists);
        }
        self.usage.take(actor.domid, Countable::Watch, &self.limits)?;
        self.watches.add(&path, Registered { connection: id, token: token.into(), implied });
        if let Some(connection) = self.connection_mut(id) {
            connection.watches += 1;
            // A watch speaks up once by itself, so that nobody misses what happened just before.
            connection.tell(said, token);
        }
        Ok(OK.to_vec())
    }

    fn unwatch(&mut self, id: ConnectionId, actor: Actor, payload: &[u8]) -> Reply {
        let [said, token] = strings::<2>(payload)?;
        self.watches.remove(&watched(actor, said)?.path, id, token)?;
        self.usage.give_back(actor.domid, Countable::Watch, 1);
        if let Some(connection) = self.connection_mut(id) {
            connection.watches -= 1;
        }
        Ok(OK.to_vec())
    }

    /// Requests that are for domain 0 only.
    fn administer(&mut self, actor: Actor, op: Op, payload: &[u8]) -> Reply {
        if !actor.is_privileged() {
            return Err(Errno::Denied);
        }
        let guest = |text: &[u8]| match arguments::domid(text)? {
            0 => Err(Errno::Invalid),
            domid => Ok(domid),
        };
        match op {
            Op::Introduce => {
                let [domid, frame, port] = strings::<3>(payload)?;
                let (domid, frame, port) = (guest(domid)?, number(frame)?, number(port)?);
                self.introduce(Introduced { domid, frame, port });
            }
            Op::Release => self.release(guest(strings::<1>(payload)?[0])?)?,
            Op::Resume => self.resume(guest(strings::<1>(payload)?[0])?)?,
            Op::SetTarget => {
                let [domid, target] = strings::<2>(payload)?;
                self.set_target(guest(domid)?, arguments::domid(target)?)?;
            }
            _ if payload == b"help\0" => return Ok(CONTROL_HELP.to_vec()),
            _ => return Err(Errno::Invalid),
        }
        Ok(OK.to_vec())
    }

    fn special_of(&self, path: &[u8]) -> Option<&Permissions> {
        self.special.get(std::str::from_utf8(path).ok()?)
    }
}

/// The node at `path`, if `actor` may read it. Who may not look into the nearest node there is does not learn
/// that the path is absent.
fn readable<'t>(tree: &'t Tree, actor: Actor, path: &[u8]) -> Result<&'t Node, Errno> {
    let Some(node) = tree.get(path) else {
        actor.must(Right::Read, tree.nearest(path).0.permissions())?;
        return Err(Errno::NotFound);
    };
    actor.must(Right::Read, node.permissions())?;
    Ok(node)
}

/// Where the component after the first `end` bytes of an absolute path ends.
fn end_of_component(path: &[u8], end: usize) -> usize {
    let begin = if end == 1 { 1 } else { (end + 1).min(path.len()) };
    path[begin..].iter().position(|&byte| byte == b'/').map_or(path.len(), |at| begin + at)
}

fn directory(node: &Node) -> Reply {
    let names = names_of(node);
    if names.len() > PAYLOAD_MAX { Err(Errno::TooBig) } else { Ok(names) }
}

/// The node's generation, then as many whole names from `offset` on as fit; after the last an empty one.
fn directory_part(node: &Node, offset: usize) -> Reply {
    let names = names_of(node);
    let rest = names.get(offset..).ok_or(Errno::Invalid)?;
    let mut part = c_string(node.version().max(node.children_version()).to_string().as_bytes());
    let space = PAYLOAD_MAX - part.len();
    if rest.len() < space {
        part.extend_from_slice(rest);
        part.push(0);
    } else {
        let end = rest[..space].iter().rposition(|&byte| byte == 0).map_or(0, |at| at + 1);
        part.extend_from_slice(&rest[..end]);
    }
    Ok(part)
}

fn names_of(node: &Node) -> Vec<u8> {
    let mut names = Vec::new();
    for child in node.children() {
        names.extend_from_slice(child.name());
        names.push(0);
    }
    names
}

/// A path to watch: a node's, or a special one as it stands.
fn watched(actor: Actor, path: &[u8]) -> Result<Resolved, Errno> {
    if !path.starts_with(b"@") {
        return resolve(actor, path);
    }
    if path.len() > RELATIVE_PATH_MAX || crate::wire::check_path(path).is_err() {
        return Err(Errno::Invalid);
    }
    Ok(Resolved { path: path.to_vec(), implied: 0 })
}
