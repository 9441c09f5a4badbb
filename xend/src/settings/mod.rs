//! How the daemon is set up: where things lie on the host and the options of `xend-config.sxp` that this version
//! obeys. Plain data; reading the file is the program's business.

mod options;
mod places;

pub use options::Settings;
pub use places::Places;
