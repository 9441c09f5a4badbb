//! Named locks between hotplug scripts.
//!
//! The scheme is that of the scripts of Xen 4.2 and later, in the same folder, so that ours and those of `xl`
//! on the same host exclude each other: `flock` the file NAME, then make sure that the locked file is still
//! the one of that name, because a holder deletes the file when it lets go.

use crate::host::Host;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

/// Held over the sharing check of a disk and the announcement that it is taken.
pub const BLOCK: &str = "block";
/// Held while a host's own interfaces become ports of bridges, or plain again.
pub const NETWORK_BRIDGE: &str = "network-bridge";
/// Held from the look whether a target's session is open until it has been opened.
pub const ISCSI: &str = "iscsi";
/// Held while firewall rules are looked at and changed.
pub const FIREWALL: &str = "iptables";

/// A lock that could not be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot lock {path}")]
pub struct LockError {
    /// The lock file.
    pub path: PathBuf,
    /// What the kernel said.
    pub source: io::Error,
}

/// A lock that is held until it is dropped.
#[derive(Debug)]
pub struct Lock {
    path: PathBuf,
    _file: Flock<File>,
}

impl Lock {
    /// Waits for the lock `name` and takes it. Blocks the thread: a script has nothing else to do.
    pub fn acquire(host: &Host, name: &str) -> Result<Self, LockError> {
        let dir = host.lock_dir();
        let path = dir.join(name);
        let fail = |source| LockError { path: path.clone(), source };
        fs::create_dir_all(&dir).map_err(fail)?;
        loop {
            let file = open(&path).map_err(fail)?;
            let file = flock(file).map_err(fail)?;
            if is_still_named(&file, &path).map_err(fail)? {
                return Ok(Lock { path, _file: file });
            }
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Deleted while still locked: whoever waits for the old file sees that the name is gone and starts over.
        let _ = fs::remove_file(&self.path);
    }
}

fn open(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn flock(mut file: File) -> io::Result<Flock<File>> {
    loop {
        match Flock::lock(file, FlockArg::LockExclusive) {
            Ok(locked) => return Ok(locked),
            Err((again, Errno::EINTR)) => file = again,
            Err((_, errno)) => return Err(errno.into()),
        }
    }
}

fn is_still_named(file: &File, path: &PathBuf) -> io::Result<bool> {
    let held = file.metadata()?;
    match fs::metadata(path) {
        Ok(named) => Ok(named.ino() == held.ino() && named.dev() == held.dev()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn only_one_holder_at_a_time_and_no_file_left() {
        let folder = Folder::new("lock");
        let host = Host::new(folder.path());
        let (inside, rounds) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (host, inside, rounds) = (host.clone(), inside.clone(), rounds.clone());
                std::thread::spawn(move || {
                    for _ in 0..200 {
                        let _lock = Lock::acquire(&host, BLOCK).unwrap();
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two holders");
                        rounds.fetch_add(1, Ordering::SeqCst);
                        inside.fetch_sub(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        assert_eq!(rounds.load(Ordering::SeqCst), 1600);
        assert!(!host.lock_dir().join(BLOCK).exists());
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let host = Host::new("/proc/self/no");
        let error = Lock::acquire(&host, BLOCK).unwrap_err();
        assert_eq!(error.to_string(), "cannot lock /proc/self/no/var/run/xen-hotplug/block");
    }
}
