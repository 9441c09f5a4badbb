//! Keeps unpacked kernels in a folder, so that the second guest with the same kernel does not wait for a decoder.
//!
//! ```text
//! FOLDER/0123456789abcdef.kernel    header page (what it was made from, length, checksums), then the ELF file
//! ```
//!
//! An entry belongs to one state of one file, told by its [`Stamp`]. A stamp alone can't tell two writes within one tick
//! of the clock apart, so an entry made from a file that was changed a moment ago is used only after the whole packed file
//! has been digested again. Entries carry a checksum that each run of the daemon verifies once, so an interrupted
//! write or a bad disk costs time, never a guest. Memory of the daemon holds none of it.

use std::{
    collections::HashMap,
    fs::{self, DirBuilder, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::{
    digest::{Digest, digest},
    error::KernelError,
    image::{Image, Stamp},
    kernel::KernelFile,
    unpack::{Failure, Sink, Source, digest_of, unpack},
};

/// First bytes of an entry; the digit is the version of its layout.
const MAGIC: &[u8; 16] = b"xend kernel v1\n\0";
const HEADER: usize = 4096;
/// Numbers in the header behind the magic, its own checksum last.
const NUMBERS: usize = 12;
const USED: usize = MAGIC.len() + NUMBERS * 8;
/// Stamps younger than this are not relied on. Longer than a kernel leaves a mapped page dirty without a new stamp.
const SETTLED: Duration = Duration::from_secs(60);
const BUFFER: usize = 256 << 10;

/// Bounds of what is unpacked and kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CacheLimits {
    /// Largest kernel that is unpacked at all.
    pub unpacked_bytes: u64,
    /// All entries together.
    pub kept_bytes: u64,
    /// Number of entries.
    pub kept_kernels: usize,
}

impl Default for CacheLimits {
    fn default() -> Self {
        Self { unpacked_bytes: 256 << 20, kept_bytes: 512 << 20, kept_kernels: 8 }
    }
}

/// The folder of unpacked kernels. One daemon owns it; its threads share this value.
#[derive(Debug)]
pub struct KernelCache {
    folder: Option<PathBuf>,
    limits: CacheLimits,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Held while an entry is looked at or made, so that ten guests at once unpack a kernel once.
    turns: HashMap<Stamp, Arc<Mutex<()>>>,
    /// Entries that this run has verified, by the stamp of what they were made from.
    verified: HashMap<Stamp, Verified>,
}

#[derive(Clone, Copy, Debug)]
struct Verified {
    entry: Stamp,
    /// The stamp of the packed file is all that needs to be compared from now on.
    settled: bool,
}

/// What the header page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    /// What it was made from …
    stamp: Stamp,
    /// … and the checksum of that file.
    source: u64,
    /// Bytes of the unpacked kernel.
    len: u64,
    /// Its checksum.
    image: u64,
    /// The stamp was old enough to be relied on.
    settled: bool,
}

