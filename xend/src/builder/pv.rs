//! Turns a domain that has memory into a PV guest that stands before its first instruction.

use hypervisor::{
    Access, DomId, Hypervisor, HypervisorError, Mfn, PAGE_SIZE, Port, VcpuContext,
    abi::guest::{grant_v1, page_table},
};

use super::{
    error::BuildError,
    kernel::Kernel,
    layout::{self, Layout, LayoutRequest, PageRange},
    loader::{Content, LoadError, Piece, load},
    memory::Populated,
    pages::{RamdiskBy, StartInfo, seed_grant, shared_info_page},
    ramdisk::Ramdisk,
};

const PAGE: u64 = PAGE_SIZE as u64;
/// Step of the pinning, by which its hint is found.
pub(super) const PIN: &str = "validate the page tables";

/// A ring page's event channel and the domain that serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingChannel {
    /// The guest's port.
    pub port: Port,
    /// Who serves it, normally domain 0.
    pub backend: DomId,
}

/// What to build.
#[derive(Clone, Copy, Debug)]
pub struct PvBuild<'a> {
    /// Unpacked kernel.
    pub kernel: &'a Kernel,
    /// Ramdisk.
    pub ramdisk: Option<&'a Ramdisk>,
    /// Kernel command line; cut at 1023 bytes.
    pub cmdline: &'a str,
    /// `features` of the domain file, normally empty.
    pub features: &'a str,
    /// Channel of the xenstore ring.
    pub xenstore: RingChannel,
    /// Channel of the console ring.
    pub console: RingChannel,
}

/// What the rest of the daemon needs to know of a built guest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// Frame of the xenstore ring, for INTRODUCE and the store.
    pub store_mfn: Mfn,
    /// Frame of the console ring.
    pub console_mfn: Mfn,
    /// Pages of the guest.
    pub nr_pages: u64,
    /// The kernel's notes, as name and value.
    pub notes: Vec<(String, String)>,
    /// Layout of device rings that the guest speaks natively.
    pub protocol: &'static str,
}

/// Writes everything into the memory of the domain and sets its first vcpu. On an error the domain is to be destroyed.
pub fn build(hv: &dyn Hypervisor, memory: Populated, request: &PvBuild<'_>) -> Result<Built, BuildError> {
    let guest = Guest { hv, memory: &memory, layout: plan(&memory, request)?, request };
    let shared_info = guest.shared_info_frame()?;
    guest.load_kernel()?;
    guest.load_ramdisk()?;
    guest.load_p2m()?;
    guest.write_special_pages(shared_info)?;
    guest.init_hypercall_page()?;
    guest.pin()?;
    guest.seed_grants()?;
    guest.set_vcpu()?;
    Ok(Built {
        store_mfn: guest.mfn(guest.layout.xenstore_ring()),
        console_mfn: guest.mfn(guest.layout.console_ring()),
        nr_pages: memory.nr_pages,
        notes: request.kernel.pv().notes.clone(),
        protocol: "x86_64-abi",
    })
}

fn plan(memory: &Populated, request: &PvBuild<'_>) -> Result<Layout, BuildError> {
    let pv = request.kernel.pv();
    pv.check_features(request.features).map_err(|source| request.kernel.elf_error(source))?;
    let layout = layout::plan(&LayoutRequest {
        nr_pages: memory.nr_pages,
        virt_base: pv.virt_base,
        kernel_start: pv.kernel_start,
        kernel_end: pv.kernel_end,
        ramdisk_pages: request.ramdisk.map_or(0, |ramdisk| ramdisk.len().div_ceil(PAGE)),
        mod_start_pfn: pv.mod_start_pfn,
        init_p2m: pv.init_p2m,
    });
    layout.map_err(|source| BuildError::Layout { domid: memory.domid, source })
}

struct Guest<'a> {
    hv: &'a dyn Hypervisor,
    memory: &'a Populated,
    layout: Layout,
    request: &'a PvBuild<'a>,
}

