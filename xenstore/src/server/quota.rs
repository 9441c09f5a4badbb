//! What a guest may use of the daemon. Domain 0 is not limited.

use std::collections::HashMap;

use crate::Errno;

/// Limits for every domain but 0. The defaults are those of Debian's xenstored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Nodes that belong to a domain.
    pub nodes: u32,
    /// Bytes of a value.
    pub node_size: usize,
    /// Watches.
    pub watches: u32,
    /// Open transactions.
    pub transactions: u32,
    /// Nodes that a transaction looks at or changes.
    pub transaction_nodes: usize,
    /// Entries of a node's permissions.
    pub permissions: usize,
    /// Nodes of a domain that is no more.
    pub orphans: Orphans,
}

/// What becomes of the nodes that a dead domain owned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphans {
    /// They are removed, as since Xen 4.17.
    Removed,
    /// They stay, as in earlier versions.
    Kept,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            nodes: 1000,
            node_size: 2048,
            watches: 128,
            transactions: 10,
            transaction_nodes: 1024,
            permissions: 5,
            orphans: Orphans::Removed,
        }
    }
}

/// What a domain holds, over all its connections.
#[derive(Clone, Copy, Debug, Default)]
struct Held {
    watches: u32,
    transactions: u32,
}

/// Watches and transactions of all domains.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    held: HashMap<u16, Held>,
}

/// A thing that is counted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Countable {
    Watch,
    Transaction,
}

impl Usage {
    pub(crate) fn take(&mut self, domid: u16, what: Countable, limits: &Limits) -> Result<(), Errno> {
        let held = self.held.entry(domid).or_default();
        let (count, limit, errno) = match what {
            Countable::Watch => (&mut held.watches, limits.watches, Errno::TooBig),
            Countable::Transaction => (&mut held.transactions, limits.transactions, Errno::NoSpace),
        };
        if domid != 0 && *count >= limit {
            return Err(errno);
        }
        *count += 1;
        Ok(())
    }

    pub(crate) fn give_back(&mut self, domid: u16, what: Countable, number: usize) {
        let Some(held) = self.held.get_mut(&domid) else { return };
        let count = match what {
            Countable::Watch => &mut held.watches,
            Countable::Transaction => &mut held.transactions,
        };
        *count = count.saturating_sub(u32::try_from(number).unwrap_or(u32::MAX));
        if held.watches == 0 && held.transactions == 0 {
            self.held.remove(&domid);
        }
    }
}
