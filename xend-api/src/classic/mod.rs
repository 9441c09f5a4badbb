//! The texts of the original, letter for letter (`xm-commands` §2.6, §2.7; `xend-daemon` §4, §5.7). Scripts look
//! for them, so they are printed first and never bettered; what we have to add travels beside them.
//!
//! `daemon` has what the daemon puts into faults, `client` what `xm` prints of its own, `log` the lines of the log
//! that people grep for.

pub mod client;
pub mod daemon;
pub mod log;
