//! The steps that make a domain: the empty shell, the image, the introduction to the store's daemon. The result is
//! complete and paused; where nobody else will start it, two more steps do.

use hypervisor::{CreateDomain, DomId, HypervisorError};
use xenstore::{Batch, paths};

use super::{
    Context, Domain, Live, OperationError, blocking, check_devices::check_devices, nodes::Rings, run::now,
};
use crate::{
    builder::{self, BuildError, KernelError, KernelFile, PvBuild, Ramdisk, RingChannel},
    devices::{self, Wiring},
    domain::{DomainConfig, Phase},
};

/// Slack above the domain's memory, as the usual tools leave it.
const MAX_MEM_SLACK_KIB: u64 = 1024;
/// What Xen needs for the domain's own structures and page tables, KiB per vcpu and at least.
const OVERHEAD_KIB: u64 = 1024;

/// Checks files, devices and memory, then makes the empty domain.
pub(super) async fn shell(context: &Context, domain: &mut Domain) -> Result<(), OperationError> {
    let config = domain.record.config.clone();
    // A guest that reboots had them a moment ago; its scripts say what there is to say.
    let is_new = domain.record.phase != Phase::Restarting;
    let devices = if is_new { config.devices.as_slice() } else { &[] };
    let (files, devices) = tokio::join!(open_files(&config), check_devices(context, &config, devices));
    let (kernel, ramdisk) = files?;
    devices?;
    (domain.made.file, domain.made.ramdisk) = (Some(kernel), ramdisk);
    let name = config.name.clone();
    let request = CreateDomain::pv(config.uuid, config.vcpus);
    let need_kib = config.memory_mib * 1024;
    let max_kib = config.maxmem_mib * 1024 + MAX_MEM_SLACK_KIB;
    let made = context
        .with_xen(move |xen| {
            check_memory(xen, need_kib + OVERHEAD_KIB)?;
            let failed = |name: &str, source| OperationError::Create { name: name.to_owned(), source };
            let domid = xen.create(&request).map_err(|source| failed(&name, source))?;
            let limits = xen
                .set_max_vcpus(domid, request.max_vcpus)
                .and_then(|()| xen.set_max_mem_kib(domid, max_kib));
            Ok((domid, limits.map_err(|source| failed(&name, source))))
        })
        .await;
    let (domid, limits) = made?;
    // The number is kept even when a limit was refused: the undoing needs it.
    domain.live = Some(Live::new(domid));
    limits
}

/// Opens both files and looks at their heads, so that a wrong one is found before anything is made.
async fn open_files(config: &DomainConfig) -> Result<(KernelFile, Option<Ramdisk>), OperationError> {
    let (name, image) = (config.name.clone(), config.image.clone());
    blocking(move || {
        let failed =
            |source: KernelError| OperationError::Build { name: name.clone(), source: source.into() };
        let kernel = KernelFile::open(image.kernel.as_ref()).map_err(|error| match error {
            KernelError::Open { path, source } => OperationError::KernelMissing { path, source },
            other => failed(other),
        })?;
        let ramdisk = image.ramdisk.map(|path| Ramdisk::open(path.as_ref())).transpose();
        let ramdisk = ramdisk.map_err(|error| match error {
            KernelError::Open { path, source } => OperationError::RamdiskMissing { path, source },
            other => failed(other),
        })?;
        Ok((kernel, ramdisk))
    })
    .await
}

fn check_memory(xen: &dyn hypervisor::Hypervisor, need_kib: u64) -> Result<(), OperationError> {
    let info = xen.phys_info().map_err(|source| OperationError::Xen {
        act: "find memory for a",
        name: String::new(),
        source,
    })?;
    let free_pages = (info.free_pages + info.scrub_pages).saturating_sub(info.outstanding_pages);
    let free_kib = free_pages * 4;
    if free_kib < need_kib { Err(OperationError::Memory { need_kib, free_kib }) } else { Ok(()) }
}

