//! VHD: a footer of 512 bytes at the end says which of three kinds it is; a dynamic image has a copy of it in front.

use super::{Flaw, Source, be32, bytes, other_format, size};

const COOKIE: &[u8] = b"conectix";
const KIND_AT: usize = 60;
const FIXED: u32 = 2;
const DYNAMIC: u32 = 3;
const DIFFERENCING: u32 = 4;

/// Whether it is an image that stands alone.
///
/// The data of a fixed one start with its first byte, so its guest can write a footer of another kind there, and a
/// server that looks at the front first would believe it.
pub(super) fn inspect(source: &dyn Source) -> Result<(), Flaw> {
    let head = bytes::<512>(source, 0)?;
    let tail = match size(source)?.checked_sub(512) {
        Some(offset) => bytes::<512>(source, offset)?,
        None => [0; 512],
    };
    let kind = |footer: &[u8]| footer.starts_with(COOKIE).then(|| be32(footer, KIND_AT));
    match (kind(&head), kind(&tail)) {
        (None, None) => Err(other_format(source)),
        (Some(DIFFERENCING), _) | (_, Some(DIFFERENCING)) => Err(Flaw::Differencing),
        (None, Some(FIXED)) | (Some(DYNAMIC), Some(DYNAMIC) | None) => Ok(()),
        (Some(one), Some(other)) if one != other => Err(Flaw::Contradiction),
        // A fixed image of 512 bytes: all footer, no data.
        (Some(kind), _) | (_, Some(kind)) => Err(Flaw::Damaged { field: "its kind", value: kind.into() }),
    }
}
