//! Conformance: what a store daemon must answer, byte for byte.
//!
//! The cases run on our server (`tests/store.rs`, one test each) and on any other daemon whose socket the
//! environment variable `XENSTORED_SOCKET` names, such as Debian's xenstored in the lab. They work below
//! [`Target::base`] and remove what they made; none of them touches a domain.

pub mod cases;
mod session;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use xenstore::wire::Op;

pub use session::{Answer, Session, ok, refused, split, words};

/// A daemon under test, and a place in its tree.
#[derive(Debug)]
pub struct Target {
    socket: PathBuf,
    base: String,
}

impl Target {
    /// The daemon that listens on `socket`, with a place that no other case uses.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Self { socket: socket.to_owned(), base: format!("/conformance-{}-{number}", std::process::id()) }
    }

    /// The daemon's socket.
    #[must_use]
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// The directory in which the case works; absent at first.
    #[must_use]
    pub fn base(&self) -> &str {
        &self.base
    }

    /// A path below the base.
    #[must_use]
    pub fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.base)
    }

    /// A new connection.
    ///
    /// # Panics
    /// Nobody listens.
    #[must_use]
    pub fn connect(&self) -> Session {
        Session::connect(&self.socket)
    }

    /// Removes what the case made.
    pub fn clean_up(&self) {
        let _ = self.connect().call(Op::Rm, 0, &words(&[&self.base]));
    }
}
