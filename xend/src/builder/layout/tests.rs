//! Sizes from 32 MiB to 16 TiB, and the rules that each layout must keep, checked by naive counting.

use proptest::prelude::*;

use super::*;
use crate::builder::fixtures::{INIT_P2M, VIRT_BASE};

const MIB_PAGES: u64 = 256;
const TIB_PAGES: u64 = 256 << 20;

fn request(nr_pages: u64) -> LayoutRequest {
    LayoutRequest {
        nr_pages,
        virt_base: VIRT_BASE,
        kernel_start: VIRT_BASE + 0x100_0000,
        kernel_end: VIRT_BASE + 0x100_0000 + (4 << 20) + 5,
        ramdisk_pages: 1000,
        mod_start_pfn: true,
        init_p2m: Some(INIT_P2M),
    }
}

#[test]
fn a_modern_guest_of_512_mib_is_laid_out_as_the_reference_says() {
    let layout = plan(&request(512 * MIB_PAGES)).unwrap();
    assert_eq!(layout.kernel, PageRange { start: 0x1000, pages: 1025 });
    // Kernel to 20 MiB and a page, three pages behind it, tables for 24 MiB: 12 L1, L2, L3, L4.
    assert_eq!(layout.start_info, 0x1000 + 1025);
    assert_eq!((layout.xenstore_ring(), layout.console_ring()), (0x1402, 0x1403));
    assert_eq!(layout.tables.main_tables(), PageRange { start: 0x1404, pages: 15 });
    assert_eq!(layout.boot_stack, 0x1404 + 15);
    assert_eq!(layout.ramdisk, Some(PageRange { start: 0x1414, pages: 1000 }));
    // 1 MiB of p2m: half of an L1, and an L2 and an L3 of its own below the L4 that exists.
    assert_eq!(layout.p2m, PageRange { start: 0x1414 + 1000, pages: 256 });
    assert_eq!(layout.p2m_area, Some(PageRange { start: 0x1414 + 1000, pages: 259 }));
    assert_eq!(layout.p2m_va, INIT_P2M);
}

#[test]
fn an_old_guest_has_everything_inside_the_mapping() {
    let old = LayoutRequest { mod_start_pfn: false, init_p2m: None, ..request(128 * MIB_PAGES) };
    let layout = plan(&old).unwrap();
    assert_eq!(layout.ramdisk, Some(PageRange { start: 0x1401, pages: 1000 }));
    assert_eq!(layout.p2m, PageRange { start: 0x1401 + 1000, pages: 64 });
    assert_eq!(layout.start_info, 0x1401 + 1064);
    assert_eq!(layout.p2m_area, None);
    assert_eq!(layout.p2m_va, VIRT_BASE + layout.p2m.start * 4096);
}

#[test]
fn guests_from_32_mib_to_16_tib_are_laid_out_at_once() {
    let start = std::time::Instant::now();
    let mut pages = 32 * MIB_PAGES;
    while pages <= 16 * TIB_PAGES {
        check(&request(pages), &plan(&request(pages)).unwrap());
        pages *= 2;
    }
    let layout = plan(&request(16 * TIB_PAGES)).unwrap();
    assert_eq!(layout.p2m.pages, 8 << 20);
    let own = layout.tables.p2m_tables().unwrap();
    // 32 GiB of p2m: 16384 L1, 32 L2, 1 L3.
    assert_eq!(own.pages, 16384 + 32 + 1);
    assert!(start.elapsed().as_secs() < 60, "work grows with the guest");
}

#[test]
fn a_p2m_that_does_not_fit_below_the_end_of_addresses_is_refused() {
    let large = LayoutRequest { init_p2m: None, ..request(16 * TIB_PAGES) };
    assert!(matches!(plan(&large), Err(LayoutError::Address { what: "the kernel", .. })));
    let high = LayoutRequest { init_p2m: Some(VIRT_BASE - (1 << 30)), ..request(16 * TIB_PAGES) };
    assert!(matches!(plan(&high), Err(LayoutError::Address { what: "the p2m", .. })));
    let hole = LayoutRequest { init_p2m: Some(0xffff_8000_0000_0000), ..request(512 * MIB_PAGES) };
    assert!(matches!(plan(&hole), Err(LayoutError::Address { what: "the p2m", .. })));
    let not_canonical = LayoutRequest { init_p2m: Some(0x7fff_ffff_f000), ..request(512 * MIB_PAGES) };
    assert!(matches!(plan(&not_canonical), Err(LayoutError::Address { what: "the p2m", .. })));
}

