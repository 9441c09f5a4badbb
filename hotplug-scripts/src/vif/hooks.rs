//! A site's own steps after ours: every executable `vif-post.d/*.hook`, in the order of their names.
//!
//! The original sourced them, so they are read by a shell that has our variables; what one does to its shell ends
//! with it. A hook that fails is logged and changes nothing.

use super::{Done, Port};
use crate::host::is_executable;
use std::path::PathBuf;
use std::process::{Command, Stdio};

const FOLDER: &str = "/etc/xen/scripts/vif-post.d";

/// Runs the hooks.
pub(super) fn run(port: &Port<'_>, done: &Done<'_>) {
    for hook in hooks(port) {
        let status = Command::new("/bin/sh")
            .args(["-c", ". \"$0\" \"$@\""])
            .arg(&hook)
            .arg(done.command.word())
            .env_clear()
            .envs(port.call.environment())
            .envs([("command", done.command.word()), ("dev", done.dev), ("bridge", done.bridge)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .status();
        match status {
            Ok(status) if status.success() => {}
            Ok(status) => port.log.error(&format!("{}: {status}", hook.display())),
            Err(error) => port.log.error(&format!("cannot run {}: {error}", hook.display())),
        }
    }
}

fn hooks(port: &Port<'_>) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(port.host.path(FOLDER)).into_iter().flatten().flatten();
    let is_hook = |path: &PathBuf| path.extension().is_some_and(|end| end == "hook") && is_executable(path);
    let mut hooks: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(is_hook).collect();
    hooks.sort();
    hooks
}
