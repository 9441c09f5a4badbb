//! Whole guests on the simulator, which checks them as a kernel would; memory is filled with rubbish beforehand, so
//! that a page which the builder forgets shows.

use hypervisor::{
    CreateDomain, Domains, EventChannels, GuestMemory, Host,
    sim::{BootReport, Call, HostConfig, Machine, Modules},
};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::builder::{
    cache::{CacheLimits, KernelCache},
    error::{KernelError, LayoutError},
    fixtures::{DATA_OFFSET, PADDR, TempFolder, TinyKernel, VIRT_BASE, gzip},
    kernel::KernelFile,
    memory::{MemorySize, populate},
    notes,
};

/// A guest to be built.
struct Setup {
    kernel: TinyKernel,
    ramdisk: Option<Vec<u8>>,
    memory_kib: u64,
    vcpus: u32,
    cmdline: String,
    features: &'static str,
    rubbish: bool,
}

impl Setup {
    fn new(kernel: TinyKernel, memory_mib: u64) -> Self {
        Self {
            kernel,
            ramdisk: None,
            memory_kib: memory_mib * 1024,
            vcpus: 1,
            cmdline: "root=/dev/xvda1 ro".to_owned(),
            features: "",
            rubbish: true,
        }
    }

    fn with_ramdisk(mut self, len: usize) -> Self {
        self.ramdisk = Some((0..len).map(|index| (index % 253) as u8 + 1).collect());
        self
    }

    fn build(&self, machine: &Machine) -> (DomId, Result<Built, BuildError>) {
        let folder = TempFolder::new();
        let path = folder.file("vmlinuz", &gzip(&self.kernel.elf()));
        let cache = KernelCache::without_folder(CacheLimits::default());
        let kernel = KernelFile::open(&path).unwrap().unpack(&cache).unwrap();
        let ramdisk =
            self.ramdisk.as_ref().map(|bytes| Ramdisk::open(&folder.file("initrd", bytes)).unwrap());

        let domid = machine.create(&CreateDomain::pv(Uuid::new_v4(), self.vcpus)).unwrap();
        machine.set_max_vcpus(domid, self.vcpus).unwrap();
        machine.set_max_mem_kib(domid, self.memory_kib + 1024).unwrap();
        let xenstore =
            RingChannel { port: machine.alloc_unbound(domid, DomId::DOM0).unwrap(), backend: DomId::DOM0 };
        let console =
            RingChannel { port: machine.alloc_unbound(domid, DomId(3)).unwrap(), backend: DomId(3) };
        let size = MemorySize { memory_kib: self.memory_kib, max_memory_kib: self.memory_kib };
        let memory = match populate(machine, domid, size) {
            Ok(memory) => memory,
            Err(error) => return (domid, Err(error)),
        };
        if self.rubbish {
            fill_with_rubbish(machine, &memory);
        }
        let request = PvBuild {
            kernel: &kernel,
            ramdisk: ramdisk.as_ref(),
            cmdline: &self.cmdline,
            features: self.features,
            xenstore,
            console,
        };
        (domid, build(machine, memory, &request))
    }

    /// Builds, and checks everything that can be seen from inside the guest.
    fn build_and_check(&self, machine: &Machine) -> (DomId, Built, BootReport) {
        let (domid, built) = self.build(machine);
        let built = built.unwrap();
        let guest = machine.guest(domid);
        let report = guest.verify_boot().unwrap();
        let info = &report.start_info;
        assert_eq!(info.command_line(), self.cmdline);
        assert_eq!(info.nr_pages, self.memory_kib / 4);
        assert_eq!((info.store_mfn, info.console_mfn), (built.store_mfn, built.console_mfn));
        assert_eq!(built.nr_pages, info.nr_pages);

        let kernel = VIRT_BASE + PADDR;
        let read = |va: u64, len: usize| {
            let mut bytes = vec![0; len];
            guest.read_virtual(va, &mut bytes).unwrap();
            bytes
        };
        let text = TinyKernel::text();
        // The hypercall page of old kernels lies behind the text.
        assert_eq!(read(kernel, 0x1000), padded(&text, 0x1000));
        let data = TinyKernel::data();
        let data_memory = TinyKernel::DATA_MEMORY as usize;
        assert_eq!(read(kernel + DATA_OFFSET - 0x1000, 0x1000), vec![0; 0x1000], "gap between segments");
        assert_eq!(read(kernel + DATA_OFFSET, data_memory), padded(&data, data_memory), "data and bss");
        let context = guest.context().unwrap();
        assert_eq!(read(context.rsp - 4096, 4096), vec![0; 4096], "boot stack");
        self.check_ramdisk(machine, domid, &report);
        (domid, built, report)
    }

