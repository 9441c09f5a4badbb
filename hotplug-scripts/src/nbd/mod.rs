//! Disks over the NBD protocol, as block devices of this host.
//!
//! ```text
//! server (ours for an image, anybody's for nbd:) <── handshake, by us ── socket ── handed to the kernel ──> /dev/nbdN
//! ```
//!
//! The handshake is done here, in words that both sides may leave out (`handshake`); the kernel's driver only moves
//! blocks afterwards (`device`, by generic netlink). A device carries a mark of whose it is, so that after any crash
//! it is found again, and somebody else's is left alone.

mod device;
mod generic_netlink;
mod handshake;

pub use device::{Attached, Mark, NbdError, attach, attached, detach};
pub use handshake::{Export, HandshakeError, negotiate};
