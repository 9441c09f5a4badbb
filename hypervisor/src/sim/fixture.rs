//! The smallest PV guest that is built right, for tests that need a guest and not a builder: one page of "kernel", the
//! p2m inside the main mapping, no ramdisk. It goes through the traits only.

use crate::abi::guest::{grant_v1, page_table, shared_info, start_info};
use crate::{
    Access, CreateDomain, DomId, Hypervisor, HypervisorError, Mfn, PAGE_SIZE, Pfn, Port, VcpuContext,
};
use uuid::Uuid;

type Result<T> = std::result::Result<T, HypervisorError>;

const PAGE: u64 = PAGE_SIZE as u64;
const VIRT_BASE: u64 = 0xffff_ffff_8000_0000;
const KERNEL_PFN: Pfn = 256;
const PAGES_PER_L1: u64 = 512;
const PAGES_PER_STEP: u64 = 1024;
const SPARE_PAGES: u64 = 128;
const SUPERPAGE_ORDER: u32 = 9;

/// What to build.
#[derive(Clone, Debug)]
pub struct TinyGuest {
    /// Its handle.
    pub uuid: Uuid,
    /// Its memory; 8 MiB at least.
    pub memory_kib: u64,
    /// Its vcpus.
    pub vcpus: u32,
    /// Its kernel's command line.
    pub cmd_line: String,
}

/// A guest that is ready to be unpaused.
#[derive(Clone, Copy, Debug)]
pub struct Built {
    /// Its number.
    pub domid: DomId,
    /// Frame of the store ring.
    pub store_mfn: Mfn,
    /// Its port to xenstored.
    pub store_port: Port,
    /// Frame of the console ring.
    pub console_mfn: Mfn,
    /// Its port to xenconsoled.
    pub console_port: Port,
}

/// Pages of each part, in the order in which they lie.
struct Plan {
    nr_pages: u64,
    p2m: Pfn,
    start_info: Pfn,
    store: Pfn,
    console: Pfn,
    tables: Pfn,
    nr_l1: u64,
    stack: Pfn,
}

impl Plan {
    fn new(nr_pages: u64) -> Self {
        let p2m = KERNEL_PFN + 1;
        let start_info = p2m + (nr_pages * 8).div_ceil(PAGE);
        let (store, console, tables) = (start_info + 1, start_info + 2, start_info + 3);
        let mut nr_l1 = 0;
        loop {
            let stack = tables + 3 + nr_l1;
            let end = (stack + 1 + SPARE_PAGES).next_multiple_of(PAGES_PER_STEP);
            if end / PAGES_PER_L1 <= nr_l1 {
                return Self { nr_pages, p2m, start_info, store, console, tables, nr_l1, stack };
            }
            nr_l1 = end / PAGES_PER_L1;
        }
    }

    fn is_table(&self, pfn: Pfn) -> bool {
        (self.tables..self.stack).contains(&pfn)
    }
}

/// Creates and builds a guest; on failure the half-made domain is destroyed.
pub fn build(hv: &dyn Hypervisor, guest: &TinyGuest) -> Result<Built> {
    let domid = hv.create(&CreateDomain::pv(guest.uuid, guest.vcpus))?;
    fill(hv, domid, guest).inspect_err(|_| {
        // The first error is the one to tell.
        let _second = hv.destroy(domid);
    })
}

fn fill(hv: &dyn Hypervisor, domid: DomId, guest: &TinyGuest) -> Result<Built> {
    let plan = Plan::new(guest.memory_kib / 4);
    hv.set_max_vcpus(domid, guest.vcpus)?;
    hv.set_max_mem_kib(domid, guest.memory_kib + 1024)?;
    hv.set_address_size(domid, 64)?;
    let store_port = hv.alloc_unbound(domid, DomId::DOM0)?;
    let console_port = hv.alloc_unbound(domid, DomId::DOM0)?;
    let p2m = populate(hv, domid, plan.nr_pages)?;
    let mfn = |pfn: Pfn| p2m[pfn as usize];
    let built =
        Built { domid, store_mfn: mfn(plan.store), store_port, console_mfn: mfn(plan.console), console_port };
    hv.map(domid, Access::Write, &[mfn(KERNEL_PFN)])?.write(0, b"\xf4\xeb\xfdsimulated kernel");
    let bytes: Vec<u8> = p2m.iter().flat_map(|mfn| mfn.to_le_bytes()).collect();
    hv.map(domid, Access::Write, &p2m[plan.p2m as usize..plan.start_info as usize])?.write(0, &bytes);
    write_start_info(hv, guest, &plan, &built, mfn(plan.start_info))?;
    write_tables(hv, domid, &plan, &p2m)?;
    write_shared(hv, &built)?;
    hv.pin_l4_table(domid, mfn(plan.tables))?;
    let context = VcpuContext {
        rip: VIRT_BASE + KERNEL_PFN * PAGE,
        rsp: VIRT_BASE + (plan.stack + 1) * PAGE,
        rsi: VIRT_BASE + plan.start_info * PAGE,
        l4_mfn: mfn(plan.tables),
    };
    hv.set_vcpu_context(domid, 0, &context)?;
    Ok(built)
}

