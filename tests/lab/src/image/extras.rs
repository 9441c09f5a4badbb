//! What a host of the field may have besides: programs and kernel modules on dom0's disk, for the cases that want them.

use std::path::PathBuf;

use anyhow::Result;

use super::Tree;
use super::dom0::SKIPPED;
use super::modules::Modules;

/// Bonds, Open vSwitch, disks of iSCSI.
const MODULES: [&str; 4] = ["bonding", "openvswitch", "iscsi_tcp", "sd_mod"];

/// Large programs that no case runs.
const UNUSED: [&str; 5] = [
    "usr/bin/ovs-appctl",
    "usr/bin/ovs-dpctl",
    "usr/bin/ovs-ofctl",
    "usr/bin/ovsdb-client",
    "sbin/iscsistart",
];

/// Everything, as it is copied to dom0's root.
pub(super) fn tree(packages: &[PathBuf], modules: &Modules) -> Result<Tree> {
    let mut tree = Tree::new();
    for package in packages {
        tree.absorb(package, &|path| SKIPPED.contains(&path) || UNUSED.contains(&path))?;
    }
    modules.install(&MODULES, "extra", &mut tree)?;
    Ok(tree)
}
