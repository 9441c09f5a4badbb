//! XML-RPC as the original spoke it (`xend-daemon` §3.1): trees to bytes and back, for both ends.
//!
//! The reader takes what any client writes (`<int>`, `<i4>`, `<i8>`, bare text, `<nil/>`, `<ex:nil/>`, CDATA,
//! comments) and never panics: length and nesting are bounded, document types are refused. The writer writes
//! byte for byte what the original wrote. A string that is the whole result of a call travels escaped, see
//! `python::escape`; `write_response` and `parse_response` do and undo it.

mod read;
mod write;
mod xml;

pub use read::{Call, MAX_BYTES, MAX_DEPTH, parse_call, parse_response};
pub use write::{write_call, write_response};
pub use xml::XmlRpcError;

/// The member of a fault struct that carries `Fault::because`.
const BECAUSE: &str = "xendBecause";
/// The member of a fault struct that carries `Fault::hint`.
const HINT: &str = "xendTry";

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
