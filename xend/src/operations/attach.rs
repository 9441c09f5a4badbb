//! Giving a device to a domain that lives, taking one from it (`xend-daemon` §5.4, §5.6). What is about to happen is in
//! the record first, and stays there until the caller has seen to the rest and concludes:
//!
//! ```text
//!   attach   record (attaching) ─> nodes ─> script, backend ─> … conclude     killed before the end: undone
//!   detach   record (detaching) ─> guest lets go ─> script, nodes ─> … conclude   killed before the end: finished
//! ```

use std::sync::Arc;

use tracing::{error, warn};
use xenstore::{Batch, StoreError, paths};

use super::{Context, Domain, OperationError, chain, check_devices::check_devices, furnish};
use crate::{
    devices::{self, DetachError, DeviceNodes, Hotplug, Leftover},
    domain::{DeviceChange, DeviceConfig, DeviceId},
};

/// How a device is taken from a guest that lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detach {
    /// The guest is asked, and lets go when nothing in it uses the device.
    Asked,
    /// It is closed on the guest's behalf, whatever the guest does with it.
    Forced,
}

/// Gives `device` to the domain; its backend is wired when this returns. Undone when it fails.
pub async fn attach(
    context: &Context,
    domain: &mut Domain,
    device: DeviceConfig,
) -> Result<(), OperationError> {
    let script = furnish::find_script(context, &device)?;
    check_devices(context, &domain.record.config, std::slice::from_ref(&device)).await?;
    let id = device.id();
    if let DeviceConfig::Vif(vif) = &device {
        domain.record.next_vif = domain.record.next_vif.max(vif.devid + 1);
    }
    domain.record.config.devices.push(device);
    domain.record.changes.push(DeviceChange::Attaching(id));
    let connected = match keep(context, domain).await {
        Ok(()) => wire(context, domain, id, &script).await,
        failed => failed,
    };
    if connected.is_err() {
        withdraw(context, domain, id).await;
    }
    connected
}

/// The last step of every change: the record says that it is over.
pub async fn conclude(context: &Context, domain: &mut Domain, id: DeviceId) -> Result<(), OperationError> {
    let before = domain.record.clone();
    if before.changes.contains(&DeviceChange::Detaching(id)) {
        forget_device(domain, id);
    }
    domain.record.changes.retain(|change| change.device() != id);
    let kept = keep(context, domain).await;
    if kept.is_err() {
        // Whoever finds the record goes by what it says; so does this life.
        domain.record = before;
    }
    kept
}

/// Makes the nodes of a device that the configuration has, and connects it on this side.
pub(super) async fn wire(
    context: &Context,
    domain: &mut Domain,
    id: DeviceId,
    script: &str,
) -> Result<(), OperationError> {
    let hotplug = write_nodes(context, domain, id, script).await?;
    let limit = context.settings().device_create_timeout;
    let wired = devices::connect(&context.store, context.scripts.as_ref(), &hotplug, limit).await;
    wired.map_err(|fault| OperationError::Device { name: domain.name(), fault: Arc::new(fault) })?;
    if let Some(live) = domain.live.as_mut().filter(|_| id.class == "vif") {
        live.vif_scripts.insert(id.devid, script.to_owned());
    }
    Ok(())
}

async fn write_nodes(
    context: &Context,
    domain: &Domain,
    id: DeviceId,
    script: &str,
) -> Result<Hotplug, OperationError> {
    let config = &domain.record.config;
    let vm_path = paths::vm(config.uuid.to_string());
    let nodes = DeviceNodes { domid: domain.domid().0, domain_name: &config.name, vm_path: &vm_path };
    let mut batch = Batch::new();
    let hotplug = match config.device(id).expect("attach has put it there") {
        DeviceConfig::Vbd(vbd) => nodes.vbd(&mut batch, vbd, script),
        DeviceConfig::Vif(vif) => nodes.vif(&mut batch, vif, script),
    };
    let written = context.store.commit(&batch).await;
    written.map_err(|source| OperationError::Store {
        act: "write the nodes of a device of",
        name: domain.name(),
        source,
    })?;
    Ok(hotplug)
}

