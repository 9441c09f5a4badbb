//! The devices of a managed domain, each the form that was given with an identity of its own (`xend-daemon` §7.4).

use std::collections::HashSet;

use uuid::Uuid;
use xend_api::Sxp;

use crate::domain::{ConfigFault, VbdNumber, config};

/// Classes in the order in which the original shows them.
const CLASSES: [&str; 13] =
    ["tap2", "vif", "vkbd", "ioports", "tap", "vif2", "console", "vscsi", "vbd", "irq", "vfb", "pci", "vusb"];

/// Where a disk stands among the disks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    First,
    Later,
}

impl Place {
    /// Of this disk; every further one comes later.
    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Later)
    }
}

/// Reads all of them.
pub(super) fn read(tree: &Sxp, faults: &mut Vec<ConfigFault>) -> Vec<Sxp> {
    let forms: Vec<&Sxp> = tree.children("device").filter_map(|device| device.items().get(1)).collect();
    let is_marked = |form: &&Sxp| form.value("bootable").and_then(Sxp::int).is_some_and(|n| n != 0);
    // The first disk is the one that a boot loader reads, unless another is marked.
    let mut place = if forms.iter().any(is_marked) { Place::Later } else { Place::First };
    let mut devices = Vec::new();
    for form in forms {
        match form.name() {
            Some("vbd") => devices.push(vbd(form, place.take())),
            Some("tap" | "tap2") => devices.push(tap(form, place.take())),
            Some("vif") => devices.push(vif(form)),
            Some("pci") => devices.push(pci(form)),
            other => {
                if !other.is_some_and(|class| CLASSES.contains(&class)) {
                    faults.push(ConfigFault::DeviceClass { class: other.unwrap_or_default().to_owned() });
                }
                devices.push(with_uuid(form.items().to_vec()));
            }
        }
    }
    refuse_doubles(&devices, faults);
    devices
}

/// A device that the live domain was given, as it is stored.
pub(super) fn stored(form: &Sxp) -> Sxp {
    match form.name() {
        Some("vbd") => vbd(form, Place::Later),
        Some("tap" | "tap2") => tap(form, Place::Later),
        Some("vif") => vif(form),
        _ => with_uuid(form.items().to_vec()),
    }
}

/// A disk that is added to others is not the one that a boot loader reads.
pub(super) fn come_later(form: &mut Sxp) {
    if let Sxp::List(pairs) = form
        && let Some(pair) = pairs.iter_mut().find(|pair| pair.name() == Some("bootable"))
    {
        *pair = Sxp::pair("bootable", 0);
    }
}

/// In the order in which they are shown and stored; those of a class keep theirs.
pub(super) fn sort(devices: &mut [Sxp]) {
    let place = |form: &Sxp| CLASSES.iter().position(|class| form.name() == Some(class));
    devices.sort_by_key(|form| place(form).unwrap_or(CLASSES.len()));
}

fn new_uuid() -> Sxp {
    Sxp::pair("uuid", Uuid::new_v4().to_string())
}

fn has(form: &[Sxp], key: &str) -> bool {
    form.iter().any(|pair| pair.name() == Some(key))
}

fn with_uuid(mut form: Vec<Sxp>) -> Sxp {
    if !has(&form, "uuid") {
        form.push(new_uuid());
    }
    Sxp::List(form)
}

/// The pairs of a form but for some.
fn others<'a>(form: &'a Sxp, without: &'a [&str]) -> impl Iterator<Item = Sxp> + 'a {
    let is_other = move |pair: &&Sxp| pair.name().is_some_and(|name| !without.contains(&name));
    form.items().iter().skip(1).filter(is_other).cloned()
}

fn bootable(form: &Sxp, place: Place) -> Sxp {
    let given = form.value("bootable").and_then(Sxp::int);
    Sxp::pair("bootable", given.unwrap_or_else(|| i64::from(place == Place::First)))
}

/// `ioemu:` before the name becomes the driver.
fn vbd(form: &Sxp, place: Place) -> Sxp {
    let dev = form.value("dev").and_then(Sxp::atom).unwrap_or_default();
    let (driver, dev) = match dev.strip_prefix("ioemu:") {
        Some(dev) => ("ioemu", dev),
        None => ("paravirtualised", dev.as_str()),
    };
    let driver = form.value("driver").and_then(Sxp::atom).unwrap_or_else(|| driver.to_owned());
    let mut pairs = vec![
        form.child("uuid").cloned().unwrap_or_else(new_uuid),
        bootable(form, place),
        Sxp::pair("driver", driver),
        Sxp::pair("dev", dev),
    ];
    pairs.extend(others(form, &["uuid", "bootable", "driver", "dev"]));
    Sxp::form("vbd", pairs)
}

fn tap(form: &Sxp, place: Place) -> Sxp {
    let mut pairs = vec![bootable(form, place)];
    for key in ["uname", "mode", "dev"] {
        pairs.extend(form.child(key).cloned());
    }
    pairs.push(form.child("uuid").cloned().unwrap_or_else(new_uuid));
    pairs.extend(others(form, &["bootable", "uname", "mode", "dev", "uuid"]));
    Sxp::form(form.name().unwrap_or("tap"), pairs)
}

fn vif(form: &Sxp) -> Sxp {
    let mut pairs = form.items().to_vec();
    pairs.retain(|pair| {
        pair.name() != Some("mac") || pair.items().get(1).is_some_and(|mac| *mac != "".into())
    });
    if !has(&pairs, "mac") {
        pairs.push(Sxp::pair("mac", config::new_mac()));
    }
    with_uuid(pairs)
}

/// Each function has an identity besides that of the bus.
fn pci(form: &Sxp) -> Sxp {
    let one =
        |pair: &Sxp| if pair.name() == Some("dev") { with_uuid(pair.items().to_vec()) } else { pair.clone() };
    with_uuid(form.items().iter().map(one).collect())
}

/// No name, source or address twice.
pub(super) fn refuse_doubles(devices: &[Sxp], faults: &mut Vec<ConfigFault>) {
    let (mut names, mut sources, mut macs) = (HashSet::new(), HashSet::new(), HashSet::new());
    for form in devices {
        let text = |key: &str| form.value(key).and_then(Sxp::atom).unwrap_or_default();
        match form.name() {
            Some("vbd" | "tap" | "tap2") => {
                let dev = text("dev");
                let name = dev.split(':').next().unwrap_or_default().to_owned();
                let number = VbdNumber::from_name(&name).map(|number| number.devid.to_string());
                if !names.insert(number.unwrap_or_else(|| format!("name {name}"))) {
                    faults.push(ConfigFault::VbdTwice { name });
                }
                let uname = text("uname");
                if !uname.is_empty() && !sources.insert(uname.clone()) {
                    faults.push(ConfigFault::UnameTwice { uname });
                }
            }
            Some("vif") => {
                let mac = text("mac");
                if !macs.insert(mac.to_ascii_lowercase()) {
                    faults.push(ConfigFault::MacTwice { mac });
                }
            }
            _ => {}
        }
    }
}
