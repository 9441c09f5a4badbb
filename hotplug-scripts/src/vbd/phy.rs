//! `phy:` disks: a block device of the host as it is.

use super::sharing::{self, Mode, Subject};
use super::{DeviceNumber, Disk, VbdError, uses};
use crate::image::Key;
use crate::lock::{BLOCK, Lock};
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use xenstore::paths::node::vbd::{MODE, PARAMS, PHYSICAL_DEVICE};

/// Checks the device and tells the backend its number.
pub(super) async fn add(disk: &Disk<'_>) -> Result<(), VbdError> {
    let (number, params, mode) = tokio::join!(
        disk.backend.read(PHYSICAL_DEVICE),
        disk.backend.required_path(PARAMS),
        disk.backend.required(MODE),
    );
    if number?.is_some() {
        return Ok(disk.backend.connected(&[]).await?);
    }
    let (params, mode) = (params?, Mode::parse(&mode?));
    let (path, number) = resolve(disk.host.device(&params))?;
    let key = Key::Device { number: number.raw() };
    let _lock = Lock::acquire(disk.host, BLOCK)?;
    uses::check_image(disk, key, &path, mode).await?;
    sharing::check(disk, &Subject::Device { path }, number, mode).await?;
    Ok(disk.backend.connected(&[(PHYSICAL_DEVICE, number.to_string())]).await?)
}

/// Whether `add` would take the device now.
pub(super) async fn check(disk: &Disk<'_>) -> Result<(), VbdError> {
    let (params, mode) = tokio::join!(disk.backend.required_path(PARAMS), disk.backend.required(MODE));
    let (path, number) = resolve(disk.host.device(&params?))?;
    let mode = Mode::parse(&mode?);
    uses::check_image(disk, Key::Device { number: number.raw() }, &path, mode).await?;
    sharing::check(disk, &Subject::Device { path }, number, mode).await
}

/// The device behind a name: links followed to their end.
pub(super) fn resolve(name: PathBuf) -> Result<(PathBuf, DeviceNumber), VbdError> {
    let is_link = fs::symlink_metadata(&name).is_ok_and(|meta| meta.is_symlink());
    let path = match fs::canonicalize(&name) {
        Ok(path) if is_link => path,
        Err(_) if is_link => return Err(VbdError::LinkMissing { path: name }),
        _ => name,
    };
    let Ok(meta) = fs::metadata(&path) else { return Err(VbdError::Missing { path }) };
    if !meta.file_type().is_block_device() {
        return Err(VbdError::NotBlock { path });
    }
    Ok((path, DeviceNumber::from_raw(meta.rdev())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_device_that_is_not_there_is_named() {
        let folder = Folder::new("phy");
        let name = folder.path().join("nothing");
        let text = resolve(name.clone()).unwrap_err().to_string();
        assert_eq!(text, format!("{} does not exist.", name.display()));
    }

    #[test]
    fn a_link_that_leads_nowhere_is_named() {
        let folder = Folder::new("phy");
        let link = folder.path().join("mail");
        symlink("../gone/mail", &link).unwrap();
        let text = resolve(link.clone()).unwrap_err().to_string();
        assert_eq!(text, format!("{} link does not exist.", link.display()));
        fs::remove_file(&link).unwrap();
        symlink("mail", &link).unwrap();
        assert!(matches!(resolve(link), Err(VbdError::LinkMissing { .. })));
    }

    #[test]
    fn what_a_link_leads_to_must_be_a_block_device() {
        let folder = Folder::new("phy");
        let (link, file) = (folder.path().join("link"), folder.path().join("file"));
        fs::write(&file, "").unwrap();
        symlink("file", &link).unwrap();
        let text = resolve(link).unwrap_err().to_string();
        let file = fs::canonicalize(file).unwrap();
        assert_eq!(text, format!("{} is not a block device.", file.display()));
        assert_eq!(
            resolve(PathBuf::from("/dev/null")).unwrap_err().to_string(),
            "/dev/null is not a block device."
        );
    }
}
