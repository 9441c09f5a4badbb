//! Copies content into runs of guest pages: few, large mappings, and one buffer that everything passes through.

use std::io;

use hypervisor::{Access, Hypervisor, HypervisorError, Mfn, PAGE_SIZE};

use super::{image::Image, layout::PageRange, memory::Populated};

/// Pages of one mapping: 128 MiB. Each costs page tables here, and on some dom0s a page of address space.
const WINDOW: u64 = 32768;
const BUFFER: usize = 256 << 10;

/// Where the bytes of a piece come from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'a> {
    /// Nowhere.
    Zero,
    /// A file, from this offset on.
    Image(&'a Image, u64),
    /// The p2m, from its start.
    P2m,
}

/// Bytes `start` to `end` of a run of pages.
#[derive(Clone, Copy, Debug)]
pub(super) struct Piece<'a> {
    pub(super) start: u64,
    pub(super) end: u64,
    pub(super) content: Content<'a>,
}

/// Why copying failed.
#[derive(Debug)]
pub(super) enum LoadError {
    /// The content could not be read.
    Read(io::Error),
    /// The pages could not be mapped.
    Map(HypervisorError),
}

/// Writes `pieces`, which must not overlap, into the pages of `range`. All mappings are gone afterwards.
pub(super) fn load(
    hv: &dyn Hypervisor,
    memory: &Populated,
    range: PageRange,
    pieces: &[Piece<'_>],
) -> Result<(), LoadError> {
    let page = PAGE_SIZE as u64;
    let mut buffer = vec![0; BUFFER];
    let mut first = range.start;
    while first < range.end() {
        let pages = WINDOW.min(range.end() - first);
        let window = PageRange { start: first, pages };
        let frames: Vec<Mfn> = memory.frames(window).collect();
        let mut mapping = hv.map(memory.domid, Access::Write, &frames).map_err(LoadError::Map)?;
        let (from, to) = ((first - range.start) * page, (first - range.start + pages) * page);
        for piece in pieces {
            let (start, end) = (piece.start.max(from), piece.end.min(to));
            let mut at = start;
            while at < end {
                let len = usize::try_from(end - at).unwrap_or(usize::MAX);
                let offset = (at - from) as usize;
                if matches!(piece.content, Content::Zero) {
                    mapping.zero(offset, len);
                    break;
                }
                let chunk = &mut buffer[..len.min(BUFFER)];
                piece.content.fill(memory, at - piece.start, chunk).map_err(LoadError::Read)?;
                mapping.write(offset, chunk);
                at += chunk.len() as u64;
            }
        }
        first += pages;
    }
    Ok(())
}

impl Content<'_> {
    fn fill(&self, memory: &Populated, offset: u64, into: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Zero => into.fill(0),
            Self::Image(image, base) => image.read_at(base + offset, into)?,
            Self::P2m => memory.write_p2m(offset, into),
        }
        Ok(())
    }
}
