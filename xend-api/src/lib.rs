//! What passes between `xm`, other clients and `xend`: S-expressions, XML-RPC, fault kinds, the classic texts.

pub mod sxp;
pub use sxp::Sxp;
