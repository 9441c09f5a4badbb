//! Changes of a tree: what may be done, then doing it.

use std::sync::Arc;

use super::actor::{Actor, Right};
use super::tree::{Tree, split_last};
use crate::{Errno, Permissions};

/// What is to become of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It gets this value, and is made if need be.
    Write(Box<[u8]>),
    /// It is made if it is not there.
    Mkdir,
    /// It goes, with everything below it.
    Remove,
    /// It gets these permissions.
    Permissions(Permissions),
}

/// What a change needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Do it; so many nodes come into being.
    Do {
        /// Nodes that are missing.
        new_nodes: usize,
    },
    /// It is so already; nobody is told.
    Nothing,
}

/// A node that changed, for those who watch.
#[derive(Clone, Debug)]
pub(crate) struct News {
    pub(crate) path: Vec<u8>,
    pub(crate) reach: Reach,
    /// The permissions before the change: who could read it then is told, too.
    pub(crate) before: Option<Arc<Permissions>>,
}

/// Whose watches are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Those on the node and on every node above it.
    Upwards,
    /// Those on this very node: it went together with one above it.
    Itself,
}

/// Whether `actor` may make the change, and what it takes.
pub(crate) fn admit(tree: &Tree, actor: Actor, path: &[u8], change: &Change) -> Result<Verdict, Errno> {
    let Some(node) = tree.get(path) else { return admit_absent(tree, actor, path, change) };
    match change {
        Change::Write(_) => actor.must(Right::Write, node.permissions())?,
        Change::Mkdir => {
            actor.must(Right::Write, node.permissions())?;
            return Ok(Verdict::Nothing);
        }
        Change::Remove => {
            actor.must(Right::Write, node.permissions())?;
            if path == b"/" {
                return Err(Errno::Invalid);
            }
        }
        Change::Permissions(permissions) => {
            actor.must(Right::Own, node.permissions())?;
            if !actor.is_privileged() && permissions.owner() != node.permissions().owner() {
                return Err(Errno::NotPermitted);
            }
        }
    }
    Ok(Verdict::Do { new_nodes: 0 })
}

/// Who may not look into the nearest node there is does not learn that the path is absent.
fn admit_absent(tree: &Tree, actor: Actor, path: &[u8], change: &Change) -> Result<Verdict, Errno> {
    let (nearest, nearest_path) = tree.nearest(path);
    match change {
        Change::Write(_) | Change::Mkdir => {
            actor.must(Right::Write, nearest.permissions())?;
            Ok(Verdict::Do { new_nodes: tree.missing(path) })
        }
        Change::Remove => {
            actor.must(Right::Write, nearest.permissions())?;
            let has_parent = split_last(path).is_some_and(|(parent, _)| parent == nearest_path);
            if has_parent { Ok(Verdict::Nothing) } else { Err(Errno::NotFound) }
        }
        Change::Permissions(_) => {
            actor.must(Right::Own, nearest.permissions())?;
            Err(Errno::NotFound)
        }
    }
}

/// Makes an admitted change.
pub(crate) fn apply(tree: &mut Tree, actor: Actor, path: &[u8], change: &Change, version: u64) -> Vec<News> {
    let told = |before| vec![News { path: path.to_vec(), reach: Reach::Upwards, before }];
    match change {
        Change::Write(value) => {
            tree.create(path, actor.new_owner(), version);
            tree.set_value(path, value, version);
            told(None)
        }
        Change::Mkdir => {
            tree.create(path, actor.new_owner(), version);
            told(None)
        }
        Change::Permissions(permissions) => {
            let before = tree.get(path).map(|node| Arc::clone(node.permissions()));
            tree.set_permissions(path, permissions.clone(), version);
            told(before)
        }
        Change::Remove => {
            let reach_of = |place: usize| if place == 0 { Reach::Upwards } else { Reach::Itself };
            let removed = tree.remove(path, version).into_iter().enumerate();
            removed
                .map(|(place, (path, before))| News { path, reach: reach_of(place), before: Some(before) })
                .collect()
        }
    }
}
