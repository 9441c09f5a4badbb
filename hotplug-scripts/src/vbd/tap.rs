//! `tap:` and `tap2:` disks: an image in a format of its own, served by a process, behind an NBD device.
//!
//! ```text
//! add     read every header -> lock -> backend still wanted? -> what an earlier run left goes -> who else has one
//!         of the files? -> server -> device -> node, physical-device, hotplug-status in one transaction
//! remove  device -> server -> folder of the disk
//! ```
//!
//! The original's server made a block device of its own kind, which then was a `phy:` disk; so it is here.

use super::{Disk, VbdError, attached, uses};
use crate::image::{Access, Chain, Format};
use crate::image_server::{self, Order};
use crate::lock::{BLOCK, Lock};
use crate::vbd::Mode;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use xenstore::paths::node::vbd::{MODE, PARAMS};

/// Words of old in front of the driver, for one of the programs that served it.
const PREFIXES: [&[u8]; 2] = [b"tapdisk:", b"ioemu:"];

/// Serves the image and tells the backend the device's number.
pub(super) async fn add(disk: &Disk<'_>) -> Result<(), VbdError> {
    let (params, mode) = tokio::join!(disk.backend.required_path(PARAMS), disk.backend.required(MODE));
    let (format, image) = source(&params?)?;
    if attached::is_done(disk).await? {
        return Ok(disk.backend.connected(&[]).await?);
    }
    let mode = Mode::parse(&mode?);
    let access = if mode == Mode::Read { Access::Read } else { Access::Write };
    let chain = Chain::open(&image, format, access)?;
    let _lock = Lock::acquire(disk.host, BLOCK)?;
    super::file::check_state(disk).await?;
    attached::release(disk)?;
    uses::check_chain(disk, &chain, mode).await?;
    let done = serve(disk, &chain, mode).await;
    if done.is_err() {
        attached::release(disk)?;
    }
    done
}

/// Whether `add` would serve the image now.
pub(super) async fn check(disk: &Disk<'_>) -> Result<(), VbdError> {
    let (params, mode) = tokio::join!(disk.backend.required_path(PARAMS), disk.backend.required(MODE));
    let ((format, image), mode) = (source(&params?)?, Mode::parse(&mode?));
    let access = if mode == Mode::Read { Access::Read } else { Access::Write };
    uses::check_chain(disk, &Chain::open(&image, format, access)?, mode).await
}

async fn serve(disk: &Disk<'_>, chain: &Chain, mode: Mode) -> Result<(), VbdError> {
    let name = disk.name()?;
    let domid = disk.backend.domid().and_then(|domid| domid.parse::<u16>().ok());
    let domid = domid.map_or(0, u32::from);
    let program = std::env::current_exe().map_err(|source| VbdError::File {
        verb: "find",
        path: PathBuf::from("/proc/self/exe"),
        source,
    })?;
    let order = Order { host: disk.host, program: &program, name: &name, domid, chain, mode };
    let (socket, export) = image_server::start(&order, &disk.faults)?;
    let export = if mode == Mode::Read { export.read_only() } else { export };
    // The server is ours and its files are local: a slow disk is no reason to give up on it.
    attached::attach(disk, &socket, export, Duration::ZERO).await
}

/// `[tapdisk:|ioemu:]DRIVER:FILE`.
fn source(params: &Path) -> Result<(Format, PathBuf), VbdError> {
    let bytes = params.as_os_str().as_bytes();
    let rest = PREFIXES.iter().find_map(|prefix| bytes.strip_prefix(*prefix)).unwrap_or(bytes);
    let colon = rest.iter().position(|byte| *byte == b':');
    let (driver, file) = rest.split_at(colon.unwrap_or(rest.len()));
    let driver = String::from_utf8_lossy(driver).into_owned();
    match (Format::of_driver(&driver), file.get(1..)) {
        (Some(format), Some(file)) if !file.is_empty() => {
            Ok((format, PathBuf::from(OsStr::from_bytes(file))))
        }
        _ => Err(VbdError::TapDriver { driver }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_of_a_source_names_its_driver_and_its_file() {
        let of = |params: &str| source(Path::new(params)).map_err(|error| error.to_string());
        for (params, format, file) in [
            ("aio:/a b", Format::Raw, "/a b"),
            ("sync:/a", Format::Raw, "/a"),
            ("tapdisk:vhd:/a", Format::Vhd, "/a"),
            ("ioemu:qcow:/a", Format::Qcow, "/a"),
            ("qcow2:/a:b", Format::Qcow2, "/a:b"),
            ("vmdk:a", Format::Vmdk, "a"),
        ] {
            assert_eq!(of(params), Ok((format, PathBuf::from(file))), "{params}");
        }
        for (params, driver) in
            [("", ""), ("/a", "/a"), ("aio:", "aio"), ("ram:/a", "ram"), ("tapdisk:x:/a", "x")]
        {
            assert_eq!(of(params), Err(format!("tap:{driver} not a valid disk type")), "{params}");
        }
    }
}
