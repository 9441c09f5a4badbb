//! Save, restore, relocation, core dumps, and the records on disk (`xend-daemon` §4.1, §4.5, §4.6, §4.9).

use std::path::Path;

/// A stream that failed for an unknown reason.
pub const RESTORE_FAILED: &str = "Restore failed";

/// Nobody at the other end.
pub fn cannot_connect(reason: &str) -> String {
    format!("can't connect: {reason}")
}

/// A state file that can't be written.
pub fn cannot_write_state(path: &Path, reason: &str) -> String {
    format!("can't write guest state file {}: {reason}", path.display())
}

/// A state file that can't be read.
pub fn cannot_read_state(path: &Path, reason: &str) -> String {
    format!("can't read guest state file {}: {reason}", path.display())
}

/// A file that isn't a state file.
pub fn not_a_state_file(found: &str) -> String {
    format!("not a valid guest state file: found '{found}'")
}

/// A device that can't move.
pub fn refuses_migration(class: &str) -> String {
    format!("Device of type '{class}' refuses migration.")
}

/// `resume` without its state file.
pub const CHECKPOINT_UNREADABLE: &str = "Failed to read stored checkpoint file";
/// `resume` whose state file stays.
pub const CHECKPOINT_UNDELETABLE: &str = "Failed to delete checkpoint file";

/// An error of the other host.
pub fn from_host(text: &str, host: &str) -> String {
    format!("{text} (from {host})")
}

/// A guest that doesn't suspend.
pub fn suspend_timeout(domid: u16) -> String {
    format!("Timeout waiting for domain {domid} to suspend")
}

/// `dump-core` onto a folder.
pub fn dump_into_directory(path: &Path) -> String {
    format!("Cannot dump core in a directory: {}", path.display())
}

/// `dump-core` that failed.
pub fn dump_failed(text: &str) -> String {
    format!("Failed to dump core: {text}")
}

/// A managed domain's folder that can't be removed.
pub fn cannot_remove_record(uuid: &str) -> String {
    format!("Unable to remove managed configuration for domain: {uuid}")
}

/// A managed domain's record that can't be written.
pub fn cannot_write_record(folder: &Path) -> String {
    format!("Failed to save configuration file to: {}", folder.display())
}
