//! Finds the kernel inside the file that the domain names: a Linux bzImage, an ELF file, or either compressed.
//!
//! ```text
//! bzImage   0x1f1 setup sectors · 0x202 "HdrS" · 0x206 protocol · 0x248 payload offset · 0x24c payload length
//!           payload = (setup sectors + 1) * 512 + offset: a compressed ELF file, then 4 bytes with its unpacked size
//!           (gzip has them in its own trailer)
//! other     told by its first bytes
//! ```

use std::{
    fmt,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    cache::KernelCache,
    elf::{self, PvImage},
    error::{ElfError, KernelError},
    image::{self, Image, Stamp},
};

const HEAD: usize = 0x250;
const SETUP_SECTORS: usize = 0x1f1;
const HEADER_MAGIC: usize = 0x202;
const PROTOCOL: usize = 0x206;
const PAYLOAD_OFFSET: usize = 0x248;
const PAYLOAD_LENGTH: usize = 0x24c;
/// Protocol 2.08 introduced the two payload fields.
const FIRST_PROTOCOL: u16 = 0x0208;
const SIZE_TRAILER: u64 = 4;

/// How the ELF file inside is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Not at all.
    Elf,
    /// gzip
    Gzip,
    /// bzip2
    Bzip2,
    /// xz, for kernels with its x86 filter
    Xz,
    /// Zstandard
    Zstd,
    /// The format before xz ("lzma alone")
    Lzma,
    /// LZ4 in its legacy frame
    Lz4,
    /// lzop; recognised in order to be refused by name
    Lzo,
}

impl Format {
    const MAGICS: [(&'static [u8], Self); 8] = [
        (b"\x7fELF", Self::Elf),
        (b"\x1f\x8b", Self::Gzip),
        (b"BZh", Self::Bzip2),
        (b"\xfd7zXZ\0", Self::Xz),
        (b"\x28\xb5\x2f\xfd", Self::Zstd),
        (b"\x5d\0", Self::Lzma),
        (b"\x02\x21\x4c\x18", Self::Lz4),
        (b"\x89LZO", Self::Lzo),
    ];

    fn of(bytes: &[u8]) -> Option<Self> {
        Self::MAGICS.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|(_, format)| *format)
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Elf => "ELF",
            Self::Gzip => "gzip",
            Self::Bzip2 => "bzip2",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
            Self::Lzma => "lzma",
            Self::Lz4 => "lz4",
            Self::Lzo => "lzo",
        })
    }
}

/// Where the packed ELF file lies in the kernel file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Payload {
    pub(super) format: Format,
    pub(super) offset: u64,
    pub(super) len: u64,
    /// Unpacked size, where the file tells it.
    pub(super) announced: Option<u64>,
}

/// A kernel file that has been opened and looked at, not unpacked.
#[derive(Debug)]
pub struct KernelFile {
    pub(super) path: PathBuf,
    pub(super) file: Arc<File>,
    pub(super) stamp: Stamp,
    pub(super) payload: Payload,
}

impl KernelFile {
    /// Opens `path` and finds out what it is, without reading more than its head. Cheap enough to be done before
    /// anything is created.
    pub fn open(path: &Path) -> Result<Self, KernelError> {
        let opened = image::open(path).map_err(|source| KernelError::Open { path: path.into(), source });
        let (file, metadata) = opened?;
        if !metadata.is_file() {
            return Err(KernelError::NotAFile { path: path.into() });
        }
        let payload = find_payload(path, &file, metadata.len())?;
        if payload.format == Format::Lzo {
            return Err(KernelError::Unsupported { path: path.into(), format: payload.format });
        }
        Ok(Self { path: path.into(), file: Arc::new(file), stamp: Stamp::of(&metadata), payload })
    }

    /// How it is packed.
    pub fn format(&self) -> Format {
        self.payload.format
    }

    /// Unpacks it, or takes what `cache` kept of an earlier time, and reads the ELF file inside. Takes up to seconds.
    pub fn unpack(&self, cache: &KernelCache) -> Result<Kernel, KernelError> {
        let (image, source) = if self.payload.format == Format::Elf {
            let image = Image::new(self.file.clone(), self.payload.offset, self.payload.len);
            (image, Some((self.file.clone(), self.stamp)))
        } else {
            (cache.unpacked(self)?, None)
        };
        let pv = elf::read(&image).map_err(|source| self.elf_error(source))?;
        Ok(Kernel { path: self.path.clone(), image, pv, source })
    }

