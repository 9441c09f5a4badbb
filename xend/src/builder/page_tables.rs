//! Which page tables a guest's first mappings need, where they lie, and what each of them contains.
//!
//! A *block* is what one table maps: 2 MiB for an L1, 1 GiB for an L2, 512 GiB for an L3, everything for the L4. Blocks
//! are numbered by address, so table, parent and index are all a shift away. Tables are ordered L4, L3s, L2s, L1s.

use std::ops::Range;

use hypervisor::{Mfn, PAGE_SIZE, abi::guest::page_table};

use super::layout::PageRange;

const PAGE: u64 = PAGE_SIZE as u64;
const VA_MASK: u64 = (1 << 48) - 1;
const TOP: usize = 4;

/// Bits of an address below the block number at `level`; level 0 is the page itself.
const fn shift(level: usize) -> u32 {
    12 + 9 * level as u32
}

/// A run of addresses mapped to a run of pages, and the tables that were made for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Area {
    first_va: u64,
    last_va: u64,
    first_pfn: u64,
    /// Tables of each level (index 1 to 4): first block and number of blocks.
    own: [(u64, u64); TOP + 1],
    tables: u64,
}

impl Area {
    /// An area that needs all its tables, the L4 included.
    pub(super) fn new(first_va: u64, last_va: u64, first_pfn: u64) -> Self {
        let (first_va, last_va) = (first_va & VA_MASK, last_va & VA_MASK);
        let blocks = |level| {
            let (first, last) = (first_va >> shift(level), last_va >> shift(level));
            (first, last - first + 1)
        };
        Self {
            first_va,
            last_va,
            first_pfn,
            own: [(0, 0), blocks(1), blocks(2), blocks(3), blocks(4)],
            tables: 0,
        }
    }

    pub(super) fn nr_tables(&self) -> u64 {
        self.own[1..].iter().map(|(_, count)| count).sum()
    }

    /// The same with its tables from pfn `tables` on.
    pub(super) fn at(mut self, tables: u64) -> Self {
        self.tables = tables;
        self
    }

    fn tables(&self) -> PageRange {
        PageRange { start: self.tables, pages: self.nr_tables() }
    }

    /// Of the blocks `wanted` at `level`: the first that has a table here, and the tables' pages from that one on.
    fn tables_of(&self, level: usize, wanted: Range<u64>) -> Option<(u64, Range<u64>)> {
        let (first, count) = self.own[level];
        let (start, end) = (wanted.start.max(first), wanted.end.min(first + count));
        let above: u64 = self.own[level + 1..].iter().map(|(_, count)| count).sum();
        let pfn = self.tables + above;
        (start < end).then(|| (start, pfn + (start - first)..pfn + (end - first)))
    }

    /// Of the addresses' pages `wanted`: the first that is mapped here, and the pages from that one on.
    fn pages(&self, wanted: Range<u64>) -> Option<(u64, Range<u64>)> {
        let first = self.first_va / PAGE;
        let (start, end) = (wanted.start.max(first), wanted.end.min(self.last_va / PAGE + 1));
        (start < end).then(|| (start, self.first_pfn + (start - first)..self.first_pfn + (end - first)))
    }

    /// Number and level of the `index`th table.
    fn nth_table(&self, mut index: u64) -> Option<(usize, u64)> {
        for level in (1..=TOP).rev() {
            let (first, count) = self.own[level];
            if index < count {
                return Some((level, first + index));
            }
            index -= count;
        }
        None
    }
}

/// All tables of a guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageTables {
    main: Area,
    p2m: Option<Area>,
    nr_pages: u64,
}

impl PageTables {
    pub(super) fn new(main: Area, nr_pages: u64) -> Self {
        Self { main, p2m: None, nr_pages }
    }

    /// Adds the p2m's own area, which lies below the main one, with its tables from pfn `tables` on. Tables that the
    /// main area has already are shared. Returns how many new ones there are.
    pub(super) fn add(&mut self, mut area: Area, tables: u64) -> u64 {
        for level in 1..=TOP {
            let (first, count) = area.own[level];
            let shared_from = self.main.own[level].0;
            area.own[level].1 = count.min(shared_from.saturating_sub(first));
        }
        let area = area.at(tables);
        let count = area.nr_tables();
        self.p2m = Some(area);
        count
    }

    /// Pages of the tables of the main mapping; the first is the L4.
    pub fn main_tables(&self) -> PageRange {
        self.main.tables()
    }

    /// Pages of the tables made for the p2m.
    pub fn p2m_tables(&self) -> Option<PageRange> {
        self.p2m.as_ref().map(Area::tables)
    }

    fn areas(&self) -> impl Iterator<Item = &Area> {
        std::iter::once(&self.main).chain(&self.p2m)
    }

    /// Content of the table at `pfn`, which must be one of the tables; `frame` gives a page's machine frame.
    pub(super) fn content(&self, pfn: u64, frame: &dyn Fn(u64) -> Option<Mfn>) -> [u64; page_table::ENTRIES] {
        let mut entries = [0; page_table::ENTRIES];
        let found = self.areas().find(|area| area.tables().contains(pfn));
        let Some((level, block)) = found.and_then(|area| area.nth_table(pfn - area.tables)) else {
            return entries;
        };
        let first = block * page_table::ENTRIES as u64;
        let here = first..first + page_table::ENTRIES as u64;
        let tables = [self.main.tables(), self.p2m.as_ref().map_or(self.main.tables(), Area::tables)];
        for area in self.areas() {
            let (pfns, bits) = if level == 1 {
                (area.pages(here.clone()), page_table::LEAF)
            } else {
                (area.tables_of(level - 1, here.clone()), page_table::UPPER)
            };
            let Some((child, pfns)) = pfns else { continue };
            for (entry, pfn) in entries[(child - first) as usize..].iter_mut().zip(pfns) {
                let read_only = level == 1 && tables.iter().any(|range| range.contains(pfn));
                let bits = if read_only { page_table::LEAF_READ_ONLY } else { bits };
                *entry = frame(pfn).filter(|_| pfn < self.nr_pages).map_or(0, |mfn| mfn << 12 | bits);
            }
        }
        entries
    }
}

#[cfg(test)]
mod tests;
