//! A kernel that is accepted, built into a guest on the simulator: addresses and sizes from its headers and notes must
//! end in a guest or in an error, and reach no memory but the guest's own.
#![no_main]

use fuzz::Choices;
use hypervisor::sim::{HostConfig, Machine};
use hypervisor::{CreateDomain, DomId, Domains as _, EventChannels as _};
use libfuzzer_sys::fuzz_target;
use xend::builder::{
    BuildError, Built, CacheLimits, Kernel, KernelCache, KernelFile, MemorySize, PvBuild, Ramdisk,
    RingChannel, build, populate,
};

const LIMITS: CacheLimits = CacheLimits { unpacked_bytes: 4 << 20, kept_bytes: 0, kept_kernels: 0 };

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let memory_kib = 4 * u64::from(choices.byte()) * u64::from(choices.byte());
    let ramdisk = vec![1; 64 * usize::from(choices.byte())];
    let path = fuzz::scratch("kernel");
    std::fs::write(&path, choices.rest()).expect("the folder is ours");
    let unpacked = KernelFile::open(&path).and_then(|file| file.unpack(&KernelCache::without_folder(LIMITS)));
    let Ok(kernel) = unpacked else { return };
    let path = fuzz::scratch("ramdisk");
    std::fs::write(&path, &ramdisk).expect("the folder is ours");
    let ramdisk = Ramdisk::open(&path).ok().filter(|ramdisk| !ramdisk.is_empty());
    match guest(&kernel, ramdisk.as_ref(), memory_kib) {
        Ok(built) => assert_eq!(built.nr_pages, memory_kib / 4),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});

fn guest(kernel: &Kernel, ramdisk: Option<&Ramdisk>, memory_kib: u64) -> Result<Built, BuildError> {
    let machine = Machine::new(HostConfig { memory_mib: 2048, ..HostConfig::default() });
    let create = CreateDomain::pv("11111111-2222-3333-4444-555555555555".parse().expect("a uuid"), 1);
    let domid = machine.create(&create).expect("the host is empty");
    machine.set_max_vcpus(domid, 1).expect("the domain is there");
    machine.set_max_mem_kib(domid, memory_kib + 1024).expect("the domain is there");
    let port = || machine.alloc_unbound(domid, DomId::DOM0).expect("there are ports left");
    let channel = |port| RingChannel { port, backend: DomId::DOM0 };
    let (xenstore, console) = (channel(port()), channel(port()));
    let memory = populate(&machine, domid, MemorySize { memory_kib, max_memory_kib: memory_kib })?;
    let request = PvBuild { kernel, ramdisk, cmdline: "root=/dev/xvda1", features: "", xenstore, console };
    let built = build(&machine, memory, &request);
    if built.is_ok() {
        // A kernel may name an entry that is no code of its own; that is between it and its guest.
        let _ = machine.guest(domid).verify_boot();
    }
    built
}
