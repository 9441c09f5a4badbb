//! Dom0's initial file system: Debian's own files, a device or two, and our `/init`.

use std::path::PathBuf;

use anyhow::Result;

use super::Tree;
use super::modules::Modules;

/// What dom0's kernel needs; `?` where a kernel may have it built in or not at all.
const MODULES: [&str; 23] = [
    "crc32c_generic?",
    "virtio_pci",
    "virtio_console",
    "virtio_blk",
    "virtio_net",
    "virtio_rng?",
    "xenfs",
    "xen_privcmd",
    "xen_evtchn",
    "xen_gntdev",
    "xen_gntalloc",
    "xen_blkback",
    "xen_netback",
    "bridge",
    "loop",
    "tun",
    "dummy",
    "veth",
    "nf_tables",
    "ext4",
    "nft_chain_nat?",
    "nft_masq?",
    "nft_meta_bridge?",
];

/// What our programs ask `modprobe` for when they need it, as on any host.
const ON_DEMAND: [&str; 1] = ["nbd"];

/// Parts of packages that no program of the lab reads.
pub(super) const SKIPPED: [&str; 21] = [
    "usr/share/doc",
    "usr/share/man",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/lintian",
    "usr/share/bash-completion",
    "usr/share/doc-base",
    "usr/share/zsh",
    "usr/lib/x86_64-linux-gnu/gconv",
    "lib/x86_64-linux-gnu/gconv",
    "usr/lib/systemd",
    "lib/systemd",
    "usr/lib/udev",
    "lib/udev",
    "usr/bin/qemu-io",
    "usr/bin/qemu-nbd",
    "usr/bin/qemu-pr-helper",
    "usr/lib/qemu",
    "usr/lib/x86_64-linux-gnu/qemu",
    "usr/share/qemu",
    "usr/share/glib-2.0",
];

/// Puts dom0 together from unpacked packages.
pub(super) fn tree(userland: &[PathBuf], modules: &Modules, applets: &[String]) -> Result<Tree> {
    let mut tree = Tree::new();
    tree.merged_usr();
    for package in userland {
        tree.absorb(package, &|path| SKIPPED.contains(&path))?;
    }
    for applet in applets {
        if !tree.contains(applet) {
            tree.link(applet, "/usr/bin/busybox");
        }
    }
    tree.link("usr/bin/sh", "dash")
        .link("usr/bin/awk", "mawk")
        .link("var/run", "../run")
        .link("var/lock", "../run/lock");
    for folder in [
        "proc",
        "sys",
        "dev",
        "run",
        "tmp",
        "root",
        "srv",
        "mnt",
        "var/log/xen",
        "var/lib/xen",
        "etc/xen/auto",
    ] {
        tree.folder(folder);
    }
    tree.device("dev/console", 5, 1).device("dev/null", 1, 3);
    tree.file("etc/passwd", 0o644, *b"root:x:0:0:root:/root:/bin/bash\n");
    tree.file("etc/group", 0o644, *b"root:x:0:\nadm:x:4:\n");
    tree.file("etc/hostname", 0o644, *b"dom0\n");
    tree.file("etc/hosts", 0o644, *b"127.0.0.1 localhost dom0\n");
    tree.file("init", 0o755, *include_bytes!("dom0-init.sh"));
    modules.install(&MODULES, "load", &mut tree)?;
    modules.install(&ON_DEMAND, "on-demand", &mut tree)?;
    Ok(tree)
}
