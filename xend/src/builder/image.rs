//! A part of an open file that is read by position, never beyond its end, and the stamp by which a changed file is
//! recognised. The ELF reader and the loader read kernels through it; nothing is kept in memory.

use std::{
    fs::{File, Metadata, OpenOptions},
    io,
    os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt},
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::{
    errno::Errno,
    unistd::{Whence, lseek64},
};

/// What identifies the content of a file without reading it. Any write changes `ctime`, which nobody can set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Device of the file system.
    pub dev: u64,
    /// Inode.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Last change of the content: seconds and nanoseconds.
    pub mtime: (i64, i64),
    /// Last change of content or inode: seconds and nanoseconds.
    pub ctime: (i64, i64),
}

impl Stamp {
    /// Stamp of what `metadata` describes.
    pub fn of(metadata: &Metadata) -> Self {
        Self {
            dev: metadata.dev(),
            ino: metadata.ino(),
            size: metadata.size(),
            mtime: (metadata.mtime(), metadata.mtime_nsec()),
            ctime: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// True when the content may differ: somebody wrote to the file, or cut it. A rename over the file, which leaves
    /// the open one whole, changes `ctime` only.
    pub(super) fn content_differs(&self, later: &Self) -> bool {
        self.size != later.size || self.mtime != later.mtime
    }

    /// True when the last change is at least `age` before `now`, so that a later one must get another `ctime`.
    /// Clocks of file systems tick coarsely, and writes through a mapping are stamped once for many of them.
    pub(super) fn is_settled(&self, now: SystemTime, age: Duration) -> bool {
        let Ok(seconds) = u64::try_from(self.ctime.0) else { return false };
        UNIX_EPOCH
            .checked_add(Duration::from_secs(seconds.saturating_add(1)))
            .and_then(|changed| changed.checked_add(age))
            .is_some_and(|settled| settled <= now)
    }
}

/// A run of bytes of an [`Image`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// So many bytes that have to be read.
    Data(u64),
    /// So many zeros.
    Hole(u64),
}

/// Opens a file for reading without waiting for a writer, should it be a pipe.
pub(super) fn open(path: &Path) -> io::Result<(File, Metadata)> {
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

/// `len` bytes of a file, from `base` on.
#[derive(Clone, Debug)]
pub(super) struct Image {
    file: Arc<File>,
    base: u64,
    len: u64,
}

impl Image {
    pub(super) fn new(file: Arc<File>, base: u64, len: u64) -> Self {
        Self { file, base, len }
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Fills `into` from `offset` on; an error when that is not wholly inside.
    pub(super) fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<()> {
        let inside = offset.checked_add(into.len() as u64).is_some_and(|end| end <= self.len);
        if !inside {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.file.read_exact_at(into, self.base + offset)
    }

    /// What stands at `offset`, and for how long. A file system that knows of no holes says that all is data.
    pub(super) fn extent(&self, offset: u64) -> Extent {
        let at = |to: u64, whence| {
            let to = i64::try_from(self.base + to).map_err(|_| Errno::EOVERFLOW)?;
            lseek64(&*self.file, to, whence).map(|found| found.cast_unsigned().saturating_sub(self.base))
        };
        let rest = self.len.saturating_sub(offset);
        let run = |end: u64| end.saturating_sub(offset).min(rest);
        match at(offset, Whence::SeekData) {
            Ok(data) if data > offset => Extent::Hole(run(data)),
            Ok(_) => Extent::Data(at(offset, Whence::SeekHole).map_or(rest, run).max(rest.min(1))),
            // Nothing but a hole up to the end.
            Err(Errno::ENXIO) => Extent::Hole(rest),
            Err(_) => Extent::Data(rest),
        }
    }

    /// `len` bytes from `offset` on. The caller has bounded `len`.
    pub(super) fn bytes(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        if offset.checked_add(len as u64).is_none_or(|end| end > self.len) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut bytes = vec![0; len];
        self.read_at(offset, &mut bytes)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(ctime: i64) -> Stamp {
        Stamp { dev: 1, ino: 2, size: 3, mtime: (0, 0), ctime: (ctime, 5) }
    }

    #[test]
    fn a_file_changed_a_moment_ago_or_in_the_future_is_not_settled() {
        let now = UNIX_EPOCH + Duration::from_secs(1000);
        let age = Duration::from_secs(60);
        assert!(stamp(900).is_settled(now, age));
        assert!(!stamp(940).is_settled(now, age));
        assert!(!stamp(5000).is_settled(now, age));
        assert!(!stamp(i64::MAX).is_settled(now, age));
        assert!(!stamp(-1).is_settled(now, age));
    }

    #[test]
    fn holes_are_told_apart_from_data_and_both_end_with_the_part() {
        let file = super::super::fixtures::file_of(&[7; 8192]);
        file.set_len(32768).unwrap();
        file.write_all_at(&[7; 10], 20480).unwrap();
        let image = Image::new(Arc::new(file), 4096, 20000);
        assert_eq!(image.extent(0), Extent::Data(4096));
        assert_eq!(image.extent(96), Extent::Data(4000));
        assert_eq!(image.extent(4096), Extent::Hole(12288));
        assert_eq!(image.extent(16384), Extent::Data(3616));
        let tail = Image::new(image.file.clone(), 24576, 8192);
        assert_eq!(tail.extent(1), Extent::Hole(8191));
    }

    #[test]
    fn reading_beyond_the_end_of_the_part_is_an_error_although_the_file_goes_on() {
        let file = Arc::new(super::super::fixtures::file_of(b"0123456789"));
        let image = Image::new(file, 2, 4);
        let mut four = [0; 4];
        image.read_at(0, &mut four).unwrap();
        assert_eq!(&four, b"2345");
        assert!(image.read_at(1, &mut four).is_err());
        assert!(image.read_at(u64::MAX, &mut four).is_err());
        assert!(image.bytes(0, usize::MAX).is_err());
    }
}
