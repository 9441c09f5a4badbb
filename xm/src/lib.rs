//! The `xm` command line.
pub mod domfile;
