//! `xen-hotplug-cleanup`: removes what is left in the store of a device whose backend is gone.
//!
//! The daemon does this by itself; the script is there for sites whose own scripts call it. What is gone already is
//! fine, and no directory stays empty behind.

use crate::backend::{Backend, BackendError};
use crate::host::Host;
use crate::lock::{BLOCK, Lock};
use xenstore::paths;

/// The script's name.
pub const NAME: &str = "xen-hotplug-cleanup";

/// Whether the device is a disk: what serves it must not outlive the last trace of it in the store.
pub fn is_disk(backend: &Backend) -> bool {
    backend.path().rsplit('/').nth(2) == Some("vbd")
}

/// Removes frontend, backend, error report and the entry in the domain's table of devices.
pub async fn run(host: &Host, backend: &Backend) -> Result<(), BackendError> {
    let parts: Vec<&str> = backend.path().rsplit('/').take(3).collect();
    let &[devid, domid, class] = parts.as_slice() else { return Ok(()) };
    let (Ok(devid), Ok(domid)) = (devid.parse::<u32>(), domid.parse::<u16>()) else { return Ok(()) };
    // Without the lock the nodes could still be what another script's sharing check rests on; better than never.
    let _lock = Lock::acquire(host, BLOCK).ok();
    let table = match backend.of_domain(&domid.to_string(), paths::node::VM).await? {
        Some(vm) => table_entry(backend, &vm, class, devid).await?,
        None => None,
    };
    let frontend = paths::frontend(domid, class, devid);
    let error = paths::join(paths::node::ERROR, backend.path());
    for path in [Some(frontend), Some(backend.path().to_owned()), Some(error), table].into_iter().flatten() {
        backend.prune(&path).await?;
    }
    Ok(())
}

/// A disk of the kind `tap2` is in the table under its own name, with its backend among the vbds.
async fn table_entry(
    backend: &Backend,
    vm: &str,
    class: &str,
    devid: u32,
) -> Result<Option<String>, BackendError> {
    let own = paths::vm_device(vm, class, devid);
    if class == "vbd" && !backend.exists(&own).await? {
        return Ok(Some(paths::vm_device(vm, "tap2", devid)));
    }
    Ok(Some(own))
}
