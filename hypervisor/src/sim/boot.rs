//! The check of a freshly built PV guest: everything that a kernel finds, or relies on without looking, when its first
//! instruction runs (`hypervisor-interface` §3.4–3.9). It is how tests prove a builder right without a kernel.

use super::guest::StartInfo;
use super::memory::{Extent, Memory};
use super::walk::{WalkError, Walker};
use crate::abi::guest::{grant_v1, page_table, shared_info, start_info};
use crate::{Mfn, PAGE_SIZE, Pfn, Port, VcpuContext};

const PAGE: u64 = PAGE_SIZE as u64;
/// Behind the boot stack, so much must be mapped for the kernel's first allocations.
const SPARE_BYTES: u64 = 512 * 1024;
/// The main mapping ends at a multiple of this.
const MAPPING_STEP: u64 = 4 * 1024 * 1024;

/// The first thing found wrong in a guest that was to start.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootError {
    /// It ended meanwhile.
    #[error("cannot boot a domain that does not exist")]
    NoDomain,
    /// `set_vcpu_context` was not called.
    #[error("vcpu 0 has no registers")]
    NoContext,
    /// `settle` was called before.
    #[error("the contents of the memory were dropped already")]
    Settled,
    /// `pin_l4_table` was not called, or for another frame.
    #[error("the L4 at mfn {l4:#x} is not pinned")]
    NotPinned {
        /// What the registers name.
        l4: Mfn,
    },
    /// An address that isn't mapped for the guest.
    #[error("{what} is not mapped for the guest")]
    Unmapped {
        /// What should be there.
        what: &'static str,
        /// Which address.
        source: WalkError,
    },
    /// A number differs from what it must be.
    #[error("{what} is {found:#x}, wanted {wanted:#x}")]
    Wrong {
        /// Whose number.
        what: &'static str,
        /// What is there.
        found: u64,
        /// What should be there.
        wanted: u64,
    },
    /// A number is outside its range.
    #[error("{what} is {found:#x}, wanted {wanted}")]
    Bad {
        /// Whose number.
        what: &'static str,
        /// What is there.
        found: u64,
        /// What should be there.
        wanted: &'static str,
    },
    /// The start info does not begin with `xen-3.0-x86_64`.
    #[error("the start info begins with {found:?}, wanted \"xen-3.0-x86_64\"")]
    Magic {
        /// What is there.
        found: String,
    },
    /// The command line lacks its NUL.
    #[error("the command line does not end within its 1024 bytes")]
    EndlessCommandLine,
    /// An entry of the p2m names another frame than the page has.
    #[error("p2m entry {pfn:#x} is {found:#x}, wanted {wanted:#x}")]
    P2m {
        /// Which.
        pfn: Pfn,
        /// What is there.
        found: u64,
        /// The frame of the page, or all ones.
        wanted: u64,
    },
    /// A port named in the start info isn't open.
    #[error("port {port} of the start info is closed")]
    ClosedPort {
        /// Its number.
        port: Port,
    },
}

/// Where the ramdisk is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Modules {
    /// Mapped at this address.
    Mapped {
        /// First byte.
        va: u64,
        /// Bytes.
        len: u64,
    },
    /// Not mapped, from this page on.
    Pages {
        /// First page.
        pfn: Pfn,
        /// Bytes.
        len: u64,
    },
}

/// What a guest found that was built right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootReport {
    /// The start info page.
    pub start_info: StartInfo,
    /// Address of pfn 0.
    pub virt_base: u64,
    /// First address behind the main mapping.
    pub mapped_until: u64,
    /// First bytes at the entry point.
    pub entry_code: [u8; 16],
    /// Page of the start info.
    pub start_info_pfn: Pfn,
    /// Page of the L4.
    pub l4_pfn: Pfn,
    /// Page of the boot stack.
    pub stack_pfn: Pfn,
    /// First page of the p2m.
    pub p2m_pfn: Pfn,
    /// Page tables of both mappings.
    pub nr_tables: u64,
    /// The ramdisk, if any.
    pub modules: Option<Modules>,
}

/// Finds and decodes the start info; also says in which frame it is.
pub(super) fn read_start_info(walker: &mut Walker<'_>, rsi: u64) -> Result<(StartInfo, Mfn), BootError> {
    if !rsi.is_multiple_of(PAGE) {
        return Err(BootError::Bad {
            what: "rsi, the start info's address",
            found: rsi,
            wanted: "a page's start",
        });
    }
    let leaf = walker.translate(rsi).map_err(unmapped("the start info (rsi)"))?;
    let mut page = [0; PAGE_SIZE];
    walker.memory().read(leaf.mfn, 0, &mut page);
    Ok((StartInfo::decode(&page), leaf.mfn))
}

