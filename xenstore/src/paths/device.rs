//! Paths of devices: frontends, backends, xend's table of devices, and what lies around them.
//!
//! Two classes are stored under another name: frontends of `tap` and `tap2` under `vbd`, backends of `tap2`
//! under `vbd`.

use super::{DOMAINS, domain_node};

/// Holds a directory per domain with a device model. Permissions of each: `n0,bN`.
pub const DEVICE_MODELS: &str = "/local/domain/0/device-model";

fn class_of_frontend(class: &str) -> &str {
    if matches!(class, "tap" | "tap2") { "vbd" } else { class }
}

fn class_of_backend(class: &str) -> &str {
    if class == "tap2" { "vbd" } else { class }
}

/// Holds a directory per class, in which a domain has frontends. Permissions `nN`.
#[must_use]
pub fn frontends(domid: u16) -> String {
    domain_node(domid, "device")
}

/// Holds the frontends of a class.
#[must_use]
pub fn frontend_class(domid: u16, class: &str) -> String {
    format!("{DOMAINS}/{domid}/device/{}", class_of_frontend(class))
}

/// A frontend. Permissions `nN,rB`.
#[must_use]
pub fn frontend(domid: u16, class: &str, devid: u32) -> String {
    format!("{DOMAINS}/{domid}/device/{}/{devid}", class_of_frontend(class))
}

/// Holds a directory per class of which a domain serves devices.
#[must_use]
pub fn backends(backend_domid: u16) -> String {
    domain_node(backend_domid, "backend")
}

/// Holds a directory per domain to which backends of a class are given.
#[must_use]
pub fn backend_class(backend_domid: u16, class: &str) -> String {
    format!("{DOMAINS}/{backend_domid}/backend/{}", class_of_backend(class))
}

/// Holds the backends of a class for one domain.
#[must_use]
pub fn backend_domain(backend_domid: u16, class: &str, domid: u16) -> String {
    format!("{DOMAINS}/{backend_domid}/backend/{}/{domid}", class_of_backend(class))
}

/// A backend. Permissions `nB,rN`.
#[must_use]
pub fn backend(backend_domid: u16, class: &str, domid: u16, devid: u32) -> String {
    format!("{DOMAINS}/{backend_domid}/{}", backend_relative(class, domid, devid))
}

/// A backend as hotplug scripts know it (`XENBUS_PATH`): relative to its domain's directory.
#[must_use]
pub fn backend_relative(class: &str, domid: u16, devid: u32) -> String {
    format!("backend/{}/{domid}/{devid}", class_of_backend(class))
}

/// A backend of a domain that has no number yet: nothing lies there.
#[must_use]
pub fn backend_planned(class: &str, devid: u32) -> String {
    format!("backend/{}/new/{devid}", class_of_backend(class))
}

/// xend's table of devices, in a domain's `/vm` directory.
#[must_use]
pub fn vm_devices(vm: &str) -> String {
    format!("{vm}/device")
}

/// The entries of a class in xend's table of devices.
#[must_use]
pub fn vm_device_class(vm: &str, class: &str) -> String {
    format!("{vm}/device/{class}")
}

/// A device's entry in xend's table: without it, xend does not know the device.
#[must_use]
pub fn vm_device(vm: &str, class: &str, devid: u32) -> String {
    format!("{vm}/device/{class}/{devid}")
}

/// xend's counters for numbers of devices.
#[must_use]
pub fn device_misc(domid: u16) -> String {
    domain_node(domid, "device-misc")
}

/// The number that the next device of a class gets (vif, console, …).
#[must_use]
pub fn next_device_id(domid: u16, class: &str) -> String {
    format!("{DOMAINS}/{domid}/device-misc/{class}/nextDeviceID")
}

/// Where a domain's drivers report errors. Permissions `nN`.
#[must_use]
pub fn error(domid: u16) -> String {
    domain_node(domid, "error")
}

/// The report of a frontend's driver.
#[must_use]
pub fn error_of_frontend(domid: u16, class: &str, devid: u32) -> String {
    format!("{DOMAINS}/{domid}/error/device/{}/{devid}/error", class_of_frontend(class))
}

/// Talk with the device model of a domain.
#[must_use]
pub fn device_model(domid: u16) -> String {
    format!("{DEVICE_MODELS}/{domid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ends_and_the_table_of_a_device_are_where_the_reference_says() {
        assert_eq!(frontend(7, "vif", 0), "/local/domain/7/device/vif/0");
        assert_eq!(backend(0, "vif", 7, 0), "/local/domain/0/backend/vif/7/0");
        assert_eq!(backend_relative("vbd", 7, 51728), "backend/vbd/7/51728");
        assert_eq!(backend_planned("vbd", 51728), "backend/vbd/new/51728");
        assert_eq!(vm_device("/vm/u", "vbd", 51728), "/vm/u/device/vbd/51728");
        assert_eq!(next_device_id(7, "vif"), "/local/domain/7/device-misc/vif/nextDeviceID");
        assert_eq!(error_of_frontend(7, "vbd", 768), "/local/domain/7/error/device/vbd/768/error");
        assert_eq!(device_model(7), "/local/domain/0/device-model/7");
    }

    #[test]
    fn blktap_devices_lie_under_other_names() {
        assert_eq!(frontend(7, "tap", 1), "/local/domain/7/device/vbd/1");
        assert_eq!(frontend(7, "tap2", 1), "/local/domain/7/device/vbd/1");
        assert_eq!(backend(0, "tap", 7, 1), "/local/domain/0/backend/tap/7/1");
        assert_eq!(backend(0, "tap2", 7, 1), "/local/domain/0/backend/vbd/7/1");
        assert_eq!(vm_device("/vm/u", "tap2", 1), "/vm/u/device/tap2/1");
    }
}
