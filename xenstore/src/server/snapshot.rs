//! The tree at one moment, for tests and diagnosis.

use std::fmt;

use super::tree::{Node, Tree};
use crate::Permissions;

/// The tree at one moment. Two are equal when they have the same nodes, values and permissions.
#[derive(Clone, Debug)]
pub struct Snapshot {
    tree: Tree,
}

/// A node of a [`Snapshot`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// The absolute path.
    pub path: String,
    /// The value.
    pub value: Vec<u8>,
    /// The permissions.
    pub permissions: Permissions,
}

impl Snapshot {
    pub(super) fn of(tree: Tree) -> Self {
        Self { tree }
    }

    /// A node's value as text, if it is there.
    #[must_use]
    pub fn value(&self, path: &str) -> Option<String> {
        self.tree.get(path.as_bytes()).map(|node| String::from_utf8_lossy(node.value()).into_owned())
    }

    /// A node's permissions, if it is there.
    #[must_use]
    pub fn permissions(&self, path: &str) -> Option<Permissions> {
        self.tree.get(path.as_bytes()).map(|node| (**node.permissions()).clone())
    }

    /// Names of a node's children; none if it is absent.
    #[must_use]
    pub fn children(&self, path: &str) -> Vec<String> {
        let children = self.tree.get(path.as_bytes()).map_or(&[][..], Node::children);
        children.iter().map(|child| String::from_utf8_lossy(child.name()).into_owned()).collect()
    }

    /// Whether a node is there.
    #[must_use]
    pub fn contains(&self, path: &str) -> bool {
        self.tree.get(path.as_bytes()).is_some()
    }

    /// Every node, parents before their children, those ordered by name.
    #[must_use]
    pub fn nodes(&self) -> Vec<NodeView> {
        let mut nodes = Vec::new();
        self.tree.root().visit(&mut Vec::new(), &mut |path, node| {
            nodes.push(NodeView {
                path: String::from_utf8_lossy(path).into_owned(),
                value: node.value().to_vec(),
                permissions: (**node.permissions()).clone(),
            });
        });
        nodes
    }

    /// How many nodes there are, the root included.
    #[must_use]
    pub fn len(&self) -> usize {
        let mut count = 0;
        self.tree.root().visit(&mut Vec::new(), &mut |_, _| count += 1);
        count
    }

    /// Never: there is always a root.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        self.nodes() == other.nodes()
    }
}

impl fmt::Display for Snapshot {
    /// One line a node, in the manner of `xenstore-ls -f -p`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for node in self.nodes() {
            writeln!(f, "{} = \"{}\"  ({})", node.path, node.value.escape_ascii(), node.permissions)?;
        }
        Ok(())
    }
}
