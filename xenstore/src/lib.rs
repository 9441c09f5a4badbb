//! xenstore: the small tree of text nodes through which toolstack, backends and guests find each other.
//!
//! ```text
//!   xend, tests ──> client::Store ──┬─ unix socket ──────> xenstored
//!        │                          ├─ /dev/xen/xenbus ──> xenstored (also one in a stub domain)
//!        └──> paths                 └─ in process ───────> server::Server  (feature `server`)
//! ```
//!
//! [`paths`] is the only place where a store path is spelled. [`wire`] knows the frames and their limits, for
//! both ends. [`client`] pipelines requests and keeps watches; [`server`] is a whole store daemon for tests and
//! for `xend --simulate`.

mod errno;
mod permissions;

pub mod client;
pub mod paths;
#[cfg(feature = "server")]
pub mod server;
pub mod wire;

pub use client::{Batch, Endpoint, Lost, Store, StoreError, Transaction, Watch};
pub use errno::Errno;
pub use permissions::{Access, Permission, Permissions};
