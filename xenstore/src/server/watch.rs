//! Who is told of which path.

use std::collections::HashMap;

use super::connection::ConnectionId;
use crate::Errno;

/// A registered watch.
#[derive(Debug)]
pub(crate) struct Registered {
    pub(crate) connection: ConnectionId,
    pub(crate) token: Box<[u8]>,
    /// Bytes of the path that the client did not say and does not want to hear: it asked for a relative one.
    pub(crate) implied: usize,
}

/// Every watch, by its absolute path.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    by_path: HashMap<Box<[u8]>, Vec<Registered>>,
}

impl Watches {
    pub(crate) fn has(&self, path: &[u8], connection: ConnectionId, token: &[u8]) -> bool {
        let found = self.by_path.get(path);
        found.is_some_and(|list| list.iter().any(|watch| watch.is(connection, token)))
    }

    pub(crate) fn add(&mut self, path: &[u8], watch: Registered) {
        match self.by_path.get_mut(path) {
            Some(list) => list.push(watch),
            None => {
                self.by_path.insert(path.into(), vec![watch]);
            }
        }
    }

    pub(crate) fn remove(
        &mut self,
        path: &[u8],
        connection: ConnectionId,
        token: &[u8],
    ) -> Result<(), Errno> {
        let list = self.by_path.get_mut(path).ok_or(Errno::NotFound)?;
        let at = list.iter().position(|watch| watch.is(connection, token)).ok_or(Errno::NotFound)?;
        list.remove(at);
        if list.is_empty() {
            self.by_path.remove(path);
        }
        Ok(())
    }

    pub(crate) fn remove_all(&mut self, connection: ConnectionId) {
        self.by_path.retain(|_, list| {
            list.retain(|watch| watch.connection != connection);
            !list.is_empty()
        });
    }

    /// Watches on this very path.
    pub(crate) fn on(&self, path: &[u8]) -> &[Registered] {
        self.by_path.get(path).map_or(&[], Vec::as_slice)
    }

    /// Watches on a path and on every one above it.
    pub(crate) fn upwards<'a>(&'a self, path: &'a [u8]) -> impl Iterator<Item = &'a Registered> {
        let ends = (1..path.len()).rev().filter(|&at| path[at] == b'/');
        let root = (path.len() > 1).then_some(1);
        std::iter::once(path.len()).chain(ends).chain(root).flat_map(|end| self.on(&path[..end]))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_path.values().map(Vec::len).sum()
    }
}

impl Registered {
    fn is(&self, connection: ConnectionId, token: &[u8]) -> bool {
        self.connection == connection && *self.token == *token
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reaches_watches_on_itself_and_above_once_each() {
        let mut watches = Watches::default();
        for path in [&b"/"[..], b"/a", b"/a/b", b"/a/b/c", b"/a/bb", b"/ab"] {
            watches.add(path, Registered { connection: ConnectionId(1), token: path.into(), implied: 0 });
        }
        let reached = |path| watches.upwards(path).map(|watch| watch.token.clone()).collect::<Vec<_>>();
        assert_eq!(reached(b"/a/b"), [(*b"/a/b").into(), (*b"/a").into(), Box::<[u8]>::from(*b"/")]);
        assert_eq!(reached(b"/"), [Box::<[u8]>::from(*b"/")]);
        assert_eq!(reached(b"@releaseDomain"), Vec::<Box<[u8]>>::new());
    }
}
