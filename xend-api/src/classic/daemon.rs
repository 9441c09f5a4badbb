//! What the daemon puts into the text of a fault (`xm-commands` §2.7, `xend-daemon` §4, §5.7).

use std::path::Path;

// Names.

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

// States.

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

// Creating.

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

// Memory.

/// The balloon gave up.
pub const NOT_ENOUGH_MEMORY: &str = "Not enough memory is available, and dom0 cannot be shrunk any further";
/// `mem-set` of the privileged domain below its floor.
pub const DYNAMIC_MAX_TOO_SMALL: &str = "memory_dynamic_max too small";
/// Target beyond the maximum.
pub const DYNAMIC_MAX_ABOVE_STATIC_MAX: &str =
    "memory_dynamic_max must be less than or equal to memory_static_max";
/// Minimum beyond the maximum.
pub const STATIC_MIN_ABOVE_STATIC_MAX: &str =
    "memory_static_min must be less than or equal to memory_static_max";
/// Minimum beyond the target.
pub const STATIC_MIN_ABOVE_DYNAMIC_MIN: &str =
    "memory_static_min must be less than or equal to memory_dynamic_min";
/// No memory.
pub const DYNAMIC_MAX_ZERO: &str = "memory_dynamic_max must be greater than zero";
/// No maximum.
pub const STATIC_MAX_ZERO: &str = "memory_static_max must be greater than zero";

/// Shrinking the privileged domain to its floor would not be enough.
pub fn dom0_floor(need_kib: u64, dom0_min_kib: u64, left_kib: u64) -> String {
    format!(
        "I need {need_kib} KiB, but dom0_min_mem is {dom0_min_kib} and shrinking to {dom0_min_kib} KiB would leave \
         only {left_kib} KiB free."
    )
}

/// Too little is free and the privileged domain may not be shrunk.
pub fn ballooning_off(need_kib: u64, have_kib: u64) -> String {
    format!(
        "Not enough free memory and enable-dom0-ballooning is False, so I cannot release any more.  I need \
         {need_kib} KiB but only have {have_kib}."
    )
}

/// Too little is in the memory pool.
pub fn pool_exhausted(need_kib: u64, have_kib: u64) -> String {
    format!(
        "Not enough free memory so I cannot release any more.  I need {need_kib} KiB but only have {have_kib} in the \
         pool."
    )
}

// Devices.

/// A disk without a source.
pub const NO_PHYSICAL_DETAILS: &str = "Block device must have physical details specified";
/// A disk with another mode than the known ones.
pub const INVALID_MODE: &str = "Invalid mode";
/// A MAC address that is none, at hot-plug.
pub const INVALID_MAC: &str = "Cannot create a new virtual network interface - MAC address is not valid!";
/// The rest of `could_not_connect` when no script reported in time.
pub const HOTPLUG_NOT_WORKING: &str = "Hotplug scripts not working.";
/// The rest of `could_not_connect` when the backend's node went away.
pub const BACKEND_NOT_FOUND: &str = "Backend device not found.";
/// The rest of `could_not_connect` when the frontend's node went away.
pub const DEVICE_NOT_FOUND: &str = "Device not found.";

/// A device that did not come up; `text` is one of the constants above or what the script said.
pub fn could_not_connect(devid: u64, class: &str, text: &str) -> String {
    format!("Device {devid} ({class}) could not be connected. {text}")
}

/// A device whose backend is in use; the reason stands on a line of its own.
pub fn busy(devid: u64, class: &str, reason: &str) -> String {
    format!("Device {devid} ({class}) could not be connected.\n{reason}")
}

/// A device that did not go away; the original ends with a blank.
pub fn could_not_disconnect(devid: u64, class: &str) -> String {
    format!("Device {devid} ({class}) could not be disconnected. ")
}

/// A device that is attached already.
pub fn already_connected(name: &str, devid: u64, class: &str) -> String {
    format!("Device {name} ({devid}, {class}) is already connected.")
}

/// A device number that the domain doesn't have.
pub fn not_connected(devid: &str) -> String {
    format!("Device {devid} not connected")
}

/// A device name that the domain doesn't have.
pub fn not_defined(device: &str) -> String {
    format!("Device {device} is not defined")
}

