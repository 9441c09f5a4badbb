//! Image files in a format of their own: what their headers say about the files behind them.
//!
//! A guest or a stranger may have written an image, so its header is hostile. What matters here is which other
//! files the server of the image would open because of it: those are found by our own bounded readers, opened by
//! us, and named to the server one by one. It looks for nothing itself.
//!
//! ```text
//! header   qcow, vhd, vmdk: bytes -> the next file and its format, or why we refuse
//! chain    /srv/mail.qcow2 -> /srv/template.qcow2 -> /srv/debian.img, each open and known by its inode
//! ```

mod chain;
mod qcow;
mod vhd;
mod vmdk;

pub use chain::{Access, Chain, ChainError, Key, Layer};

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

/// Longest text inside a header that is read.
const TEXT_MAX: usize = 64 << 10;

/// Formats that are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// No format: the file is the disk.
    Raw,
    /// QCOW, the first version.
    Qcow,
    /// QCOW2 and 3.
    Qcow2,
    /// Virtual PC and Xen's VHD.
    Vhd,
    /// VMware's, in one file.
    Vmdk,
}

impl Format {
    /// From the driver in a source, `tap:DRIVER:FILE`.
    pub fn of_driver(driver: &str) -> Option<Self> {
        match driver {
            "aio" | "sync" => Some(Format::Raw),
            "qcow" => Some(Format::Qcow),
            "qcow2" => Some(Format::Qcow2),
            "vhd" => Some(Format::Vhd),
            "vmdk" => Some(Format::Vmdk),
            _ => None,
        }
    }

    /// From the name that an image's header gives the format of the file behind it.
    fn of_header(name: &str) -> Option<Self> {
        match name {
            "raw" | "host_device" | "file" => Some(Format::Raw),
            "qcow" => Some(Format::Qcow),
            "qcow2" => Some(Format::Qcow2),
            "vpc" => Some(Format::Vhd),
            "vmdk" => Some(Format::Vmdk),
            _ => None,
        }
    }

    /// The image server's name of it.
    pub fn driver(self) -> &'static str {
        match self {
            Format::Raw => "raw",
            Format::Qcow => "qcow",
            Format::Qcow2 => "qcow2",
            Format::Vhd => "vpc",
            Format::Vmdk => "vmdk",
        }
    }

    /// People's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Vhd => "vhd",
            other => other.driver(),
        }
    }
}

/// What a header says lies behind an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backing {
    /// As it is written there: absolute, or from the image's folder on.
    pub name: PathBuf,
    /// Its format, if that is written there.
    pub format: Option<String>,
}

/// Why a file is not served.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// It could not be read.
    #[error("it cannot be read")]
    Read {
        /// What the kernel said.
        source: io::Error,
    },
    /// It begins otherwise than images of the format do.
    #[error("it is {seen}")]
    OtherFormat {
        /// What it looks like.
        seen: &'static str,
    },
    /// A version that nobody has written yet, or a forgery.
    #[error("its version is {version}, and we know {wanted}")]
    Version {
        /// What it says.
        version: u32,
        /// What we know.
        wanted: &'static str,
    },
    /// Its content cannot be read without a password.
    #[error("it is encrypted")]
    Encrypted,
    /// Its data lie in a second file, which the header names.
    #[error("its data lie in another file (data_file)")]
    ExternalData,
    /// It needs a parent, of which the format gives no name that could be trusted.
    #[error("it is a differencing image, which needs its parent: merge them into one first")]
    Differencing,
    /// It consists of several files.
    #[error("it consists of several files: convert it to one (monolithicSparse)")]
    SeveralFiles,
    /// Head and tail disagree: whoever wrote the data has written a header into them.
    #[error("its first sector contradicts its last one")]
    Contradiction,
    /// A field points to where nothing can be.
    #[error("its header is damaged: {field} is {value}")]
    Damaged {
        /// The field.
        field: &'static str,
        /// What it says.
        value: u64,
    },
}

/// Bytes of an image.
pub trait Source {
    /// Reads from `offset` on, as much as there is.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;
    /// How many there are.
    fn size(&self) -> io::Result<u64>;
}