/// Puts the image into the memory that `Furnish` has prepared.
pub(super) async fn build(context: &Context, domain: &mut Domain) -> Result<(), OperationError> {
    let name = domain.name();
    let made = std::mem::take(&mut domain.made);
    let (kernel, populated) = made.kernel.zip(made.populated).expect("plan puts Furnish before Build");
    let live = domain.live.as_mut().expect("plan puts CreateShell before Build");
    let (store_port, console_port) = live.ports.expect("Furnish makes the channels");
    let image = &domain.record.config.image;
    let features =
        domain.record.config.plain_value("features").and_then(xend_api::Sxp::atom).unwrap_or_default();
    let cmdline = image.args.clone();
    let built = context
        .with_xen(move |xen| {
            let request = PvBuild {
                kernel: &kernel,
                ramdisk: made.ramdisk.as_ref().filter(|ramdisk| !ramdisk.is_empty()),
                cmdline: &cmdline,
                features: &features,
                xenstore: RingChannel { port: store_port, backend: DomId::DOM0 },
                console: RingChannel { port: console_port, backend: DomId::DOM0 },
            };
            builder::build(xen, populated, &request)
        })
        .await
        .map_err(|source| memory_or_build(name, source))?;
    live.rings = Some((built.store_mfn, built.console_mfn));
    domain.record.notes = built.notes;
    domain.record.start_time = now();
    Ok(())
}

/// Running out of memory half-way has the text that running out of it before has.
pub(super) fn memory_or_build(name: String, source: builder::BuildError) -> OperationError {
    match source {
        BuildError::OutOfMemory { wanted_kib, got_kib, .. } => {
            OperationError::Memory { need_kib: wanted_kib, free_kib: got_kib }
        }
        source => OperationError::Build { name, source },
    }
}

/// Writes the rings into the store and tells its daemon of the domain.
pub(super) async fn introduce(context: &Context, domain: &mut Domain) -> Result<(), OperationError> {
    let name = domain.name();
    let failed = |source| OperationError::Store { act: "introduce", name: name.clone(), source };
    let live = domain.live.as_ref().expect("plan puts CreateShell before Introduce");
    let (store_port, console_port) = live.ports.expect("Furnish makes the channels");
    let (store_mfn, console_mfn) = live.rings.expect("Build makes the rings");
    let rings = Rings {
        domid: live.domid.0,
        vm: &paths::vm(domain.uuid().to_string()),
        store: (store_mfn, store_port),
        console: (console_mfn, console_port),
        start_time: domain.record.start_time,
    };
    let mut batch = Batch::new();
    rings.add(&mut batch);
    context.store.commit(&batch).await.map_err(failed)?;
    context.store.introduce(live.domid.0, store_mfn, store_port).await.map_err(failed)
}

/// Waits until all devices are connected on this side, or one of them is not to be.
pub(super) async fn await_devices(domain: &Domain) -> Result<(), OperationError> {
    let wiring = domain.live.as_ref().and_then(|live| live.wiring.as_ref());
    let Some(mut wiring) = wiring.map(Wiring::watch) else { return Ok(()) };
    let connected = devices::outcome(&mut wiring).await;
    connected.map_err(|fault| OperationError::Device { name: domain.name(), fault })
}

/// Lets the domain run.
pub(super) async fn unpause(context: &Context, domain: &Domain) -> Result<(), OperationError> {
    let domid = domain.domid();
    let unpaused = context.with_xen(move |xen| xen.unpause(domid)).await;
    unpaused.map_err(|source| OperationError::Xen { act: "unpause", name: domain.name(), source })
}

/// An error of Xen about a domain that is gone already is no error for whoever takes it away.
pub(super) fn unless_gone(ended: Result<(), HypervisorError>) -> Result<(), HypervisorError> {
    match ended {
        Err(error) if error.is_no_domain() => Ok(()),
        other => other,
    }
}