fn populate(hv: &dyn Hypervisor, domid: DomId, nr_pages: u64) -> Result<Vec<Mfn>> {
    let size = 1 << SUPERPAGE_ORDER;
    let large: Vec<Pfn> = (0..nr_pages / size * size).step_by(size as usize).collect();
    let mut p2m: Vec<Mfn> = Vec::new();
    for first in hv.populate(domid, SUPERPAGE_ORDER, &large)? {
        p2m.extend(first..first + size);
    }
    let small: Vec<Pfn> = (p2m.len() as u64..nr_pages).collect();
    p2m.extend(hv.populate(domid, 0, &small)?);
    if p2m.len() as u64 == nr_pages {
        return Ok(p2m);
    }
    Err(HypervisorError::Partial { call: "populate memory", domid, done: p2m.len() as u64, asked: nr_pages })
}

fn write_start_info(
    hv: &dyn Hypervisor,
    guest: &TinyGuest,
    plan: &Plan,
    built: &Built,
    mfn: Mfn,
) -> Result<()> {
    let shared_info = hv.info(built.domid)?.map_or(0, |info| info.shared_info_frame);
    let mut page = hv.map(built.domid, Access::Write, &[mfn])?;
    page.write(start_info::MAGIC, start_info::MAGIC_VALUE);
    let line = guest.cmd_line.as_bytes();
    page.write(start_info::CMD_LINE, &line[..line.len().min(start_info::CMD_LINE_SIZE - 1)]);
    for (offset, value) in [
        (start_info::NR_PAGES, plan.nr_pages),
        (start_info::SHARED_INFO, shared_info * PAGE),
        (start_info::STORE_MFN, built.store_mfn),
        (start_info::CONSOLE_MFN, built.console_mfn),
        (start_info::PT_BASE, VIRT_BASE + plan.tables * PAGE),
        (start_info::NR_PT_FRAMES, 3 + plan.nr_l1),
        (start_info::MFN_LIST, VIRT_BASE + plan.p2m * PAGE),
    ] {
        page.write(offset, &value.to_le_bytes());
    }
    page.write(start_info::STORE_EVTCHN, &built.store_port.to_le_bytes());
    page.write(start_info::CONSOLE_EVTCHN, &built.console_port.to_le_bytes());
    Ok(())
}

/// One L4, one L3, one L2, and L1s for the whole mapping.
fn write_tables(hv: &dyn Hypervisor, domid: DomId, plan: &Plan, p2m: &[Mfn]) -> Result<()> {
    let frames = &p2m[plan.tables as usize..plan.stack as usize];
    let mut tables = hv.map(domid, Access::Write, frames)?;
    let upper = |mfn: Mfn| (mfn << 12 | page_table::UPPER).to_le_bytes();
    tables.write(511 * 8, &upper(frames[1]));
    tables.write(PAGE_SIZE + 510 * 8, &upper(frames[2]));
    let l2: Vec<u8> = frames[3..].iter().flat_map(|mfn| upper(*mfn)).collect();
    tables.write(2 * PAGE_SIZE, &l2);
    let mapped = (plan.nr_l1 * PAGES_PER_L1).min(plan.nr_pages);
    let l1: Vec<u8> = (0..mapped)
        .flat_map(|pfn| {
            let bits = if plan.is_table(pfn) { page_table::LEAF_READ_ONLY } else { page_table::LEAF };
            (p2m[pfn as usize] << 12 | bits).to_le_bytes()
        })
        .collect();
    tables.write(3 * PAGE_SIZE, &l1);
    Ok(())
}

fn write_shared(hv: &dyn Hypervisor, built: &Built) -> Result<()> {
    let shared = hv.info(built.domid)?.map_or(0, |info| info.shared_info_frame);
    let mut page = hv.map(built.domid, Access::Write, &[shared])?;
    for vcpu in 0..shared_info::NR_VCPU_INFO {
        page.write(vcpu * shared_info::VCPU_INFO_SIZE + shared_info::VCPU_UPCALL_MASK, &[1]);
    }
    let mut grants = hv.map_grant_table(built.domid)?;
    let rings = [(grant_v1::REF_CONSOLE, built.console_mfn), (grant_v1::REF_XENSTORE, built.store_mfn)];
    for (reference, mfn) in rings {
        if let Some(entry) = grant_v1::permit(DomId::DOM0, mfn) {
            grants.write(grant_v1::offset_of(reference), &entry);
        }
    }
    Ok(())
}
