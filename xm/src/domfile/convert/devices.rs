//! The devices of a domain, in the order of the original: disks, PCI, USB controllers, I/O ports, interrupts,
//! interfaces, framebuffers.

use xend_api::Sxp;

use super::super::settings::Settings;
use super::{ConvertError, Surroundings, pairs, pci};

const VIF_KEYS: [&str; 12] = [
    "type", "mac", "bridge", "ip", "script", "backend", "vifname", "rate", "model", "accel", "policy",
    "label",
];

const VIF2_KEYS: [&str; 10] = [
    "front_mac",
    "back_mac",
    "backend",
    "trusted",
    "back_trusted",
    "front_filter_mac",
    "filter_mac",
    "bridge",
    "pdev",
    "max_bypasses",
];

const VFB_KEYS: [&str; 15] = [
    "vnc",
    "vnclisten",
    "vncdisplay",
    "vncunused",
    "vncpasswd",
    "sdl",
    "display",
    "xauthority",
    "keymap",
    "opengl",
    "videoram",
    "serial",
    "monitor",
    "type",
    "videotype",
];

/// All devices, without the word `device`, and warnings.
pub(super) fn devices(
    settings: &Settings,
    around: &Surroundings,
) -> Result<(Vec<Sxp>, Vec<String>), ConvertError> {
    let mut devices = Vec::new();
    for spec in pairs::texts(settings, "disk")? {
        devices.push(disk(&spec, pairs::is_string(settings, "disk"))?);
    }
    devices.extend(pci::device(settings)?);
    for spec in pairs::texts(settings, "vusb")? {
        devices.push(vusb(settings, &spec)?);
    }
    for spec in pairs::texts(settings, "ioports")? {
        devices.push(ioports(&spec)?);
    }
    devices.extend(irqs(settings)?);
    let (vifs, warnings) = vif_texts(settings)?;
    for spec in vifs {
        devices.push(interface(settings, "vif", &VIF_KEYS, &spec)?);
    }
    for spec in pairs::texts(settings, "vif2")? {
        devices.push(interface(settings, "vif2", &VIF2_KEYS, &spec)?);
    }
    for spec in pairs::texts(settings, "vfb")? {
        devices.push(Sxp::form("vkbd", []));
        devices.push(vfb(settings, around, &spec)?);
    }
    Ok((devices, warnings))
}

/// `UNAME,DEVICE,MODE[,BACKEND[,PROTOCOL]]`; nothing is trimmed and no comma can be quoted.
fn disk(spec: &str, whole_string: bool) -> Result<Sxp, ConvertError> {
    let fields: Vec<&str> = spec.split(',').collect();
    if !(3..=5).contains(&fields.len()) {
        return Err(ConvertError::Disk { spec: spec.to_owned(), whole_string });
    }
    let class = if fields[0].starts_with("tap2:") {
        "tap2"
    } else if fields[0].starts_with("tap:") {
        "tap"
    } else {
        "vbd"
    };
    let names = ["uname", "dev", "mode", "backend", "protocol"];
    let members = names.into_iter().zip(fields).enumerate();
    // The first three are always written, an empty back-end or protocol is not.
    let members = members.filter(|(at, (_, value))| *at < 3 || !value.is_empty());
    Ok(Sxp::form(class, members.map(|(_, (name, value))| Sxp::pair(name, value))))
}

/// The interfaces' texts, with those that `nics` adds.
fn vif_texts(settings: &Settings) -> Result<(Vec<String>, Vec<String>), ConvertError> {
    let mut vifs = pairs::texts(settings, "vif")?;
    let mut warnings = Vec::new();
    let deprecated = "Warning: The nics option is deprecated.  Please";
    match settings.get("nics").int() {
        Some(0) => warnings.push(format!("{deprecated} remove it.")),
        Some(wanted @ 1..) => {
            warnings.push(format!("{deprecated} use an empty vif entry instead:\n\n  vif = [ '' ]\n"));
            // More interfaces than any guest can have are an error of the daemon, not a reason to fill the memory.
            let wanted = usize::try_from(wanted).unwrap_or(usize::MAX).min(1024);
            vifs.resize(vifs.len().max(wanted), String::new());
        }
        _ => {}
    }
    Ok((vifs, warnings))
}

