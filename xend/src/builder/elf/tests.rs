//! Kernels that can't be PV guests, notes in all three places, and files made to hurt.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::builder::fixtures::{NotesIn, PADDR, TinyKernel, VIRT_BASE, file_of};

fn read_bytes(bytes: &[u8]) -> Result<PvImage, ElfError> {
    read(&Image::new(Arc::new(file_of(bytes)), 0, bytes.len() as u64))
}

fn read_kernel(kernel: &TinyKernel) -> Result<PvImage, ElfError> {
    read_bytes(&kernel.elf())
}

#[test]
fn a_modern_kernel_says_all_that_the_builder_needs() {
    let pv = read_kernel(&TinyKernel::modern()).unwrap();
    assert_eq!(pv.virt_base, VIRT_BASE);
    assert_eq!(pv.kernel_start, VIRT_BASE + PADDR);
    assert_eq!(pv.kernel_end, VIRT_BASE + PADDR + 0x15000);
    assert_eq!(pv.entry, VIRT_BASE + PADDR + 0x40);
    assert_eq!(pv.init_p2m, Some(0x80_0000_0000));
    assert!(pv.mod_start_pfn);
    assert_eq!(pv.hypercall_page, None);
    assert_eq!(pv.segments.len(), 2);
    assert!(pv.notes.contains(&("SUSPEND_CANCEL".to_owned(), "1".to_owned())));
    assert!(pv.notes.iter().all(|(name, _)| name != "PHYS32_ENTRY"));
    pv.check_features("writable_page_tables").unwrap();
    assert!(pv.check_features("highmem_assist").is_err());
}

#[test]
fn notes_are_found_in_sections_too() {
    let mut kernel = TinyKernel::old();
    kernel.place = NotesIn::Section;
    let pv = read_kernel(&kernel).unwrap();
    assert_eq!(pv.hypercall_page, Some(VIRT_BASE + PADDR + 0x1000));
    assert_eq!(pv.init_p2m, None);
}

#[test]
fn the_section_of_old_kernels_is_understood() {
    let mut kernel = TinyKernel::old();
    kernel.notes.clear();
    kernel.paddr = 0xffff_ffff_8020_0000;
    kernel.place = NotesIn::Legacy(
        "GUEST_OS=linux,GUEST_VER=2.6,XEN_VER=xen-3.0,VIRT_BASE=0xffffffff80000000,HYPERCALL_PAGE=0x203,PAE=yes\
         ,FEATURES=writable_page_tables|writable_descriptor_tables,LOADER=generic"
            .to_owned(),
    );
    let pv = read_kernel(&kernel).unwrap();
    assert_eq!(pv.kernel_start, 0xffff_ffff_8020_0000);
    assert_eq!(pv.entry, 0xffff_ffff_8020_0000, "without VIRT_ENTRY the ELF header names the entry");
    assert_eq!(pv.hypercall_page, Some(0xffff_ffff_8020_3000));
    assert!(!pv.mod_start_pfn);
}

fn refusal(change: impl Fn(&mut TinyKernel)) -> String {
    let mut kernel = TinyKernel::modern();
    change(&mut kernel);
    let error = read_kernel(&kernel).expect_err("it should be refused");
    assert!(error.hint().is_some());
    error.to_string()
}

#[test]
fn kernels_that_are_no_pv_guests_are_refused_with_the_reason() {
    assert_eq!(refusal(|k| k.class = 1), "it is a 32-bit kernel, only 64-bit guests can be built");
    assert_eq!(
        refusal(|k| k.notes.clear()),
        "it is not built to run as a PV guest: it has no Xen notes for that"
    );
    let pvh = |k: &mut TinyKernel| {
        k.unset(notes::ENTRY);
        k.unset(notes::VIRT_BASE);
    };
    assert_eq!(refusal(pvh), "it can run as a PVH guest only: it has the PVH entry point and no PV one");
    assert_eq!(refusal(|k| k.set(10, b"!dom0\0")), "it can run as the privileged domain only");
    assert_eq!(
        refusal(|k| k.set(10, b"!auto_translated_physmap")),
        "it requires the feature auto_translated_physmap, which a PV guest does not have"
    );
    assert_eq!(
        refusal(|k| k.set(notes::XEN_VERSION, b"xen-4.0\0")),
        "its note XEN_VERSION is xen-4.0, wanted xen-3.0"
    );
    let bsd = |k: &mut TinyKernel| k.set(notes::BSD_SYMTAB, b"yes\0");
    assert!(refusal(bsd).contains("BSD_SYMTAB"));
    let loader = |k: &mut TinyKernel| {
        k.set(notes::LOADER, b"special\0");
        k.set(notes::GUEST_OS, b"Plan 9\0");
    };
    assert_eq!(refusal(loader), "its note LOADER is special, wanted generic");
}

