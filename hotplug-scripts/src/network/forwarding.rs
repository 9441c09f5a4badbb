//! Forwarding and proxy ARP: switched on by the first script that needs them, back to what they were by the last.
//!
//! A note for each that needs one, `NAME.forward`, and the value before, lie beside the records of bridges.

use super::record::FOLDER;
use super::{NetworkError, Site};
use crate::sysctl;
use std::fs;
use std::io;
use std::path::PathBuf;

/// Switches a setting on for `user`.
pub(super) fn hold(site: &Site<'_>, user: &str, setting: &str) -> Result<(), NetworkError> {
    let (before, note) = (before(site, setting), note(site, setting, user));
    site.step("switch on", setting)?;
    let now = sysctl::read(site.host, setting)?;
    let Some(now) = now else { return Ok(()) };
    fs::create_dir_all(site.host.path(FOLDER)).map_err(fail("make", &before))?;
    if !before.exists() {
        fs::write(&before, now).map_err(fail("write", &before))?;
    }
    fs::write(&note, "").map_err(fail("write", &note))?;
    Ok(sysctl::write(site.host, setting, "1")?)
}

/// Lets go of it; the last one to do so makes it what it was.
pub(super) fn let_go(site: &Site<'_>, user: &str, setting: &str) -> Result<(), NetworkError> {
    let before = before(site, setting);
    site.step("let go of", setting)?;
    gone(fs::remove_file(note(site, setting, user)), &before)?;
    let prefix = format!("{}.for-", plain(setting));
    let entries = fs::read_dir(site.host.path(FOLDER)).into_iter().flatten().flatten();
    let is_held = entries.into_iter().any(|entry| entry.file_name().to_string_lossy().starts_with(&prefix));
    if is_held {
        return Ok(());
    }
    let Ok(value) = fs::read_to_string(&before) else { return Ok(()) };
    // An interface that is gone took its settings along.
    if sysctl::read(site.host, setting)?.is_some() {
        sysctl::write(site.host, setting, value.trim())?;
    }
    gone(fs::remove_file(&before), &before)
}

fn before(site: &Site<'_>, setting: &str) -> PathBuf {
    site.host.path(FOLDER).join(format!("{}.before", plain(setting)))
}

fn note(site: &Site<'_>, setting: &str, user: &str) -> PathBuf {
    site.host.path(FOLDER).join(format!("{}.for-{user}", plain(setting)))
}

fn plain(setting: &str) -> String {
    setting.replace('/', ":")
}

fn fail(verb: &'static str, path: &std::path::Path) -> impl FnOnce(io::Error) -> NetworkError {
    let path = path.to_owned();
    move |source| NetworkError::File { verb, path, source }
}

fn gone(removed: io::Result<()>, path: &std::path::Path) -> Result<(), NetworkError> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(fail("remove", path)),
    }
}
