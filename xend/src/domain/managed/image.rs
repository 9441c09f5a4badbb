//! What a managed domain starts from: kernel, ramdisk, command line, and the platform keys of either kind of guest
//! (`xend-daemon` §4.10, §7.3).

use uuid::Uuid;
use xend_api::Sxp;

use crate::domain::config;

/// Where the original had its helper programs and its firmware.
const PROGRAMS: &str = "/usr/lib/xen/bin";
const FIRMWARE: &str = "/usr/lib/xen/boot";

/// Platform keys in the order in which the original shows them.
const ORDER: [&str; 46] = [
    "superpages",
    "videoram",
    "hpet",
    "stdvga",
    "vnclisten",
    "loader",
    "xen_platform_pci",
    "opengl",
    "nestedhvm",
    "rtc_timeoffset",
    "parallel",
    "pci",
    "hap",
    "localtime",
    "timer_mode",
    "vncdisplay",
    "pci_msitranslate",
    "oos",
    "apic",
    "sdl",
    "usbdevice",
    "vpt_align",
    "serial",
    "vncunused",
    "boot",
    "vncpasswd",
    "pae",
    "viridian",
    "acpi",
    "vnc",
    "nographic",
    "nomigrate",
    "usb",
    "tsc_mode",
    "guest_os_type",
    "device_model",
    "keymap",
    "pci_power_mgmt",
    "xauthority",
    "isa",
    "display",
    "fda",
    "fdb",
    "soundhw",
    "monitor",
    "monitor_path",
];
/// Those that are texts also where they look like numbers.
const TEXTS: [&str; 17] = [
    "vnclisten",
    "loader",
    "parallel",
    "usbdevice",
    "serial",
    "boot",
    "vncpasswd",
    "guest_os_type",
    "device_model",
    "keymap",
    "xauthority",
    "display",
    "fda",
    "fdb",
    "soundhw",
    "monitor_path",
    "fdc",
];
/// Keys of the image that have a place of their own, or none in a configuration.
const NOT_PLATFORM: [&str; 10] =
    ["kernel", "ramdisk", "args", "root", "ip", "notes", "vcpus", "cpuid", "cpuid_check", "memory_sharing"];
/// What every image has.
const DEFAULTS: [(&str, i64); 3] = [("superpages", 0), ("nomigrate", 0), ("tsc_mode", 0)];
/// What every HVM guest's has besides.
const HVM_DEFAULTS: [(&str, i64); 6] = [
    ("hpet", 0),
    ("xen_platform_pci", 1),
    ("rtc_timeoffset", 0),
    ("timer_mode", 1),
    ("vpt_align", 1),
    ("viridian", 0),
];
/// What a frame buffer takes over from an HVM guest's image.
const VFB_KEYS: [&str; 6] = ["vncunused", "vnc", "vnclisten", "vncdisplay", "vncpasswd", "keymap"];

/// The image of a managed domain.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ManagedImage {
    /// `linux`, `hvm`, or what an old file said instead.
    pub(super) kind: String,
    /// Path, or nothing.
    pub(super) kernel: String,
    /// Path, or nothing.
    pub(super) ramdisk: String,
    /// The whole command line.
    pub(super) args: String,
    /// Everything else.
    pub(super) platform: Vec<(String, Sxp)>,
}

