//! Lines of `xend.log` that people and tools look for (`xend-daemon` §4.3 to §4.5, §4.8).

/// A domain went away by itself.
pub fn has_shutdown(name: &str, domid: u16, reason: &str) -> String {
    format!("Domain has shutdown: name={name} id={domid} reason={reason}.")
}

/// A domain crashed.
pub fn has_crashed(name: &str, domid: u16) -> String {
    format!("Domain has crashed: name={name} id={domid}.")
}

/// `preserve` keeps a dead domain.
pub fn preserving(name: &str, domid: u16) -> String {
    format!("Preserving dead domain {name} ({domid}).")
}

/// `rename-restart` sets a dead domain aside.
pub fn renaming(old: &str, domid: u16, old_uuid: &str, new: &str, new_uuid: &str) -> String {
    format!("Renaming dead domain {old} ({domid}, {old_uuid}) to {new} ({new_uuid}).")
}

/// A restart within a minute of the start.
pub fn restarting_too_fast(name: &str, elapsed_seconds: f64) -> String {
    format!(
        "VM {name} restarting too fast (Elapsed time: {elapsed_seconds:.6} seconds). Refusing to restart to avoid \
         loops."
    )
}

/// A restart that an earlier daemon did not finish.
pub fn failed_during_restart(domid: u16) -> String {
    format!("Xend failed during restart of domain {domid}.  Refusing to restart to avoid loops.")
}

/// A restart that did not work.
pub fn failed_to_restart(domid: u16) -> String {
    format!("Failed to restart domain {domid}.")
}

/// A guest that did not obey within 300 seconds.
pub fn shutdown_timeout(name: &str, domid: u16) -> String {
    format!("Domain shutdown timeout expired: name={name} id={domid}")
}

/// A reset that did not work.
pub fn failed_to_reset(name: &str) -> String {
    format!("Failed to reset domain {name}.")
}
