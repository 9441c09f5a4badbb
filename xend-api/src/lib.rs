//! What passes between `xm`, other clients and `xend`: S-expressions, XML-RPC, fault kinds, the classic texts.
//!
//! `sxp` is the tree that everything else carries; `xmlrpc` puts trees on the wire and reads them back; `fault` is
//! the answer to a request that failed; `classic` holds the texts that scripts know; `client` calls a daemon;
//! `slips` is for hints about mistyped names.

pub mod classic;
pub mod client;
pub mod fault;
pub mod python;
pub mod slips;
pub mod sxp;
pub mod xmlrpc;

pub use client::{Client, ClientError};
pub use fault::{Fault, FaultKind};
pub use sxp::Sxp;
