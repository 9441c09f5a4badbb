//! Where things lie on this host.
//!
//! Every path of the host that the scripts look at goes through [`Host`], so that a test (or a daemon run with
//! another root) can put a folder in front of them.

use std::path::{Component, Path, PathBuf};

/// The variable that names another root.
pub const ROOT_VARIABLE: &str = "XEN_HOTPLUG_ROOT";

/// A view of the host's files below a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    root: PathBuf,
}

impl Host {
    /// The host below `root`; the real one for `/` or an empty name.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        // One spelling for each root: marks that are made from it must be found again.
        let root: PathBuf = root.into().components().collect();
        Host { root: if root.as_os_str().is_empty() { PathBuf::from("/") } else { root } }
    }

    /// The folder in front of every path.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Whether this is the host itself, without another root.
    pub fn is_real(&self) -> bool {
        self.root == Path::new("/")
    }

    /// `path` (absolute) on this host.
    pub fn path(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The device node that a `phy:` disk names: relative names lie in `/dev`.
    pub fn device(&self, name: &Path) -> PathBuf {
        match name.strip_prefix("/dev") {
            Ok(below) => self.path("/dev").join(below),
            Err(_) if name.is_absolute() => name.to_path_buf(),
            Err(_) => self.path("/dev").join(name),
        }
    }

    /// The folder of the lock files. The classic scripts use the same one, so both exclude each other.
    pub fn lock_dir(&self) -> PathBuf {
        self.path("/var/run/xen-hotplug")
    }

    /// The log file of all hotplug scripts.
    pub fn log_file(&self) -> PathBuf {
        self.path("/var/log/xen/xen-hotplug.log")
    }

    /// An executable script of that name: a site's own version first, then ours, then the classic folder.
    pub fn script(&self, name: &str) -> Option<PathBuf> {
        if !is_plain_name(name) {
            return None;
        }
        script_dirs().iter().map(|dir| self.path(dir).join(name)).find(|path| is_executable(path))
    }
}

/// The folders that hold scripts, in the order in which they are looked through.
pub fn script_dirs() -> [&'static str; 3] {
    ["/etc/xend/scripts", "/usr/lib/xend/scripts", "/etc/xen/scripts"]
}

/// Whether a file is there, regular, and executable by somebody.
pub fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// One path component and nothing that leads elsewhere: names come from the store.
fn is_plain_name(name: &str) -> bool {
    let mut components = Path::new(name).components();
    matches!((components.next(), components.next()), (Some(Component::Normal(one)), None) if one == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_device_name_lies_in_dev() {
        let host = Host::new("");
        assert!(host.is_real());
        assert_eq!(host.device(Path::new("vg0/mail")), Path::new("/dev/vg0/mail"));
        assert_eq!(host.device(Path::new("/dev/vg0/mail")), Path::new("/dev/vg0/mail"));
        assert_eq!(host.device(Path::new("/srv/node")), Path::new("/srv/node"));
    }

    #[test]
    fn another_root_is_put_in_front() {
        let host = Host::new("/tmp/./x/");
        assert_eq!(host.root().as_os_str(), "/tmp/x");
        assert!(!host.is_real());
        assert_eq!(host.lock_dir(), Path::new("/tmp/x/var/run/xen-hotplug"));
        assert_eq!(host.device(Path::new("sda")), Path::new("/tmp/x/dev/sda"));
        assert_eq!(host.device(Path::new("/dev/sda")), Path::new("/tmp/x/dev/sda"));
    }

    #[test]
    fn a_script_name_cannot_lead_out_of_the_script_folders() {
        for name in ["", ".", "..", "../sh", "a/b", "/bin/sh", "block-x/", "block-x/../../sh"] {
            assert!(!is_plain_name(name), "{name:?} was taken");
        }
        assert!(is_plain_name("block-nbd"));
    }
}
