//! The devices that need nothing of the host: disks, USB controllers, I/O ports, interrupts, interfaces, framebuffers.

use xend_api::Sxp;

use super::super::settings::Settings;
use super::faults::Faults;
use super::{ConvertError, Surroundings, pairs};

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

const VFB_KEYS: [&str; 13] = [
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
];

/// The disks.
pub(super) fn disks(settings: &Settings, faults: &mut Faults) -> Vec<Sxp> {
    let whole_string = pairs::is_string(settings, "disk");
    pairs::each(settings, "disk", faults, |spec| disk(spec, whole_string))
}

/// The ranges of I/O ports.
pub(super) fn ioports(settings: &Settings, faults: &mut Faults) -> Vec<Sxp> {
    pairs::each(settings, "ioports", faults, port_range)
}

/// The USB controllers.
pub(super) fn usb(settings: &Settings, faults: &mut Faults) -> Vec<Sxp> {
    pairs::each(settings, "vusb", faults, |spec| vusb(settings, spec))
}

/// The interfaces of both kinds, and a warning.
pub(super) fn interfaces(settings: &Settings, faults: &mut Faults) -> (Vec<Sxp>, Option<String>) {
    let mut made = pairs::each(settings, "vif", faults, |spec| interface(settings, "vif", &VIF_KEYS, spec));
    let written = match settings.get("vif") {
        Sxp::List(items) => items.len(),
        _ => made.len(),
    };
    let (missing, warning) = missing_vifs(settings, written, faults);
    made.extend((0..missing).map(|_| Sxp::form("vif", [])));
    let second = |spec: &str| interface(settings, "vif2", &VIF2_KEYS, spec);
    made.extend(pairs::each(settings, "vif2", faults, second));
    (made, warning)
}

/// The framebuffers, each behind its keyboard.
pub(super) fn framebuffers(settings: &Settings, around: &Surroundings, faults: &mut Faults) -> Vec<Sxp> {
    let framebuffers = pairs::each(settings, "vfb", faults, |spec| vfb(settings, around, spec));
    framebuffers.into_iter().flat_map(|vfb| [Sxp::form("vkbd", []), vfb]).collect()
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

/// How many interfaces `nics` adds, and what it is told for.
fn missing_vifs(settings: &Settings, written: usize, faults: &mut Faults) -> (usize, Option<String>) {
    let deprecated = "Warning: The nics option is deprecated.  Please";
    let removed = || Some(format!("{deprecated} remove it."));
    match settings.get("nics") {
        Sxp::Int(0) => (0, removed()),
        Sxp::Int(wanted @ 1..) => {
            let warning = format!("{deprecated} use an empty vif entry instead:\n\n  vif = [ '' ]\n");
            // More interfaces than any guest can have are an error of the daemon, not a reason to fill the memory.
            let wanted = usize::try_from(*wanted).unwrap_or(usize::MAX).min(1024);
            (wanted.saturating_sub(written), Some(warning))
        }
        Sxp::Int(_) | Sxp::Nil => (0, None),
        Sxp::Float(wanted) if *wanted == 0.0 => (0, removed()),
        Sxp::Float(wanted) if *wanted < 0.0 || wanted.is_nan() => (0, None),
        other => {
            let error = ConvertError::NotANumber { variable: "nics", value: other.to_string() };
            faults.variable("nics", error);
            (0, None)
        }
    }
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
    // `type=vnc` is how it was written up to 3.3. Set first and removed then: the order of the members shows it.
    if let Some(kind) = dict.get("type").map(str::to_owned) {
        dict.set(&kind, "1");
        dict.remove("type");
    }
    if let Some((key, _)) = dict.iter().find(|(key, _)| !VFB_KEYS.contains(key)) {
        return Err(ConvertError::VfbKey { key: key.to_owned() });
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

fn port_range(spec: &str) -> Result<Sxp, ConvertError> {
    let (from, to) = spec.split_once('-').unwrap_or((spec, spec));
    let hex = |text: &str| {
        let digits = text.trim();
        let fine = !digits.is_empty() && digits.len() <= 8 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if fine { Ok(format!("0x{digits}")) } else { Err(ConvertError::IoPorts { spec: spec.to_owned() }) }
    };
    Ok(Sxp::form("ioports", [Sxp::pair("from", hex(from)?), Sxp::pair("to", hex(to)?)]))
}

/// The interrupts. A string gets a pair of quotes of its own, which the daemon then refuses: only whole numbers ever
/// worked.
pub(super) fn irqs(settings: &Settings, faults: &mut Faults) -> Vec<Sxp> {
    let irq = |value: Sxp| Sxp::form("irq", [Sxp::pair("irq", value)]);
    let quoted = |text: &str| irq(Sxp::Text(xend_api::python::repr(text)));
    match settings.get("irq") {
        Sxp::List(items) => {
            let one = |item: &Sxp| item.text().map_or_else(|| irq(item.clone()), quoted);
            items.iter().map(one).collect()
        }
        _ => pairs::each(settings, "irq", faults, |text| Ok(quoted(text))),
    }
}
