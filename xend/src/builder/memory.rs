//! Gives a domain its memory and remembers which machine frame each of its pages got.

use hypervisor::{DomId, Hypervisor, HypervisorError, Mfn, PAGE_SIZE, Pfn};

use super::{error::BuildError, layout::PageRange};

const PAGE_KIB: u64 = PAGE_SIZE as u64 / 1024;
/// 16 TiB: what 32-bit frame numbers of grants and the references reach.
const MAX_KIB: u64 = 16 << 30;
const SUPER_ORDER: u32 = 9;
const SUPER_PAGES: u64 = 1 << SUPER_ORDER;
/// Superpages of one call: 1 GiB.
const SUPERS_PER_CALL: u64 = 512;
/// Single pages of one call.
const SINGLES_PER_CALL: usize = 65536;

/// How much memory a domain starts with and may grow to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySize {
    /// At start.
    pub memory_kib: u64,
    /// At most, later.
    pub max_memory_kib: u64,
}

/// A domain that has its memory, empty.
#[derive(Debug)]
pub struct Populated {
    pub(super) domid: DomId,
    pub(super) nr_pages: u64,
    blocks: Vec<Block>,
}

/// 2 MiB of a guest.
#[derive(Debug)]
enum Block {
    /// One superpage from this frame on.
    Super(Mfn),
    /// Single pages; the guest's last block may be short.
    Singles(Box<[Mfn]>),
}

impl Populated {
    /// Whose memory it is.
    pub fn domid(&self) -> DomId {
        self.domid
    }

    /// How many pages it is.
    pub fn nr_pages(&self) -> u64 {
        self.nr_pages
    }

    /// Machine frame of a page.
    pub fn mfn(&self, pfn: Pfn) -> Option<Mfn> {
        if pfn >= self.nr_pages {
            return None;
        }
        match self.blocks.get((pfn / SUPER_PAGES) as usize)? {
            Block::Super(first) => Some(first + pfn % SUPER_PAGES),
            Block::Singles(mfns) => mfns.get((pfn % SUPER_PAGES) as usize).copied(),
        }
    }

    /// Machine frames of a range that the layout placed inside the guest.
    pub(super) fn frames(&self, range: PageRange) -> impl Iterator<Item = Mfn> {
        (range.start..range.end()).map(|pfn| self.mfn(pfn).expect("the layout ends before the memory does"))
    }

    /// Fills `into` with the p2m entries from byte `offset` of the p2m on; entries behind the last page are invalid,
    /// which is all ones.
    pub(super) fn write_p2m(&self, offset: u64, into: &mut [u8]) {
        into.fill(0xff);
        let (mut entries, _) = into.as_chunks_mut::<8>();
        let mut pfn = offset / 8;
        while let Some(block) = self.blocks.get((pfn / SUPER_PAGES) as usize).filter(|_| !entries.is_empty())
        {
            let within = (pfn % SUPER_PAGES) as usize;
            let len = entries.len().min(SUPER_PAGES as usize - within);
            let (here, rest) = entries.split_at_mut(len);
            match block {
                Block::Super(first) => {
                    for (entry, mfn) in here.iter_mut().zip(first + within as u64..) {
                        *entry = mfn.to_le_bytes();
                    }
                }
                Block::Singles(mfns) => {
                    for (entry, mfn) in here.iter_mut().zip(mfns.iter().skip(within)) {
                        *entry = mfn.to_le_bytes();
                    }
                }
            }
            (entries, pfn) = (rest, pfn + len as u64);
        }
    }
}

/// Gives `domid` its memory: superpages where the host has them, single pages elsewhere. On an error the domain is to be
/// destroyed.
pub fn populate(hv: &dyn Hypervisor, domid: DomId, size: MemorySize) -> Result<Populated, BuildError> {
    let nr_pages = size.memory_kib / PAGE_KIB;
    if nr_pages == 0 || size.memory_kib > MAX_KIB || size.max_memory_kib > MAX_KIB {
        return Err(BuildError::Size { domid, kib: size.memory_kib.max(size.max_memory_kib) });
    }
    let failed = |step| move |source| BuildError::Hypervisor { step, domid, source };
    hv.set_address_size(domid, 64).map_err(failed("set the address size"))?;
    hv.set_memory_map(domid, size.max_memory_kib.max(size.memory_kib) * 1024)
        .map_err(failed("set the memory map"))?;
    claim(hv, domid, nr_pages)?;
    let populated = fill(hv, domid, nr_pages);
    if populated.is_err() {
        // What is left of the claim would keep memory from others until the domain is gone. A failure changes nothing.
        if let Err(error) = hv.claim_pages(domid, 0) {
            tracing::debug!(%domid, %error, "claim not dropped");
        }
    }
    populated
}