#[test]
fn linux_needs_no_particular_loader() {
    let mut kernel = TinyKernel::modern();
    kernel.unset(notes::LOADER);
    read_kernel(&kernel).unwrap();
}

#[test]
fn impossible_addresses_are_refused() {
    let entry = |k: &mut TinyKernel| k.set(notes::ENTRY, &(VIRT_BASE + 1).to_le_bytes());
    assert_eq!(refusal(entry), "its note ENTRY is 0xffffffff80000001, wanted an address in the kernel");
    let base = |k: &mut TinyKernel| k.set(notes::VIRT_BASE, &0xffff_ffff_ff00_0000_u64.to_le_bytes());
    assert!(refusal(base).contains("VIRT_BASE"));
    let page = |k: &mut TinyKernel| k.set(notes::HYPERCALL_PAGE, &(VIRT_BASE + PADDR + 8).to_le_bytes());
    assert!(refusal(page).contains("HYPERCALL_PAGE"));
    let far = |k: &mut TinyKernel| k.set(notes::HYPERCALL_PAGE, &(VIRT_BASE + 0x40_0000).to_le_bytes());
    assert!(refusal(far).contains("HYPERCALL_PAGE"));
}

#[test]
fn an_unusable_p2m_address_means_a_p2m_inside_the_mapping() {
    for unusable in [0x80_0000_0001, VIRT_BASE + PADDR, VIRT_BASE + 0x4000_0000] {
        let mut kernel = TinyKernel::modern();
        kernel.set(notes::INIT_P2M, &u64::to_le_bytes(unusable));
        assert_eq!(read_kernel(&kernel).unwrap().init_p2m, None);
    }
}

/// Writes `value` over the field at `at` of the `index`th program header.
fn with_program_header(index: usize, at: usize, value: u64) -> Vec<u8> {
    let mut elf = TinyKernel::modern().elf();
    let field = 64 + index * 56 + at;
    elf[field..field + 8].copy_from_slice(&value.to_le_bytes());
    elf
}

#[test]
fn segments_that_overlap_wrap_or_leave_the_file_are_refused() {
    let why = |bytes: &[u8]| read_bytes(bytes).unwrap_err().to_string();
    assert!(why(&with_program_header(1, 24, PADDR + 8)).contains("overlaps"));
    assert!(why(&with_program_header(1, 40, u64::MAX)).contains("wraps"));
    assert!(why(&with_program_header(0, 32, 1 << 40)).contains("more in the file than in memory"));
    assert!(why(&with_program_header(0, 8, u64::MAX)).contains("outside the file"));
    assert!(why(&with_program_header(2, 32, 1 << 40)).contains("bytes of notes"));
    assert!(why(&with_program_header(2, 8, 1 << 40)).contains("its notes lies outside"));
}

#[test]
fn tables_outside_the_file_are_refused() {
    let mut elf = TinyKernel::modern().elf();
    elf[32..40].copy_from_slice(&u64::MAX.to_le_bytes());
    assert!(matches!(read_bytes(&elf), Err(ElfError::Outside { part: "program header table", .. })));
    elf[56..58].copy_from_slice(&0xffff_u16.to_le_bytes());
    assert!(matches!(read_bytes(&elf), Err(ElfError::TooMany { count: 0xffff, .. })));
    assert!(matches!(read_bytes(b"\x7fELF\x02"), Err(ElfError::NotElf)));
}

proptest! {
    #[test]
    fn no_change_of_a_kernel_makes_the_reader_panic_or_lie_about_the_file(
        changes in prop::collection::vec((0_usize..2624, any::<u8>()), 1..12),
        cut in 0_usize..2624,
        old in any::<bool>(),
    ) {
        let mut elf = if old { TinyKernel::old().elf() } else { TinyKernel::modern().elf() };
        for (at, value) in changes {
            let at = at % elf.len();
            elf[at] = value;
        }
        if cut % 3 == 0 {
            elf.truncate(cut);
        }
        if let Ok(pv) = read_bytes(&elf) {
            prop_assert!(pv.virt_base <= pv.kernel_start && pv.kernel_start <= pv.entry && pv.entry <= pv.kernel_end);
            for segment in &pv.segments {
                prop_assert!(segment.file_offset + segment.file_size <= elf.len() as u64);
                prop_assert!(segment.file_size <= segment.mem_size);
            }
        }
    }

    #[test]
    fn no_change_of_the_headers_makes_the_reader_panic(
        changes in prop::collection::vec((0_usize..232, any::<u64>()), 1..4),
    ) {
        let mut elf = TinyKernel::modern().elf();
        for (at, value) in changes {
            elf[at..at + 8].copy_from_slice(&value.to_le_bytes());
        }
        let _either = read_bytes(&elf);
    }
}