impl KernelCache {
    /// Keeps kernels in `folder`, which is made when needed and must belong to this user alone. Where that fails,
    /// kernels are unpacked each time, with a warning.
    pub fn new(folder: PathBuf, limits: CacheLimits) -> Self {
        let folder = match prepare_folder(&folder) {
            Ok(()) => Some(folder),
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "unpacked kernels can't be kept");
                None
            }
        };
        Self { folder, limits, state: Mutex::default() }
    }

    /// Keeps nothing.
    pub fn without_folder(limits: CacheLimits) -> Self {
        Self { folder: None, limits, state: Mutex::default() }
    }

    /// The unpacked content of `kernel`, kept or fresh.
    pub(super) fn unpacked(&self, kernel: &KernelFile) -> Result<Image, KernelError> {
        let too_large = kernel.payload.announced.is_some_and(|len| len > self.limits.unpacked_bytes);
        if too_large {
            return Err(self.too_large(kernel));
        }
        let Some(folder) = &self.folder else { return self.unpack_to_memory(kernel) };
        let turn = self.state().turns.entry(kernel.stamp).or_default().clone();
        let image = {
            let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
            self.kept_or_made(folder, kernel)
        };
        let mut state = self.state();
        // Nobody else waits for it: one reference is here, one in the map.
        if Arc::strong_count(&turn) <= 2 {
            state.turns.remove(&kernel.stamp);
        }
        // Before the lock goes: whoever counts next must not see this one, which counts no more.
        drop(turn);
        image
    }

    fn kept_or_made(&self, folder: &Path, kernel: &KernelFile) -> Result<Image, KernelError> {
        let path = folder.join(entry_name(&kernel.stamp));
        match self.look_up(&path, kernel) {
            Ok(Some(image)) => return Ok(image),
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(entry = %path.display(), %error, "kept kernel is useless and will be made again");
            }
        }
        self.state().verified.remove(&kernel.stamp);
        match self.make(folder, &path, kernel) {
            // The folder may be full or on a failing disk; the guest can be built all the same.
            Err(KernelError::Store { source, .. }) => {
                tracing::warn!(folder = %folder.display(), error = %source, "unpacked kernel can't be kept");
                self.unpack_to_memory(kernel)
            }
            other => other,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn look_up(&self, path: &Path, kernel: &KernelFile) -> io::Result<Option<Image>> {
        let file = match OpenOptions::new().read(true).custom_flags(libc::O_NOFOLLOW).open(path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let entry = Stamp::of(&file.metadata()?);
        let header = Header::read(&file)?;
        let now = SystemTime::now();
        if header.stamp != kernel.stamp || Stamp::of(&kernel.file.metadata()?) != kernel.stamp {
            return Ok(None);
        }
        let verified = self.state().verified.get(&kernel.stamp).copied().filter(|seen| seen.entry == entry);
        let settled = header.settled || verified.is_some_and(|seen| seen.settled);
        if !settled && digest_of(&kernel.file)? != header.source {
            return Ok(None);
        }
        if verified.is_none() && checksum(&file, header.len)? != header.image {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "checksum does not match"));
        }
        // For the choice of what to drop first; without it the choice is merely worse.
        if file.set_modified(now).is_err() {
            tracing::debug!(entry = %path.display(), "time of use not noted");
        }
        let entry = Stamp::of(&file.metadata()?);
        let settled = settled || kernel.stamp.is_settled(now, SETTLED);
        self.state().verified.insert(kernel.stamp, Verified { entry, settled });
        Ok(Some(Image::new(Arc::new(file), HEADER as u64, header.len)))
    }

    /// Unpacks into a new entry. The name appears when everything is written.
    fn make(&self, folder: &Path, path: &Path, kernel: &KernelFile) -> Result<Image, KernelError> {
        let store_error = |source| KernelError::Store { path: kernel.path.clone(), source };
        let draft = Draft::new(folder, &kernel.stamp).map_err(store_error)?;
        let settled = kernel.stamp.is_settled(SystemTime::now(), SETTLED);
        let (image, header) = self.unpack_into(kernel, &draft.file, HEADER as u64)?;
        if let Some(header) = header {
            let header = Header { settled, ..header };
            draft.file.write_all_at(&header.bytes(), 0).map_err(store_error)?;
            draft.keep_as(path).map_err(store_error)?;
            let entry = Stamp::of(&fs::symlink_metadata(path).map_err(store_error)?);
            let mut state = self.state();
            state.verified.insert(kernel.stamp, Verified { entry, settled });
            drop(state);
            self.make_room(folder);
        }
        Ok(image)
    }

    fn unpack_to_memory(&self, kernel: &KernelFile) -> Result<Image, KernelError> {
        let memory = memfd_create(c"xend-kernel", MFdFlags::MFD_CLOEXEC).map(File::from);
        let memory =
            memory.map_err(|errno| KernelError::Store { path: kernel.path.clone(), source: errno.into() })?;
        Ok(self.unpack_into(kernel, &memory, 0)?.0)
    }

    /// The header is missing when the file's inode changed meanwhile, so that its stamp stands for nothing.
    fn unpack_into(
        &self,
        kernel: &KernelFile,
        file: &File,
        base: u64,
    ) -> Result<(Image, Option<Header>), KernelError> {
        let path = || kernel.path.clone();
        let read_error = |source| KernelError::Read { path: path(), source };
        let mut source = Source::new(&kernel.file, &kernel.payload).map_err(read_error)?;
        let mut sink = Sink::new(file, base, self.limits.unpacked_bytes);
        let outcome = unpack(&kernel.payload, &mut source, &mut sink);
        let (len, image_digest) = (sink.written(), sink.digest());
        outcome.map_err(|failure| self.unpack_error(kernel, failure, len))?;
        let source_digest = source.digest().map_err(read_error)?;
        let image = file.try_clone().map_err(|source| KernelError::Store { path: path(), source })?;
        let now = Stamp::of(&kernel.file.metadata().map_err(read_error)?);
        if kernel.stamp.content_differs(&now) {
            return Err(KernelError::Changed { path: path() });
        }
        let header = Header { stamp: now, source: source_digest, len, image: image_digest, settled: false };
        Ok((Image::new(Arc::new(image), base, len), Some(header).filter(|_| now == kernel.stamp)))
    }

    fn too_large(&self, kernel: &KernelFile) -> KernelError {
        KernelError::TooLarge { path: kernel.path.clone(), limit: self.limits.unpacked_bytes }
    }

    fn unpack_error(&self, kernel: &KernelFile, failure: Failure, output: u64) -> KernelError {
        let (path, format) = (kernel.path.clone(), kernel.payload.format);
        match failure {
            Failure::Input(source) => KernelError::Read { path, source },
            Failure::Output(source) => KernelError::Store { path, source },
            Failure::TooLarge => self.too_large(kernel),
            Failure::Truncated => KernelError::Truncated { path, format, input: kernel.payload.len },
            Failure::Corrupt(source) => KernelError::Corrupt { path, format, output, source },
            Failure::Size(output) => {
                let wanted = kernel.payload.announced.unwrap_or(0);
                KernelError::Size { path, format, output, wanted }
            }
        }
    }

    /// Removes the entries used longest ago until the rest is within the limits. Guests being built keep theirs open.
    fn make_room(&self, folder: &Path) {
        let mut entries = match list(folder) {
            Ok(entries) => entries,
            Err(error) => {
                tracing::warn!(folder = %folder.display(), %error, "folder of kept kernels can't be listed");
                return;
            }
        };
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.used));
        let mut bytes = 0_u64;
        for (index, entry) in entries.iter().enumerate() {
            bytes = bytes.saturating_add(entry.bytes);
            if index >= self.limits.kept_kernels || bytes > self.limits.kept_bytes {
                if let Err(error) = fs::remove_file(&entry.path) {
                    tracing::warn!(entry = %entry.path.display(), %error, "kept kernel can't be removed");
                }
                self.state().verified.retain(|_, seen| seen.entry.ino != entry.ino);
            }
        }
    }
}