    fn elf_error(&self, source: ElfError) -> KernelError {
        KernelError::Elf { path: self.path.clone(), source }
    }
}

/// A kernel that is ready to be copied into a guest. Its content stays in a file; only its description is in memory.
#[derive(Debug)]
pub struct Kernel {
    path: PathBuf,
    pub(super) image: Image,
    pv: PvImage,
    /// Set when the image is the operator's own file, which may change under us.
    source: Option<(Arc<File>, Stamp)>,
}

impl Kernel {
    /// The file it came from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the builder knows of it.
    pub fn pv(&self) -> &PvImage {
        &self.pv
    }

    pub(super) fn elf_error(&self, source: ElfError) -> KernelError {
        KernelError::Elf { path: self.path.clone(), source }
    }

    /// The error for a failed read of a part that was there when the kernel was unpacked.
    pub(super) fn read_error(&self, source: io::Error) -> KernelError {
        match (source.kind(), &self.source) {
            (io::ErrorKind::UnexpectedEof, Some(_)) => KernelError::Changed { path: self.path.clone() },
            _ => KernelError::Read { path: self.path.clone(), source },
        }
    }

    /// An error when somebody wrote to the file since it was opened.
    pub(super) fn check_unchanged(&self) -> Result<(), KernelError> {
        let Some((file, stamp)) = &self.source else { return Ok(()) };
        let metadata =
            file.metadata().map_err(|source| KernelError::Read { path: self.path.clone(), source })?;
        if stamp.content_differs(&Stamp::of(&metadata)) {
            return Err(KernelError::Changed { path: self.path.clone() });
        }
        Ok(())
    }
}

fn find_payload(path: &Path, file: &File, size: u64) -> Result<Payload, KernelError> {
    let read_error = |source| KernelError::Read { path: path.into(), source };
    let mut head = [0; HEAD];
    let filled = read_up_to(file, 0, &mut head).map_err(read_error)?;
    let head = &head[..filled];
    if head.len() == HEAD && head[HEADER_MAGIC..].starts_with(b"HdrS") {
        return bz_image_payload(path, file, size);
    }
    match Format::of(head) {
        Some(format) => Ok(Payload { format, offset: 0, len: size, announced: None }),
        None => Err(not_a_kernel(path, head)),
    }
}

fn bz_image_payload(path: &Path, file: &File, size: u64) -> Result<Payload, KernelError> {
    let read_error = |source| KernelError::Read { path: path.into(), source };
    let mut head = [0; HEAD];
    file.read_exact_at(&mut head, 0).map_err(read_error)?;
    let version = u16::from_le_bytes([head[PROTOCOL], head[PROTOCOL + 1]]);
    if version < FIRST_PROTOCOL {
        return Err(KernelError::BootProtocol { path: path.into(), version });
    }
    let sectors = if head[SETUP_SECTORS] == 0 { 4 } else { u64::from(head[SETUP_SECTORS]) };
    let offset = (sectors + 1) * 512 + u64::from(le32(&head, PAYLOAD_OFFSET));
    let len = u64::from(le32(&head, PAYLOAD_LENGTH));
    if offset + len > size {
        return Err(KernelError::Short { path: path.into(), size, wanted: offset + len });
    }
    let mut magic = [0; 8];
    let filled = read_up_to(file, offset, &mut magic[..len.min(8) as usize]).map_err(read_error)?;
    let Some(format) = Format::of(&magic[..filled]) else {
        return Err(not_a_kernel(path, &magic[..filled]));
    };
    let mut announced = None;
    // gzip's own trailer is no more reliable than the stream, and checked by its decoder.
    if len > SIZE_TRAILER && format != Format::Gzip {
        let mut trailer = [0; SIZE_TRAILER as usize];
        file.read_exact_at(&mut trailer, offset + len - SIZE_TRAILER).map_err(read_error)?;
        announced = Some(u64::from(u32::from_le_bytes(trailer)));
    }
    // lz4 has no end mark and takes the trailer for one more block. The others know their end.
    let cut = if format == Format::Lz4 { SIZE_TRAILER.min(len) } else { 0 };
    Ok(Payload { format, offset, len: len - cut, announced })
}

fn not_a_kernel(path: &Path, head: &[u8]) -> KernelError {
    let hex: Vec<String> = head.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    let begins = if hex.is_empty() { "nothing".to_owned() } else { hex.join(" ") };
    KernelError::NotAKernel { path: path.into(), begins }
}

fn read_up_to(file: &File, offset: u64, into: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < into.len() {
        match file.read_at(&mut into[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests;
