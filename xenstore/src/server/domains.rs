//! The domains that the server knows: who came, who shut down, who is gone.

use std::collections::BTreeMap;

use super::State;
use super::actor::Actor;
use super::change::{Change, apply};
use super::quota::Orphans;
use super::tree::Node;
use crate::{Errno, paths};

/// A domain that was introduced, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Introduced {
    /// Its number.
    pub domid: u16,
    /// The frame of its store ring.
    pub frame: u64,
    /// Its end of the event channel.
    pub port: u32,
}

#[derive(Clone, Copy, Debug)]
struct Domain {
    introduced: Introduced,
    has_shut_down: bool,
    target: Option<u16>,
}

/// Every introduced domain but 0, by number.
#[derive(Debug, Default)]
pub(crate) struct Domains {
    known: BTreeMap<u16, Domain>,
}

impl Domains {
    pub(super) fn knows(&self, domid: u16) -> bool {
        domid == 0 || self.known.contains_key(&domid)
    }

    pub(super) fn target_of(&self, domid: u16) -> Option<u16> {
        self.known.get(&domid)?.target
    }
}

impl State {
    pub(super) fn introduced(&self) -> Vec<Introduced> {
        self.domains.known.values().map(|domain| domain.introduced).collect()
    }

    /// Told only the first time: introducing again exchanges ring and channel.
    pub(super) fn introduce(&mut self, introduced: Introduced) {
        if let Some(domain) = self.domains.known.get_mut(&introduced.domid) {
            domain.introduced = introduced;
            return;
        }
        let domain = Domain { introduced, has_shut_down: false, target: None };
        self.domains.known.insert(introduced.domid, domain);
        self.publish_special(paths::INTRODUCE_DOMAIN);
    }

    pub(super) fn release(&mut self, domid: u16) -> Result<(), Errno> {
        self.domains.known.remove(&domid).ok_or(Errno::NotFound)?;
        self.forget(domid);
        self.publish_special(paths::RELEASE_DOMAIN);
        Ok(())
    }

    pub(super) fn resume(&mut self, domid: u16) -> Result<(), Errno> {
        let domain = self.domains.known.get_mut(&domid).ok_or(Errno::NotFound)?;
        domain.has_shut_down = false;
        Ok(())
    }

    pub(super) fn set_target(&mut self, domid: u16, target: u16) -> Result<(), Errno> {
        if !self.domains.knows(target) {
            return Err(Errno::NotFound);
        }
        self.domains.known.get_mut(&domid).ok_or(Errno::NotFound)?.target = Some(target);
        for connection in self.connections_mut().filter(|connection| connection.actor.domid == domid) {
            connection.actor.target = Some(target);
        }
        Ok(())
    }

    pub(super) fn domain_shut_down(&mut self, domid: u16) {
        let Some(domain) = self.domains.known.get_mut(&domid) else { return };
        if !std::mem::replace(&mut domain.has_shut_down, true) {
            self.publish_special(paths::RELEASE_DOMAIN);
        }
    }

    pub(super) fn domain_died(&mut self, domid: u16) {
        if domid == 0 {
            return;
        }
        let was_known = self.domains.known.remove(&domid).is_some();
        self.forget(domid);
        if was_known {
            self.publish_special(paths::RELEASE_DOMAIN);
        }
    }

    /// Ends what belongs to a domain that is gone.
    fn forget(&mut self, domid: u16) {
        self.disconnect_those(|actor| actor.domid == domid);
        if self.limits.orphans == Orphans::Removed {
            self.remove_orphans(domid);
        }
    }

    /// Most nodes of a domain lie in its own directory; the rest of the tree is searched only while some are
    /// left.
    fn remove_orphans(&mut self, domid: u16) {
        for top in [paths::domain(domid), "/".to_owned()] {
            if self.tree.owned_by(domid) == 0 {
                return;
            }
            let Some(node) = self.tree.get(top.as_bytes()) else { continue };
            let mut path = if top == "/" { Vec::new() } else { top.into_bytes() };
            let mut found = Vec::new();
            tops_owned_by(node, domid, &mut path, &mut found);
            let nobody = Actor { domid: 0, target: None };
            for path in found {
                let version = self.next_version();
                let news = apply(&mut self.tree, nobody, &path, &Change::Remove, version);
                self.publish(&news);
            }
        }
    }
}

/// The highest nodes that a domain owns; what lies below goes with them.
fn tops_owned_by(node: &Node, domid: u16, path: &mut Vec<u8>, found: &mut Vec<Vec<u8>>) {
    if node.permissions().owner() == domid && !path.is_empty() {
        found.push(path.clone());
        return;
    }
    let length = path.len();
    for child in node.children() {
        path.push(b'/');
        path.extend_from_slice(child.name());
        tops_owned_by(child, domid, path, found);
        path.truncate(length);
    }
}