struct Listed {
    path: PathBuf,
    bytes: u64,
    ino: u64,
    used: SystemTime,
}

fn list(folder: &Path) -> io::Result<Vec<Listed>> {
    let mut entries = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if path.extension().is_some_and(|extension| extension == "kernel") {
            let metadata = entry.metadata()?;
            let used = metadata.modified()?;
            entries.push(Listed { path, bytes: metadata.len(), ino: metadata.ino(), used });
        }
    }
    Ok(entries)
}

/// An entry that is being written; removed unless it is kept.
struct Draft {
    file: File,
    path: PathBuf,
}

impl Draft {
    fn new(folder: &Path, stamp: &Stamp) -> io::Result<Self> {
        let path = folder.join(format!("{:016x}.draft", hash(stamp)));
        // A draft of this stamp can only be left from a run that was killed: its turn is ours now.
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { file, path })
    }

    fn keep_as(&self, path: &Path) -> io::Result<()> {
        fs::rename(&self.path, path)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After `keep_as` there is nothing at the old name.
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(draft = %self.path.display(), %error, "draft of a kept kernel can't be removed");
        }
    }
}

impl Header {
    fn numbers(&self) -> [u64; NUMBERS - 1] {
        let Stamp { dev, ino, size, mtime, ctime } = self.stamp;
        let times = [mtime.0, mtime.1, ctime.0, ctime.1].map(i64::cast_unsigned);
        let settled = u64::from(self.settled);
        [dev, ino, size, times[0], times[1], times[2], times[3], self.source, self.len, self.image, settled]
    }

