//! `file:` disks: an image behind a loop device.
//!
//! ```text
//! add     canonical name -> lock -> backend still wanted? -> may it be written? -> who else has it? ->
//!         bind (or find what an earlier run bound) -> node, physical-device, hotplug-status in one transaction
//! remove  lock -> release every device with this backend's tag, and the one at `node` if a classic script bound it
//! ```

use super::sharing::{self, Mode, Subject};
use super::{DeviceNumber, Disk, VbdError, uses};
use crate::image::Key;
use crate::lock::{BLOCK, Lock};
use crate::loop_device::{self, Access, Binding, Image};
use std::fs::{self, Metadata, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use xenstore::paths::node::device::STATE;
use xenstore::paths::node::vbd::{MODE, NODE, PARAMS, PHYSICAL_DEVICE};

/// States of a backend whose domain is still being set up: Initialising (the driver has not looked yet; the
/// original, called by the driver, never saw it) and InitWait.
const SETTING_UP: [&str; 2] = ["1", "2"];

/// Binds the image and tells the backend the loop device's number.
pub(super) async fn add(disk: &Disk<'_>) -> Result<(), VbdError> {
    let (done, params, mode) = tokio::join!(
        device_of_earlier_run(disk),
        disk.backend.required_path(PARAMS),
        disk.backend.required(MODE),
    );
    let params = params?;
    let is_done = |binding: Binding| {
        !binding.is_going() && (binding.is_tagged(&disk.tag) || is_classic(&binding, Some(&params)))
    };
    if done?.is_some_and(is_done) {
        return Ok(disk.backend.connected(&[]).await?);
    }
    let mode = Mode::parse(&mode?);
    let (path, meta) = find(&params)?;
    let _lock = Lock::acquire(disk.host, BLOCK)?;
    check_state(disk).await?;
    let image = open(path, &meta, mode)?;
    let own = own_unless_others_use(disk, &image, &meta, mode).await?;
    let binding = bind(disk, &image, &meta, own)?;
    announce(disk, &binding).await
}

/// Whether `add` would take the image now.
pub(super) async fn check(disk: &Disk<'_>) -> Result<(), VbdError> {
    let (params, mode) = tokio::join!(disk.backend.required_path(PARAMS), disk.backend.required(MODE));
    let mode = Mode::parse(&mode?);
    let (path, meta) = find(&params?)?;
    let image = open(path, &meta, mode)?;
    own_unless_others_use(disk, &image, &meta, mode).await.map(drop)
}

/// The devices that were bound for this backend, once it is known that nobody else's use rules ours out.
async fn own_unless_others_use(
    disk: &Disk<'_>,
    image: &Image,
    meta: &Metadata,
    mode: Mode,
) -> Result<Vec<Binding>, VbdError> {
    if let Some(key) = Key::of(meta) {
        uses::check_image(disk, key, &image.path, mode).await?;
    }
    let (own, others) = split(disk, meta)?;
    for binding in others {
        let subject = Subject::File { file: image.path.clone(), through: binding.path.clone() };
        sharing::check(disk, &subject, number(&binding.path)?, mode).await?;
    }
    Ok(own)
}

/// Releases whatever was bound for this backend. Nothing there is fine.
pub(super) async fn remove(disk: &Disk<'_>) -> Result<(), VbdError> {
    let (node, params) = tokio::join!(disk.backend.read(NODE), disk.backend.read_path(PARAMS));
    let (node, params) = (node?, params?);
    let _lock = Lock::acquire(disk.host, BLOCK)?;
    for binding in loop_device::bindings(disk.host)? {
        // Its time is up anyhow, and then the device may be somebody else's.
        if binding.is_going() {
            continue;
        }
        let is_at_node =
            node.as_deref().is_some_and(|node| disk.host.device(Path::new(node)) == binding.path);
        if binding.is_tagged(&disk.tag) || (is_at_node && is_classic(&binding, params.as_deref())) {
            loop_device::release(&binding.path)?;
        }
    }
    Ok(())
}

/// What the device is bound to that an earlier run told the backend: a number in the store alone proves nothing,
/// for `remove` leaves it there.
async fn device_of_earlier_run(disk: &Disk<'_>) -> Result<Option<Binding>, VbdError> {
    let (number, node) = tokio::join!(disk.backend.read(PHYSICAL_DEVICE), disk.backend.read(NODE));
    match (number?, node?) {
        (Some(_), Some(node)) => Ok(loop_device::binding(&disk.host.device(Path::new(&node)))?),
        _ => Ok(None),
    }
}

/// Whether a device was bound to the image by somebody who leaves no tag: the scripts that ran here before.
fn is_classic(binding: &Binding, params: Option<&Path>) -> bool {
    let is_of = |path| fs::metadata(absolute(path)).is_ok_and(|meta| binding.is_of(&meta));
    !binding.is_ours() && params.is_some_and(is_of)
}

/// The image's canonical name and what is there: a regular file.
fn find(params: &Path) -> Result<(PathBuf, Metadata), VbdError> {
    let missing = || VbdError::Missing { path: params.to_path_buf() };
    let path = fs::canonicalize(absolute(params)).map_err(|_| missing())?;
    let meta = fs::metadata(&path).map_err(|_| missing())?;
    if !meta.is_file() {
        return Err(missing());
    }
    Ok((path, meta))
}

/// The daemon runs in `/`, so that is where a relative name starts, wherever we were started.
fn absolute(params: &Path) -> PathBuf {
    Path::new("/").join(params)
}

/// Opens the image, and makes sure that it is the file that was looked at.
fn open(path: PathBuf, looked_at: &Metadata, mode: Mode) -> Result<Image, VbdError> {
    if mode == Mode::Write && looked_at.permissions().mode() & 0o222 == 0 {
        return Err(VbdError::ReadOnly { path });
    }
    let access = match mode {
        Mode::Read => Access::Read,
        Mode::Write | Mode::Unchecked => Access::Write,
    };
    let writable = access == Access::Write;
    let opened = OpenOptions::new().read(true).write(writable).custom_flags(libc::O_NONBLOCK).open(&path);
    let file = opened.map_err(|source| VbdError::File { verb: "open", path: path.clone(), source })?;
    let meta =
        file.metadata().map_err(|source| VbdError::File { verb: "look at", path: path.clone(), source })?;
    if (meta.dev(), meta.ino()) != (looked_at.dev(), looked_at.ino()) {
        return Err(VbdError::Missing { path });
    }
    Ok(Image { path, file, access })
}

/// The domain may have been taken down while we waited for the lock; what we bound now, nobody would release.
pub(super) async fn check_state(disk: &Disk<'_>) -> Result<(), VbdError> {
    let state = disk.backend.read(STATE).await?;
    if state.as_deref().is_some_and(|state| SETTING_UP.contains(&state)) {
        return Ok(());
    }
    let path = disk.backend.path().to_owned();
    Err(VbdError::Closed { path, state: state.unwrap_or_else(|| "unknown".to_owned()) })
}

/// The bound devices that matter: those made for this backend, and others of the same file.
fn split(disk: &Disk<'_>, meta: &Metadata) -> Result<(Vec<Binding>, Vec<Binding>), VbdError> {
    let all = loop_device::bindings(disk.host)?;
    let (own, others): (Vec<_>, Vec<_>) = all.into_iter().partition(|binding| binding.is_tagged(&disk.tag));
    Ok((own, others.into_iter().filter(|binding| binding.is_of(meta)).collect()))
}

/// A device for the image: the one that an earlier run bound, if it fits, else a new one.
fn bind(disk: &Disk<'_>, image: &Image, meta: &Metadata, own: Vec<Binding>) -> Result<Binding, VbdError> {
    let fits =
        |binding: &Binding| binding.is_of(meta) && binding.access() == image.access && !binding.is_going();
    let mut found = None;
    for binding in own {
        if found.is_none() && fits(&binding) {
            found = Some(binding);
        } else if !binding.is_going() {
            loop_device::release(&binding.path)?;
        }
    }
    match found {
        Some(binding) => Ok(binding),
        None => Ok(loop_device::bind(disk.host, image, &disk.tag)?),
    }
}

/// Tells the backend; when that fails nobody knows of the device, so it is released again.
async fn announce(disk: &Disk<'_>, binding: &Binding) -> Result<(), VbdError> {
    let told = match number(&binding.path) {
        Ok(number) => {
            let nodes = [(NODE, binding.path.display().to_string()), (PHYSICAL_DEVICE, number.to_string())];
            disk.backend.connected(&nodes).await.map_err(VbdError::from)
        }
        Err(error) => Err(error),
    };
    if told.is_err() {
        loop_device::release(&binding.path)?;
    }
    told
}

fn number(device: &Path) -> Result<DeviceNumber, VbdError> {
    let meta = fs::metadata(device).map_err(|source| VbdError::File {
        verb: "look at",
        path: device.to_path_buf(),
        source,
    })?;
    Ok(DeviceNumber::from_raw(meta.rdev()))
}
