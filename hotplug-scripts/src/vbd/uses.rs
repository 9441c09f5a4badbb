//! Who else uses one of the files of an image: a server of ours for another disk, a loop device that a guest or the
//! host has, the device itself. The caller holds the lock `block`.

use super::kinship;
use super::sharing::{self, Subject};
use super::{Conflict, DeviceNumber, Disk, Mode, VbdError};
use crate::backend::BackendError;
use crate::image::{Access, Chain, Key, Layer};
use crate::image_server::{self, Use};
use crate::loop_device;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use xenstore::paths::node::NAME;

/// Fails when somebody else's use of a file of the chain rules out the use asked for. What lies behind an image is
/// only read, so many may share it; it must not be written by anybody.
pub(super) async fn check_chain(disk: &Disk<'_>, chain: &Chain, asked: Mode) -> Result<(), VbdError> {
    for layer in &chain.layers {
        let asked = if layer.access == Access::Write { asked } else { Mode::Read };
        check_image(disk, layer.key, &layer.path, asked).await?;
        match layer.key {
            Key::File { .. } => check_loops(disk, layer, asked).await?,
            Key::Device { number } => {
                let subject = Subject::Device { path: layer.path.clone() };
                sharing::check(disk, &subject, DeviceNumber::from_raw(number), asked).await?;
            }
        }
    }
    Ok(())
}

/// Fails when a server for another domain's disk has the file in a way that rules out the use asked for.
pub(super) async fn check_image(disk: &Disk<'_>, key: Key, path: &Path, asked: Mode) -> Result<(), VbdError> {
    if asked == Mode::Unchecked {
        return Ok(());
    }
    let own = disk.name().ok();
    let same: Vec<Key> = match key {
        Key::File { .. } => vec![key],
        // Whatever shares bytes with it is as good as the device itself.
        Key::Device { number } => {
            let kin = kinship::kin(disk.host, DeviceNumber::from_raw(number));
            kin.into_iter().map(|one| Key::Device { number: one.raw() }).collect()
        }
    };
    for (name, record) in image_server::all(disk.host) {
        let rules_out =
            |used: &&Use| same.contains(&used.key) && (asked == Mode::Write || used.mode == Mode::Write);
        let Some(used) = record.uses.iter().find(rules_out) else { continue };
        if own.as_deref() == Some(&name) || !record.is_live() {
            continue;
        }
        let mut parts = name.rsplit('-');
        let (devid, domid) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        if !sharing::is_same_vm(disk.backend, domid).await? {
            let holder = holder(disk, domid, devid, used.mode).await?;
            return Err(VbdError::ImageInUse { path: path.to_path_buf(), holder });
        }
    }
    Ok(())
}

/// `vbd 51713 of domain 5 (mail) has it read-write`.
async fn holder(disk: &Disk<'_>, domid: &str, devid: &str, mode: Mode) -> Result<String, BackendError> {
    let name = disk.backend.of_domain(domid, NAME).await?;
    let name = name.map(|name| format!(" ({name})")).unwrap_or_default();
    let how = if mode == Mode::Read { "read-only" } else { "read-write" };
    Ok(format!("vbd {devid} of domain {domid}{name} has it {how}"))
}

/// Loop devices of the file, as a `file:` disk looks at them.
async fn check_loops(disk: &Disk<'_>, layer: &Layer, asked: Mode) -> Result<(), VbdError> {
    if asked == Mode::Unchecked {
        return Ok(());
    }
    for binding in loop_device::bindings(disk.host)? {
        if binding.is_tagged(&disk.tag) || !binding.is_of(&layer.meta) {
            continue;
        }
        let look = |source| VbdError::File { verb: "look at", path: binding.path.clone(), source };
        let number = DeviceNumber::from_raw(fs::metadata(&binding.path).map_err(look)?.rdev());
        let subject = Subject::File { file: layer.path.clone(), through: binding.path.clone() };
        let checked = sharing::check(disk, &subject, number, asked).await;
        match checked {
            // Of a file behind an image nobody asked for: who wonders is told what it has to do with his disk.
            Err(VbdError::InUse(conflict)) => {
                return Err(VbdError::InUse(Box::new(Conflict { subject, ..*conflict })));
            }
            checked => checked?,
        }
    }
    Ok(())
}
