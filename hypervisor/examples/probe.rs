//! Prints what this host's Xen says about itself; with `--build` also makes, fills and destroys a small domain, and with
//! `--stress` calls from many threads amid forks: the quickest check that a new release is spoken to rightly. Run it as
//! root in dom0.

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};

use hypervisor::xen::Xen;
use hypervisor::{
    Access, ConsoleRead, CreateDomain, DomId, Domains, EventChannels, GuestMemory, Host, HypervisorError,
    Mfn, PAGE_SIZE, Pfn, ShutdownCode, VcpuContext,
};
use uuid::Uuid;

/// Which frame of the test domain holds an empty page table.
const EMPTY_TABLE: usize = 8;

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> Outcome {
    let xen = Xen::open()?;
    read(&xen)?;
    if std::env::args().any(|argument| argument == "--build") {
        build(&xen)?;
        println!("build ok");
    }
    if std::env::args().any(|argument| argument == "--stress") {
        stress(&xen)?;
        println!("stress ok");
    }
    Ok(())
}

fn read(xen: &Xen) -> Outcome {
    println!("{:#?}", xen.version());
    println!("read-only: {:?}", xen.read_only_reason());
    println!("{:?}", xen.phys_info()?);
    println!("{:?}", xen.scheduler()?);
    println!("{:?}", xen.cpu_places()?);
    println!("{:?}", xen.numa_nodes()?);
    println!("{} bytes of messages", xen.read_console(ConsoleRead::Keep)?.len());
    for info in xen.list()? {
        println!("{info:?}");
        println!("  vcpu 0: {:?}", xen.vcpu_info(info.domid, 0)?);
    }
    Ok(())
}

/// Everything up to page tables, which are the builder's affair; checks each answer.
fn build(xen: &Xen) -> Outcome {
    let uuid = Uuid::new_v4();
    let domid = xen.create(&CreateDomain::pv(uuid, 2))?;
    println!("created {domid}");
    let outcome = fill(xen, domid, uuid);
    xen.destroy(domid)?;
    check("domain is gone", xen.info(domid)?.is_none())?;
    outcome
}

fn fill(xen: &Xen, domid: DomId, uuid: Uuid) -> Outcome {
    xen.set_max_vcpus(domid, 2)?;
    xen.set_max_mem_kib(domid, 64 << 10)?;
    xen.set_address_size(domid, 64)?;
    let info = xen.info(domid)?.ok_or("the new domain is not there")?;
    println!("{info:?}");
    check("handle is the uuid", info.uuid == uuid)?;
    check("two vcpus, paused", info.max_vcpu_id == Some(1) && info.flags.paused)?;
    check("listed", xen.list()?.iter().any(|entry| entry.domid == domid && entry.uuid == uuid))?;
    check(
        "vcpu 1 exists, vcpu 9 does not",
        xen.vcpu_info(domid, 1)?.is_some() && xen.vcpu_info(domid, 9)?.is_none(),
    )?;
    check("ports count from 1", xen.alloc_unbound(domid, DomId::DOM0)? == 1)?;
    check("ports count on", xen.alloc_unbound(domid, DomId::DOM0)? == 2)?;
    xen.claim_pages(domid, 8192)?;
    xen.set_memory_map(domid, 32 << 20)?;
    let frames = populate(xen, domid)?;
    xen.claim_pages(domid, 0)?;
    memory(xen, domid, &frames, info.shared_info_frame)?;
    xen.init_hypercall_page(domid, frames[0])?;
    let refused = xen.pin_l4_table(domid, info.shared_info_frame);
    check("a page that is no page table can't be pinned", refused.is_err())?;
    // An empty table is a valid one.
    xen.pin_l4_table(domid, frames[EMPTY_TABLE])?;
    let context = VcpuContext { rip: 0xffff_ffff_8000_0000, rsp: 0, rsi: 0, l4_mfn: frames[EMPTY_TABLE] };
    xen.set_vcpu_context(domid, 0, &context)?;
    check("vcpu 0 is up, vcpu 1 is not", online(xen, domid, 0)? && !online(xen, domid, 1)?)?;
    xen.force_shutdown(domid, ShutdownCode::Crash)?;
    let info = xen.info(domid)?.ok_or("the domain is not there any more")?;
    check("it has crashed", info.shutdown == Some(ShutdownCode::Crash))?;
    let absent = DomId(0x7e00);
    check("absent: none", xen.info(absent)?.is_none())?;
    for (call, error) in [
        ("pause", xen.pause(absent).err()),
        ("populate", xen.populate(absent, 0, &[0]).err()),
        ("map", xen.map(absent, Access::Read, &[frames[0]]).err()),
        ("vcpu_info", xen.vcpu_info(absent, 0).err()),
        ("force_shutdown", xen.force_shutdown(absent, ShutdownCode::Crash).err()),
        ("alloc_unbound", xen.alloc_unbound(absent, DomId::DOM0).err()),
        ("map_grant_table", xen.map_grant_table(absent).err()),
        ("set_memory_map", xen.set_memory_map(absent, 4096).err()),
        ("claim_pages", xen.claim_pages(absent, 1).err()),
    ] {
        let error = error.ok_or(call)?;
        println!("{call} of an absent domain: {error}: {:?}", error.errno());
        check("absent: ESRCH", error.is_no_domain())?;
    }
    Ok(())
}

