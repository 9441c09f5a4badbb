//! Where things lie on the host (`xend-daemon` §2.7). `--root DIR` puts all of them under a folder of their own.

use std::path::{Path, PathBuf};

/// All paths of the host, under one root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    root: PathBuf,
}

impl Places {
    /// `/` on a host.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// A path of the host under the root.
    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The place of a path that the settings name.
    pub fn inside(&self, path: &Path) -> PathBuf {
        self.root.join(path.strip_prefix("/").unwrap_or(path))
    }

    /// The root, unless it is the host's own.
    pub fn private_root(&self) -> Option<&Path> {
        (self.root != Path::new("/")).then_some(self.root.as_path())
    }

    /// The settings file; the environment variable `XEND_CONFIG` wins over it.
    pub fn config(&self) -> PathBuf {
        self.at("etc/xen/xend-config.sxp")
    }

    /// Folder of the sockets, mode 0700.
    pub fn run_folder(&self) -> PathBuf {
        self.at("var/run/xend")
    }

    /// Socket of the legacy XML-RPC.
    pub fn xmlrpc_socket(&self) -> PathBuf {
        self.run_folder().join("xmlrpc.sock")
    }

    /// Decompressed kernels, kept until the host is rebooted.
    pub fn kernels(&self) -> PathBuf {
        self.run_folder().join("kernels")
    }

    /// Pid of the worker, no newline.
    pub fn pid_file(&self) -> PathBuf {
        self.at("var/run/xend.pid")
    }

    /// Folder of the logs.
    pub fn log_folder(&self) -> PathBuf {
        self.at("var/log/xen")
    }

    /// Main log, unless the settings name another.
    pub fn log(&self) -> PathBuf {
        self.log_folder().join("xend.log")
    }

    /// Standard error of the daemon.
    pub fn debug_log(&self) -> PathBuf {
        self.log_folder().join("xend-debug.log")
    }

    /// Output of the hotplug scripts.
    pub fn hotplug_log(&self) -> PathBuf {
        self.log_folder().join("xen-hotplug.log")
    }

    /// What our scripts run.
    pub fn hotplug_program(&self) -> PathBuf {
        self.at("usr/lib/xend/bin/xen-hotplug")
    }

    /// Records of the domains that this daemon made.
    pub fn records(&self) -> PathBuf {
        self.at("var/lib/xend/state/domains")
    }

    /// Managed domains, a folder each, unless the settings name another place.
    pub fn managed_domains(&self) -> PathBuf {
        self.at("var/lib/xend/domains")
    }

    /// Socket of the store of a simulated host.
    pub fn store_socket(&self) -> PathBuf {
        self.at("run/xenstored/socket")
    }

    /// Where a script is looked for, in this order: a site's own, ours, those of the Xen packages.
    pub fn script_folders(&self) -> [PathBuf; 3] {
        [self.at("etc/xend/scripts"), self.at("usr/lib/xend/scripts"), self.at("etc/xen/scripts")]
    }

    /// The program of a script: an absolute path as it stands, a name as the first that exists. `None` when there
    /// is none.
    pub fn find_script(&self, name: &str) -> Option<PathBuf> {
        if name.starts_with('/') {
            let path = PathBuf::from(name);
            return path.is_file().then_some(path);
        }
        self.script_folders().into_iter().map(|folder| folder.join(name)).find(|path| path.is_file())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_s_own_script_goes_before_ours() {
        let root = std::env::temp_dir().join(format!("xend-places-{}", std::process::id()));
        // Left by a process that was killed and had the same number.
        let _ = std::fs::remove_dir_all(&root);
        let places = Places::new(&root);
        let [site, ours, _] = places.script_folders();
        for folder in [&site, &ours] {
            std::fs::create_dir_all(folder).unwrap();
        }
        std::fs::write(ours.join("vif-bridge"), "").unwrap();
        assert_eq!(places.find_script("vif-bridge"), Some(ours.join("vif-bridge")));
        std::fs::write(site.join("vif-bridge"), "").unwrap();
        assert_eq!(places.find_script("vif-bridge"), Some(site.join("vif-bridge")));
        assert_eq!(places.find_script("nosuch"), None);
        std::fs::remove_dir_all(root).unwrap();
    }
}
