//! One domain's memory: which frames it has and where they lie in its own numbering, what is written in them, and who
//! maps them. Frames are kept as extents, so a superpage costs as much as a page; contents are kept for pages that
//! were written to only ([`super::page`]).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::frames::Run;
use super::page::{Page, ZEROS};
use crate::{Access, Mfn, PAGE_SIZE, Pfn};

/// Pages that lie one behind the other in the machine and in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Extent {
    /// First machine frame.
    pub(super) mfn: Mfn,
    /// Its number in the guest.
    pub(super) pfn: Pfn,
    /// How many.
    pub(super) len: u64,
}

impl Extent {
    fn holds(&self, mfn: Mfn) -> bool {
        mfn >= self.mfn && mfn - self.mfn < self.len
    }
}

/// What a frame is to the domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// Its RAM, at this place in its own numbering.
    Ram(Pfn),
    /// The hypervisor's page that it may map: shared info or grant table.
    Special,
    /// Somebody else's, or none at all.
    Foreign,
}

/// One live mapping of frames into the toolstack.
#[derive(Debug)]
struct Held {
    id: u64,
    access: Access,
    runs: Arc<[Run]>,
}

/// A domain's memory.
#[derive(Debug)]
pub(super) struct Memory {
    /// Shared info, grant table.
    special: [Mfn; 2],
    by_mfn: BTreeMap<Mfn, Extent>,
    /// First pfn of each extent to its first mfn.
    by_pfn: BTreeMap<Pfn, Mfn>,
    pages: BTreeMap<Mfn, Page>,
    held: Vec<Held>,
    next_id: u64,
    /// Level of each page-table page, once pinned.
    tables: BTreeMap<Mfn, u8>,
    tot_pages: u64,
    dying: bool,
    settled: bool,
}

impl Memory {
    /// No RAM yet; the two frames that every domain has from the start.
    pub(super) fn new(special: [Mfn; 2]) -> Self {
        Self {
            special,
            by_mfn: BTreeMap::new(),
            by_pfn: BTreeMap::new(),
            pages: BTreeMap::new(),
            held: Vec::new(),
            next_id: 0,
            tables: BTreeMap::new(),
            tot_pages: 0,
            dying: false,
            settled: false,
        }
    }

    /// Pages of RAM.
    pub(super) fn tot_pages(&self) -> u64 {
        self.tot_pages
    }

    /// True once the domain is being torn down.
    pub(super) fn is_dying(&self) -> bool {
        self.dying
    }

