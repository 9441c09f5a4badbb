//! `(image (linux …))` and `(image (hvm …))`.

use std::path::Path;

use xend_api::Sxp;

use super::super::settings::Settings;
use super::faults::Faults;
use super::{ConvertError, Surroundings, pairs, pci};

/// The firmware that needs no path: the daemon finds it.
const HVMLOADER: &str = "hvmloader";

/// What the kernel is told to use as server when there is no NFS root.
const NO_SERVER: &str = "127.0.255.255";

/// The members of an HVM image, in order; each is written when it has a value, even an empty one.
const HVM: [&str; 47] = [
    "acpi",
    "apic",
    "boot",
    "cpuid",
    "cpuid_check",
    "device_model",
    "display",
    "fda",
    "fdb",
    "gfx_passthru",
    "guest_os_type",
    "hap",
    "hpet",
    "isa",
    "keymap",
    "localtime",
    "nestedhvm",
    "nographic",
    "opengl",
    "oos",
    "pae",
    "pci",
    "pci_msitranslate",
    "pci_power_mgmt",
    "rtc_timeoffset",
    "sdl",
    "soundhw",
    "stdvga",
    "timer_mode",
    "usb",
    "usbdevice",
    "vcpus",
    "vnc",
    "vncconsole",
    "vncdisplay",
    "vnclisten",
    "vncunused",
    "viridian",
    "vpt_align",
    "xauthority",
    "xen_extended_power_mgmt",
    "xen_platform_pci",
    "memory_sharing",
    "vncpasswd",
    "vhpt",
    "machine_address_size",
    "suppress_spurious_page_faults",
];

/// How many of `HVM` only HVM images have; the rest follows in every image when it isn't empty.
const HVM_ONLY: usize = 44;

/// The image, without the word `image`.
pub(super) fn image(
    settings: &Settings,
    around: &Surroundings,
    functions: &[pci::Function],
    faults: &mut Faults,
) -> Sxp {
    let kind = settings.get("builder").clone();
    let hvm = kind.text() == Some("hvm");
    let mut image = vec![kind];
    for variable in ["kernel", "ramdisk", "loader"] {
        if settings.truthy(variable) {
            let file = faults.check((variable, None), file(settings, around, variable));
            image.extend(file.map(|file| Sxp::pair(variable, file)));
        }
    }
    image.extend(ip(settings, faults).map(|ip| Sxp::pair("ip", ip)));
    if settings.truthy("root") {
        let root = faults.check(("root", None), pairs::string(settings, "root")).unwrap_or_default();
        image.push(Sxp::pair("root", root.strip_prefix("root=").unwrap_or(&root)));
    }
    if settings.truthy("videoram") && settings.get("videoram").int() != Some(0) {
        image.push(member(settings, "videoram"));
    }
    image.extend(
        ["parallel", "serial"].into_iter().filter(|name| settings.truthy(name)).map(|n| member(settings, n)),
    );
    if settings.truthy("monitor_path") {
        image.push(member(settings, "monitor_path"));
        image.push(Sxp::pair("monitor", 1));
    } else if settings.truthy("monitor") {
        image.push(member(settings, "monitor"));
    }
    if settings.truthy("extra") {
        image.push(Sxp::pair("args", settings.get("extra").clone()));
    }
    if settings.truthy("superpages") {
        image.push(member(settings, "superpages"));
    }
    if hvm {
        image.extend(platform(settings, functions, faults));
    }
    image.extend(
        HVM[HVM_ONLY..].iter().filter(|name| settings.truthy(name)).map(|name| member(settings, name)),
    );
    image.extend(["tsc_mode", "nomigrate"].map(|name| member(settings, name)));
    Sxp::List(image)
}

fn member(settings: &Settings, name: &str) -> Sxp {
    Sxp::pair(name, settings.get(name).clone())
}

fn platform(settings: &Settings, functions: &[pci::Function], faults: &mut Faults) -> Vec<Sxp> {
    for floppy in ["fda", "fdb"] {
        let path = settings.text(floppy).unwrap_or_default();
        if !path.is_empty() && !path.starts_with('/') {
            faults.variable(floppy, ConvertError::Floppy { path });
        }
    }
    let mut members = Vec::new();
    for name in &HVM[..HVM_ONLY] {
        if *name == "pci" {
            members.push(Sxp::pair("pci", pci::tuples(functions)));
        } else if *settings.get(name) != Sxp::Nil {
            members.push(member(settings, name));
        }
    }
    members
}

/// A kernel, ramdisk or loader: taken as written when it has a slash and exists, else looked for in the current
/// folder. What a boot loader finds inside the guest's disk cannot be checked.
fn file(settings: &Settings, around: &Surroundings, variable: &'static str) -> Result<Sxp, ConvertError> {
    let value = settings.get(variable);
    if settings.truthy("bootloader") {
        return Ok(value.clone());
    }
    let path = pairs::string(settings, variable)?;
    let loader = path == HVMLOADER && variable != "ramdisk";
    if loader || (path.contains('/') && (around.exists)(Path::new(&path))) {
        return Ok(value.clone());
    }
    let here = around.current_dir.join(&path);
    if (around.exists)(&here) {
        return Ok(Sxp::Text(here.to_string_lossy().into_owned()));
    }
    Err(ConvertError::CannotFind { variable, path })
}

/// The kernel's `ip=`, without that word.
fn ip(settings: &Settings, faults: &mut Faults) -> Option<String> {
    if !settings.truthy("ip") && settings.get("dhcp").text() == Some("off") {
        return None;
    }
    let mut text = |name| faults.check((name, None), pairs::string(settings, name)).unwrap_or_default();
    let ip = text("ip");
    let ip = ip.strip_prefix("ip=").unwrap_or(&ip);
    let server = if settings.truthy("nfs_server") { text("nfs_server") } else { NO_SERVER.to_owned() };
    let (gateway, netmask, host) = (text("gateway"), text("netmask"), text("hostname"));
    let (interface, dhcp) = (text("interface"), text("dhcp"));
    Some(format!("{ip}:{server}:{gateway}:{netmask}:{host}:{interface}:{dhcp}"))
}
