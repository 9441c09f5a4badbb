//! The tree of nodes: persistent, so that a transaction starts with a copy that costs nothing.
//!
//! A copy shares every node with the original; whoever changes one first copies the nodes on the way to it.
//! Each change gives the node (or, for its list of names, the parent) a new version, by which a commit sees what
//! others changed. Nodes are small: name and value share one allocation, permissions are shared with the parent,
//! and a node without children has no list.

use std::collections::HashMap;
use std::sync::Arc;

use crate::Permissions;

/// A node and, through its children, the tree below it.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Length of the name (2 bytes), the name, the value.
    label: Box<[u8]>,
    permissions: Arc<Permissions>,
    children: Option<Box<Children>>,
    version: u64,
}

/// The children of a node, ordered by name.
#[derive(Clone, Debug, Default)]
struct Children {
    nodes: Vec<Arc<Node>>,
    version: u64,
}

/// The tree, or a transaction's copy of it.
#[derive(Clone, Debug)]
pub(crate) struct Tree {
    root: Arc<Node>,
    /// Nodes per owner, domain 0 excepted. In a transaction's copy: how many more, or fewer.
    owned: HashMap<u16, i64>,
}

/// A removed node and its absolute path.
pub(crate) type Removed = (Vec<u8>, Arc<Permissions>);

impl Node {
    fn new(name: &[u8], value: &[u8], permissions: Arc<Permissions>, version: u64) -> Self {
        Self { label: label(name, value), permissions, children: None, version }
    }

    fn name_end(&self) -> usize {
        2 + usize::from(u16::from_le_bytes([self.label[0], self.label[1]]))
    }

    pub(crate) fn name(&self) -> &[u8] {
        &self.label[2..self.name_end()]
    }

    pub(crate) fn value(&self) -> &[u8] {
        &self.label[self.name_end()..]
    }

    pub(crate) fn permissions(&self) -> &Arc<Permissions> {
        &self.permissions
    }

    /// Changes with the node's value and permissions, and when it is removed and made anew.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    /// Changes when a child comes or goes.
    pub(crate) fn children_version(&self) -> u64 {
        self.children.as_ref().map_or(0, |children| children.version)
    }

    pub(crate) fn children(&self) -> &[Arc<Self>] {
        self.children.as_ref().map_or(&[], |children| &children.nodes)
    }

    fn child(&self, name: &[u8]) -> Option<&Arc<Self>> {
        let nodes = self.children();
        position(nodes, name).ok().map(|at| &nodes[at])
    }

    /// Visits the node and everything below it, parents first.
    pub(crate) fn visit<'a>(&'a self, path: &mut Vec<u8>, look: &mut impl FnMut(&[u8], &'a Self)) {
        look(if path.is_empty() { b"/" } else { path }, self);
        let length = path.len();
        for child in self.children() {
            path.push(b'/');
            path.extend_from_slice(child.name());
            child.visit(path, look);
            path.truncate(length);
        }
    }
}

impl Drop for Children {
    /// Frees a chain of single children without recursion: a path may have 1,500 components.
    fn drop(&mut self) {
        let mut doomed = std::mem::take(&mut self.nodes);
        while let Some(node) = doomed.pop() {
            if let Some(mut node) = Arc::into_inner(node)
                && let Some(children) = &mut node.children
            {
                doomed.append(&mut children.nodes);
            }
        }
    }
}

impl Tree {
    /// A tree that has only the root, owned by domain 0 and closed to others.
    pub(crate) fn new() -> Self {
        let root = Node::new(b"", b"", Arc::new(Permissions::owned_by(0)), 0);
        Self { root: Arc::new(root), owned: HashMap::new() }
    }

    /// A copy for a transaction: it counts only its own changes.
    pub(crate) fn branch(&self) -> Self {
        Self { root: Arc::clone(&self.root), owned: HashMap::new() }
    }

