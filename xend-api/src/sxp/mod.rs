//! S-expressions as the original used them everywhere: domain files become them, the wire carries them, records
//! and save files hold them (`xm-commands` §2.11, `xend-daemon` §1.1, §1.2).
//!
//! A file holds any number of forms. Every atom is text: `007`, `10.0.0.1` and `1e10` stay as written; numbers, nil
//! and structs come only from XML-RPC or from code. Parsing never recurses and is bounded in depth and size.

mod located;
mod parse;
mod print;
mod tree;

pub use located::{Located, Place, Source};
pub use parse::{MAX_BYTES, MAX_DEPTH, SxpError, parse, parse_bytes, parse_one};
pub use tree::Sxp;

#[cfg(test)]
mod properties;
