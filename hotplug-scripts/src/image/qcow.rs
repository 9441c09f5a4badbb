//! QCOW, QCOW2 and 3.
//!
//! ```text
//!  0 QFI\xfb   4 version   8 offset of the backing file's name   16 its length (qcow2), or 20 (qcow)
//! 20 cluster bits   32 crypt method   72 incompatible features   100 length of the header
//! behind the header: extensions, each type, length, data filled up to 8 bytes; type 0 ends them
//! ```

use super::{Backing, Flaw, Source, be32, be64, bytes, other_format, text};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

const MAGIC: &[u8] = b"QFI\xfb";
/// Longest name of a backing file, by the format.
const NAME_MAX: u32 = 1023;
/// Bytes of the header of version 2, and of the shortest one of version 3.
const HEADER_2: u64 = 72;
const HEADER_3: u64 = 104;
/// The clusters of an image have 2^9 to 2^21 bytes; its name and its extensions lie in the first one.
const CLUSTER_BITS: std::ops::RangeInclusive<u32> = 9..=21;
/// The extension that names the backing file's format.
const BACKING_FORMAT: u32 = 0xe279_2aca;
/// Longest name of a format that makes sense.
const FORMAT_MAX: u32 = 32;
/// More extensions than any image has.
const EXTENSIONS_MAX: u32 = 64;
/// An incompatible feature: data lie in a file of their own.
const EXTERNAL_DATA: u64 = 1 << 2;

/// What lies behind an image of the first format, or of the second (versions 2 and 3).
pub(super) fn inspect(source: &dyn Source, format: u32) -> Result<Option<Backing>, Flaw> {
    let head = bytes::<112>(source, 0)?;
    if !head.starts_with(MAGIC) {
        return Err(other_format(source));
    }
    let version = be32(&head, 4);
    match (format, version) {
        (1, 1) => first(source, &head),
        (2, 2 | 3) => second(source, &head, version),
        (1, 2 | 3) | (2, 1) => Err(other_format(source)),
        (1, _) => Err(Flaw::Version { version, wanted: "1" }),
        (_, _) => Err(Flaw::Version { version, wanted: "2 and 3" }),
    }
}

fn first(source: &dyn Source, head: &[u8]) -> Result<Option<Backing>, Flaw> {
    if be32(head, 36) != 0 {
        return Err(Flaw::Encrypted);
    }
    let name = name(source, be64(head, 8), be32(head, 16), u64::MAX)?;
    Ok(name.map(|name| Backing { name, format: None }))
}

fn second(source: &dyn Source, head: &[u8], version: u32) -> Result<Option<Backing>, Flaw> {
    let cluster_bits = be32(head, 20);
    if !CLUSTER_BITS.contains(&cluster_bits) {
        return Err(Flaw::Damaged { field: "the size of its clusters (bits)", value: cluster_bits.into() });
    }
    if be32(head, 32) != 0 {
        return Err(Flaw::Encrypted);
    }
    if version == 3 && be64(head, 72) & EXTERNAL_DATA != 0 {
        return Err(Flaw::ExternalData);
    }
    let cluster = 1 << cluster_bits;
    let start = match version {
        2 => HEADER_2,
        _ => u64::from(be32(head, 100)),
    };
    if version == 3 && !(HEADER_3..=cluster).contains(&start) {
        return Err(Flaw::Damaged { field: "the length of its header", value: start });
    }
    let offset = be64(head, 8);
    let Some(name) = name(source, offset, be32(head, 16), cluster)? else { return Ok(None) };
    Ok(Some(Backing { name, format: backing_format(source, start, offset.min(cluster))? }))
}

/// The name of the file behind; one that lies beyond `limit` is no name.
fn name(source: &dyn Source, offset: u64, length: u32, limit: u64) -> Result<Option<PathBuf>, Flaw> {
    if offset == 0 || length == 0 {
        return Ok(None);
    }
    if length > NAME_MAX {
        return Err(Flaw::Damaged { field: "the length of its backing file's name", value: length.into() });
    }
    let end = offset.saturating_add(length.into());
    let name = text(source, offset, length as usize)?;
    // A path with a zero byte inside would be cut short by whoever opens it.
    if end > limit || name.len() != length as usize || name.contains(&0) {
        return Err(Flaw::Damaged { field: "the place of its backing file's name", value: offset });
    }
    Ok(Some(PathBuf::from(OsString::from_vec(name))))
}

/// Looks through the extensions between `start` and `end`.
fn backing_format(source: &dyn Source, start: u64, end: u64) -> Result<Option<String>, Flaw> {
    let mut at = start;
    for _ in 0..EXTENSIONS_MAX {
        if at.saturating_add(8) > end {
            return Ok(None);
        }
        let head = bytes::<8>(source, at)?;
        let (kind, length) = (be32(&head, 0), be32(&head, 4));
        let data = at + 8;
        let next = data + u64::from(length).next_multiple_of(8);
        match kind {
            0 => return Ok(None),
            _ if next > end.next_multiple_of(8) => {
                return Err(Flaw::Damaged {
                    field: "the length of a header extension",
                    value: length.into(),
                });
            }
            BACKING_FORMAT if length > FORMAT_MAX => {
                return Err(Flaw::Damaged { field: "the length of a format's name", value: length.into() });
            }
            BACKING_FORMAT => {
                let name = text(source, data, length as usize)?;
                return Ok(Some(String::from_utf8_lossy(&name).into_owned()));
            }
            _ => at = next,
        }
    }
    Err(Flaw::Damaged { field: "the number of its header extensions", value: EXTENSIONS_MAX.into() })
}