    /// True once contents were dropped.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Extents in the guest's order.
    pub(super) fn extents(&self) -> impl Iterator<Item = Extent> + '_ {
        self.by_pfn.values().filter_map(|mfn| self.by_mfn.get(mfn).copied())
    }

    /// Adds RAM. `false`, and nothing done, when some of these pfns have pages already.
    pub(super) fn add(&mut self, extent: Extent) -> bool {
        if self.overlaps(extent.pfn, extent.len) {
            return false;
        }
        self.tot_pages += extent.len;
        if let Some((_, before)) = self.by_mfn.range_mut(..extent.mfn).next_back()
            && before.mfn + before.len == extent.mfn
            && before.pfn + before.len == extent.pfn
        {
            before.len += extent.len;
            return true;
        }
        self.by_mfn.insert(extent.mfn, extent);
        self.by_pfn.insert(extent.pfn, extent.mfn);
        true
    }

    /// True when one of the pfns has a page.
    pub(super) fn overlaps(&self, pfn: Pfn, len: u64) -> bool {
        let Some((&start, mfn)) = self.by_pfn.range(..pfn.saturating_add(len)).next_back() else {
            return false;
        };
        self.by_mfn.get(mfn).is_some_and(|extent| start + extent.len > pfn)
    }

    /// The extent that holds a frame.
    pub(super) fn extent_of(&self, mfn: Mfn) -> Option<Extent> {
        let (_, extent) = self.by_mfn.range(..=mfn).next_back()?;
        extent.holds(mfn).then_some(*extent)
    }

    /// What a frame is to this domain.
    pub(super) fn frame(&self, mfn: Mfn) -> Frame {
        match self.extent_of(mfn) {
            Some(extent) => Frame::Ram(extent.pfn + (mfn - extent.mfn)),
            None if self.special.contains(&mfn) => Frame::Special,
            None => Frame::Foreign,
        }
    }

    /// The machine frame behind one of the guest's pages.
    pub(super) fn mfn_of(&self, pfn: Pfn) -> Option<Mfn> {
        let (&start, mfn) = self.by_pfn.range(..=pfn).next_back()?;
        let extent = self.by_mfn.get(mfn)?;
        (pfn - start < extent.len).then(|| mfn + (pfn - start))
    }

    /// What is written in one page; zeros at the end may be left out.
    pub(super) fn contents(&self, mfn: Mfn) -> Cow<'_, [u8]> {
        self.pages.get(&mfn).map_or(Cow::Borrowed(&[][..]), Page::bytes)
    }

    /// Copies out of one page; what was never written reads as zeros.
    pub(super) fn read(&self, mfn: Mfn, offset: usize, into: &mut [u8]) {
        match self.pages.get(&mfn) {
            Some(page) => page.read(offset, into),
            None => into.fill(0),
        }
    }

    /// Copies into one page. `offset + bytes.len()` is within it.
    pub(super) fn write(&mut self, mfn: Mfn, offset: usize, bytes: &[u8]) {
        debug_assert!(offset + bytes.len() <= PAGE_SIZE, "a write beyond the page");
        if let Some(page) = self.pages.get_mut(&mfn) {
            page.write(offset, bytes);
        } else if bytes != &ZEROS[..bytes.len()] {
            self.pages.insert(mfn, Page::new(offset, bytes));
        }
    }

    /// Fills part of one page with zeros.
    pub(super) fn zero(&mut self, mfn: Mfn, offset: usize, len: usize) {
        if let Some(page) = self.pages.get_mut(&mfn)
            && !page.zero(offset, len)
        {
            self.pages.remove(&mfn);
        }
    }

    /// Notes a mapping; the answer is its receipt for [`Self::unmap`]. `None`, and nothing noted, when a frame is not the
    /// domain's, is wanted for writing although it is a page table, or the domain is being torn down.
    pub(super) fn map(&mut self, runs: &Arc<[Run]>, access: Access) -> Option<u64> {
        if self.dying || !runs.iter().all(|run| self.may_map(*run, access)) {
            return None;
        }
        let id = self.next_id;
        self.next_id += 1;
        self.held.push(Held { id, access, runs: Arc::clone(runs) });
        Some(id)
    }

    fn may_map(&self, run: Run, access: Access) -> bool {
        let end = run.start.saturating_add(run.len);
        let mut at = run.start;
        while at < end {
            match self.extent_of(at) {
                Some(extent) => at = extent.mfn + extent.len,
                None if self.special.contains(&at) => at += 1,
                None => return false,
            }
        }
        access == Access::Read || self.tables.range(run.start..end).next().is_none()
    }

    /// Forgets a mapping.
    pub(super) fn unmap(&mut self, id: u64) {
        self.held.retain(|held| held.id != id);
    }

    /// True when nobody maps anything.
    pub(super) fn is_unmapped(&self) -> bool {
        self.held.is_empty()
    }

    /// True when somebody maps this frame for writing.
    pub(super) fn is_mapped_writable(&self, mfn: Mfn) -> bool {
        self.held
            .iter()
            .filter(|held| held.access == Access::Write)
            .any(|held| held.runs.iter().any(|run| mfn >= run.start && mfn - run.start < run.len))
    }

    /// Remembers the validated page tables.
    pub(super) fn set_tables(&mut self, tables: BTreeMap<Mfn, u8>) {
        self.tables.extend(tables);
    }

    /// All pinned page tables.
    pub(super) fn nr_tables(&self) -> u64 {
        self.tables.len() as u64
    }

    /// Level of a page table, once pinned.
    pub(super) fn table_level(&self, mfn: Mfn) -> Option<u8> {
        self.tables.get(&mfn).copied()
    }

    /// Starts to tear down: frames that nobody maps are taken out and returned.
    pub(super) fn release(&mut self) -> Vec<Run> {
        self.dying = true;
        self.tables.clear();
        let mapped: BTreeSet<Mfn> = self
            .held
            .iter()
            .flat_map(|held| held.runs.iter())
            .flat_map(|run| run.start..run.start + run.len)
            .collect();
        self.pages.retain(|mfn, _| mapped.contains(mfn));
        let mut freed = Vec::new();
        let mut kept = Vec::new();
        for extent in std::mem::take(&mut self.by_mfn).into_values() {
            let mut at = extent.mfn;
            let end = extent.mfn + extent.len;
            for &mfn in mapped.range(extent.mfn..end) {
                freed.push(Run { start: at, len: mfn - at });
                kept.push(Extent { mfn, pfn: extent.pfn + (mfn - extent.mfn), len: 1 });
                at = mfn + 1;
            }
            freed.push(Run { start: at, len: end - at });
        }
        self.by_pfn.clear();
        self.tot_pages = 0;
        for extent in kept {
            self.add(extent);
        }
        freed
    }

    /// Drops the contents of all pages but `keep` and the special ones, and shortens those to what is written.
    pub(super) fn settle(&mut self, keep: &[Mfn]) {
        let special = self.special;
        self.pages.retain(|mfn, _| keep.contains(mfn) || special.contains(mfn));
        self.pages.values_mut().for_each(Page::shrink);
        self.settled = true;
    }

    /// Bytes of host memory that contents and tables take, roughly.
    pub(super) fn host_bytes(&self) -> usize {
        let contents: usize = self.pages.values().map(Page::host_bytes).sum();
        contents + self.tables.len() * 12 + self.by_mfn.len() * 50
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Extent, Frame, Memory};
    use crate::Access;
    use crate::sim::frames::Run;

    fn memory() -> Memory {
        let mut memory = Memory::new([9000, 9001]);
        assert!(memory.add(Extent { mfn: 512, pfn: 0, len: 512 }));
        assert!(memory.add(Extent { mfn: 1024, pfn: 512, len: 512 }));
        memory
    }

    fn runs(list: &[(u64, u64)]) -> Arc<[Run]> {
        list.iter().map(|&(start, len)| Run { start, len }).collect()
    }

    #[test]
    fn neighbours_become_one_extent() {
        let memory = memory();
        assert_eq!(memory.extents().collect::<Vec<_>>(), [Extent { mfn: 512, pfn: 0, len: 1024 }]);
        assert_eq!(memory.mfn_of(700), Some(1212));
        assert_eq!(memory.mfn_of(1024), None);
        assert_eq!(memory.frame(1212), Frame::Ram(700));
        assert_eq!(memory.frame(9001), Frame::Special);
        assert_eq!(memory.frame(100), Frame::Foreign);
    }

    #[test]
    fn a_pfn_is_populated_once_only() {
        let mut memory = memory();
        assert!(!memory.add(Extent { mfn: 4096, pfn: 1000, len: 512 }));
        assert_eq!(memory.tot_pages(), 1024);
    }

    #[test]
    fn an_untouched_page_reads_as_zeros_and_a_zeroed_one_costs_nothing() {
        let mut memory = memory();
        let mut bytes = [7; 8];
        memory.read(600, 4088, &mut bytes);
        assert_eq!(bytes, [0; 8]);
        memory.write(600, 4000, &[1, 2, 3]);
        memory.read(600, 3999, &mut bytes);
        assert_eq!(bytes, [0, 1, 2, 3, 0, 0, 0, 0]);
        let before = memory.host_bytes();
        memory.zero(600, 0, 4096);
        memory.write(601, 0, &[0; 4096]);
        assert!(memory.host_bytes() < before);
    }

    #[test]
    fn a_teardown_keeps_exactly_the_mapped_frames() {
        let mut memory = memory();
        let id = memory.map(&runs(&[(600, 2), (9000, 1)]), Access::Read).unwrap();
        let freed = memory.release();
        assert_eq!(
            freed,
            [Run { start: 512, len: 88 }, Run { start: 600 + 1, len: 0 }, Run { start: 602, len: 934 }]
        );
        assert_eq!(memory.tot_pages(), 2);
        assert!(memory.map(&runs(&[(600, 1)]), Access::Read).is_none());
        memory.unmap(id);
        assert_eq!(memory.release(), [Run { start: 600, len: 2 }]);
    }

    #[test]
    fn a_settled_domain_keeps_only_what_it_was_told_to_keep() {
        let mut memory = memory();
        memory.write(600, 0, &[1; 4096]);
        memory.write(601, 0, &[1; 10]);
        memory.write(9000, 1, &[1]);
        memory.settle(&[601]);
        let mut byte = [9];
        memory.read(600, 0, &mut byte);
        assert_eq!(byte, [0]);
        memory.read(9000, 1, &mut byte);
        assert_eq!(byte, [1]);
        memory.read(601, 9, &mut byte);
        assert_eq!(byte, [1]);
    }
}
