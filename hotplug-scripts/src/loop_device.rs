//! Loop devices for `file:` disks.
//!
//! A binding must outlive this process (the backend driver opens the device later), so it cannot be left to the
//! kernel's autoclear: between our close and the driver's open the device would vanish. To lose none after a
//! crash, each binding carries a [`Tag`] with its backend's name in the driver's free text field, set in the same
//! ioctl that binds it. `add` run again finds its device by the tag, and so does `remove` when the store never
//! learnt of it. A device without our tag is somebody else's.

use crate::host::Host;
use crate::sys::{self, LoopInfo, NAME_SIZE};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// How often a device that was free a moment ago may be taken by somebody else before we give up.
const ATTEMPTS: u32 = 64;
/// Every tag of ours starts with it.
const TAG_PREFIX: &str = "xen-hotplug";

/// What can go wrong with loop devices.
#[derive(Debug, thiserror::Error)]
pub enum LoopError {
    /// No loop driver, or no free device.
    #[error("Failed to find an unused loop device")]
    NoneFree {
        /// What the control device said.
        source: io::Error,
    },
    /// The bound devices could not be listed.
    #[error("cannot list the loop devices in {path}")]
    List {
        /// The folder.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A device could not be asked or let go.
    #[error("cannot {verb} {device}")]
    Device {
        /// What was tried.
        verb: &'static str,
        /// The device.
        device: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// A file could not be bound.
    #[error("cannot bind {file} to {device}")]
    Bind {
        /// The image.
        file: PathBuf,
        /// The device.
        device: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
}

/// Whose a binding is: `xen-hotplug:vbd/DOMID/DEVID`, and under another root `xen-hotplug@ROOT'S HASH:…`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag(String);

impl Tag {
    /// The tag of the backend at `xenbus_path`, of which the last three parts matter (class, domain, device).
    pub fn new(host: &Host, xenbus_path: &str) -> Self {
        let mut parts: Vec<&str> = xenbus_path.trim_end_matches('/').rsplit('/').take(3).collect();
        parts.reverse();
        let space = if host.is_real() { String::new() } else { format!("@{:08x}", hash(host.root())) };
        let mut text = format!("{TAG_PREFIX}{space}:{}", parts.join("/"));
        text.truncate(text.floor_char_boundary(NAME_SIZE - 1));
        Tag(text)
    }

    /// As a text.
    pub fn text(&self) -> &str {
        &self.0
    }

    fn bytes(&self) -> [u8; NAME_SIZE] {
        let mut name = [0; NAME_SIZE];
        name[..self.0.len()].copy_from_slice(self.0.as_bytes());
        name
    }
}

/// An image file, opened as the guest will use it.
#[derive(Debug)]
pub struct Image {
    /// Its canonical name.
    pub path: PathBuf,
    /// The open file.
    pub file: File,
    /// Whether the guest may write.
    pub access: Access,
}

/// What a guest may do with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and write.
    Write,
}

/// A loop device and the file that it is bound to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The device node.
    pub path: PathBuf,
    info: LoopInfo,
}

impl Binding {
    /// Whether the file behind the device is the one that `meta` describes.
    pub fn is_of(&self, meta: &fs::Metadata) -> bool {
        self.info.inode == meta.ino() && self.info.device == meta.dev()
    }

    /// Whether the binding was made for `tag`.
    pub fn is_tagged(&self, tag: &Tag) -> bool {
        self.info.file_name == tag.bytes()
    }

    /// Whether the binding was made by this program, for whomever.
    pub fn is_ours(&self) -> bool {
        self.info.file_name.starts_with(TAG_PREFIX.as_bytes())
    }

    /// Whether it ends at the device's last close: it was released already, and somebody (a scan of the host's devices,
    /// for example) has it open for a moment more.
    pub fn is_going(&self) -> bool {
        self.info.flags & sys::FLAG_AUTOCLEAR != 0
    }