    fn check_ramdisk(&self, machine: &Machine, domid: DomId, report: &BootReport) {
        let guest = machine.guest(domid);
        let Some(ramdisk) = &self.ramdisk else { return assert_eq!(report.modules, None) };
        let wanted = padded(ramdisk, ramdisk.len().next_multiple_of(4096));
        let mut found = vec![0; wanted.len()];
        match report.modules.expect("there is a ramdisk") {
            Modules::Mapped { va, len } => {
                assert!(!self.has(notes::MOD_START_PFN));
                assert_eq!(len, ramdisk.len() as u64);
                guest.read_virtual(va, &mut found).unwrap();
            }
            Modules::Pages { pfn, len } => {
                assert!(self.has(notes::MOD_START_PFN));
                assert_eq!(len, ramdisk.len() as u64);
                for (index, page) in found.chunks_mut(4096).enumerate() {
                    guest.read(pfn + index as u64, 0, page).unwrap();
                }
            }
        }
        assert!(found == wanted, "the ramdisk differs");
    }

    fn has(&self, note: u32) -> bool {
        self.kernel.notes.iter().any(|(known, _)| *known == note)
    }
}

fn padded(bytes: &[u8], len: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes.resize(len, 0);
    bytes
}

fn fill_with_rubbish(machine: &Machine, memory: &Populated) {
    let rubbish = vec![0xa5; 4096 * 512];
    for start in (0..memory.nr_pages()).step_by(512) {
        let pages = 512.min(memory.nr_pages() - start);
        let frames: Vec<Mfn> = memory.frames(PageRange { start, pages }).collect();
        let mut mapping = machine.map(memory.domid(), Access::Write, &frames).unwrap();
        mapping.write(0, &rubbish[..pages as usize * 4096]);
    }
}

#[test]
fn a_modern_kernel_with_a_ramdisk_finds_everything_in_its_place() {
    let machine = Machine::default();
    let setup = Setup::new(TinyKernel::modern(), 32).with_ramdisk(100_001);
    let (domid, built, report) = setup.build_and_check(&machine);
    assert!(matches!(report.modules, Some(Modules::Pages { .. })));
    assert_eq!(report.start_info.mfn_list, 0x80_0000_0000);
    assert_eq!(built.protocol, "x86_64-abi");
    assert!(built.notes.contains(&("GUEST_OS".to_owned(), "linux".to_owned())));
    machine.unpause(domid).unwrap();
}

#[test]
fn an_old_kernel_has_its_ramdisk_and_p2m_mapped_and_its_hypercall_page_filled() {
    let machine = Machine::default();
    let setup = Setup::new(TinyKernel::old(), 32).with_ramdisk(8192);
    let (domid, ..) = setup.build_and_check(&machine);
    assert_eq!(machine.faults().count(Call::InitHypercallPage), 1);
    machine.destroy(domid).unwrap();
    let machine = Machine::default();
    Setup::new(TinyKernel::modern(), 32).build_and_check(&machine);
    assert_eq!(machine.faults().count(Call::InitHypercallPage), 0, "no note, no page");
}

#[test]
fn nothing_stays_mapped_so_a_destroyed_guest_gives_all_its_memory_back() {
    let machine = Machine::default();
    let free = machine.phys_info().unwrap().free_pages;
    let setup = Setup::new(TinyKernel::modern(), 40).with_ramdisk(5000);
    let (domid, ..) = setup.build_and_check(&machine);
    assert!(machine.phys_info().unwrap().free_pages < free);
    machine.destroy(domid).unwrap();
    assert!(machine.info(domid).unwrap().is_none());
    assert_eq!(machine.phys_info().unwrap().free_pages, free);
}

#[test]
fn a_build_takes_few_calls_however_large_the_guest_is() {
    let machine = Machine::default();
    let setup = Setup { rubbish: false, ..Setup::new(TinyKernel::modern(), 4096).with_ramdisk(1 << 20) };
    setup.build_and_check(&machine);
    let count = |call| machine.faults().count(call);
    // Kernel, ramdisk, p2m, and all small pages together.
    assert_eq!(count(Call::Map), 4);
    assert_eq!(count(Call::Populate), 4, "1 GiB a call");
    assert_eq!(count(Call::ClaimPages), 1);
}

#[test]
fn a_memory_of_odd_size_on_a_host_without_superpages_works() {
    // One page less than 33 MiB, and after 5 MiB the host has single pages only.
    let machine = Machine::default();
    let setup = Setup { memory_kib: 33 * 1024 - 4, ..Setup::new(TinyKernel::modern(), 0).with_ramdisk(1) };
    let (_, built, _) = setup.build_and_check(&machine);
    assert_eq!(built.nr_pages, 33 * 256 - 1);
}

#[test]
fn a_command_line_that_is_too_long_is_cut_and_still_ends() {
    let machine = Machine::default();
    let setup = Setup { cmdline: "x".repeat(5000), ..Setup::new(TinyKernel::modern(), 32) };
    let (domid, built) = setup.build(&machine);
    built.unwrap();
    let info = machine.guest(domid).start_info().unwrap();
    assert!(info.cmd_line_ends);
    assert_eq!(info.cmd_line.len(), 1023);
}

