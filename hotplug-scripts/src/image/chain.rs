//! An image and the files behind it, all open.

use super::{Backing, Flaw, Format, inspect, recognise};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Most files of a chain: each costs the server a descriptor, and reading through more is slow.
const DEPTH_MAX: usize = 32;

/// What may be done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Read only.
    Read,
    /// Read and write.
    Write,
}

/// Which file it is, whatever it is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A regular file.
    File {
        /// Device of its file system.
        device: u64,
        /// Its number there.
        inode: u64,
    },
    /// A block device.
    Device {
        /// Its number, as `stat` gives it.
        number: u64,
    },
}

impl Key {
    /// Of what `meta` describes; `None` when it can be no disk.
    pub fn of(meta: &Metadata) -> Option<Self> {
        let kind = meta.file_type();
        match (kind.is_file(), kind.is_block_device()) {
            (true, _) => Some(Key::File { device: meta.dev(), inode: meta.ino() }),
            (_, true) => Some(Key::Device { number: meta.rdev() }),
            _ => None,
        }
    }
}

/// One file of a chain.
#[derive(Debug)]
pub struct Layer {
    /// Its canonical name.
    pub path: PathBuf,
    /// The open file.
    pub file: File,
    /// What was found there when it was opened.
    pub meta: Metadata,
    /// Which file it is.
    pub key: Key,
    /// What it is read as.
    pub format: Format,
    /// What is done with it.
    pub access: Access,
}

/// The files of an image: itself first, each followed by the one that it rests on.
#[derive(Debug)]
pub struct Chain {
    /// At least one.
    pub layers: Vec<Layer>,
}

/// Why an image is not served.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// There is no such image, or it is neither a file nor a block device.
    #[error("{path} does not exist.")]
    Missing {
        /// As the configuration names it.
        path: PathBuf,
    },
    /// The same of a file behind an image.
    #[error("{path} does not exist.\nIt is the backing file of {overlay}")]
    BackingMissing {
        /// Where it should be.
        path: PathBuf,
        /// Whose it is.
        overlay: PathBuf,
    },
    /// A file cannot be opened.
    #[error("cannot open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// Nobody may write the image.
    #[error("File {path} is read-only, and so I will not\nmount it read-write in a guest domain.")]
    ReadOnly {
        /// The image.
        path: PathBuf,
    },
    /// A file is not what it should be.
    #[error("cannot use {path} as a {} image: {flaw}", format.name())]
    Flawed {
        /// The file.
        path: PathBuf,
        /// What it should be.
        format: Format,
        /// What is wrong.
        flaw: Flaw,
    },
    /// A chain that comes back to one of its files.
    #[error("the backing files of {image} form a loop: {path} is its own backing file by way of {overlay}")]
    Loop {
        /// Where the chain begins.
        image: PathBuf,
        /// The file that comes twice.
        path: PathBuf,
        /// Which names it the second time.
        overlay: PathBuf,
    },
    /// A chain without an end in sight.
    #[error("cannot use {image}: it has more than {DEPTH_MAX} backing files")]
    TooDeep {
        /// Where the chain begins.
        image: PathBuf,
    },
    /// A backing file's name that is no file's.
    #[error("cannot use {name} as the backing file of {overlay}: it is not the name of a file")]
    NotAFile {
        /// What the image says.
        name: PathBuf,
        /// Which image.
        overlay: PathBuf,
    },
    /// A format that is not served.
    #[error("cannot use {path} as the backing file of {overlay}: its format is said to be {format}")]
    BackingFormat {
        /// The backing file.
        path: PathBuf,
        /// Whose it is.
        overlay: PathBuf,
        /// What the image says.
        format: String,
    },
    /// To believe what a file looks like would let its writer choose what is opened next.
    #[error(
        "cannot use {path} as the backing file of {overlay}: its format is not recorded there, and it looks like {seen}; \
         if that is what it is, record it with qemu-img rebase -u -F FORMAT"
    )]
    Unrecorded {
        /// The backing file.
        path: PathBuf,
        /// Whose it is.
        overlay: PathBuf,
        /// What it looks like.
        seen: &'static str,
    },
}

impl ChainError {
    /// Whether it may be otherwise in a moment.
    pub fn is_busy(&self) -> bool {
        matches!(self, ChainError::ReadOnly { .. })
    }
}

