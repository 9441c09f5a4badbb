//! Layouts of Xen's structures, one encoder per interface version, and the pages that a guest shares with its builder.

pub mod guest;
