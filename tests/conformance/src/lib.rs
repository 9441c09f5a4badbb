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

/// The two families of daemons. They differ where the protocol leaves room or is not kept to; clients meet both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// xenstored in C, and our server.
    Xenstored,
    /// oxenstored, Debian's default: no DIRECTORY_PART (long listings come as one overlong answer), values up
    /// to 2048 bytes and paths up to 1024 for domain 0 too, other errors for some senseless requests.
    Oxenstored,
}

/// A daemon under test, and a place in its tree.
#[derive(Debug)]
pub struct Target {
    socket: PathBuf,
    base: String,
    dialect: Dialect,
}

impl Target {
    /// The daemon that listens on `socket`, with a place that no other case uses.
    ///
    /// # Panics
    /// Nobody listens.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let part = Session::connect(socket).ask(Op::DirectoryPart, &["/", "0"]);
        let dialect = if part == refused("ENOSYS") { Dialect::Oxenstored } else { Dialect::Xenstored };
        let base = format!("/conformance-{}-{number}", std::process::id());
        Self { socket: socket.to_owned(), base, dialect }
    }

    /// Which family it is of.
    #[must_use]
    pub fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Chooses between what the two families answer.
    #[must_use]
    pub fn either<T>(&self, xenstored: T, oxenstored: T) -> T {
        match self.dialect {
            Dialect::Xenstored => xenstored,
            Dialect::Oxenstored => oxenstored,
        }
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