impl Chain {
    /// Opens the image at `name`, and all that its header says lies behind it, without believing anything twice.
    pub fn open(name: &Path, format: Format, access: Access) -> Result<Self, ChainError> {
        let missing = || ChainError::Missing { path: name.to_path_buf() };
        // The daemon runs in `/`, so that is where a relative name starts, wherever we were started.
        let mut named = Path::new("/").join(name);
        let mut layers = vec![layer(&named, format, access)?.ok_or_else(missing)?];
        while let Some(backing) = inspected(&layers[layers.len() - 1])? {
            let overlay = &layers[layers.len() - 1].path;
            let image = || layers[0].path.clone();
            named = place(&named, &backing, overlay)?;
            let format = stated_format(&backing, &named, overlay)?;
            let gone = || ChainError::BackingMissing { path: named.clone(), overlay: overlay.clone() };
            let mut next = layer(&named, format.unwrap_or(Format::Raw), Access::Read)?.ok_or_else(gone)?;
            if layers.iter().any(|layer| layer.key == next.key) {
                return Err(ChainError::Loop { image: image(), path: next.path, overlay: overlay.clone() });
            }
            if layers.len() > DEPTH_MAX {
                return Err(ChainError::TooDeep { image: image() });
            }
            if format.is_none() {
                next.format = unstated_format(&next, overlay)?;
            }
            layers.push(next);
        }
        Ok(Chain { layers })
    }

    /// The image itself.
    pub fn image(&self) -> &Layer {
        &self.layers[0]
    }
}

fn inspected(layer: &Layer) -> Result<Option<Backing>, ChainError> {
    let flawed = |flaw| ChainError::Flawed { path: layer.path.clone(), format: layer.format, flaw };
    inspect(layer.format, &layer.file).map_err(flawed)
}

/// Where the file behind an image lies that was named `overlay_name`: relative names start in its folder.
fn place(overlay_name: &Path, backing: &Backing, overlay: &Path) -> Result<PathBuf, ChainError> {
    let bytes = backing.name.as_os_str().as_bytes();
    // A word and a colon in front make a server's protocol of it, unless a slash comes first.
    let colon = bytes.iter().position(|byte| *byte == b':');
    let slash = bytes.iter().position(|byte| *byte == b'/').unwrap_or(bytes.len());
    if colon.is_some_and(|colon| colon < slash) || bytes.contains(&b'\n') {
        return Err(ChainError::NotAFile { name: backing.name.clone(), overlay: overlay.to_path_buf() });
    }
    Ok(overlay_name.parent().unwrap_or(Path::new("/")).join(&backing.name))
}

fn stated_format(backing: &Backing, path: &Path, overlay: &Path) -> Result<Option<Format>, ChainError> {
    let Some(name) = &backing.format else { return Ok(None) };
    let unknown = || ChainError::BackingFormat {
        path: path.to_path_buf(),
        overlay: overlay.to_path_buf(),
        format: name.clone(),
    };
    Format::of_header(name).map(Some).ok_or_else(unknown)
}

/// Raw, if it cannot be anything else.
fn unstated_format(layer: &Layer, overlay: &Path) -> Result<Format, ChainError> {
    let flawed = |flaw| ChainError::Flawed { path: layer.path.clone(), format: Format::Raw, flaw };
    match recognise(&layer.file).map_err(flawed)? {
        None => Ok(Format::Raw),
        Some(seen) => {
            let (path, overlay) = (layer.path.clone(), overlay.to_path_buf());
            Err(ChainError::Unrecorded { path, overlay, seen })
        }
    }
}

/// `None` when there is nothing that could be a disk.
fn layer(name: &Path, format: Format, access: Access) -> Result<Option<Layer>, ChainError> {
    let Ok(path) = fs::canonicalize(name) else { return Ok(None) };
    let Ok(looked_at) = fs::metadata(&path) else { return Ok(None) };
    let Some(key) = Key::of(&looked_at) else { return Ok(None) };
    let writable = access == Access::Write;
    if writable && looked_at.is_file() && looked_at.mode() & 0o222 == 0 {
        return Err(ChainError::ReadOnly { path });
    }
    let opened = OpenOptions::new().read(true).write(writable).custom_flags(libc::O_NONBLOCK).open(&path);
    let fail = |source| ChainError::Open { path: path.clone(), source };
    let file = opened.map_err(fail)?;
    let meta = file.metadata().map_err(fail)?;
    // Somebody put another file there since.
    if Key::of(&meta) != Some(key) {
        return Ok(None);
    }
    Ok(Some(Layer { path, file, meta, key, format, access }))
}