    fn bytes(&self) -> [u8; HEADER] {
        let mut bytes = MAGIC.to_vec();
        for number in self.numbers() {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&digest(&bytes).to_le_bytes());
        let mut page = [0; HEADER];
        page[..USED].copy_from_slice(&bytes);
        page
    }

    fn read(file: &File) -> io::Result<Self> {
        let mut page = [0; HEADER];
        file.read_exact_at(&mut page, 0)?;
        let damaged = |what| io::Error::new(io::ErrorKind::InvalidData, what);
        let mut numbers = [0; NUMBERS];
        for (number, bytes) in numbers.iter_mut().zip(page[MAGIC.len()..].as_chunks::<8>().0) {
            *number = u64::from_le_bytes(*bytes);
        }
        let [dev, ino, size, mtime, mtime_ns, ctime, ctime_ns, source, len, image, settled, sum] = numbers;
        if !page.starts_with(MAGIC) || sum != digest(&page[..USED - 8]) {
            return Err(damaged("header is damaged"));
        }
        if len.checked_add(HEADER as u64) != Some(file.metadata()?.len()) {
            return Err(damaged("length does not match"));
        }
        let mtime = (mtime.cast_signed(), mtime_ns.cast_signed());
        let ctime = (ctime.cast_signed(), ctime_ns.cast_signed());
        let stamp = Stamp { dev, ino, size, mtime, ctime };
        Ok(Self { stamp, source, len, image, settled: settled != 0 })
    }
}

fn prepare_folder(folder: &Path) -> io::Result<()> {
    if let Some(parent) = folder.parent() {
        fs::create_dir_all(parent)?;
    }
    match DirBuilder::new().mode(0o700).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let metadata = fs::symlink_metadata(folder)?;
    let ours = metadata.is_dir() && metadata.uid() == nix::unistd::geteuid().as_raw();
    if !ours || metadata.mode() & 0o077 != 0 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "the folder must belong to this user alone (mode 0700)",
        ));
    }
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "draft") {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn entry_name(stamp: &Stamp) -> String {
    format!("{:016x}.kernel", hash(stamp))
}

/// Only a name: the stamp itself is compared from the header.
fn hash(stamp: &Stamp) -> u64 {
    let header = Header { stamp: *stamp, source: 0, len: 0, image: 0, settled: false };
    digest(&header.numbers().map(u64::to_le_bytes).concat())
}

fn checksum(file: &File, len: u64) -> io::Result<u64> {
    let mut digest = Digest::new();
    let mut buffer = vec![0; BUFFER];
    let mut at = 0;
    while at < len {
        let chunk = &mut buffer[..usize::try_from(len - at).unwrap_or(usize::MAX).min(BUFFER)];
        file.read_exact_at(chunk, HEADER as u64 + at)?;
        digest.update(chunk);
        at += chunk.len() as u64;
    }
    Ok(digest.finish())
}

#[cfg(test)]
mod tests;
