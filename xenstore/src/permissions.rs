//! Permissions of a node: who owns it, what everybody may do, what single domains may do.
//!
//! The notation is xenstore's: `n0,r5` is owned by domain 0, closed to others, readable by domain 5. The first
//! entry names the **owner**, who may do everything, and what domains *not listed* may do.

use std::fmt;
use std::str::FromStr;

/// What a domain may do with a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Nothing (`n`).
    None,
    /// Read and list (`r`).
    Read,
    /// Write, create below, remove (`w`).
    Write,
    /// Read and write (`b`).
    Both,
}

impl Access {
    fn letter(self) -> char {
        match self {
            Self::None => 'n',
            Self::Read => 'r',
            Self::Write => 'w',
            Self::Both => 'b',
        }
    }

    /// Whether reading is included.
    #[must_use]
    pub fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Both)
    }

    /// Whether writing is included.
    #[must_use]
    pub fn writes(self) -> bool {
        matches!(self, Self::Write | Self::Both)
    }
}

/// One entry of a node's permissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Permission {
    /// The domain it is about.
    pub domid: u16,
    /// What that domain may do; in the first entry: what domains that are not listed may do.
    pub access: Access,
}

/// The permissions of a node: never empty, the owner first.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Permissions(Vec<Permission>);

impl Permissions {
    /// Owned by `domid` and closed to others: `nN`.
    #[must_use]
    pub fn owned_by(domid: u16) -> Self {
        Self::new(Permission { domid, access: Access::None }, &[])
    }

    /// Owned by domain 0 and readable by `domid`: `n0,rN`.
    #[must_use]
    pub fn readable_by(domid: u16) -> Self {
        Self::owned_by(0).and(domid, Access::Read)
    }

    /// The `owner`, whose access is that of domains not listed, followed by single domains.
    #[must_use]
    pub fn new(owner: Permission, others: &[Permission]) -> Self {
        Self(std::iter::once(owner).chain(others.iter().copied()).collect())
    }

    /// The same with one more entry.
    #[must_use]
    pub fn and(mut self, domid: u16, access: Access) -> Self {
        self.0.push(Permission { domid, access });
        self
    }

    /// Who owns the node.
    #[must_use]
    pub fn owner(&self) -> u16 {
        self.0[0].domid
    }

    /// Every entry, the owner's first.
    #[must_use]
    pub fn entries(&self) -> &[Permission] {
        &self.0
    }

    /// What `domid`, if it is neither the owner nor privileged, may do.
    #[must_use]
    pub fn access_of(&self, domid: u16) -> Access {
        self.0[1..].iter().find(|entry| entry.domid == domid).unwrap_or(&self.0[0]).access
    }

    /// The form on the wire: each entry followed by a NUL.
    #[must_use]
    pub fn to_wire(&self) -> Vec<u8> {
        let mut text = Vec::with_capacity(self.0.len() * 4);
        for entry in &self.0 {
            text.extend_from_slice(entry.to_string().as_bytes());
            text.push(0);
        }
        text
    }

    /// Reads entries that were separated by NULs.
    #[must_use]
    pub fn from_wire(bytes: &[u8]) -> Option<Self> {
        let text = bytes.strip_suffix(b"\0").unwrap_or(bytes);
        text.split(|&byte| byte == 0)
            .map(|entry| std::str::from_utf8(entry).ok()?.parse().ok())
            .collect::<Option<Vec<_>>>()
            .map(Self)
    }

    pub(crate) fn with_owner(&self, domid: u16) -> Self {
        let mut entries = self.0.clone();
        entries[0].domid = domid;
        Self(entries)
    }
}

/// Text that is not a permission such as `n0,r5`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {text:?} as store permissions such as n0,r5")]
pub struct BadPermission {
    text: String,
}

impl FromStr for Permission {
    type Err = BadPermission;

    fn from_str(text: &str) -> Result<Self, BadPermission> {
        let bad = || BadPermission { text: text.to_owned() };
        let access = match text.as_bytes().first() {
            Some(b'n') => Access::None,
            Some(b'r') => Access::Read,
            Some(b'w') => Access::Write,
            Some(b'b') => Access::Both,
            _ => return Err(bad()),
        };
        let digits = &text[1..];
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(bad());
        }
        Ok(Self { domid: digits.parse().map_err(|_| bad())?, access })
    }
}

impl FromStr for Permissions {
    type Err = BadPermission;

    fn from_str(text: &str) -> Result<Self, BadPermission> {
        text.split(',').map(str::parse).collect::<Result<Vec<_>, _>>().map(Self)
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.access.letter(), self.domid)
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, entry) in self.0.iter().enumerate() {
            write!(f, "{}{entry}", if at == 0 { "" } else { "," })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notation_reads_back_as_it_was_written() {
        for text in ["n0", "n0,r5", "r0,w1,b65535,n2"] {
            let permissions: Permissions = text.parse().unwrap();
            assert_eq!(permissions.to_string(), text);
            assert_eq!(Permissions::from_wire(&permissions.to_wire()), Some(permissions));
        }
        assert_eq!(Permissions::readable_by(7).to_string(), "n0,r7");
    }

    #[test]
    fn text_that_is_no_permission_is_refused() {
        for text in ["", "n", "x0", "n0,", "n65536", "n-1", "n+1", "n0,,r1", "nn", "\u{e9}1"] {
            assert!(text.parse::<Permissions>().is_err(), "{text:?}");
        }
        assert_eq!(Permissions::from_wire(b""), None);
        assert_eq!(Permissions::from_wire(b"n0\0\0"), None);
        assert_eq!(Permissions::from_wire(b"n0\0\xff1\0"), None);
    }

    #[test]
    fn a_domain_that_is_not_listed_gets_what_the_first_entry_says() {
        let permissions: Permissions = "r3,b4".parse().unwrap();
        assert_eq!(permissions.access_of(4), Access::Both);
        assert_eq!(permissions.access_of(9), Access::Read);
    }
}