/// Checks everything; the second answer is the start info's frame.
pub(super) fn verify(
    memory: &Memory,
    context: &VcpuContext,
    shared_info: Mfn,
    grant_table: Mfn,
) -> Result<(BootReport, Mfn), BootError> {
    if memory.is_settled() {
        return Err(BootError::Settled);
    }
    if memory.table_level(context.l4_mfn) != Some(4) {
        return Err(BootError::NotPinned { l4: context.l4_mfn });
    }
    let mut walker = Walker::new(memory, context.l4_mfn);
    let (info, start_info_mfn) = read_start_info(&mut walker, context.rsi)?;
    check_start_info(memory, &info, shared_info)?;
    let start_info_pfn = ram_pfn(&mut walker, context.rsi, "the start info")?;
    let virt_base = context.rsi.wrapping_sub(start_info_pfn * PAGE);
    let mapped_until = check_main_mapping(&mut walker, virt_base, info.nr_pages)?;
    let stack_pfn = check_stack(&mut walker, context.rsp, mapped_until)?;
    let entry_code = check_entry(&mut walker, context.rip)?;
    let l4_pfn = check_tables(&mut walker, context, &info)?;
    let p2m_pfn = check_p2m(&mut walker, &info, (virt_base, mapped_until))?;
    check_shared_info(memory, shared_info)?;
    check_rings(memory, &info, grant_table)?;
    let modules = check_modules(&mut walker, &info)?;
    let report = BootReport {
        start_info: info,
        virt_base,
        mapped_until,
        entry_code,
        start_info_pfn,
        l4_pfn,
        stack_pfn,
        p2m_pfn,
        nr_tables: memory.nr_tables(),
        modules,
    };
    Ok((report, start_info_mfn))
}

fn unmapped(what: &'static str) -> impl Fn(WalkError) -> BootError {
    move |source| BootError::Unmapped { what, source }
}

fn same(what: &'static str, found: u64, wanted: u64) -> Result<(), BootError> {
    if found == wanted { Ok(()) } else { Err(BootError::Wrong { what, found, wanted }) }
}

/// The page of RAM behind an address.
fn ram_pfn(walker: &mut Walker<'_>, va: u64, what: &'static str) -> Result<Pfn, BootError> {
    let leaf = walker.translate(va).map_err(unmapped(what))?;
    leaf.pfn.ok_or(BootError::Bad { what, found: leaf.mfn, wanted: "a page of the domain's RAM" })
}

fn check_start_info(memory: &Memory, info: &StartInfo, shared_info: Mfn) -> Result<(), BootError> {
    if info.magic != start_info::MAGIC_VALUE {
        return Err(BootError::Magic { found: String::from_utf8_lossy(&info.magic).into_owned() });
    }
    if !info.cmd_line_ends {
        return Err(BootError::EndlessCommandLine);
    }
    same("nr_pages of the start info", info.nr_pages, memory.tot_pages())?;
    same("shared_info of the start info", info.shared_info, shared_info * PAGE)?;
    let known = start_info::FLAG_MOD_START_PFN | start_info::FLAG_VIRT_P2M_4TOOLS;
    if info.flags & !known != 0 {
        let found = info.flags.into();
        return Err(BootError::Bad {
            what: "flags of the start info",
            found,
            wanted: "those of a plain guest",
        });
    }
    Ok(())
}

/// From `virt_base` on, address after address leads to page after page; the answer is where that ends.
fn check_main_mapping(walker: &mut Walker<'_>, virt_base: u64, nr_pages: u64) -> Result<u64, BootError> {
    let what = "the main mapping";
    let mut pfn = 0;
    while pfn < nr_pages {
        let va = virt_base.wrapping_add(pfn * PAGE);
        match walker.translate(va) {
            Ok(leaf) if leaf.pfn == Some(pfn) => pfn += 1,
            Ok(leaf) => {
                let found = leaf.pfn.unwrap_or(leaf.mfn);
                return Err(BootError::Wrong { what, found, wanted: pfn });
            }
            Err(WalkError::NotPresent { .. }) if pfn > 0 => break,
            Err(error) => return Err(unmapped(what)(error)),
        }
    }
    let end = virt_base.wrapping_add(pfn * PAGE);
    if pfn < nr_pages && !end.is_multiple_of(MAPPING_STEP) {
        return Err(BootError::Bad {
            what: "the main mapping's end",
            found: end,
            wanted: "a multiple of 4 MiB",
        });
    }
    Ok(end)
}

