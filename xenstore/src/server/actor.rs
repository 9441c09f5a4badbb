//! Who asks, and what they may do with a node.

use crate::{Errno, Permissions};

/// The domain in whose name a connection asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Actor {
    pub(crate) domid: u16,
    /// The domain that it serves (a stub domain's guest), whose rights it has too.
    pub(crate) target: Option<u16>,
}

/// What somebody may do with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Right {
    Read,
    Write,
    Own,
}

impl Actor {
    pub(crate) fn is_privileged(self) -> bool {
        self.domid == 0
    }

    /// Whom new nodes belong to: a guest's own, domain 0's take over their parent's owner.
    pub(crate) fn new_owner(self) -> Option<u16> {
        (!self.is_privileged()).then_some(self.domid)
    }

    pub(crate) fn may(self, right: Right, permissions: &Permissions) -> bool {
        let is_owner = |domid: u16| permissions.owner() == domid;
        if self.is_privileged() || is_owner(self.domid) || self.target.is_some_and(is_owner) {
            return true;
        }
        let listed = |domid: u16| permissions.entries()[1..].iter().find(|entry| entry.domid == domid);
        let entry = listed(self.domid).or_else(|| self.target.and_then(listed));
        let access = entry.unwrap_or(&permissions.entries()[0]).access;
        match right {
            Right::Read => access.reads(),
            Right::Write => access.writes(),
            Right::Own => false,
        }
    }

    pub(crate) fn must(self, right: Right, permissions: &Permissions) -> Result<(), Errno> {
        if self.may(right, permissions) { Ok(()) } else { Err(Errno::Denied) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_follow_owner_list_and_default() {
        // permissions, domain, its target, reads, writes, owns
        let table = [
            ("n0", 0, None, true, true, true),
            ("n0", 5, None, false, false, false),
            ("n5", 5, None, true, true, true),
            ("n5", 0, None, true, true, true),
            ("n0,r5", 5, None, true, false, false),
            ("n0,r5", 6, None, false, false, false),
            ("n0,w5", 5, None, false, true, false),
            ("r0", 5, None, true, false, false),
            ("w0", 5, None, false, true, false),
            ("b0", 5, None, true, true, false),
            ("b0,n5", 5, None, false, false, false),
            ("n0,b5,r6", 6, None, true, false, false),
            ("n5", 9, Some(5), true, true, true),
            ("n0,r5", 9, Some(5), true, false, false),
            ("n0,n9,b5", 9, Some(5), false, false, false),
        ];
        for (text, domid, target, reads, writes, owns) in table {
            let (permissions, actor) = (text.parse().unwrap(), Actor { domid, target });
            let seen = [Right::Read, Right::Write, Right::Own].map(|right| actor.may(right, &permissions));
            assert_eq!(seen, [reads, writes, owns], "{text} for {domid}");
        }
    }
}
