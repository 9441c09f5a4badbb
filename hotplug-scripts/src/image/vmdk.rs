//! VMDK in one file: a binary header, and within the file a descriptor in words.
//!
//! The descriptor can name any number of files and a parent. A server follows it, so one with more than this very
//! file in it is refused.

use super::{Flaw, Source, bytes, le64, other_format, text};

const MAGIC: &[u8] = b"KDMV";
const SECTOR: u64 = 512;
/// Bytes of a descriptor that anybody reads.
const DESCRIPTOR_MAX: u64 = 20 << 10;
/// Kinds whose data lie in the file itself.
const ALONE: [&[u8]; 2] = [b"monolithicSparse", b"streamOptimized"];
/// Words that begin the line of a file with data.
const EXTENT: [&[u8]; 3] = [b"RW ", b"RDONLY ", b"NOACCESS "];

/// Whether it is an image that stands alone.
pub(super) fn inspect(source: &dyn Source) -> Result<(), Flaw> {
    let head = bytes::<512>(source, 0)?;
    if head.starts_with(b"# Disk DescriptorFile") {
        return Err(Flaw::SeveralFiles);
    }
    if !head.starts_with(MAGIC) {
        return Err(other_format(source));
    }
    let (capacity, place, sectors) = (le64(&head, 12), le64(&head, 28), le64(&head, 36));
    // Of no capacity of its own, or without a descriptor: a part of an image, or a pointer to others.
    if capacity == 0 || place == 0 || sectors == 0 {
        return Err(Flaw::SeveralFiles);
    }
    let damaged = || Flaw::Damaged { field: "the place of its descriptor (sectors)", value: place };
    let offset = place.checked_mul(SECTOR).ok_or_else(damaged)?;
    let length = sectors.saturating_mul(SECTOR).min(DESCRIPTOR_MAX);
    let descriptor = text(source, offset, usize::try_from(length).unwrap_or_default())?;
    check(descriptor.split(|byte| *byte == 0).next().unwrap_or_default())
}

fn check(descriptor: &[u8]) -> Result<(), Flaw> {
    let has = |word: &[u8]| descriptor.windows(word.len()).any(|window| window == word);
    if has(b"parentFileNameHint") {
        return Err(Flaw::Differencing);
    }
    let kind = descriptor.windows(11).position(|window| window == b"createType=");
    let kind = kind.map(|at| &descriptor[at + 11..]).map(|rest| rest.strip_prefix(b"\"").unwrap_or(rest));
    let stands_alone = kind.is_some_and(|kind| ALONE.iter().any(|alone| kind.starts_with(alone)));
    let lines = descriptor.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_start);
    let extents = lines.filter(|line| EXTENT.iter().any(|word| line.starts_with(word))).count();
    if stands_alone && extents <= 1 { Ok(()) } else { Err(Flaw::SeveralFiles) }
}
