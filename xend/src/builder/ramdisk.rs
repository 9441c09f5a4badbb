//! The ramdisk: a file that goes into the guest as it is.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    error::KernelError,
    image::{self, Image, Stamp},
};

/// A ramdisk that has been opened. Its content stays in the file until it is copied into the guest.
#[derive(Debug)]
pub struct Ramdisk {
    path: PathBuf,
    file: Arc<File>,
    stamp: Stamp,
    pub(super) image: Image,
}

impl Ramdisk {
    /// Opens `path`, which must be a regular file.
    pub fn open(path: &Path) -> Result<Self, KernelError> {
        let opened = image::open(path).map_err(|source| KernelError::Open { path: path.into(), source });
        let (file, metadata) = opened?;
        if !metadata.is_file() {
            return Err(KernelError::NotAFile { path: path.into() });
        }
        let file = Arc::new(file);
        let image = Image::new(file.clone(), 0, metadata.len());
        Ok(Self { path: path.into(), file, stamp: Stamp::of(&metadata), image })
    }

    /// Bytes.
    pub fn len(&self) -> u64 {
        self.image.len()
    }

    /// True for an empty file, which is no ramdisk for the guest.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The error for a failed read.
    pub(super) fn read_error(&self, source: io::Error) -> KernelError {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => KernelError::Changed { path: self.path.clone() },
            _ => KernelError::Read { path: self.path.clone(), source },
        }
    }

    /// An error when somebody wrote to the file since it was opened.
    pub(super) fn check_unchanged(&self) -> Result<(), KernelError> {
        let metadata = self.file.metadata().map_err(|source| self.read_error(source))?;
        if self.stamp.content_differs(&Stamp::of(&metadata)) {
            return Err(KernelError::Changed { path: self.path.clone() });
        }
        Ok(())
    }
}