/// The stack pointer is at the end of a writable page, with spare room mapped behind it.
fn check_stack(walker: &mut Walker<'_>, rsp: u64, mapped_until: u64) -> Result<Pfn, BootError> {
    let what = "the boot stack (rsp)";
    if !rsp.is_multiple_of(PAGE) {
        return Err(BootError::Bad { what, found: rsp, wanted: "the end of a page" });
    }
    let leaf = walker.translate(rsp.wrapping_sub(8)).map_err(unmapped(what))?;
    let Some(pfn) = leaf.pfn.filter(|_| leaf.writable) else {
        return Err(BootError::Bad { what, found: rsp, wanted: "a page that the guest may write" });
    };
    if mapped_until.wrapping_sub(rsp) < SPARE_BYTES || mapped_until < rsp {
        let found = mapped_until.wrapping_sub(rsp);
        return Err(BootError::Bad {
            what: "the mapped room behind the stack",
            found,
            wanted: "512 KiB at least",
        });
    }
    Ok(pfn)
}

fn check_entry(walker: &mut Walker<'_>, rip: u64) -> Result<[u8; 16], BootError> {
    let what = "the entry point (rip)";
    let mut code = [0; 16];
    let len = code.len().min((PAGE - rip % PAGE) as usize);
    walker.read(rip, &mut code[..len]).map_err(unmapped(what))?;
    if code == [0; 16] {
        return Err(BootError::Bad { what, found: rip, wanted: "code there, not zeros" });
    }
    Ok(code)
}

/// The table pages lie one behind the other from the L4 on, the guest sees them at `pt_base`, read-only.
fn check_tables(walker: &mut Walker<'_>, context: &VcpuContext, info: &StartInfo) -> Result<Pfn, BootError> {
    let leaf = walker.translate(info.pt_base).map_err(unmapped("the L4 (pt_base)"))?;
    same("the frame at pt_base", leaf.mfn, context.l4_mfn)?;
    let l4_pfn = ram_pfn(walker, info.pt_base, "the L4 (pt_base)")?;
    let memory = walker.memory();
    let is_table = |pfn| memory.mfn_of(pfn).is_some_and(|mfn| memory.table_level(mfn).is_some());
    let in_a_row = (l4_pfn..).take_while(|pfn| is_table(*pfn)).count() as u64;
    same("nr_pt_frames of the start info", info.nr_pt_frames, in_a_row)?;
    for index in 0..info.nr_pt_frames {
        let what = "a page table at pt_base";
        let va = info.pt_base.wrapping_add(index * PAGE);
        let leaf = walker.translate(va).map_err(unmapped(what))?;
        if leaf.writable || leaf.pfn != Some(l4_pfn + index) {
            return Err(BootError::Bad { what, found: va, wanted: "the next table, read-only" });
        }
    }
    Ok(l4_pfn)
}

/// Every entry of the p2m against what was populated.
fn check_p2m(walker: &mut Walker<'_>, info: &StartInfo, main: (u64, u64)) -> Result<Pfn, BootError> {
    let what = "the p2m (mfn_list)";
    let first_pfn = ram_pfn(walker, info.mfn_list, what)?;
    if !info.mfn_list.is_multiple_of(PAGE) {
        return Err(BootError::Bad { what, found: info.mfn_list, wanted: "a page's start" });
    }
    let extents: Vec<Extent> = walker.memory().extents().collect();
    let per_page = PAGE / 8;
    let mut next = 0;
    for first in (0..info.nr_pages).step_by(per_page as usize) {
        let mut page = [0; PAGE_SIZE];
        let used = (info.nr_pages - first).min(per_page) as usize;
        walker.read(info.mfn_list.wrapping_add(first * 8), &mut page[..used * 8]).map_err(unmapped(what))?;
        for (pfn, entry) in (first..).zip(page[..used * 8].as_chunks::<8>().0) {
            let found = u64::from_le_bytes(*entry);
            while extents.get(next).is_some_and(|extent| extent.pfn + extent.len <= pfn) {
                next += 1;
            }
            let extent = extents.get(next).filter(|extent| extent.pfn <= pfn);
            let wanted =
                extent.map_or(page_table::INVALID_P2M_ENTRY, |extent| extent.mfn + (pfn - extent.pfn));
            if found != wanted {
                return Err(BootError::P2m { pfn, found, wanted });
            }
        }
    }
    check_p2m_area(walker, info, (first_pfn, main))?;
    Ok(first_pfn)
}

