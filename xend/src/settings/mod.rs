//! How the daemon is set up: where things lie on the host and the options of `xend-config.sxp`. Plain data; opening
//! the file is the program's business.
//!
//! ```text
//!   text --Source--> forms with places --read--> Settings
//!                       table: name, value, effect    +--> findings: line, column, what is wrong, what to do
//! ```

mod finding;
mod nearest;
mod obsolete;
mod options;
mod pci;
mod places;
mod read;
mod table;
mod values;
mod xen_api;

pub use finding::{Finding, Findings, Weight};
pub use options::{
    Display, Folders, LogLevel, Logging, MemorySettings, Password, Relocation, Servers, Settings, TlsFiles,
    Wanted,
};
pub use pci::{Permissive, Quirk, Quirks};
pub use places::Places;
pub use read::Reading;
pub use xen_api::{Authentication, Listen, XenApiServer};

#[cfg(test)]
mod tests;
