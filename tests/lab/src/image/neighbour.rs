//! The neighbour: a machine without Xen on the host's two networks, busybox as every program.

use std::path::Path;

use anyhow::Result;

use super::Tree;
use super::modules::Modules;

/// What its kernel needs.
const MODULES: [&str; 8] = [
    "crc32c_generic?",
    "virtio_pci",
    "virtio_console",
    "virtio_rng?",
    "virtio_net",
    "8021q",
    "target_core_file",
    "iscsi_target_mod",
];

/// Its initial file system, without the agent.
pub(super) fn tree(busybox: &Path, modules: &Modules, applets: &[String]) -> Result<Tree> {
    let mut tree = Tree::new();
    tree.merged_usr();
    tree.file_at("bin/busybox", 0o755, busybox);
    for applet in applets.iter().filter(|applet| !applet.ends_with("bin/busybox")) {
        tree.link(applet, "/bin/busybox");
    }
    for folder in ["proc", "sys", "dev", "root", "tmp", "run"] {
        tree.folder(folder);
    }
    tree.device("dev/console", 5, 1).device("dev/null", 1, 3);
    // The agent's shell.
    tree.file("bin/bash", 0o755, *b"#!/bin/busybox sh\nexec /bin/busybox sh \"$@\"\n");
    // Tells whoever asks where the question came from.
    tree.file(
        "www/cgi-bin/who",
        0o755,
        *b"#!/bin/busybox sh\nprintf 'Content-Type: text/plain\\r\\n\\r\\n%s\\n' \"$REMOTE_ADDR\"\n",
    );
    tree.file("init", 0o755, *include_bytes!("neighbour-init.sh"));
    modules.install(&MODULES, "load", &mut tree)?;
    Ok(tree)
}
