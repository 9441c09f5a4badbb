//! Client of a store daemon: requests pipelined over one connection, watches that cannot be lost.
//!
//! ```text
//!   Store, Transaction ── Requester ──> Link (socket, device, in process) ──> daemon
//!          ▲                                                                    │
//!          └───── Requests: who waits for which req_id, which token is whose <──┘
//! ```
//!
//! When the connection breaks, every request that waits, every later one and every watch gets an error; nothing
//! waits for ever. Dropping a future that waits for an answer is safe: the answer is thrown away when it comes.

mod batch;
mod directory;
mod endpoint;
mod error;
mod link;
mod requester;
mod requests;
mod store;
mod transaction;
mod transport;
mod watch;

#[cfg(test)]
mod tests;

pub use batch::Batch;
pub use endpoint::Endpoint;
pub use error::{Lost, StoreError};
#[cfg(feature = "server")]
pub(crate) use link::Link;
#[cfg(feature = "server")]
pub(crate) use requests::Requests;
pub use store::Store;
pub use transaction::Transaction;
pub use watch::Watch;
