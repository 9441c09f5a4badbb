//! Decides which page of the guest holds what, from sizes alone: no memory is touched here, and the work does not grow
//! with the guest.
//!
//! ```text
//! pfn  0 … kernel (+ ramdisk, + p2m) start_info xenstore console tables stack │ (ramdisk) │ (p2m, its tables)
//! va   virt_base ──────────────────────────────────────────────────── pad to 4 MiB │    INIT_P2M ───────────
//! ```
//!
//! The ramdisk stands behind when the kernel takes it by pfn, the p2m when it names an address for it.

use hypervisor::PAGE_SIZE;

use super::{
    error::LayoutError,
    page_tables::{Area, PageTables},
};

const PAGE: u64 = PAGE_SIZE as u64;
/// The main mapping ends at such a boundary …
const MAP_BLOCK: u64 = 4 << 20;
/// … with this much room behind the boot stack, which early kernels hand out as their first memory.
const SPARE_PAGES: u64 = (512 << 10) / PAGE;
/// Behind the lower half of the addresses; what follows does not exist on the processor, and then belongs to Xen …
const LOW_END: u64 = 0x0000_8000_0000_0000;
/// … up to here.
const XEN_END: u64 = 0xffff_8800_0000_0000;

/// A run of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRange {
    /// First pfn.
    pub start: u64,
    /// How many.
    pub pages: u64,
}

impl PageRange {
    /// First pfn behind it.
    pub fn end(&self) -> u64 {
        self.start + self.pages
    }

    /// True when `pfn` is one of its pages.
    pub fn contains(&self, pfn: u64) -> bool {
        (self.start..self.end()).contains(&pfn)
    }
}

/// What the layout depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayoutRequest {
    /// Pages that the guest starts with.
    pub nr_pages: u64,
    /// Where pfn 0 is mapped.
    pub virt_base: u64,
    /// First byte of the kernel.
    pub kernel_start: u64,
    /// Behind its last byte.
    pub kernel_end: u64,
    /// Pages of the ramdisk, 0 without one.
    pub ramdisk_pages: u64,
    /// The ramdisk goes behind the mapping.
    pub mod_start_pfn: bool,
    /// The p2m goes behind the mapping, and is mapped here.
    pub init_p2m: Option<u64>,
}

/// Which page holds what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    /// Pages of the guest.
    pub nr_pages: u64,
    /// The kernel, whole pages.
    pub kernel: PageRange,
    /// The ramdisk.
    pub ramdisk: Option<PageRange>,
    /// The p2m.
    pub p2m: PageRange,
    /// Its address.
    pub p2m_va: u64,
    /// The p2m and the tables that map it, when it stands outside the main mapping.
    pub p2m_area: Option<PageRange>,
    /// The start info page; xenstore's ring and the console's follow it.
    pub start_info: u64,
    /// The boot stack.
    pub boot_stack: u64,
    /// Where the page tables are and what they map.
    pub tables: PageTables,
    virt_base: u64,
}

impl Layout {
    /// Page of xenstore's ring.
    pub fn xenstore_ring(&self) -> u64 {
        self.start_info + 1
    }

    /// Page of the console's ring.
    pub fn console_ring(&self) -> u64 {
        self.start_info + 2
    }

    /// Address of a page in the main mapping.
    pub fn va(&self, pfn: u64) -> u64 {
        self.virt_base + pfn * PAGE
    }
}

/// Lays out a guest.
pub(super) fn plan(request: &LayoutRequest) -> Result<Layout, LayoutError> {
    let virt_base = request.virt_base;
    let first = (request.kernel_start - virt_base) / PAGE;
    let kernel = PageRange { start: first, pages: (request.kernel_end - virt_base).div_ceil(PAGE) - first };
    let mut cursor = Cursor { next: kernel.end() };
    let ramdisk_pages = Some(request.ramdisk_pages).filter(|pages| *pages > 0);
    let p2m_pages = (request.nr_pages * 8).div_ceil(PAGE);

    let mut ramdisk = ramdisk_pages.filter(|_| !request.mod_start_pfn).map(|pages| cursor.take(pages));
    let mut p2m = request.init_p2m.is_none().then(|| cursor.take(p2m_pages));
    let start_info = cursor.take(3).start;
    let main = main_mapping(virt_base, cursor.next)?;
    let main_tables = cursor.take(main.nr_tables());
    let boot_stack = cursor.take(1).start;
    if ramdisk.is_none() {
        ramdisk = ramdisk_pages.map(|pages| cursor.take(pages));
    }
    let mut tables = PageTables::new(main.at(main_tables.start), request.nr_pages);
    let mut p2m_va = p2m.map(|range| virt_base + range.start * PAGE);
    let mut p2m_area = None;
    if let Some(va) = request.init_p2m {
        let pages = cursor.take(p2m_pages);
        let area = mapping("the p2m", va, p2m_pages * PAGE, pages.start)?;
        if va + (p2m_pages * PAGE) > virt_base {
            return Err(LayoutError::Address { what: "the p2m", start: va, bytes: p2m_pages * PAGE });
        }
        let own = cursor.take(tables.add(area, cursor.next));
        p2m_area = Some(PageRange { start: pages.start, pages: pages.pages + own.pages });
        (p2m, p2m_va) = (Some(pages), Some(va));
    }
    if cursor.next > request.nr_pages {
        let kib = |pages: u64| pages.saturating_mul(PAGE / 1024);
        return Err(LayoutError::TooSmall { have_kib: kib(request.nr_pages), need_kib: kib(cursor.next) });
    }
    Ok(Layout {
        nr_pages: request.nr_pages,
        kernel,
        ramdisk,
        p2m: p2m.expect("it is placed either inside the main mapping or behind it"),
        p2m_va: p2m_va.expect("set together with the p2m"),
        p2m_area,
        start_info,
        boot_stack,
        tables,
        virt_base,
    })
}

struct Cursor {
    next: u64,
}

impl Cursor {
    fn take(&mut self, pages: u64) -> PageRange {
        let range = PageRange { start: self.next, pages };
        // Sizes are below 2^52 pages each, so a handful of them can't overflow.
        self.next += pages;
        range
    }
}

/// The mapping from `virt_base` that also holds its own tables, the stack and the spare room behind `used` pages.
fn main_mapping(virt_base: u64, used: u64) -> Result<Area, LayoutError> {
    let address_error = |bytes| LayoutError::Address { what: "the kernel", start: virt_base, bytes };
    let mut behind = 1 + SPARE_PAGES;
    loop {
        let bytes = used.saturating_add(behind).saturating_mul(PAGE);
        let end = virt_base.checked_add(bytes).ok_or_else(|| address_error(bytes))?;
        let last = end | (MAP_BLOCK - 1);
        let area = mapping("the kernel", virt_base, last - virt_base + 1, 0)?;
        let pages = area.nr_tables() + 1 + SPARE_PAGES;
        let wanted = used.saturating_add(pages).saturating_mul(PAGE);
        if virt_base.checked_add(wanted).ok_or_else(|| address_error(wanted))? - 1 <= last {
            return Ok(area);
        }
        behind = pages;
    }
}

fn mapping(what: &'static str, start: u64, bytes: u64, first_pfn: u64) -> Result<Area, LayoutError> {
    let refused = LayoutError::Address { what, start, bytes };
    let Some(last) = bytes.checked_sub(1).and_then(|len| start.checked_add(len)) else { return Err(refused) };
    let outside_xen = last < LOW_END || start >= XEN_END;
    if outside_xen { Ok(Area::new(start, last, first_pfn)) } else { Err(refused) }
}

#[cfg(test)]
mod tests;