    /// What a guest may do with it.
    pub fn access(&self) -> Access {
        if self.info.flags & sys::FLAG_READ_ONLY != 0 { Access::Read } else { Access::Write }
    }
}

/// Every bound loop device of the host.
pub fn bindings(host: &Host) -> Result<Vec<Binding>, LoopError> {
    let mut found = Vec::new();
    for name in bound_names(host)? {
        found.extend(binding(&host.device(Path::new(&name)))?);
    }
    found.sort_by_key(|binding| binding.info.number);
    Ok(found)
}

/// What the loop device at `path` is bound to; `None` when it is free or gone.
pub fn binding(path: &Path) -> Result<Option<Binding>, LoopError> {
    let Some(device) = open_device(path)? else { return Ok(None) };
    let fail = |source| LoopError::Device { verb: "ask", device: path.to_path_buf(), source };
    Ok(sys::status(&device).map_err(fail)?.map(|info| Binding { path: path.to_path_buf(), info }))
}

/// Binds `image` to a free loop device in `tag`'s name.
pub fn bind(host: &Host, image: &Image, tag: &Tag) -> Result<Binding, LoopError> {
    let none_free = |source| LoopError::NoneFree { source };
    let control = OpenOptions::new()
        .read(true)
        .write(true)
        .open(host.device(Path::new("loop-control")))
        .map_err(none_free)?;
    for _ in 0..ATTEMPTS {
        let number = sys::free_number(&control).map_err(none_free)?;
        let path = host.device(Path::new(&format!("loop{number}")));
        let fail = |source| LoopError::Bind { file: image.path.clone(), device: path.clone(), source };
        let device = OpenOptions::new().read(true).write(true).open(&path).map_err(fail)?;
        match configure(&device, image, tag) {
            Ok(()) => {
                let info = sys::status(&device).map_err(fail)?;
                let gone = || fail(io::Error::from(io::ErrorKind::NotFound));
                return Ok(Binding { path: path.clone(), info: info.ok_or_else(gone)? });
            }
            // Taken since we asked: the next one.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
            Err(error) => return Err(fail(error)),
        }
    }
    Err(none_free(io::Error::from(io::ErrorKind::ResourceBusy)))
}

/// Lets the device go of its file; when the backend driver still has it open, at its last close.
pub fn release(path: &Path) -> Result<(), LoopError> {
    let Some(device) = open_device(path)? else { return Ok(()) };
    let fail = |source| LoopError::Device { verb: "release", device: path.to_path_buf(), source };
    sys::clear(&device).map_err(fail)
}

/// Names of the loop devices that may be bound. The kernel's list tells which are (they have a folder `loop`
/// there); without one, every node counts.
fn bound_names(host: &Host) -> Result<Vec<OsString>, LoopError> {
    for (folder, inside) in [("/sys/block", Some("loop")), ("/dev", None)] {
        let path = host.path(folder);
        let entries = match fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(LoopError::List { path, source }),
        };
        let is_bound = |entry: &fs::DirEntry| {
            is_loop(&entry.file_name()) && inside.is_none_or(|inside| entry.path().join(inside).exists())
        };
        return Ok(entries.iter().filter(|entry| is_bound(entry)).map(fs::DirEntry::file_name).collect());
    }
    Ok(Vec::new())
}

fn is_loop(name: &OsStr) -> bool {
    let number = name.to_str().and_then(|name| name.strip_prefix("loop"));
    number.is_some_and(|number| number.parse::<u32>().is_ok())
}

/// Opened for reading only: closing a device that was open for writing makes udev look at it again.
fn open_device(path: &Path) -> Result<Option<File>, LoopError> {
    match OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path) {
        Ok(device) => Ok(Some(device)),
        Err(error) if is_absent(&error) => Ok(None),
        Err(source) => Err(LoopError::Device { verb: "open", device: path.to_path_buf(), source }),
    }
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
        || matches!(error.raw_os_error(), Some(libc::ENXIO | libc::ENODEV))
}

/// Past the page cache where the file allows it: what the guest was told is written is then on the disk, and
/// memory is not filled twice. An old kernel lacks the one-step ioctl; there two steps must do.
fn configure(device: &File, image: &Image, tag: &Tag) -> io::Result<()> {
    let access = match image.access {
        Access::Read => sys::FLAG_READ_ONLY,
        Access::Write => 0,
    };
    for flags in [access | sys::FLAG_DIRECT_IO, access] {
        match sys::configure(device, &image.file, &LoopInfo::settings(tag.bytes(), flags)) {
            Err(error) if is_unknown(&error) => {}
            done => return done,
        }
    }
    sys::set_fd(device, &image.file)?;
    let named = sys::set_status(device, &LoopInfo::settings(tag.bytes(), 0));
    if named.is_err() {
        sys::clear(device)?;
    }
    named
}

fn is_unknown(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOTTY))
}