impl Source for File {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0;
        while done < buffer.len() {
            match FileExt::read_at(self, &mut buffer[done..], offset.saturating_add(done as u64)) {
                Ok(0) => break,
                Ok(count) => done += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(done)
    }

    fn size(&self) -> io::Result<u64> {
        // The end of a block device is found by seeking, its metadata say 0.
        let mut file = self;
        io::Seek::seek(&mut file, io::SeekFrom::End(0))
    }
}

impl Source for &[u8] {
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

/// What lies behind an image of `format`; nothing is guessed, a file of another format is refused.
pub fn inspect(format: Format, source: &dyn Source) -> Result<Option<Backing>, Flaw> {
    match format {
        Format::Raw => Ok(None),
        Format::Qcow => qcow::inspect(source, 1),
        Format::Qcow2 => qcow::inspect(source, 2),
        Format::Vhd => vhd::inspect(source).map(|()| None),
        Format::Vmdk => vmdk::inspect(source).map(|()| None),
    }
}

/// The format that a file looks like, if it looks like any.
pub fn recognise(source: &dyn Source) -> Result<Option<&'static str>, Flaw> {
    const MAGICS: [(&[u8], &str); 12] = [
        (b"QFI\xfb\0\0\0\x01", "a qcow image"),
        (b"QFI\xfb", "a qcow2 image"),
        (b"conectix", "a vhd image"),
        (b"KDMV", "a vmdk image"),
        (b"COWD", "a vmdk image of ESX"),
        (b"# Disk DescriptorFile", "the descriptor of a vmdk image"),
        (b"vhdxfile", "a vhdx image"),
        (b"QED\0", "a qed image"),
        (b"LUKS\xba\xbe", "an encrypted LUKS volume"),
        (b"WithoutFreeSpace", "a parallels image"),
        (b"WithouFreSpacExt", "a parallels image"),
        (b"OOOM", "a user-mode-linux image"),
    ];
    let head = bytes::<512>(source, 0)?;
    if let Some((_, name)) = MAGICS.iter().find(|(magic, _)| head.starts_with(magic)) {
        return Ok(Some(name));
    }
    if head[64..68] == [0x7f, 0x10, 0xda, 0xbe] {
        return Ok(Some("a vdi image"));
    }
    let size = size(source)?;
    let tail = size.checked_sub(512).map(|offset| bytes::<8>(source, offset)).transpose()?;
    Ok((tail.as_ref().map(|tail| &tail[..]) == Some(b"conectix")).then_some("a vhd image"))
}

/// What a file that is not of the wanted format is.
fn other_format(source: &dyn Source) -> Flaw {
    match recognise(source) {
        Ok(seen) => Flaw::OtherFormat { seen: seen.unwrap_or("no such image") },
        Err(flaw) => flaw,
    }
}

fn size(source: &dyn Source) -> Result<u64, Flaw> {
    source.size().map_err(|source| Flaw::Read { source })
}

/// Exactly `N` bytes; behind the end of the file there are zeros.
fn bytes<const N: usize>(source: &dyn Source, offset: u64) -> Result<[u8; N], Flaw> {
    let mut buffer = [0; N];
    source.read_at(offset, &mut buffer).map_err(|source| Flaw::Read { source })?;
    Ok(buffer)
}

/// A text of a length that was checked.
fn text(source: &dyn Source, offset: u64, length: usize) -> Result<Vec<u8>, Flaw> {
    let mut buffer = vec![0; length.min(TEXT_MAX)];
    let count = source.read_at(offset, &mut buffer).map_err(|source| Flaw::Read { source })?;
    buffer.truncate(count);
    Ok(buffer)
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |four| u32::from_be_bytes(four.try_into().expect("four bytes")))
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    bytes.get(at..at + 8).map_or(0, |eight| u64::from_be_bytes(eight.try_into().expect("eight bytes")))
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    be64(bytes, at).swap_bytes()
}

#[cfg(test)]
mod tests;
