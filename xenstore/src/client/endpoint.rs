//! Where a store daemon can be reached.

use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use super::StoreError;

/// The way to a store daemon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// The daemon's unix socket.
    Socket(PathBuf),
    /// The kernel's `/dev/xen/xenbus`: the only way to a daemon in a stub domain.
    Device(PathBuf),
}

/// Sockets and devices of store daemons, in the order in which they are tried.
const CANDIDATES: [&str; 4] =
    ["run/xenstored/socket", "var/run/xenstored/socket", "dev/xen/xenbus", "proc/xen/xenbus"];

impl Endpoint {
    /// The endpoint behind `path`: a socket, or else a device.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        let is_device = path.metadata().is_ok_and(|meta| meta.file_type().is_char_device());
        if is_device { Self::Device(path.to_owned()) } else { Self::Socket(path.to_owned()) }
    }

    /// What the environment's `XENSTORED_PATH` names, else the first socket or device there is below `root`
    /// (`/` on a host).
    ///
    /// # Errors
    /// There is none.
    pub fn discover(root: &Path) -> Result<Self, StoreError> {
        if let Some(path) = std::env::var_os("XENSTORED_PATH") {
            return Ok(Self::at(Path::new(&path)));
        }
        let candidates = CANDIDATES.map(|candidate| root.join(candidate));
        match candidates.iter().find(|path| path.exists()) {
            Some(path) => Ok(Self::at(path)),
            None => Err(StoreError::NoDaemon {
                looked_for: candidates.iter().map(|path| path.display().to_string()).collect(),
            }),
        }
    }

    /// The socket or device.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Self::Socket(path) | Self::Device(path) => path,
        }
    }
}