impl ManagedImage {
    pub(super) fn value(&self, key: &str) -> Option<&Sxp> {
        self.platform.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// An HVM guest is one that has a boot order, whatever its image is called.
    pub(super) fn boot_order(&self) -> Option<String> {
        self.value("boot").and_then(Sxp::atom)
    }

    fn set_default(&mut self, key: &str, value: impl Into<Sxp>) {
        if self.value(key).is_none() {
            self.platform.push((key.to_owned(), value.into()));
        }
    }

    fn set(&mut self, key: &str, value: String) {
        self.platform.retain(|(name, _)| name != key);
        self.platform.push((key.to_owned(), value.into()));
    }
}

/// Reads the image. It may add a frame buffer to the devices, and what belongs beside the image to `kept`.
pub(super) fn read(tree: &Sxp, devices: &mut Vec<Sxp>, kept: &mut Vec<Sxp>) -> ManagedImage {
    let from_platform;
    let form = match tree.value("image") {
        Some(form) => form,
        None => {
            from_platform = of_platform(tree);
            &from_platform
        }
    };
    let text = |key: &str| form.value(key).and_then(Sxp::atom).filter(|text| !text.is_empty());
    let mut image = ManagedImage {
        kind: form.name().unwrap_or("linux").to_owned(),
        kernel: text("kernel").unwrap_or_default(),
        ramdisk: text("ramdisk").unwrap_or_default(),
        args: config::command_line(text("root"), text("ip"), text("args").unwrap_or_default()),
        platform: platform(form),
    };
    for key in ["localtime", "superpages"] {
        if let Some(value) = tree.value(key).and_then(Sxp::int) {
            image.set_default(key, value);
        }
    }
    for key in ["cpuid", "cpuid_check", "memory_sharing"] {
        let said = |value: &&Sxp| !matches!(value, Sxp::Nil) && **value != Sxp::List(Vec::new());
        let is_new = kept.iter().all(|form| form.name() != Some(key));
        if let Some(value) = form.value(key).filter(said).filter(|_| is_new) {
            kept.push(Sxp::pair(key, value.clone()));
        }
    }
    DEFAULTS.into_iter().for_each(|(key, value)| image.set_default(key, value));
    let has_vfb = devices.iter().any(|device| device.name() == Some("vfb"));
    if image.boot_order().is_some() {
        complete_hvm(&mut image);
        if !has_vfb && image.value("vnc").and_then(Sxp::int).is_some_and(|vnc| vnc != 0) {
            devices.push(vfb(&image));
        }
    } else if has_vfb {
        image.set_default("device_model", format!("{PROGRAMS}/qemu-dm"));
    }
    image.platform.sort_by_key(|(key, _)| ORDER.iter().position(|known| known == key).unwrap_or(ORDER.len()));
    image
}

fn platform(form: &Sxp) -> Vec<(String, Sxp)> {
    let pair = |one: &Sxp| {
        let key = one.name().filter(|key| !NOT_PLATFORM.contains(key))?;
        let value = one.items().get(1)?;
        let value = match value.atom() {
            Some(text) if text.is_empty() => return None,
            Some(text) if TEXTS.contains(&key) => Sxp::from(text),
            Some(_) => value.int().map_or_else(|| value.clone(), Sxp::Int),
            None if *value == Sxp::Nil => return None,
            None => value.clone(),
        };
        Some((key.to_owned(), value))
    };
    form.items().iter().skip(1).filter_map(pair).collect()
}

/// The kernel of an HVM guest is its loader, unless it has one besides.
fn complete_hvm(image: &mut ManagedImage) {
    HVM_DEFAULTS.into_iter().for_each(|(key, value)| image.set_default(key, value));
    let loader = match image.value("loader").and_then(Sxp::atom) {
        Some(loader) => loader,
        None => std::mem::take(&mut image.kernel),
    };
    let loader = if loader.is_empty() { "hvmloader".to_owned() } else { loader };
    image.set("loader", in_folder(FIRMWARE, &loader));
    let model = image.value("device_model").and_then(Sxp::atom);
    image.set("device_model", in_folder(PROGRAMS, model.as_deref().unwrap_or("qemu-dm")));
}

fn in_folder(folder: &str, name: &str) -> String {
    if name.contains('/') { name.to_owned() } else { format!("{folder}/{name}") }
}

fn vfb(image: &ManagedImage) -> Sxp {
    let pairs = VFB_KEYS.into_iter().filter_map(|key| Some(Sxp::pair(key, image.value(key)?.atom()?)));
    Sxp::form("vfb", pairs.chain([Sxp::pair("uuid", Uuid::new_v4().to_string())]))
}

/// The image of a tree that has only the keys of the Xen-API.
fn of_platform(tree: &Sxp) -> Sxp {
    let mut pairs: Vec<Sxp> = tree.value("platform").map(Sxp::items).unwrap_or_default().to_vec();
    for (theirs, classic) in [("PV_kernel", "kernel"), ("PV_ramdisk", "ramdisk"), ("PV_args", "args")] {
        pairs.extend(tree.value(theirs).map(|value| Sxp::pair(classic, value.clone())));
    }
    let is_hvm = tree.value("HVM_boot_policy").and_then(Sxp::text).is_some_and(|policy| !policy.is_empty());
    let params = tree.value("HVM_boot_params").map(Sxp::items).unwrap_or_default();
    let order = params.iter().find(|pair| pair.name() == Some("order")).and_then(|pair| pair.items().get(1));
    if is_hvm && !pairs.iter().any(|pair| pair.name() == Some("boot")) {
        pairs.push(Sxp::pair("boot", order.cloned().unwrap_or_else(|| Sxp::from("c"))));
    }
    Sxp::form(if is_hvm { "hvm" } else { "linux" }, pairs)
}
