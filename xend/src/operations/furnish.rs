//! The step between the empty shell and the image: the store tree with the devices on one side, memory, kernel and
//! event channels on the other, all at once, since none of them needs the others.

use hypervisor::{DomId, HypervisorError};
use xenstore::{Batch, paths};

use super::{Context, Domain, OperationError, blocking, create::memory_or_build, nodes};
use crate::{
    builder::{self, Kernel, KernelFile, MemorySize, Populated},
    devices::{DeviceNodes, Hotplug, Wiring},
    domain::DeviceConfig,
};

/// Does all of it. The wiring of the devices is started and goes on by itself.
pub(super) async fn furnish(context: &Context, domain: &mut Domain) -> Result<(), OperationError> {
    let scripts = find_scripts(context, domain)?;
    let domid = domain.domid();
    let file = domain.made.file.take();
    let memory = memory(context, domain);
    let kernel = kernel(context, domain.name(), file);
    let channels = channels(context, domid);
    let nodes = store_tree(context, domain, &scripts);
    let (memory, kernel, channels, hotplugs) = tokio::join!(memory, kernel, channels, nodes);
    let name = domain.name();
    let live = domain.live.as_mut().expect("plan puts CreateShell before Furnish");
    // First what has to be stopped and freed again when one of the others failed.
    if let Ok(hotplugs) = &hotplugs {
        let (store, scripts) = (context.store.clone(), context.scripts.clone());
        let limit = context.settings().device_create_timeout;
        live.wiring = Some(Wiring::start(store, scripts, hotplugs.clone(), limit));
    }
    let numbers = domain.record.config.vifs().map(|vif| vif.devid);
    live.vif_scripts = numbers.zip(scripts.vifs).collect();
    hotplugs?;
    domain.made.populated = Some(memory?);
    domain.made.kernel = Some(kernel?);
    live.ports = Some(channels.map_err(|source| OperationError::Xen {
        act: "make event channels for",
        name,
        source,
    })?);
    Ok(())
}

struct Scripts {
    vbds: Vec<String>,
    vifs: Vec<String>,
}

/// Finds every script before anything is changed.
fn find_scripts(context: &Context, domain: &Domain) -> Result<Scripts, OperationError> {
    let config = &domain.record.config;
    let (mut vbds, mut vifs) = (Vec::new(), Vec::new());
    for device in &config.devices {
        let script = find_script(context, device)?;
        match device {
            DeviceConfig::Vbd(_) => vbds.push(script),
            DeviceConfig::Vif(_) => vifs.push(script),
        }
    }
    Ok(Scripts { vbds, vifs })
}

/// Finds the script of a device: its path, and the words behind its name where it is configured.
pub(super) fn find_script(context: &Context, device: &DeviceConfig) -> Result<String, OperationError> {
    let settings = context.settings();
    let configured = match device {
        DeviceConfig::Vbd(_) => "block",
        DeviceConfig::Vif(vif) => vif.script.as_deref().unwrap_or(&settings.vif_script),
    };
    let (name, words) = configured.split_once(' ').unwrap_or((configured, ""));
    let path = context.places.find_script(name).ok_or_else(|| OperationError::ScriptMissing {
        name: name.to_owned(),
        folders: context.places.script_folders().map(|f| f.display().to_string()).join(", "),
    })?;
    let path = path.display().to_string();
    Ok(if words.is_empty() { path } else { format!("{path} {words}") })
}

async fn store_tree(
    context: &Context,
    domain: &Domain,
    scripts: &Scripts,
) -> Result<Vec<Hotplug>, OperationError> {
    let domid = domain.domid().0;
    let config = &domain.record.config;
    let vm_path = paths::vm(config.uuid.to_string());
    let mut batch = Batch::new();
    nodes::furnish(&mut batch, domid, &domain.record, context.settings().console_limit_kib);
    let devices = DeviceNodes { domid, domain_name: &config.name, vm_path: &vm_path };
    let mut hotplugs = Vec::new();
    for (vbd, script) in config.vbds().zip(&scripts.vbds) {
        hotplugs.push(devices.vbd(&mut batch, vbd, script));
    }
    for (vif, script) in config.vifs().zip(&scripts.vifs) {
        hotplugs.push(devices.vif(&mut batch, vif, script));
    }
    context.store.commit(&batch).await.map_err(|source| OperationError::Store {
        act: "write the nodes of",
        name: domain.name(),
        source,
    })?;
    Ok(hotplugs)
}

async fn memory(context: &Context, domain: &Domain) -> Result<Populated, OperationError> {
    let config = &domain.record.config;
    let (domid, name) = (domain.domid(), domain.name());
    let size = MemorySize { memory_kib: config.memory_mib * 1024, max_memory_kib: config.maxmem_mib * 1024 };
    context
        .with_xen(move |xen| builder::populate(xen, domid, size))
        .await
        .map_err(|source| memory_or_build(name, source))
}

async fn kernel(context: &Context, name: String, file: Option<KernelFile>) -> Result<Kernel, OperationError> {
    let file = file.expect("plan puts CreateShell before Furnish");
    let cache = context.kernels.clone();
    blocking(move || file.unpack(&cache))
        .await
        .map_err(|source| OperationError::Build { name, source: source.into() })
}

/// The store's channel first, then the console's, as guests have always seen them.
async fn channels(context: &Context, domid: DomId) -> Result<(u32, u32), HypervisorError> {
    context
        .with_xen(move |xen| {
            let store = xen.alloc_unbound(domid, DomId::DOM0)?;
            let console = xen.alloc_unbound(domid, DomId::DOM0)?;
            Ok((store, console))
        })
        .await
}