/// Reserves the pages, so that too little memory is found out at once. Not every Xen lets everybody claim.
fn claim(hv: &dyn Hypervisor, domid: DomId, nr_pages: u64) -> Result<(), BuildError> {
    match hv.claim_pages(domid, nr_pages) {
        Err(error) if error.errno() == Some(libc::ENOMEM) => {
            let free =
                hv.phys_info().map_or(0, |info| info.free_pages.saturating_sub(info.outstanding_pages));
            Err(out_of_memory(domid, nr_pages, free.min(nr_pages)))
        }
        Err(error) if error.is_no_domain() => Err(BuildError::Gone { domid }),
        Err(error) => {
            tracing::debug!(%domid, %error, "memory not claimed in advance");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

fn fill(hv: &dyn Hypervisor, domid: DomId, nr_pages: u64) -> Result<Populated, BuildError> {
    let mut memory = Populated { domid, nr_pages, blocks: Vec::new() };
    let supers = nr_pages / SUPER_PAGES;
    let mut try_supers = true;
    while (memory.blocks.len() as u64) < supers {
        let first = memory.blocks.len() as u64;
        let batch = SUPERS_PER_CALL.min(supers - first);
        if try_supers {
            let pfns: Vec<Pfn> = (first..first + batch).map(|block| block * SUPER_PAGES).collect();
            let mfns = call(hv, domid, SUPER_ORDER, &pfns)?;
            try_supers = !mfns.is_empty();
            memory.blocks.extend(mfns.into_iter().map(Block::Super));
        }
        let done = memory.blocks.len() as u64;
        if done < first + batch {
            fill_singles(hv, &mut memory, (first + batch) * SUPER_PAGES)?;
        }
    }
    fill_singles(hv, &mut memory, nr_pages)?;
    Ok(memory)
}

/// Single pages from the end of what is there up to pfn `end`.
fn fill_singles(hv: &dyn Hypervisor, memory: &mut Populated, end: Pfn) -> Result<(), BuildError> {
    let mut next = memory.blocks.len() as u64 * SUPER_PAGES;
    while next < end {
        let pfns: Vec<Pfn> = (next..end).take(SINGLES_PER_CALL).collect();
        let mfns = call(hv, memory.domid, 0, &pfns)?;
        if mfns.len() < pfns.len() {
            return Err(out_of_memory(memory.domid, memory.nr_pages, next + mfns.len() as u64));
        }
        memory.blocks.extend(mfns.chunks(SUPER_PAGES as usize).map(|block| Block::Singles(block.into())));
        next += pfns.len() as u64;
    }
    Ok(())
}

fn call(hv: &dyn Hypervisor, domid: DomId, order: u32, pfns: &[Pfn]) -> Result<Vec<Mfn>, BuildError> {
    match hv.populate(domid, order, pfns) {
        Ok(mfns) => Ok(mfns),
        // Some refusals for want of memory come as an error instead of a short count.
        Err(HypervisorError::Call { source, .. }) if source.raw_os_error() == Some(libc::ENOMEM) => {
            Ok(Vec::new())
        }
        Err(source) => Err(BuildError::Hypervisor { step: "populate the memory", domid, source }),
    }
}

fn out_of_memory(domid: DomId, wanted: u64, got: u64) -> BuildError {
    BuildError::OutOfMemory { domid, wanted_kib: wanted * PAGE_KIB, got_kib: got * PAGE_KIB }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_list_names_every_page_and_nothing_behind_the_last() {
        let singles: Vec<Mfn> = (0..300).map(|index| 7000 + index * 3).collect();
        let blocks = vec![
            Block::Super(0x10000),
            Block::Singles((0..512).map(|index| 9000 - index).collect()),
            Block::Super(0x40000),
            Block::Singles(singles.into()),
        ];
        let memory = Populated { domid: DomId(1), nr_pages: 3 * 512 + 300, blocks };
        assert_eq!(memory.mfn(513), Some(8999));
        assert_eq!(memory.mfn(3 * 512 + 299), Some(7897));
        assert_eq!(memory.mfn(3 * 512 + 300), None);
        for (offset, len) in [(0, 4096 * 4), (8 * 100, 8 * 1000), (8 * 1800, 4096), (8 * 5000, 64)] {
            let mut bytes = vec![1; len];
            memory.write_p2m(offset, &mut bytes);
            for (index, entry) in bytes.chunks_exact(8).enumerate() {
                let wanted = memory.mfn(offset / 8 + index as u64).unwrap_or(u64::MAX);
                assert_eq!(entry, wanted.to_le_bytes(), "entry {index} from byte {offset}");
            }
        }
    }
}