/// FNV-1a: tells the roots of parallel tests apart, nothing more.
fn hash(root: &Path) -> u32 {
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    root.as_os_str().as_encoded_bytes().iter().fold(0x811c_9dc5, step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Folder, loop_driver};
    use std::io::Write;
    use std::time::{Duration, Instant};

    fn image(folder: &Folder, name: &str, access: Access) -> Image {
        let path = folder.path().join(name);
        if !path.exists() {
            File::create(&path).unwrap().set_len(1 << 20).unwrap();
        }
        let file = OpenOptions::new().read(true).write(access == Access::Write).open(&path).unwrap();
        Image { path, file, access }
    }

    /// A host whose tags are this folder's alone and whose devices are the machine's.
    fn host(folder: &Folder) -> Host {
        for name in ["dev", "sys"] {
            std::os::unix::fs::symlink(format!("/{name}"), folder.path().join(name)).unwrap();
        }
        Host::new(folder.path())
    }

    #[test]
    fn a_tag_holds_class_domain_and_device_and_fits() {
        let real = Host::new("/");
        assert_eq!(Tag::new(&real, "backend/vbd/5/51713").0, "xen-hotplug:vbd/5/51713");
        assert_eq!(Tag::new(&real, "/local/domain/0/backend/vbd/5/51713").0, "xen-hotplug:vbd/5/51713");
        let other = Tag::new(&Host::new("/tmp/x"), "backend/vbd/32751/268439553");
        assert!(other.0.starts_with("xen-hotplug@") && other.0.ends_with(":vbd/32751/268439553"));
        assert_ne!(other, Tag::new(&Host::new("/tmp/y"), "backend/vbd/32751/268439553"));
        let hostile = Tag::new(&real, &"é".repeat(100));
        assert!(hostile.0.len() < NAME_SIZE && hostile.bytes()[NAME_SIZE - 1] == 0);
    }

    #[test]
    fn a_binding_outlives_its_maker_and_is_found_by_tag_and_by_file() {
        if !loop_driver() {
            return;
        }
        let folder = Folder::new("loop");
        let host = host(&folder);
        let tag = Tag::new(&host, "backend/vbd/5/51713");
        let image = image(&folder, "disk", Access::Write);
        let made = bind(&host, &image, &tag).unwrap();
        let found = bindings(&host).unwrap().into_iter().find(|binding| binding.is_tagged(&tag)).unwrap();
        assert_eq!(found, made);
        assert!(found.is_of(&image.file.metadata().unwrap()) && found.is_ours());
        assert_eq!(found.access(), Access::Write);
        release(&made.path).unwrap();
        // A scan of another test may have it open: then it is free when that closes it.
        let deadline = Instant::now() + Duration::from_secs(30);
        while bindings(&host).unwrap().iter().any(|binding| binding.is_tagged(&tag)) {
            assert!(Instant::now() < deadline, "{} is still bound", made.path.display());
            std::thread::sleep(Duration::from_millis(5));
        }
        release(&made.path).unwrap();
    }

    #[test]
    fn without_the_kernels_list_the_nodes_are_asked() {
        if !loop_driver() {
            return;
        }
        let folder = Folder::new("loop-nodes");
        let host = host(&folder);
        let tag = Tag::new(&host, "backend/vbd/7/51713");
        let made = bind(&host, &image(&folder, "disk", Access::Write), &tag).unwrap();
        std::fs::remove_file(folder.path().join("sys")).unwrap();
        let found = bindings(&host).unwrap().into_iter().any(|binding| binding == made);
        release(&made.path).unwrap();
        assert!(found);
        std::fs::remove_file(folder.path().join("dev")).unwrap();
        assert_eq!(bindings(&host).unwrap(), []);
    }

    #[test]
    fn a_read_only_image_makes_a_read_only_device() {
        if !loop_driver() {
            return;
        }
        let folder = Folder::new("loop-ro");
        let host = host(&folder);
        let tag = Tag::new(&host, "backend/vbd/6/51713");
        let _ = image(&folder, "disk", Access::Read);
        let made = bind(&host, &image(&folder, "disk", Access::Read), &tag).unwrap();
        let access = made.access();
        let written = OpenOptions::new()
            .write(true)
            .open(&made.path)
            .and_then(|mut device| device.write_all(&[1; 512]).and_then(|()| device.sync_all()));
        release(&made.path).unwrap();
        assert_eq!(access, Access::Read);
        assert!(written.is_err(), "{} took a write", made.path.display());
    }

    #[test]
    fn without_a_control_device_the_classic_text_is_given() {
        let folder = Folder::new("loop-none");
        let image = image(&folder, "disk", Access::Read);
        let error = bind(&Host::new(folder.path()), &image, &Tag("x".into())).unwrap_err();
        assert_eq!(error.to_string(), "Failed to find an unused loop device");
    }
}
