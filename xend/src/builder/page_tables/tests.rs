//! Tables against a walk that knows nothing of areas and blocks.

use std::collections::BTreeMap;

use super::*;
use crate::builder::{
    fixtures::{INIT_P2M, VIRT_BASE},
    layout::{self, Layout, LayoutRequest},
};

fn layout(mib: u64, init_p2m: Option<u64>) -> Layout {
    layout::plan(&LayoutRequest {
        nr_pages: mib * 256,
        virt_base: VIRT_BASE,
        kernel_start: VIRT_BASE + 0x100_0000,
        kernel_end: VIRT_BASE + 0x123_4567,
        ramdisk_pages: 77,
        mod_start_pfn: init_p2m.is_some(),
        init_p2m,
    })
    .unwrap()
}

/// Frames are not pfns, as on a real host.
fn frame(pfn: u64) -> Option<Mfn> {
    Some(0x70_0000 + pfn * 3)
}

/// All mapped addresses with their entries, found from the L4.
fn walk(layout: &Layout) -> BTreeMap<u64, u64> {
    let tables = &layout.tables;
    let mut pfns: Vec<u64> = (tables.main_tables().start..tables.main_tables().end()).collect();
    pfns.extend(tables.p2m_tables().into_iter().flat_map(|range| range.start..range.end()));
    let by_mfn: BTreeMap<u64, u64> = pfns.iter().map(|pfn| (frame(*pfn).unwrap(), *pfn)).collect();
    let mut seen = BTreeMap::new();
    let mut todo = vec![(tables.main_tables().start, 4_u32, 0_u64)];
    let mut visited = 0;
    while let Some((pfn, level, va)) = todo.pop() {
        visited += 1;
        for (index, entry) in tables.content(pfn, &frame).into_iter().enumerate() {
            let va = va | (index as u64) << (12 + 9 * (level - 1));
            let (mfn, bits) = (entry >> 12, entry & 0xfff);
            if entry == 0 {
                continue;
            }
            if level == 1 {
                seen.insert(va, entry);
            } else {
                assert_eq!(bits, page_table::UPPER);
                todo.push((by_mfn[&mfn], level - 1, va));
            }
        }
    }
    assert_eq!(visited, pfns.len(), "a table is not reached, or twice");
    seen
}

fn check(mib: u64, init_p2m: Option<u64>) {
    let layout = layout(mib, init_p2m);
    let seen = walk(&layout);
    let is_table = |pfn: u64| {
        layout.tables.main_tables().contains(pfn)
            || layout.tables.p2m_tables().is_some_and(|range| range.contains(pfn))
    };
    let mut wanted = BTreeMap::new();
    let mut map = |va: u64, pfn: u64| {
        let bits = if is_table(pfn) { page_table::LEAF_READ_ONLY } else { page_table::LEAF };
        wanted.insert(va & VA_MASK, frame(pfn).unwrap() << 12 | bits);
    };
    let mapped = (layout.tables.main_tables().pages - 3) * 512;
    for pfn in 0..mapped.min(layout.nr_pages) {
        map(VIRT_BASE + pfn * PAGE, pfn);
    }
    if let Some(base) = init_p2m {
        for index in 0..layout.p2m.pages {
            map(base + index * PAGE, layout.p2m.start + index);
        }
    }
    assert!(seen == wanted, "mapped pages differ for {mib} MiB, p2m at {init_p2m:x?}");
}

#[test]
fn exactly_the_pages_of_the_layout_are_mapped() {
    for mib in [32, 33, 96, 512, 2048] {
        check(mib, None);
        check(mib, Some(INIT_P2M));
    }
}

#[test]
fn a_p2m_next_to_the_kernel_shares_the_upper_tables() {
    // In the L2 that the kernel's mapping needs anyway: only an L1 of its own.
    let near = VIRT_BASE - (4 << 20);
    let below = layout(96, Some(near - (1 << 30)));
    assert_eq!(below.tables.p2m_tables().unwrap().pages, 1 + 1, "L1 and L2, the L3 exists");
    check(96, Some(near - (1 << 30)));
    // VIRT_BASE is the start of a 1 GiB block, so right below it there is an L2 of its own, and the L3 is shared.
    check(512, Some(near));
}

#[test]
fn an_area_that_crosses_blocks_counts_all_it_touches() {
    let area = Area::new(INIT_P2M - 4096, INIT_P2M + 4095, 0);
    assert_eq!(area.nr_tables(), 2 + 2 + 2 + 1);
}
