//! The Debian releases that the lab boots, and what is particular to each.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, bail};

/// What the hotplug scripts of Xen run is Debian's own, not busybox: `xl` is measured as people have it.
const USERLAND: [&str; 15] = [
    "xen-utils-common",
    "xenstore-utils",
    "bash",
    "busybox-static",
    "coreutils",
    "dash",
    "grep",
    "iproute2",
    "mawk",
    "mount",
    "nftables",
    "procps",
    "qemu-utils",
    "sed",
    "util-linux",
];

/// A Debian release with its Xen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suite {
    /// Xen 4.14.
    Bullseye,
    /// Xen 4.17.
    Bookworm,
    /// Xen 4.20.
    Trixie,
}

impl Suite {
    /// The suites that `cargo xtask test` boots.
    pub const TESTED: [Suite; 2] = [Suite::Bookworm, Suite::Trixie];

    /// Debian's name of the release.
    pub fn codename(self) -> &'static str {
        match self {
            Suite::Bullseye => "bullseye",
            Suite::Bookworm => "bookworm",
            Suite::Trixie => "trixie",
        }
    }

    /// The release of Xen, as it stands in package names.
    pub fn xen(self) -> &'static str {
        match self {
            Suite::Bullseye => "4.14",
            Suite::Bookworm => "4.17",
            Suite::Trixie => "4.20",
        }
    }

    /// Packages whose files make up dom0, without libraries: those follow from their dependencies.
    pub fn userland(self) -> Vec<String> {
        let xen = self.xen();
        let mut names = vec![format!("xen-utils-{xen}")];
        names.extend(USERLAND.map(String::from));
        names
    }

    /// Packages of which the lab wants one program, whose libraries come with another package: in trixie the image
    /// server went to `qemu-utils`, before that it lay beside things that need half a desktop.
    pub fn bare(self) -> &'static [&'static str] {
        match self {
            Suite::Bullseye | Suite::Bookworm => &["qemu-system-common"],
            Suite::Trixie => &[],
        }
    }

    /// What a host of the field may have and no host needs: its files lie on dom0's disk until a case wants them.
    pub fn extras(self) -> [&'static str; 5] {
        let tls = match self {
            Suite::Bullseye => "libssl1.1",
            Suite::Bookworm => "libssl3",
            Suite::Trixie => "libssl3t64",
        };
        ["dnsmasq-base", "open-iscsi", "openvswitch-common", "openvswitch-switch", tls]
    }

    /// The package of the hypervisor.
    pub fn hypervisor(self) -> String {
        format!("xen-hypervisor-{}-amd64", self.xen())
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.codename())
    }
}

impl FromStr for Suite {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "bullseye" | "4.14" => Ok(Suite::Bullseye),
            "bookworm" | "4.17" => Ok(Suite::Bookworm),
            "trixie" | "4.20" => Ok(Suite::Trixie),
            _ => bail!("cannot use suite {text}: known are bullseye (4.14), bookworm (4.17), trixie (4.20)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_is_found_by_its_codename_and_by_its_xen() {
        for suite in [Suite::Bullseye, Suite::Bookworm, Suite::Trixie] {
            assert_eq!(suite.codename().parse::<Suite>().unwrap(), suite);
            assert_eq!(suite.xen().parse::<Suite>().unwrap(), suite);
        }
        assert!("sid".parse::<Suite>().is_err());
    }
}
