//! The errors of the store protocol, which travel as names: `ENOENT`, `EACCES`, …

use std::fmt;

macro_rules! errnos {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $text:literal;)*) => {
        /// A refusal as the store names it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Errno { $($(#[$doc])* $variant,)* }

        impl Errno {
            /// The name on the wire.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// The refusal that `name` (without its final NUL) stands for.
            #[must_use]
            pub fn from_name(name: &[u8]) -> Self {
                $(if name == $name.as_bytes() { return Self::$variant; })*
                Self::Unknown
            }

            fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }
        }
    };
}

errnos! {
    /// The request makes no sense: a bad path, a missing argument, an unknown value.
    Invalid = "EINVAL", "invalid argument";
    /// The node's permissions do not allow it, or the request is for domain 0 only.
    Denied = "EACCES", "permission denied";
    /// There is already such a watch.
    Exists = "EEXIST", "already there";
    /// No such node, transaction, watch or domain.
    NotFound = "ENOENT", "not found";
    /// The daemon has no memory left.
    NoMemory = "ENOMEM", "out of memory";
    /// A quota of the asking domain is used up.
    NoSpace = "ENOSPC", "quota used up";
    /// The daemon failed.
    Io = "EIO", "input/output error";
    /// The daemon does not know this request.
    NotSupported = "ENOSYS", "request not supported";
    /// A transaction inside a transaction.
    Busy = "EBUSY", "busy";
    /// The transaction met a change by somebody else: do it again.
    Again = "EAGAIN", "conflict with another change";
    /// The answer, or a quota's value, is too big.
    TooBig = "E2BIG", "too big";
    /// Only the owner, or only domain 0, may do this.
    NotPermitted = "EPERM", "not permitted";
    /// The node has children.
    NotEmpty = "ENOTEMPTY", "not empty";
    /// The node is a directory.
    IsDirectory = "EISDIR", "is a directory";
    /// The store is read-only.
    ReadOnly = "EROFS", "read-only store";
    /// The domain is already introduced.
    Connected = "EISCONN", "already connected";
    /// A name that is not in this list.
    Unknown = "EUNKNOWN", "unknown error";
}

impl fmt::Display for Errno {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.text(), self.name())
    }
}

impl std::error::Error for Errno {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_reads_back_as_itself_and_a_strange_one_is_unknown() {
        for errno in [Errno::Invalid, Errno::NotFound, Errno::Again, Errno::TooBig, Errno::Connected] {
            assert_eq!(Errno::from_name(errno.name().as_bytes()), errno);
        }
        assert_eq!(Errno::from_name(b"EWHATEVER"), Errno::Unknown);
        assert_eq!(Errno::from_name(b""), Errno::Unknown);
    }
}
