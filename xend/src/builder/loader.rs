//! Copies content into runs of guest pages: few, large mappings, and one buffer that everything passes through.

use std::io;

use hypervisor::{Access, Hypervisor, HypervisorError, Mfn, PAGE_SIZE};

use super::{
    image::{Extent, Image},
    layout::PageRange,
    memory::Populated,
};

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
            let mut at = piece.start.max(from);
            let end = piece.end.min(to);
            while at < end {
                let offset = (at - from) as usize;
                let extent = piece.content.extent(at - piece.start, end - at);
                let done = match extent {
                    Extent::Hole(len) => {
                        mapping.zero(offset, len as usize);
                        len
                    }
                    Extent::Data(len) => {
                        let chunk = &mut buffer[..len.min(BUFFER as u64) as usize];
                        piece.content.fill(memory, at - piece.start, chunk).map_err(LoadError::Read)?;
                        mapping.write(offset, chunk);
                        chunk.len() as u64
                    }
                };
                at += done;
            }
        }
        first += pages;
    }
    Ok(())
}

impl Content<'_> {
    /// What the next bytes from `offset` on are: at least one and at most `limit`.
    fn extent(&self, offset: u64, limit: u64) -> Extent {
        match self {
            Self::Zero => Extent::Hole(limit),
            Self::P2m => Extent::Data(limit),
            Self::Image(image, base) => match image.extent(base + offset) {
                // Behind the end: reading says so.
                Extent::Hole(0) | Extent::Data(0) => Extent::Data(limit),
                Extent::Hole(len) => Extent::Hole(len.min(limit)),
                Extent::Data(len) => Extent::Data(len.min(limit)),
            },
        }
    }

    fn fill(&self, memory: &Populated, offset: u64, into: &mut [u8]) -> io::Result<()> {
        match self {
            Self::Zero => into.fill(0),
            Self::Image(image, base) => image.read_at(base + offset, into)?,
            Self::P2m => memory.write_p2m(offset, into),
        }
        Ok(())
    }
}
