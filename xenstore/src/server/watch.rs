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
    /// How many watched paths have a length. Without it, a guest's path of a thousand components would be looked
    /// up a thousand times.
    lengths: HashMap<usize, usize>,
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
                *self.lengths.entry(path.len()).or_default() += 1;
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
            forget_length(&mut self.lengths, path.len());
        }
        Ok(())
    }

    pub(crate) fn remove_all(&mut self, connection: ConnectionId) {
        let Self { by_path, lengths } = self;
        by_path.retain(|path, list| {
            list.retain(|watch| watch.connection != connection);
            if list.is_empty() {
                forget_length(lengths, path.len());
            }
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
        let ends = std::iter::once(path.len()).chain(ends).chain(root);
        ends.filter(|end| self.lengths.contains_key(end)).flat_map(|end| self.on(&path[..end]))
    }

    pub(crate) fn len(&self) -> usize {
        self.by_path.values().map(Vec::len).sum()
    }
}

fn forget_length(lengths: &mut HashMap<usize, usize>, length: usize) {
    if let Some(count) = lengths.get_mut(&length) {
        *count -= 1;
        if *count == 0 {
            lengths.remove(&length);
        }
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
        let reached = |path: &[u8]| {
            let tokens =
                watches.upwards(path).map(|watch| String::from_utf8_lossy(&watch.token).into_owned());
            tokens.collect::<Vec<_>>()
        };
        assert_eq!(reached(b"/a/b"), ["/a/b", "/a", "/"]);
        assert_eq!(reached(b"/"), ["/"]);
        assert!(reached(b"@releaseDomain").is_empty());
        watches.remove(b"/a", ConnectionId(1), b"/a").unwrap();
        assert_eq!(watches.upwards(b"/a/b/c").count(), 3);
        watches.remove_all(ConnectionId(1));
        assert!(watches.lengths.is_empty() && watches.len() == 0);
    }
}