    /// The tree below an earlier root, to look at.
    pub(crate) fn at(root: Arc<Node>) -> Self {
        Self { root, owned: HashMap::new() }
    }

    pub(crate) fn root(&self) -> &Arc<Node> {
        &self.root
    }

    pub(crate) fn owned_by(&self, domid: u16) -> i64 {
        self.owned.get(&domid).copied().unwrap_or(0)
    }

    pub(crate) fn get(&self, path: &[u8]) -> Option<&Node> {
        components(path).try_fold(&*self.root, |node, name| node.child(name).map(|child| &**child))
    }

    /// The deepest node on the way to `path`, and its path.
    pub(crate) fn nearest<'p>(&self, path: &'p [u8]) -> (&Node, &'p [u8]) {
        let (mut node, mut end) = (&*self.root, 1);
        for name in components(path) {
            let Some(child) = node.child(name) else { break };
            node = child;
            end = if end == 1 { 1 + name.len() } else { end + 1 + name.len() };
        }
        (node, &path[..end])
    }

    /// How many nodes `path` lacks.
    pub(crate) fn missing(&self, path: &[u8]) -> usize {
        let (_, there) = self.nearest(path);
        components(path).count() - components(there).count()
    }

    /// Creates `path` and what is missing above it. Permissions come from the parent; `owner` replaces the owner.
    pub(crate) fn create(&mut self, path: &[u8], owner: Option<u16>, version: u64) {
        let mut made = Vec::new();
        let mut node = Arc::make_mut(&mut self.root);
        for name in components(path) {
            let inherited = Arc::clone(&node.permissions);
            let children = node.children.get_or_insert_default();
            let at = match position(&children.nodes, name) {
                Ok(at) => at,
                Err(at) => {
                    let permissions = inherit(inherited, owner);
                    made.push(permissions.owner());
                    children.nodes.insert(at, Arc::new(Node::new(name, b"", permissions, version)));
                    children.version = version;
                    at
                }
            };
            node = Arc::make_mut(&mut children.nodes[at]);
        }
        made.into_iter().for_each(|owner| self.count(owner, 1));
    }

    /// Sets the value of a node that is there.
    pub(crate) fn set_value(&mut self, path: &[u8], value: &[u8], version: u64) {
        if let Some(node) = self.node_mut(path) {
            node.label = label(node.name(), value);
            node.version = version;
        }
    }

    /// Sets the permissions of a node that is there.
    pub(crate) fn set_permissions(&mut self, path: &[u8], permissions: Permissions, version: u64) {
        let Some(node) = self.node_mut(path) else { return };
        let (old, new) = (node.permissions.owner(), permissions.owner());
        node.permissions = Arc::new(permissions);
        node.version = version;
        self.count(old, -1);
        self.count(new, 1);
    }

    /// Removes a node other than the root; answers what is gone, children first to last after their parents.
    pub(crate) fn remove(&mut self, path: &[u8], version: u64) -> Vec<Removed> {
        let Some((parent, name)) = split_last(path) else { return Vec::new() };
        if self.get(path).is_none() {
            return Vec::new();
        }
        let Some(children) = self.node_mut(parent).and_then(|node| node.children.as_mut()) else {
            return Vec::new();
        };
        let Ok(at) = position(&children.nodes, name) else { return Vec::new() };
        let node = children.nodes.remove(at);
        children.version = version;
        let mut removed = Vec::new();
        node.visit(&mut path.to_vec(), &mut |path, node| {
            removed.push((path.to_vec(), Arc::clone(node.permissions())));
        });
        for (_, permissions) in &removed {
            self.count(permissions.owner(), -1);
        }
        removed
    }

    fn node_mut(&mut self, path: &[u8]) -> Option<&mut Node> {
        let mut node = Arc::make_mut(&mut self.root);
        for name in components(path) {
            let children = node.children.as_mut()?;
            let at = position(&children.nodes, name).ok()?;
            node = Arc::make_mut(&mut children.nodes[at]);
        }
        Some(node)
    }

    fn count(&mut self, owner: u16, more: i64) {
        if owner == 0 || more == 0 {
            return;
        }
        let count = self.owned.entry(owner).or_default();
        *count += more;
        if *count == 0 {
            self.owned.remove(&owner);
        }
    }
}

