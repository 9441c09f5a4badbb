//! Whether this host could connect the devices of a domain, asked before there is a domain, or a device of one that
//! lives. Only of devices that scripts of ours will connect: a site's own are not second-guessed.

use std::sync::Arc;

use tracing::warn;
use xenstore::paths;

use super::{Context, OperationError, chain, furnish};
use crate::{
    devices::{DeviceFault, DevicePlan},
    domain::{DeviceConfig, DomainConfig},
};

/// Refuses with every fault of `devices` that can be seen now: the first is the error, the others its reasons.
pub(super) async fn check_devices(
    context: &Context,
    config: &DomainConfig,
    devices: &[DeviceConfig],
) -> Result<(), OperationError> {
    let vm_path = paths::vm(config.uuid.to_string());
    let [_, ours, _] = context.places.script_folders();
    let mut plans = Vec::new();
    for device in devices {
        let script = furnish::find_script(context, device)?;
        let path = script.split_ascii_whitespace().next().unwrap_or_default();
        if std::path::Path::new(path).parent() == Some(&ours) {
            plans.push(DevicePlan::new(device, &script, &vm_path));
        }
    }
    if plans.is_empty() {
        return Ok(());
    }
    match context.scripts.check(plans).await {
        Ok(faults) => match together(faults) {
            None => Ok(()),
            Some(fault) => Err(OperationError::Device { name: config.name.clone(), fault: Arc::new(fault) }),
        },
        Err(error) => {
            warn!(name = %config.name, "{}; the scripts will look", chain(&error));
            Ok(())
        }
    }
}

/// The first one, with the others among its reasons.
fn together(faults: Vec<DeviceFault>) -> Option<DeviceFault> {
    let mut faults = faults.into_iter();
    let mut first = faults.next()?;
    for other in faults {
        first.because.push(format!("also: {}", other.text.replace('\n', " ")));
        first.because.extend(other.because);
    }
    Some(first)
}
