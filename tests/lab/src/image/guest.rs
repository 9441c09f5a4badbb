//! The guests of the lab: a ramdisk that looks for its root disk, and the small Debian-like root on it.

use std::path::Path;

use anyhow::Result;

use super::Tree;
use super::modules::Modules;

/// What a guest's kernel needs to reach its disks and its network.
const MODULES: [&str; 4] = ["crc32c_generic?", "xen_blkfront", "xen_netfront", "ext4"];

/// The ramdisk of every guest.
pub(super) fn ramdisk(busybox: &Path, modules: &Modules) -> Result<Tree> {
    let mut tree = Tree::new();
    tree.merged_usr();
    tree.file_at("bin/busybox", 0o755, busybox);
    for applet in ["bin/sh", "sbin/poweroff", "sbin/reboot", "sbin/insmod", "sbin/switch_root"] {
        tree.link(applet, "/bin/busybox");
    }
    for folder in ["proc", "sys", "dev", "root", "new"] {
        tree.folder(folder);
    }
    tree.device("dev/console", 5, 1).device("dev/null", 1, 3);
    tree.file("init", 0o755, *include_bytes!("guest-init.sh"));
    modules.install(&MODULES, "load", &mut tree)?;
    Ok(tree)
}

/// What is on a guest's root disk: busybox as every program, `getty` on the console.
pub(super) fn root(hostname: &str, address: Option<&str>, busybox: &Path, applets: &[String]) -> Tree {
    let mut tree = Tree::new();
    tree.merged_usr();
    tree.file_at("bin/busybox", 0o755, busybox);
    for applet in applets.iter().filter(|applet| !applet.ends_with("bin/busybox")) {
        tree.link(applet, "/bin/busybox");
    }
    for folder in ["proc", "sys", "dev", "root", "mnt", "tmp", "run", "var"] {
        tree.folder(folder);
    }
    tree.file("etc/passwd", 0o644, *b"root::0:0:root:/root:/bin/sh\n");
    tree.file("etc/group", 0o644, *b"root:x:0:\n");
    tree.file("etc/hostname", 0o644, format!("{hostname}\n"));
    if let Some(address) = address {
        tree.file("etc/address", 0o644, format!("{address}\n"));
    }
    tree.file("etc/issue", 0o644, *b"Debian GNU/Linux \\n \\l\n\n");
    tree.file("etc/inittab", 0o644, *b"::sysinit:/etc/rc\nhvc0::respawn:/sbin/getty -L hvc0 115200 vt100\n::shutdown:/bin/umount -a -r\n::ctrlaltdel:/sbin/reboot\n");
    tree.file("etc/rc", 0o755, *include_bytes!("guest-rc.sh"));
    tree
}