/// A p2m outside the main mapping has its pages and its tables in one area, which the start info names.
fn check_p2m_area(
    walker: &Walker<'_>,
    info: &StartInfo,
    (first_pfn, (virt_base, mapped_until)): (Pfn, (u64, u64)),
) -> Result<(), BootError> {
    let memory = walker.memory();
    let tables = memory.nr_tables() - info.nr_pt_frames;
    if (virt_base..mapped_until).contains(&info.mfn_list) {
        same("tables outside the main mapping", tables, 0)?;
        same("first_p2m_pfn of the start info", info.first_p2m_pfn, 0)?;
        return same("nr_p2m_frames of the start info", info.nr_p2m_frames, 0);
    }
    let pages = (info.nr_pages * 8).div_ceil(PAGE);
    same("first_p2m_pfn of the start info", info.first_p2m_pfn, first_pfn)?;
    same("nr_p2m_frames of the start info", info.nr_p2m_frames, pages + tables)?;
    for pfn in first_pfn + pages..first_pfn + pages + tables {
        if memory.mfn_of(pfn).is_none_or(|mfn| memory.table_level(mfn).is_none()) {
            return Err(BootError::Bad {
                what: "a page behind the p2m",
                found: pfn,
                wanted: "one of its tables",
            });
        }
    }
    Ok(())
}

/// Events are held back on all vcpus, and nothing else is set.
fn check_shared_info(memory: &Memory, mfn: Mfn) -> Result<(), BootError> {
    let mut page = [0; PAGE_SIZE];
    memory.read(mfn, 0, &mut page);
    for vcpu in 0..shared_info::NR_VCPU_INFO {
        let mask = &mut page[vcpu * shared_info::VCPU_INFO_SIZE + shared_info::VCPU_UPCALL_MASK];
        same("the event mask of a vcpu in the shared info", (*mask).into(), 1)?;
        *mask = 0;
    }
    let stray = page.iter().position(|byte| *byte != 0);
    match stray {
        None => Ok(()),
        Some(at) => {
            Err(BootError::Bad { what: "a byte of the shared info set at", found: at as u64, wanted: "zero" })
        }
    }
}

/// Both rings are the domain's pages, empty, and granted to the daemons that serve them.
fn check_rings(memory: &Memory, info: &StartInfo, grant_table: Mfn) -> Result<(), BootError> {
    let rings = [
        ("the console ring", info.console_mfn, grant_v1::REF_CONSOLE),
        ("the store ring", info.store_mfn, grant_v1::REF_XENSTORE),
    ];
    for (what, mfn, reference) in rings {
        if memory.extent_of(mfn).is_none() || memory.table_level(mfn).is_some() {
            return Err(BootError::Bad { what, found: mfn, wanted: "an ordinary page of the domain" });
        }
        // The last word used of a ring of a current release may say "not connected yet".
        let used = memory.contents(mfn);
        if used[..used.len().min(3088)].iter().any(|byte| *byte != 0) {
            return Err(BootError::Bad { what, found: mfn, wanted: "an empty ring" });
        }
        let mut entry = [0; grant_v1::ENTRY_SIZE];
        memory.read(grant_table, grant_v1::offset_of(reference), &mut entry);
        let flags = u16::from_le_bytes([entry[grant_v1::FLAGS], entry[grant_v1::FLAGS + 1]]);
        let frame = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        same("the flags of a ring's grant", flags.into(), grant_v1::PERMIT_ACCESS.into())?;
        same("the frame of a ring's grant", frame.into(), mfn)?;
    }
    same("the store ring, which is not the console ring", u64::from(info.store_mfn == info.console_mfn), 0)
}

/// The ramdisk is there, where the flags say.
fn check_modules(walker: &mut Walker<'_>, info: &StartInfo) -> Result<Option<Modules>, BootError> {
    let (start, len) = (info.mod_start, info.mod_len);
    if len == 0 {
        return Ok(None);
    }
    let what = "the ramdisk";
    if info.flags & start_info::FLAG_MOD_START_PFN == 0 {
        for va in (start..start.saturating_add(len)).step_by(PAGE_SIZE) {
            ram_pfn(walker, va, what)?;
        }
        return Ok(Some(Modules::Mapped { va: start, len }));
    }
    let end = start.checked_add(len.div_ceil(PAGE)).filter(|end| *end <= info.nr_pages);
    let Some(end) = end else {
        return Err(BootError::Bad { what, found: start, wanted: "inside the memory" });
    };
    let memory = walker.memory();
    for pfn in start..end {
        let mfn = memory.mfn_of(pfn);
        if mfn.is_none_or(|mfn| memory.table_level(mfn).is_some()) {
            return Err(BootError::Bad { what, found: pfn, wanted: "ordinary pages" });
        }
    }
    Ok(Some(Modules::Pages { pfn: start, len }))
}