impl Guest<'_> {
    fn mfn(&self, pfn: u64) -> Mfn {
        self.memory.mfn(pfn).expect("the layout ends before the memory does")
    }

    fn failed(&self, step: &'static str) -> impl Fn(HypervisorError) -> BuildError + use<> {
        let domid = self.memory.domid;
        move |source| BuildError::Hypervisor { step, domid, source }
    }

    fn shared_info_frame(&self) -> Result<Mfn, BuildError> {
        let domid = self.memory.domid;
        let info = self.hv.info(domid).map_err(self.failed("look at the state"))?;
        Ok(info.ok_or(BuildError::Gone { domid })?.shared_info_frame)
    }

    fn load_kernel(&self) -> Result<(), BuildError> {
        let kernel = self.request.kernel;
        let pieces = kernel_pieces(kernel, self.layout.kernel.pages * PAGE);
        load(self.hv, self.memory, self.layout.kernel, &pieces).map_err(|error| match error {
            LoadError::Read(source) => kernel.read_error(source).into(),
            LoadError::Map(source) => self.failed("load the kernel")(source),
        })?;
        Ok(kernel.check_unchanged()?)
    }

    fn load_ramdisk(&self) -> Result<(), BuildError> {
        let (Some(ramdisk), Some(range)) = (self.request.ramdisk, self.layout.ramdisk) else { return Ok(()) };
        let len = ramdisk.len();
        let pieces = [
            Piece { start: 0, end: len, content: Content::Image(&ramdisk.image, 0) },
            Piece { start: len, end: range.pages * PAGE, content: Content::Zero },
        ];
        load(self.hv, self.memory, range, &pieces).map_err(|error| match error {
            LoadError::Read(source) => ramdisk.read_error(source).into(),
            LoadError::Map(source) => self.failed("load the ramdisk")(source),
        })?;
        Ok(ramdisk.check_unchanged()?)
    }

    fn load_p2m(&self) -> Result<(), BuildError> {
        let range = self.layout.p2m;
        let pieces = [Piece { start: 0, end: range.pages * PAGE, content: Content::P2m }];
        load(self.hv, self.memory, range, &pieces).map_err(|error| match error {
            LoadError::Map(source) => self.failed("write the page list")(source),
            LoadError::Read(_) => unreachable!("the p2m is computed, not read"),
        })
    }

    /// Start info, rings, page tables, boot stack and shared info, through one mapping.
    fn write_special_pages(&self, shared_info: Mfn) -> Result<(), BuildError> {
        let layout = &self.layout;
        let run = PageRange { start: layout.start_info, pages: layout.boot_stack + 1 - layout.start_info };
        let p2m_tables = layout.tables.p2m_tables().unwrap_or(PageRange { start: 0, pages: 0 });
        let frames: Vec<Mfn> = self.memory.frames(run).chain(self.memory.frames(p2m_tables)).collect();
        let frames = [frames, vec![shared_info]].concat();
        let mapped = self.hv.map(self.memory.domid, Access::Write, &frames);
        let mut mapping = mapped.map_err(self.failed("map the first pages"))?;
        let offset = |pfn: u64| (pfn - run.start) as usize * PAGE_SIZE;

        mapping.write(offset(layout.start_info), &self.start_info(shared_info));
        mapping.zero(offset(layout.xenstore_ring()), PAGE_SIZE);
        mapping.zero(offset(layout.console_ring()), PAGE_SIZE);
        mapping.zero(offset(layout.boot_stack), PAGE_SIZE);
        let main = layout.tables.main_tables();
        for pfn in main.start..main.end() {
            mapping.write(offset(pfn), &self.table(pfn));
        }
        for (index, pfn) in (p2m_tables.start..p2m_tables.end()).enumerate() {
            mapping.write((run.pages as usize + index) * PAGE_SIZE, &self.table(pfn));
        }
        mapping.write((frames.len() - 1) * PAGE_SIZE, &shared_info_page());
        Ok(())
    }

    fn table(&self, pfn: u64) -> [u8; PAGE_SIZE] {
        let mut page = [0; PAGE_SIZE];
        let entries = self.layout.tables.content(pfn, &|pfn| self.memory.mfn(pfn));
        for (bytes, entry) in page.chunks_exact_mut(PAGE_SIZE / page_table::ENTRIES).zip(entries) {
            bytes.copy_from_slice(&entry.to_le_bytes());
        }
        page
    }

    fn start_info(&self, shared_info: Mfn) -> [u8; PAGE_SIZE] {
        let request = self.request;
        let by = if request.kernel.pv().mod_start_pfn { RamdiskBy::Pfn } else { RamdiskBy::Address };
        StartInfo {
            layout: &self.layout,
            shared_info,
            store: (self.mfn(self.layout.xenstore_ring()), request.xenstore),
            console: (self.mfn(self.layout.console_ring()), request.console),
            ramdisk: request.ramdisk.map(|ramdisk| (ramdisk.len(), by)),
            cmdline: request.cmdline,
        }
        .page()
    }

    fn init_hypercall_page(&self) -> Result<(), BuildError> {
        let pv = self.request.kernel.pv();
        let Some(va) = pv.hypercall_page else { return Ok(()) };
        let mfn = self.mfn((va - pv.virt_base) / PAGE);
        self.hv.init_hypercall_page(self.memory.domid, mfn).map_err(self.failed("fill the hypercall page"))
    }

    /// After all writable mappings are gone: one of a page table would make Xen refuse.
    fn pin(&self) -> Result<(), BuildError> {
        let l4 = self.mfn(self.layout.tables.main_tables().start);
        self.hv.pin_l4_table(self.memory.domid, l4).map_err(self.failed(PIN))
    }

    fn seed_grants(&self) -> Result<(), BuildError> {
        let domid = self.memory.domid;
        let mut table = self.hv.map_grant_table(domid).map_err(self.failed("map the grant table"))?;
        let rings = [
            (grant_v1::REF_CONSOLE, self.request.console, self.layout.console_ring()),
            (grant_v1::REF_XENSTORE, self.request.xenstore, self.layout.xenstore_ring()),
        ];
        for (reference, channel, pfn) in rings {
            let mfn = self.mfn(pfn);
            if !seed_grant(&mut *table, reference, channel.backend, mfn) {
                return Err(BuildError::Grant { domid, mfn });
            }
        }
        Ok(())
    }

    fn set_vcpu(&self) -> Result<(), BuildError> {
        let layout = &self.layout;
        let context = VcpuContext {
            rip: self.request.kernel.pv().entry,
            rsp: layout.va(layout.boot_stack + 1),
            rsi: layout.va(layout.start_info),
            l4_mfn: self.mfn(layout.tables.main_tables().start),
        };
        self.hv.set_vcpu_context(self.memory.domid, 0, &context).map_err(self.failed("set the first vcpu"))
    }
}

/// The kernel's segments and the zeros between and behind them, over all `len` bytes of its pages.
fn kernel_pieces(kernel: &Kernel, len: u64) -> Vec<Piece<'_>> {
    let pv = kernel.pv();
    let lead = pv.kernel_start % PAGE;
    let origin = pv.segments.first().map_or(0, |segment| segment.paddr);
    let mut pieces = Vec::with_capacity(pv.segments.len() * 2 + 1);
    let mut at = 0;
    for segment in &pv.segments {
        let start = segment.paddr - origin + lead;
        pieces.push(Piece { start: at, end: start, content: Content::Zero });
        at = start + segment.file_size;
        let content = Content::Image(&kernel.image, segment.file_offset);
        pieces.push(Piece { start, end: at, content });
    }
    pieces.push(Piece { start: at, end: len, content: Content::Zero });
    pieces
}

#[cfg(test)]
mod tests;