/// The names on the way from the root to an absolute path.
pub(crate) fn components(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|name| !name.is_empty())
}

/// The directory above and the last name; nothing for the root.
pub(crate) fn split_last(path: &[u8]) -> Option<(&[u8], &[u8])> {
    let slash = path.iter().rposition(|&byte| byte == b'/')?;
    let name = &path[slash + 1..];
    (!name.is_empty()).then(|| (if slash == 0 { &path[..1] } else { &path[..slash] }, name))
}

fn position(nodes: &[Arc<Node>], name: &[u8]) -> Result<usize, usize> {
    nodes.binary_search_by(|node| node.name().cmp(name))
}

fn inherit(permissions: Arc<Permissions>, owner: Option<u16>) -> Arc<Permissions> {
    match owner {
        Some(owner) if permissions.owner() != owner => Arc::new(permissions.with_owner(owner)),
        _ => permissions,
    }
}

fn label(name: &[u8], value: &[u8]) -> Box<[u8]> {
    let length = u16::try_from(name.len()).expect("a path, and so each name in it, has at most 3072 bytes");
    [&length.to_le_bytes(), name, value].concat().into_boxed_slice()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(tree: &Tree, path: &[u8]) -> Vec<String> {
        let node = tree.get(path).unwrap();
        node.children().iter().map(|child| String::from_utf8_lossy(child.name()).into_owned()).collect()
    }

    #[test]
    fn a_branch_and_the_tree_do_not_see_each_others_changes() {
        let mut tree = Tree::new();
        tree.create(b"/a/b", None, 1);
        let mut branch = tree.branch();
        branch.create(b"/a/c", None, 2);
        tree.set_value(b"/a/b", b"x", 3);
        assert_eq!(
            (names(&tree, b"/a"), names(&branch, b"/a")),
            (vec!["b".into()], vec!["b".into(), "c".into()])
        );
        assert_eq!(
            (tree.get(b"/a/b").unwrap().value(), branch.get(b"/a/b").unwrap().value()),
            (&b"x"[..], &b""[..])
        );
    }

    #[test]
    fn the_nearest_node_is_found_with_its_path() {
        let mut tree = Tree::new();
        tree.create(b"/a/b", None, 1);
        assert_eq!(tree.nearest(b"/a/b/c/d").1, b"/a/b");
        assert_eq!(tree.nearest(b"/x/y").1, b"/");
        assert_eq!(tree.nearest(b"/").1, b"/");
        assert_eq!((tree.missing(b"/a/b/c/d"), tree.missing(b"/a")), (2, 0));
    }

    #[test]
    fn nodes_are_counted_for_their_owners() {
        let mut tree = Tree::new();
        tree.create(b"/a/b/c", Some(5), 1);
        tree.set_permissions(b"/a", Permissions::owned_by(6), 2);
        assert_eq!((tree.owned_by(5), tree.owned_by(6), tree.owned_by(0)), (2, 1, 0));
        let removed = tree.remove(b"/a", 3);
        let paths: Vec<_> = removed.iter().map(|(path, _)| path.as_slice()).collect();
        assert_eq!(paths, [&b"/a"[..], b"/a/b", b"/a/b/c"]);
        assert!(tree.owned.is_empty());
    }

    #[test]
    fn a_chain_as_deep_as_a_path_can_be_is_made_and_dropped() {
        let path = b"/a".repeat(1536);
        let mut tree = Tree::new();
        tree.create(&path, None, 1);
        assert_eq!(tree.remove(b"/a", 2).len(), 1536);
    }
}