/// A sort of disk without a script.
pub fn block_type_invalid(kind: &str) -> String {
    format!("Block device type \"{kind}\" is invalid.")
}

/// A device name without a number.
pub fn no_device_number(device: &str) -> String {
    format!("Unable to find number for device ({device})")
}

/// A sort of `tap:` that doesn't exist.
pub fn tap_type_invalid(kind: &str) -> String {
    format!("tap:{kind} not a valid disk type")
}

/// Two disks of one name.
pub fn device_already_defined(device: &str) -> String {
    format!("The device \"{device}\" is already defined")
}

/// Two disks from one file.
pub fn file_already_used(file: &str) -> String {
    format!("The file \"{file}\" is already used")
}

/// Two disks from one source.
pub fn uname_already_defined(uname: &str) -> String {
    format!("The uname \"{uname}\" is already defined")
}

/// Two interfaces with one address.
pub fn mac_already_defined(mac: &str) -> String {
    format!("The mac \"{mac}\" is already defined")
}

/// A backend domain that doesn't exist.
pub fn unknown_backend(name: &str) -> String {
    format!("Cannot configure device for unknown backend {name}")
}

// Boot loader.

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

// Pools.

/// A pool that doesn't exist.
pub fn unknown_pool(name: &str) -> String {
    format!("unknown pool {name}")
}

/// A pool that isn't active.
pub fn pool_not_activated(name: &str) -> String {
    format!("pool {name} not activated")
}

// Save, restore, relocation.

/// A stream that failed for an unknown reason.
pub const RESTORE_FAILED: &str = "Restore failed";

/// Nobody at the other end.
pub fn cannot_connect(reason: &str) -> String {
    format!("can't connect: {reason}")
}

/// A state file that can't be written.
pub fn cannot_write_state(path: &Path, reason: &str) -> String {
    format!("can't write guest state file {}: {reason}", path.display())
}

/// A state file that can't be read.
pub fn cannot_read_state(path: &Path, reason: &str) -> String {
    format!("can't read guest state file {}: {reason}", path.display())
}

/// A file that isn't a state file.
pub fn not_a_state_file(found: &str) -> String {
    format!("not a valid guest state file: found '{found}'")
}

/// A device that can't move.
pub fn refuses_migration(class: &str) -> String {
    format!("Device of type '{class}' refuses migration.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_that_scripts_know_are_those_of_the_reference() {
        for (ours, theirs) in [
            (already_exists("mail", 7), "Domain 'mail' already exists with ID '7'"),
            (name_already_exists("mail", Some(7)), "VM name 'mail' already exists as domain 7"),
            (name_already_exists("mail", None), "VM name 'mail' already exists"),
            (not_started("mail"), "Domain 'mail' is not started"),
            (creating_failed("mail", None), "Creating domain failed: name=mail"),
            (creating_failed("mail", Some(22)), "Creating domain failed: name=mail, error=22"),
            (kernel_missing(Path::new("/boot/x")), "Kernel image does not exist: /boot/x"),
            (
                could_not_connect(51728, "vbd", HOTPLUG_NOT_WORKING),
                "Device 51728 (vbd) could not be connected. Hotplug scripts not working.",
            ),
            (busy(51728, "vbd", "why"), "Device 51728 (vbd) could not be connected.\nwhy"),
            (could_not_disconnect(0, "vif"), "Device 0 (vif) could not be disconnected. "),
            (privileged("destroy", "0"), "Cannot destroy privileged domain 0"),
            (invalid_reason("x"), "Invalid reason: x"),
            (
                dom0_floor(3, 2, 1),
                "I need 3 KiB, but dom0_min_mem is 2 and shrinking to 2 KiB would leave only 1 KiB free.",
            ),
            (
                ballooning_off(3, 2),
                "Not enough free memory and enable-dom0-ballooning is False, so I cannot release any more.  I need \
                 3 KiB but only have 2.",
            ),
            (
                pool_exhausted(3, 2),
                "Not enough free memory so I cannot release any more.  I need 3 KiB but only have 2 in the pool.",
            ),
        ] {
            assert_eq!(ours, theirs);
        }
    }
}
