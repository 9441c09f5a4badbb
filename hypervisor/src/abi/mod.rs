//! Layouts of Xen's structures: pure functions from the plain values of this crate to bytes and back.
//!
//! Only `domctl` and `sysctl` differ between releases; [`Dialect`] names which release's layout is meant. An encoder
//! answers a [`Request`], a memory image with the places where addresses go; [`crate::xen`] copies it to memory that
//! Xen can reach and makes the call. Nothing here does I/O, and `tests/abi` holds every offset against each release.

mod bytes;
pub mod create_domain;
mod dialect;
pub mod domain_info;
pub mod domctl;
pub mod event_channel;
pub mod grant_table;
pub mod guest;
pub mod memory;
pub mod privcmd;
mod request;
pub mod sched;
pub mod sysctl;
pub mod topology;
pub mod vcpu_context;
pub mod version;

pub use bytes::{Record, View};
pub use dialect::{DOMCTL_NUMBERS, Dialect, DialectError, Probed, SYSCTL_NUMBERS};
pub use request::{Argument, Link, Reply, Request};
