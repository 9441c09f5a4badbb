//! Devices that do not come, do not go, or cannot be (`xend-daemon` §5.4, §5.7, §9).

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

/// The rest of `busy` when the script gave no reason.
pub const BUSY: &str = "Busy.";

/// A device that did not take a change; the original ends with a blank.
pub fn could_not_reconfigure(devid: u64, class: &str) -> String {
    format!("Device {devid} ({class}) could not be reconfigured. ")
}

/// A device number that is attached already and has no name.
pub fn number_already_connected(devid: u64, class: &str) -> String {
    format!("Device {devid} ({class}) is already connected.")
}

/// A named device that is attached already.
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