#[test]
fn a_guest_that_is_too_small_is_refused_with_the_size_that_would_do() {
    let machine = Machine::default();
    let setup = Setup::new(TinyKernel::modern(), 17).with_ramdisk(20 << 20);
    let error = setup.build(&machine).1.unwrap_err();
    let BuildError::Layout { source: LayoutError::TooSmall { need_kib, .. }, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(error.hint().unwrap(), format!("set memory to at least {}", need_kib.div_ceil(1024)));
    let setup = Setup { memory_kib: need_kib.next_multiple_of(1024), ..setup };
    setup.build_and_check(&machine);
}

#[test]
fn a_host_without_enough_memory_says_how_much_it_has() {
    let machine =
        Machine::new(HostConfig { memory_mib: 1200, dom0_memory_mib: 1024, ..HostConfig::default() });
    let free_kib = machine.phys_info().unwrap().free_pages * 4;
    let (domid, error) = Setup::new(TinyKernel::modern(), 512).build(&machine);
    let error = error.unwrap_err();
    let BuildError::OutOfMemory { wanted_kib, got_kib, .. } = error else { panic!("{error}") };
    assert_eq!(wanted_kib, 512 * 1024);
    assert!(got_kib <= free_kib && got_kib > free_kib - 1024, "{got_kib} of {free_kib}");
    assert!(error.hint().unwrap().contains("memory"));
    machine.destroy(domid).unwrap();
}

#[test]
fn memory_that_runs_out_half_way_is_an_error_even_without_claims() {
    let machine = Machine::default();
    machine.faults().fail(Call::ClaimPages, 1, libc::ENOSYS);
    machine.faults().populate_at_most(5000);
    let error = Setup::new(TinyKernel::modern(), 64).build(&machine).1.unwrap_err();
    let BuildError::OutOfMemory { got_kib, .. } = error else { panic!("{error}") };
    assert_eq!(got_kib, 5000 * 4);
}

#[test]
fn every_refusal_of_xen_is_an_error_that_names_the_step_and_leaves_nothing_mapped() {
    let calls = [
        (Call::SetAddressSize, 1),
        (Call::SetMemoryMap, 1),
        (Call::Populate, 1),
        (Call::Info, 1),
        (Call::Map, 1),
        (Call::Map, 2),
        (Call::Map, 3),
        (Call::Map, 4),
        (Call::PinL4Table, 1),
        (Call::MapGrantTable, 1),
        (Call::SetVcpuContext, 1),
    ];
    for (call, nth) in calls {
        let machine = Machine::default();
        machine.faults().fail(call, nth, libc::EINVAL);
        let setup = Setup { rubbish: false, ..Setup::new(TinyKernel::modern(), 32).with_ramdisk(10) };
        let (domid, error) = setup.build(&machine);
        let error = error.expect_err("the call was refused");
        assert!(matches!(error, BuildError::Hypervisor { .. }), "{call:?}: {error}");
        assert!(error.to_string().ends_with(&format!("of domain {domid}")), "{error}");
        machine.destroy(domid).unwrap();
        assert!(machine.info(domid).unwrap().is_none(), "{call:?} leaves a mapping");
    }
}

#[test]
fn a_domain_that_vanishes_is_said_to_be_gone() {
    let machine = Machine::default();
    let size = MemorySize { memory_kib: 32 * 1024, max_memory_kib: 32 * 1024 };
    let error = populate(&machine, DomId(9), size).unwrap_err();
    assert!(error.to_string().contains("domain 9"), "{error}");
}

#[test]
fn a_feature_that_the_kernel_lacks_is_refused_before_anything_is_written() {
    let machine = Machine::default();
    let setup = Setup { features: "highmem_assist", ..Setup::new(TinyKernel::modern(), 32) };
    let setup = Setup { rubbish: false, ..setup };
    let error = setup.build(&machine).1.unwrap_err();
    assert!(matches!(error, BuildError::Kernel(KernelError::Elf { .. })), "{error}");
    assert_eq!(machine.faults().count(Call::Map), 0);
}

#[test]
fn a_ramdisk_that_shrinks_while_it_is_copied_is_noticed() {
    let folder = TempFolder::new();
    let path = folder.file("initrd", &[1; 9000]);
    let ramdisk = Ramdisk::open(&path).unwrap();
    std::fs::write(&path, b"short").unwrap();
    let mut bytes = [0; 9000];
    let error = ramdisk.image.read_at(0, &mut bytes).map_err(|source| ramdisk.read_error(source));
    assert!(matches!(error, Err(KernelError::Changed { .. })));
    assert!(matches!(ramdisk.check_unchanged(), Err(KernelError::Changed { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn guests_of_every_size_boot(
        memory_kib in (32_u64 * 256..4 * 1024 * 256).prop_map(|pages| pages * 4),
        ramdisk in prop::option::of(1_usize..6_000_000),
        vcpus in 1_u32..33,
        modern in any::<bool>(),
        seed in 0_u64..64,
    ) {
        let kernel = if modern { TinyKernel::modern() } else { TinyKernel::old() };
        let machine = Machine::new(HostConfig { seed, ..HostConfig::default() });
        let mut setup = Setup { memory_kib, vcpus, rubbish: false, ..Setup::new(kernel, 0) };
        if let Some(len) = ramdisk {
            setup = setup.with_ramdisk(len);
        }
        setup.build_and_check(&machine);
    }
}