/// Takes back what there is of a device that was not attached.
pub async fn withdraw(context: &Context, domain: &mut Domain, id: DeviceId) {
    if let Err(error) = clear(context, domain, id, Detach::Forced).await {
        error!(name = %domain.record.config.name, "{}", chain(&error));
        return;
    }
    forget_device(domain, id);
    if let Err(unwritten) = conclude(context, domain, id).await {
        // Whoever finds the record as it was finds no device either, and comes to the same end.
        domain.record.changes.retain(|change| change.device() != id);
        warn!(name = %domain.record.config.name, "{}; going on without", chain(&unwritten));
    }
}

/// Takes a device from the domain, but for its entry in the configuration. When the guest does not let go in time the
/// record says that it is to go, and the next call goes on.
pub async fn detach(
    context: &Context,
    domain: &mut Domain,
    id: DeviceId,
    how: Detach,
) -> Result<(), OperationError> {
    let change = DeviceChange::Detaching(id);
    if !domain.record.changes.contains(&change) {
        let before = domain.record.changes.clone();
        // In place of another medium that it was to have.
        domain.record.changes.retain(|other| other.device() != id);
        domain.record.changes.push(change);
        if let Err(failed) = keep(context, domain).await {
            domain.record.changes = before;
            return Err(failed);
        }
    }
    clear(context, domain, id, how).await
}

fn forget_device(domain: &mut Domain, id: DeviceId) {
    domain.record.config.devices.retain(|device| device.id() != id);
    if let Some(live) = domain.live.as_mut().filter(|_| id.class == "vif") {
        live.vif_scripts.remove(&id.devid);
    }
}

/// Takes away what the store has of a device.
pub(super) async fn clear(
    context: &Context,
    domain: &Domain,
    id: DeviceId,
    how: Detach,
) -> Result<(), OperationError> {
    let Some(leftover) = find(context, domain, id).await? else { return Ok(()) };
    let name = domain.name();
    let limit = context.settings().device_destroy_timeout;
    if how == Detach::Asked {
        let gone = devices::ask_to_let_go(&context.store, &leftover.hotplug, Some(limit)).await;
        gone.map_err(|source| match source {
            DetachError::StillThere { .. } => {
                OperationError::InUse { name: name.clone(), device: id, source: Box::new(source) }
            }
            other => OperationError::Detach { name: name.clone(), errors: vec![other] },
        })?;
    }
    let errors = devices::detach(&context.store, &context.scripts, &[leftover], limit).await;
    // A script that failed has said so; the device is gone all the same.
    for error in &errors {
        error!(%name, "{}", chain(error));
    }
    let store_failed = errors.iter().any(|error| matches!(error, DetachError::Store { .. }));
    if store_failed { Err(OperationError::Detach { name, errors }) } else { Ok(()) }
}

/// Waits, as long as it takes, until the guest has let go of a device that it was asked for.
pub async fn until_let_go(context: &Context, domid: u16, id: DeviceId) -> Result<(), DetachError> {
    let hotplug = match id.class {
        "vbd" => Hotplug::vbd(domid, id.devid, "", ""),
        _ => Hotplug::vif(domid, id.devid, ""),
    };
    devices::ask_to_let_go(&context.store, &hotplug, None).await
}

pub(super) async fn find(
    context: &Context,
    domain: &Domain,
    id: DeviceId,
) -> Result<Option<Leftover>, OperationError> {
    let vm_path = paths::vm(domain.uuid().to_string());
    let block = context.places.find_script("block").map(|path| path.display().to_string());
    let found = devices::find_devices(&context.store, &vm_path, &block.unwrap_or_default()).await;
    let failed = |source: StoreError| OperationError::Store {
        act: "find the devices of",
        name: domain.name(),
        source,
    };
    let is_meant =
        |leftover: &Leftover| leftover.hotplug.class == id.class && leftover.hotplug.devid == id.devid;
    Ok(found.map_err(failed)?.into_iter().find(is_meant))
}

/// Writes the record as it is.
pub(super) async fn keep(context: &Context, domain: &Domain) -> Result<(), OperationError> {
    super::run::write_record(context, domain).await
}