fn interface(
    settings: &Settings,
    class: &'static str,
    known: &[&str],
    spec: &str,
) -> Result<Sxp, ConvertError> {
    let dict = pairs::dict(settings, class, spec)?;
    match dict.iter().find(|(key, _)| !known.contains(key)) {
        Some((key, _)) => Err(ConvertError::InterfaceKey { variable: class, key: key.to_owned() }),
        None => Ok(pairs::form(class, &dict)),
    }
}

fn vfb(settings: &Settings, around: &Surroundings, spec: &str) -> Result<Sxp, ConvertError> {
    let mut dict = pairs::dict(settings, "vfb", spec)?;
    if let Some((key, _)) = dict.iter().find(|(key, _)| !VFB_KEYS.contains(key)) {
        return Err(ConvertError::VfbKey { key: key.to_owned() });
    }
    // `type=vnc` is how it was written up to 3.3. Set first and removed then: the order of the members shows it.
    if let Some(kind) = dict.get("type").map(str::to_owned) {
        dict.set(&kind, "1");
        dict.remove("type");
    }
    let keymap = settings.text("keymap").filter(|keymap| !keymap.is_empty());
    let defaults = [
        ("keymap", keymap),
        ("display", around.display.clone()),
        ("xauthority", Some(around.xauthority.clone())),
    ];
    let missing = defaults.into_iter().filter(|(key, _)| dict.get(key).is_none());
    let missing = missing.filter_map(|(key, value)| value.map(|value| Sxp::pair(key, value)));
    let given = dict.iter().map(|(key, value)| Sxp::pair(key, value));
    Ok(Sxp::form("vfb", given.chain(missing)))
}

fn vusb(settings: &Settings, spec: &str) -> Result<Sxp, ConvertError> {
    let dict = pairs::dict(settings, "vusb", spec)?;
    let number = |key: &'static str, default: u8, most: u8| {
        let n = dict.get(key).map_or(Ok(default), str::parse);
        n.ok().filter(|n| (1..=most).contains(n)).ok_or(ConvertError::VusbOption { key })
    };
    let version = number("usbver", 2, 2)?;
    let ports = number("numports", 8, 16)?;
    let port = |n: u8| {
        let bus = dict.get(&format!("port_{n}")).unwrap_or_default();
        Sxp::List(vec![Sxp::Int(n.into()), bus.into()])
    };
    let members = [
        Sxp::pair("usb-ver", i64::from(version)),
        Sxp::pair("num-ports", i64::from(ports)),
        Sxp::form("port", (1..=ports).map(port)),
    ];
    Ok(Sxp::form("vusb", members))
}

fn ioports(spec: &str) -> Result<Sxp, ConvertError> {
    let (from, to) = spec.split_once('-').unwrap_or((spec, spec));
    let hex = |text: &str| {
        let digits = text.trim();
        let fine = !digits.is_empty() && digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if fine { Ok(format!("0x{digits}")) } else { Err(ConvertError::IoPorts { spec: spec.to_owned() }) }
    };
    Ok(Sxp::form("ioports", [Sxp::pair("from", hex(from)?), Sxp::pair("to", hex(to)?)]))
}

/// A string gets a pair of quotes of its own, which the daemon then refuses: only whole numbers ever worked.
fn irqs(settings: &Settings) -> Result<Vec<Sxp>, ConvertError> {
    let irq = |value: Sxp| Sxp::form("irq", [Sxp::pair("irq", value)]);
    match settings.get("irq") {
        Sxp::List(items) => Ok(items
            .iter()
            .map(|item| match item {
                Sxp::Text(text) => irq(Sxp::Text(xend_api::python::repr(text))),
                other => irq(other.clone()),
            })
            .collect()),
        _ => pairs::texts(settings, "irq")
            .map(|texts| texts.into_iter().map(|text| irq(text.into())).collect()),
    }
}
