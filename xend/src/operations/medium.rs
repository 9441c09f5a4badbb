//! Another medium for a drive of a domain that lives. The kernel's backend takes a medium into an empty drive; it
//! can't give one up, so a drive with a medium is taken from the guest and comes back with the other one.
//!
//! ```text
//!   empty ──> medium                       type, params, script           the guest sees a disk appear
//!   medium ──> other medium, or empty      guest lets go ─> attached anew  the guest sees it go and come
//! ```

use std::sync::Arc;

use tracing::error;
use xenstore::{
    Batch,
    paths::{self, node},
};

use super::{
    Context, Domain, OperationError,
    attach::{self, Detach},
    chain,
    check_devices::check_devices,
    furnish,
};
use crate::{
    devices::{self, Hotplug},
    domain::{DeviceChange, DeviceConfig, DeviceId, VbdConfig},
};

/// How a change of media ended that is over.
#[derive(Debug)]
pub enum Changed {
    /// The drive has what was asked for.
    Done,
    /// That could not be had; it has what it had, or nothing.
    PutBack(OperationError),
}

/// Puts `new` in place of the drive with its number. An error leaves the change in the record, when it is there already:
/// [`finish_change`] goes on, for example when the guest lets go.
pub async fn change_medium(
    context: &Context,
    domain: &mut Domain,
    new: DeviceConfig,
) -> Result<Changed, OperationError> {
    check_devices(context, &domain.record.config, std::slice::from_ref(&new)).await?;
    let id = new.id();
    let change = DeviceChange::Changing(id);
    let before = domain.record.changes.clone();
    if !before.contains(&change) {
        if domain.record.config.device(id) == Some(&new) {
            return Ok(Changed::Done);
        }
        domain.record.changes.push(change);
    }
    let Some(old) = domain.record.config.replace_device(new) else { return Ok(Changed::Done) };
    if let Err(failed) = attach::keep(context, domain).await {
        domain.record.config.replace_device(old);
        domain.record.changes = before;
        return Err(failed);
    }
    finish_change(context, domain, id, Some(old)).await
}

/// Brings a drive to what the configuration says. `old` is what it goes back to when that can't be had; without one it
/// is empty then.
pub async fn finish_change(
    context: &Context,
    domain: &mut Domain,
    id: DeviceId,
    old: Option<DeviceConfig>,
) -> Result<Changed, OperationError> {
    let Some(DeviceConfig::Vbd(new)) = domain.record.config.device(id).cloned() else {
        return Ok(Changed::Done);
    };
    let script = furnish::find_script(context, &DeviceConfig::Vbd(new.clone()))?;
    let done = match empty_drive(context, domain, id).await? {
        Some(drive) if !new.kind.is_empty() => insert(context, domain, &drive, &new, &script).await,
        _ => {
            let cleared = attach::clear(context, domain, id, Detach::Asked).await;
            cleared.map_err(|failed| match failed {
                OperationError::InUse { name, device, source } => {
                    OperationError::MediumInUse { name, device, source }
                }
                other => other,
            })?;
            attach::wire(context, domain, id, &script).await
        }
    };
    let Err(why) = done else { return Ok(Changed::Done) };
    let back = old.unwrap_or_else(|| DeviceConfig::Vbd(emptied(new)));
    put_back(context, domain, back, &script).await;
    Ok(Changed::PutBack(why))
}

/// The drive as it is wired, if it is there and has no medium.
async fn empty_drive(
    context: &Context,
    domain: &Domain,
    id: DeviceId,
) -> Result<Option<Hotplug>, OperationError> {
    let Some(found) = attach::find(context, domain, id).await? else { return Ok(None) };
    let kind = context.store.read(&paths::join(&found.hotplug.backend(), node::vbd::TYPE)).await;
    let kind = kind.map_err(|source| store_failed(domain, source))?;
    Ok(kind.is_some_and(|kind| kind.is_empty()).then_some(found.hotplug))
}

/// The backend waits for a medium since the domain was made; its script finds one now.
async fn insert(
    context: &Context,
    domain: &Domain,
    drive: &Hotplug,
    new: &VbdConfig,
    script: &str,
) -> Result<(), OperationError> {
    let drive = Hotplug { script: script.to_owned(), ..drive.clone() };
    let backend = drive.backend();
    let node = |name: &str| paths::join(&backend, name);
    let mut batch = Batch::new();
    batch
        .write(node(node::vbd::TYPE), &new.kind)
        .write(node(node::vbd::PARAMS), &new.params)
        .remove(node(node::device::HOTPLUG_STATUS))
        .remove(node(node::device::HOTPLUG_ERROR));
    context.store.commit(&batch).await.map_err(|source| store_failed(domain, source))?;
    let limit = context.settings().device_create_timeout;
    let wired = devices::connect(&context.store, context.scripts.as_ref(), &drive, limit).await;
    wired.map_err(|fault| OperationError::Device { name: domain.name(), fault: Arc::new(fault) })
}

/// After a medium that could not be had: nobody is told of a fault in here but by the log.
async fn put_back(context: &Context, domain: &mut Domain, old: DeviceConfig, script: &str) {
    let id = old.id();
    domain.record.config.replace_device(old);
    // It was only just made, so no guest uses it.
    let back = match attach::clear(context, domain, id, Detach::Forced).await {
        Ok(()) => attach::wire(context, domain, id, script).await,
        failed => failed,
    };
    if let Err(failed) = back {
        error!(name = %domain.record.config.name, "{}; the drive is lost until the domain starts again", chain(&failed));
    }
}

fn emptied(vbd: VbdConfig) -> VbdConfig {
    VbdConfig { kind: String::new(), params: String::new(), ..vbd }
}

fn store_failed(domain: &Domain, source: xenstore::StoreError) -> OperationError {
    OperationError::Store { act: "change a drive of", name: domain.name(), source }
}