#[test]
fn a_kernel_at_addresses_of_xen_is_refused() {
    let base = 0xffff_8000_0000_0000;
    let xen = LayoutRequest {
        virt_base: base,
        kernel_start: base,
        kernel_end: base + 0x10000,
        init_p2m: None,
        ..request(512 * MIB_PAGES)
    };
    assert!(matches!(plan(&xen), Err(LayoutError::Address { what: "the kernel", .. })));
}

#[test]
fn a_guest_that_is_too_small_is_told_how_much_it_needs() {
    let error = plan(&request(16 * MIB_PAGES)).unwrap_err();
    let LayoutError::TooSmall { have_kib, need_kib } = error else { panic!("{error}") };
    assert_eq!(have_kib, 16 * 1024);
    let enough = plan(&request(need_kib.next_multiple_of(1024) / 4));
    assert!(enough.is_ok(), "{enough:?}");
    assert_eq!(
        error.to_string(),
        format!(
            "cannot fit the guest into 16384 KiB of memory: kernel, ramdisk and tables need {need_kib} KiB"
        )
    );
}

/// The rules of `hypervisor-interface` §3.4 and §3.5, by counting.
fn check(request: &LayoutRequest, layout: &Layout) {
    let tables = layout.tables.main_tables();
    let mut ranges = vec![layout.kernel, layout.p2m, tables];
    ranges.push(PageRange { start: layout.start_info, pages: 3 });
    ranges.push(PageRange { start: layout.boot_stack, pages: 1 });
    ranges.extend(layout.ramdisk);
    ranges.extend(layout.tables.p2m_tables());
    ranges.sort_by_key(|range| range.start);
    assert!(ranges.windows(2).all(|pair| pair[0].end() <= pair[1].start), "parts overlap: {ranges:?}");
    assert!(ranges.last().unwrap().end() <= layout.nr_pages);
    // The parts lie without gaps.
    assert!(ranges.windows(2).all(|pair| pair[0].end() == pair[1].start), "gap: {ranges:?}");

    // The tables map whole L1s up to a 4 MiB boundary with 512 KiB of room behind the stack, and no boundary earlier.
    let behind_stack = layout.va(layout.boot_stack + 1);
    let l1s = tables.pages - 3;
    let first_block = request.virt_base >> 21;
    let end = (first_block + l1s) << 21;
    assert_eq!(end % (4 << 20), 0);
    assert!(end - behind_stack >= 512 << 10, "{:#x} behind {:#x}", end, behind_stack);
    assert!(end - behind_stack < (512 << 10) + (4 << 20) + 4 * 4096);
}

proptest! {
    #[test]
    fn every_guest_that_fits_keeps_the_rules(
        mib in 40_u64..5000,
        kernel_kib in 1_u64..100_000,
        start_mib in 0_u64..32,
        ramdisk_pages in 0_u64..20_000,
        mod_start_pfn in any::<bool>(),
        separate_p2m in any::<bool>(),
    ) {
        let kernel_start = VIRT_BASE + (start_mib << 20);
        let request = LayoutRequest {
            nr_pages: mib * MIB_PAGES,
            virt_base: VIRT_BASE,
            kernel_start,
            kernel_end: kernel_start + kernel_kib * 1024 + 1,
            ramdisk_pages,
            mod_start_pfn,
            init_p2m: separate_p2m.then_some(INIT_P2M),
        };
        match plan(&request) {
            Ok(layout) => check(&request, &layout),
            Err(LayoutError::TooSmall { need_kib, .. }) => prop_assert!(need_kib > mib * 1024),
            Err(other) => prop_assert!(false, "{other}"),
        }
    }

    #[test]
    fn no_request_panics(
        nr_pages in 0_u64..=(16 * TIB_PAGES),
        base_page in 0_u64..(1 << 52),
        start in any::<u64>(),
        len in any::<u64>(),
        ramdisk_pages in 0_u64..(1 << 52),
        mod_start_pfn in any::<bool>(),
        p2m_page in 0_u64..(1 << 52),
    ) {
        let virt_base = base_page << 12;
        let kernel_start = virt_base.saturating_add(start >> 20);
        let init_p2m = Some(p2m_page << 12).filter(|base| *base < virt_base);
        let kernel_end = kernel_start.saturating_add(len);
        let _either = plan(&LayoutRequest {
            nr_pages, virt_base, kernel_start, kernel_end, ramdisk_pages, mod_start_pfn, init_p2m,
        });
    }
}
