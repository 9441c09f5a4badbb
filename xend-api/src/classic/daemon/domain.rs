//! Names, states and the making of domains (`xend-daemon` §4.1, §4.2, §4.8, §4.10).

use std::path::Path;

/// The configuration has no name.
pub const MISSING_NAME: &str = "Missing VM Name";
/// The name has other characters than `A-Za-z0-9_-.:+`.
pub const INVALID_NAME: &str = "Invalid VM Name";

/// `create` or `restore` of a name or UUID that runs.
pub fn already_exists(name: &str, domid: u16) -> String {
    format!("Domain '{name}' already exists with ID '{domid}'")
}

/// `new` or `rename` to a name that another domain has; `domid` when that one runs.
pub fn name_already_exists(name: &str, domid: Option<u16>) -> String {
    match domid {
        Some(domid) => format!("VM name '{name}' already exists as domain {domid}"),
        None => format!("VM name '{name}' already exists"),
    }
}

/// The operation wants a running domain.
pub const NOT_RUNNING: &str = "Domain is not running";
/// `start` of what runs.
pub const ALREADY_RUNNING: &str = "Domain is already running";
/// `delete` of what isn't halted.
pub const NOT_HALTED: &str = "Domain is not halted.";
/// `shutdown` of what is halted.
pub const CANNOT_SHUTDOWN: &str = "Domain cannot be shutdown";
/// `shutdown` of the privileged domain.
pub const DOMAIN_0_CANNOT_SHUTDOWN: &str = "Domain 0 cannot be shutdown";
/// `suspend`, `resume` of a domain without a stored configuration.
pub const NOT_MANAGED_LIFECYCLE: &str = "Domain is not managed by Xend lifecycle support.";
/// `migrate` with a change of home server of such a domain.
pub const NOT_MANAGED: &str = "Domain is not a managed domain";
/// `resume` of what isn't suspended.
pub const NOT_SUSPENDED: &str = "Cannot resume domain that is not suspended.";
/// `resume` of what another tool suspended.
pub const NOT_SUSPENDED_BY_XEND: &str = "Domain was not suspended by Xend";
/// What `configure` answers.
pub const UNSUPPORTED: &str = "Unsupported";

/// The operation wants a live domain.
pub fn not_started(designator: &str) -> String {
    format!("Domain '{designator}' is not started")
}

/// A reason for shutdown that doesn't exist.
pub fn invalid_reason(reason: &str) -> String {
    format!("Invalid reason: {reason}")
}

/// A trigger that doesn't exist.
pub fn invalid_trigger(trigger: &str) -> String {
    format!("Invalid trigger: {trigger}")
}

/// An operation that the privileged domain refuses: `pause`, `unpause`, `destroy`, `save`, `suspend`, `resume`,
/// `migrate`, `reset`.
pub fn privileged(operation: &str, designator: &str) -> String {
    format!("Cannot {operation} privileged domain {designator}")
}

/// `dump` of the privileged domain.
pub fn privileged_dump(designator: &str) -> String {
    format!("Cannot dump core for privileged domain {designator}")
}

/// `resume` that failed, whatever the reason.
pub fn error_when_resuming(text: &str) -> String {
    format!("Error occurred when resuming: {text}")
}

/// A method that a legacy client sent and nobody knows.
pub fn method_not_supported(method: &str) -> String {
    format!("method \"{method}\" is not supported")
}

/// An HVM guest on a host without it.
pub const NO_HVM: &str =
    "HVM guest support is unavailable: is VT/AMD-V supported by your CPU and enabled in your BIOS?";
/// An HVM guest without a device model.
pub const NO_DEVICE_MODEL: &str = "No valid device model specified";

/// The hypervisor refused to create the domain; `error` is its number when it gave one.
pub fn creating_failed(name: &str, error: Option<i32>) -> String {
    match error {
        Some(error) => format!("Creating domain failed: name={name}, error={error}"),
        None => format!("Creating domain failed: name={name}"),
    }
}

/// The kernel isn't there.
pub fn kernel_missing(path: &Path) -> String {
    format!("Kernel image does not exist: {}", path.display())
}

/// The ramdisk isn't there.
pub fn ramdisk_missing(path: &Path) -> String {
    format!("Kernel ramdisk does not exist: {}", path.display())
}

/// The loader of an HVM guest isn't there.
pub fn loader_missing(path: &Path) -> String {
    format!("kernel '{}' not found", path.display())
}

/// The device model isn't there.
pub fn device_model_missing(path: &Path) -> String {
    format!("device model '{}' not found", path.display())
}

/// A `file:` disk of an HVM guest isn't there.
pub fn disk_image_missing(path: &Path) -> String {
    format!("Disk image does not exist: {}", path.display())
}

/// An action on exit that doesn't exist; `event` is `shutdown`, `reboot` or `crash`.
pub fn invalid_event_handling(event: &str) -> String {
    format!("Invalid event handling mode: {event}")
}

/// Fewer or more lists of processors than vcpus.
pub const CPUS_NOT_VCPUS: &str = "vcpus and the item number of cpus are not same";
/// No vcpu.
pub const NO_VCPUS: &str = "Zero or less VCPUs is invalid";
/// More vcpus than a live domain was built with.
pub const TOO_MANY_VCPUS: &str = "Cannot set vcpus greater than max vcpus on running domain";
/// A weight that the credit scheduler refuses.
pub const WEIGHT_RANGE: &str = "Cpu weight out of range, valid values are within range from 1 to 65535";

/// A cap that the credit scheduler refuses.
pub fn cap_range(most: u32) -> String {
    format!("Cpu cap out of range, valid range is from 0 to {most} for specified number of vcpus")
}

/// A vcpu that can't be tied to processors.
pub fn cannot_pin(vcpu: &str, map: &str, text: &str) -> String {
    format!("Cannot pin vcpu: {vcpu} to cpu: {map} - {text}")
}

/// The boot loader can't be run.
pub const BOOTLOADER_NOT_EXECUTABLE: &str = "Bootloader isn't executable";
/// The boot disk can't be read.
pub const BOOT_DISK_NOT_ACCESSIBLE: &str = "Disk isn't accessible";
/// A boot loader, yet no bootable disk.
pub const NO_BOOTABLE_DISK: &str = "Had a bootloader specified, but no disks are bootable";
/// A boot loader, yet no disk.
pub const NO_BOOT_DISK: &str = "Had a bootloader specified, but can't find disk";
/// A boot loader that said nothing.
pub const BOOTLOADER_SILENT: &str = "Boot loader didn't return any data!";
