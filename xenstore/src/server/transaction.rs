//! Transactions: a branch of the tree, what was looked at, and what is to be done again on the real tree.
//!
//! A commit first compares every node that the transaction looked at (a change looks at its node, or at the
//! nearest one there is) in the tree as it was at the start and as it is now. If one differs the client has to do
//! it all again: EAGAIN. Otherwise the changes are made once more, on the real tree.

use std::collections::HashMap;
use std::sync::Arc;

use super::actor::Actor;
use super::change::{Change, News, Verdict, admit, apply};
use super::quota::Limits;
use super::tree::{Node, Tree};
use crate::Errno;

/// An open transaction.
#[derive(Debug)]
pub(crate) struct Branch {
    tree: Tree,
    base: Arc<Node>,
    seen: HashMap<Box<[u8]>, Look>,
    changes: Vec<(Box<[u8]>, Change)>,
    /// Most nodes that may be looked at; nothing for domain 0.
    limit: Option<usize>,
}

/// How closely a node was looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Look {
    /// Whether it is there; its value and permissions.
    Node,
    /// The names of its children, too.
    Children,
}

impl Branch {
    pub(crate) fn new(tree: &Tree, actor: Actor, limits: &Limits) -> Self {
        Self {
            tree: tree.branch(),
            base: Arc::clone(tree.root()),
            seen: HashMap::new(),
            changes: Vec::new(),
            limit: (!actor.is_privileged()).then_some(limits.transaction_nodes),
        }
    }

    /// The tree as the transaction sees it.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Remembers that a node was looked at.
    pub(crate) fn look(&mut self, path: &[u8], look: Look) -> Result<(), Errno> {
        if let Some(known) = self.seen.get_mut(path) {
            *known = look.max(*known);
            return Ok(());
        }
        if self.limit.is_some_and(|limit| self.seen.len() >= limit) {
            return Err(Errno::NoSpace);
        }
        self.seen.insert(path.into(), look);
        Ok(())
    }

    /// Makes an admitted change here.
    pub(crate) fn change(
        &mut self,
        actor: Actor,
        path: &[u8],
        change: Change,
        version: u64,
    ) -> Result<(), Errno> {
        // Twice as many as nodes, so that a node can be made and get its permissions.
        if self.limit.is_some_and(|limit| self.changes.len() >= limit * 2) {
            return Err(Errno::NoSpace);
        }
        apply(&mut self.tree, actor, path, &change, version);
        self.changes.push((path.into(), change));
        Ok(())
    }

    /// Makes the changes in the real tree, or has no effect.
    pub(crate) fn commit(
        self,
        actor: Actor,
        tree: &mut Tree,
        version: &mut u64,
        limits: &Limits,
    ) -> Result<Vec<News>, Errno> {
        if !Arc::ptr_eq(&self.base, tree.root()) && self.conflicts(tree) {
            return Err(Errno::Again);
        }
        let total = tree.owned_by(actor.domid) + self.tree.owned_by(actor.domid);
        if !actor.is_privileged() && self.tree.owned_by(actor.domid) > 0 && total > i64::from(limits.nodes) {
            return Err(Errno::NoSpace);
        }
        let Self { tree: branch, base, changes, .. } = self;
        // As long as these are there, each change of the real tree copies nodes.
        drop((branch, base));
        let mut news = Vec::new();
        for (path, change) in changes {
            // What was admitted on the branch is admitted here, as everything it depends on is the same. Making
            // again what another one has made meanwhile above this path is nothing to tell.
            if let Ok(Verdict::Do { .. }) = admit(tree, actor, &path, &change) {
                *version += 1;
                news.extend(apply(tree, actor, &path, &change, *version));
            }
        }
        Ok(without_repetition(news))
    }

    fn conflicts(&self, tree: &Tree) -> bool {
        let base = Tree::at(Arc::clone(&self.base));
        self.seen.iter().any(|(path, look)| match (base.get(path), tree.get(path)) {
            (None, None) => false,
            (Some(then), Some(now)) => {
                then.version() != now.version()
                    || (*look == Look::Children && then.children_version() != now.children_version())
            }
            _ => true,
        })
    }
}

/// Each node is told of once, at the place of its first change.
fn without_repetition(news: Vec<News>) -> Vec<News> {
    let mut told: HashMap<(Vec<u8>, bool), usize> = HashMap::new();
    let mut once: Vec<News> = Vec::new();
    for item in news {
        let key = (item.path.clone(), item.reach == super::change::Reach::Upwards);
        match told.get(&key) {
            Some(&at) => once[at].before = once[at].before.take().or(item.before),
            None => {
                told.insert(key, once.len());
                once.push(item);
            }
        }
    }
    once
}