/// 14 superpages of 2 MiB and 4 MiB in single pages.
fn populate(xen: &Xen, domid: DomId) -> Result<Vec<Mfn>, Box<dyn Error>> {
    let superpages: Vec<Pfn> = (0..14).map(|n| n * 512).collect();
    let bases = xen.populate(domid, 9, &superpages)?;
    println!("{} of 14 superpages", bases.len());
    let mut frames: Vec<Mfn> = bases.iter().flat_map(|base| *base..*base + 512).collect();
    let single: Vec<Pfn> = (frames.len() as u64..8192).collect();
    frames.extend(xen.populate(domid, 0, &single)?);
    check("32 MiB are there", frames.len() == 8192)?;
    let beyond: Vec<Pfn> = (8192..32768).collect();
    check("the limit holds", xen.populate(domid, 0, &beyond)?.len() < beyond.len())?;
    Ok(frames)
}

fn memory(xen: &Xen, domid: DomId, frames: &[Mfn], shared_info: Mfn) -> Outcome {
    let mut all = xen.map(domid, Access::Write, frames)?;
    check("all of it is mapped", all.len() == frames.len() * PAGE_SIZE)?;
    for n in 0..frames.len() {
        all.write(n * PAGE_SIZE, &(n as u64).to_le_bytes());
    }
    all.zero(EMPTY_TABLE * PAGE_SIZE, PAGE_SIZE);
    drop(all);
    let reversed: Vec<Mfn> = frames.iter().rev().copied().collect();
    let back = xen.map(domid, Access::Read, &reversed)?;
    for n in 0..frames.len() {
        let mut number = [0; 8];
        back.read((frames.len() - 1 - n) * PAGE_SIZE, &mut number);
        check("each frame is itself", n == EMPTY_TABLE || u64::from_le_bytes(number) == n as u64)?;
    }
    xen.map(domid, Access::Write, &[shared_info])?.zero(0, PAGE_SIZE);
    let mut grants = xen.map_grant_table(domid)?;
    let entry = hypervisor::abi::guest::grant_v1::permit(DomId::DOM0, frames[2]).ok_or("frame is too big")?;
    grants.write(8, &entry);
    let mut seen = [0; 8];
    grants.read(8, &mut seen);
    check("the grant table holds what was written", seen == entry)?;
    let refused = xen.map(domid, Access::Read, &[frames[0], Mfn::from(u32::MAX)]).map(|_| ());
    println!("a frame that does not exist: {refused:?}");
    check("a frame that does not exist is refused", refused.is_err())
}

fn online(xen: &Xen, domid: DomId, vcpu: u32) -> Result<bool, Box<dyn Error>> {
    Ok(xen.vcpu_info(domid, vcpu)?.ok_or("no such vcpu")?.online)
}

/// Calls from four threads while processes are forked: a buffer that a fork could reach would show as `EFAULT`.
fn stress(xen: &Xen) -> Outcome {
    const ROUNDS: usize = 2000;
    let failed = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let good = || -> Result<bool, HypervisorError> {
                    let alone = xen.info(DomId::DOM0)?.map(|info| info.uuid);
                    let listed = xen.list()?.into_iter().next().map(|info| info.uuid);
                    Ok(alone == listed && !xen.read_console(ConsoleRead::Keep)?.is_empty())
                };
                let bad = (0..ROUNDS).filter(|_| !good().unwrap_or(false)).count();
                failed.fetch_add(bad, Ordering::Relaxed);
            });
        }
        for _ in 0..100 {
            // The child's own success is of no interest, only that there was a fork.
            drop(std::process::Command::new("/bin/true").status());
            drop(std::fs::write("/proc/sys/vm/compact_memory", "1"));
        }
    });
    println!("{} of {} rounds failed", failed.load(Ordering::Relaxed), 4 * ROUNDS);
    check("no round fails", failed.load(Ordering::Relaxed) == 0)
}

fn check(what: &str, holds: bool) -> Outcome {
    if holds { Ok(()) } else { Err(format!("does not hold: {what}").into()) }
}
