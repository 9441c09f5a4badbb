//! The methods about devices: `device_create`, `device_configure`, `destroyDevice`, `getDeviceSxprs`,
//! `getBlockDeviceClass` (`xend-daemon` §3.2, §9.1; the shapes as in the corpus of answers).

use xend_api::{Fault, Sxp, classic::daemon as classic};
use xenstore::paths;

use super::{
    Api,
    arguments::{Arguments, Truth},
    domains::{ours, search},
    fault,
};
use crate::{
    domain::{DeviceId, device_number, store_class},
    manager::{Known, Listed, RequestError},
    operations::Detach,
};

type Answer = Result<Sxp, Fault>;

/// The original's other classes: no domain of this version has such a device.
const NOT_YET: [&str; 9] = ["vif2", "pci", "vscsi", "vusb", "vfb", "vkbd", "console", "ioports", "irq"];
/// More frontends of one class than any domain has: the rest of what a guest made up is not looked at.
const MOST_DEVICES: usize = 4096;
/// More nodes than any frontend has.
const MOST_NODES: usize = 256;

/// `xend.domain.device_create(dom, config)`: connected on this side when it answers.
pub(super) async fn create(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.device_create", params, 2, 2)?;
    let designator = arguments.designator(0)?;
    let form = arguments.tree(1)?;
    let failed = |error: RequestError| fault::of_request(&error, &designator);
    match search(api, &arguments).await? {
        Known::Live(listed) => {
            refuse_foreign(&listed, &designator)?;
            let device = api.manager.attach(listed.info.uuid, form.clone()).await.map_err(failed)?;
            let id = device.id();
            let place = [
                "dom".into(),
                i64::from(listed.info.domid.0).into(),
                "id".into(),
                i64::from(id.devid).into(),
            ];
            Ok(Sxp::List(vec![Sxp::from(device.class()), Sxp::List(place.to_vec())]))
        }
        Known::Inactive(inactive) => {
            let attached = api.manager.attach_stored(inactive.config.uuid, form).await;
            attached.map(|()| Sxp::Nil).map_err(failed)
        }
    }
}

/// `xend.domain.device_configure(dom, config, devid = nil)`: another medium for a drive.
pub(super) async fn configure(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.device_configure", params, 2, 3)?;
    let designator = arguments.designator(0)?;
    let form = arguments.tree(1)?;
    let changed = match search(api, &arguments).await? {
        Known::Live(listed) => {
            refuse_foreign(&listed, &designator)?;
            api.manager.change_medium(listed.info.uuid, form.clone()).await
        }
        Known::Inactive(inactive) => api.manager.change_stored_medium(inactive.config.uuid, form).await,
    };
    changed.map(|()| Sxp::Bool(true)).map_err(|error| fault::of_request(&error, &designator))
}

/// `xend.domain.destroyDevice(dom, class, device, force = nil, rm_cfg = False)`: gone when it answers.
pub(super) async fn destroy(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.destroyDevice", params, 3, 5)?;
    let designator = arguments.designator(0)?;
    let class = class(&arguments.text(1)?)?;
    let device = arguments.text(2)?;
    let how = match arguments.truth(3, Truth::No) {
        Truth::Yes => Detach::Forced,
        Truth::No => Detach::Asked,
    };
    let failed = |error: RequestError| fault::of_request(&error, &designator);
    let done = match search(api, &arguments).await? {
        Known::Live(listed) => {
            refuse_foreign(&listed, &designator)?;
            let view = ours(&listed);
            let id = view.and_then(|view| view.config.find_device(class, &device));
            let id = id.ok_or_else(|| failed(RequestError::NoDevice { device }))?;
            api.manager.detach(listed.info.uuid, id, how).await
        }
        Known::Inactive(inactive) => api.manager.detach_stored(inactive.config.uuid, class, &device).await,
    };
    done.map(|()| Sxp::Nil).map_err(failed)
}

/// `xend.domain.getBlockDeviceClass(dom, device)`: `vbd`, `tap` or `tap2`, nil for a disk that is not there.
pub(super) async fn block_class(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.getBlockDeviceClass", params, 2, 2)?;
    let device = arguments.text(1)?;
    let class = match search(api, &arguments).await? {
        Known::Live(listed) => match ours(&listed) {
            Some(view) => {
                let id = view.config.find_device("vbd", &device);
                id.and_then(|id| view.config.device(id)).map(|device| device.class().to_owned())
            }
            None => {
                let number = device_number("vbd", &device);
                let there = frontends(api, listed.info.domid.0, "vbd").await?;
                there.iter().any(|devid| Some(*devid) == number).then(|| "vbd".to_owned())
            }
        },
        Known::Inactive(inactive) => {
            let number = device_number("vbd", &device).map(i64::from);
            let disks = inactive.config.device_entries("vbd");
            let meant = disks.into_iter().find(|(devid, _)| Some(*devid) == number);
            meant.and_then(|(_, form)| form.name()).map(str::to_owned)
        }
    };
    Ok(class.map_or(Sxp::Nil, Sxp::from))
}

/// `xend.domain.getDeviceSxprs(dom, class)`: of a domain that is there the nodes of each frontend, of one that is not the
/// configured devices.
pub(super) async fn list(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.getDeviceSxprs", params, 2, 2)?;
    let known = search(api, &arguments).await?;
    let word = arguments.text(1)?;
    let Some(class) = store_class(&word) else {
        return match NOT_YET.contains(&word.as_str()) {
            true => Ok(Sxp::List(Vec::new())), // none is there: this version makes no such device
            false => Err(Fault::generic(format!("Unknown device type: {word}"))),
        };
    };
    match known {
        Known::Live(listed) => live_entries(api, listed.info.domid.0, class).await,
        Known::Inactive(inactive) => {
            let entries = inactive.config.device_entries(class).into_iter();
            let entry = |(number, form): (i64, &Sxp)| Sxp::List(vec![Sxp::Int(number), form.clone()]);
            Ok(Sxp::List(entries.map(entry).collect()))
        }
    }
}

async fn live_entries(api: &Api, domid: u16, class: &'static str) -> Answer {
    let store = &api.manager.context().store;
    let frontends = frontends(api, domid, class).await?;
    let folders: Vec<String> = frontends.iter().map(|devid| paths::frontend(domid, class, *devid)).collect();
    let names = store.list_many(&folders).await.map_err(store_failed)?;
    let mut nodes = Vec::new();
    for (devid, (folder, names)) in frontends.into_iter().zip(folders.iter().zip(names)) {
        let mut names = names.unwrap_or_default();
        names.sort();
        names.truncate(MOST_NODES);
        nodes.extend(names.into_iter().map(|name| (devid, paths::join(folder, &name), name)));
    }
    let wanted: Vec<&str> = nodes.iter().map(|(_, path, _)| path.as_str()).collect();
    let values = store.read_many(&wanted).await.map_err(store_failed)?;
    let mut entries: Vec<(u32, Vec<Sxp>)> = Vec::new();
    for ((devid, _, name), value) in nodes.iter().zip(values) {
        let pair = Sxp::pair(name, value.unwrap_or_default());
        match entries.last_mut().filter(|(last, _)| last == devid) {
            Some((_, pairs)) => pairs.push(pair),
            None => entries.push((*devid, vec![pair])),
        }
    }
    let entry =
        |(devid, pairs): (u32, Vec<Sxp>)| Sxp::List(vec![Sxp::from(devid.to_string()), Sxp::List(pairs)]);
    Ok(Sxp::List(entries.into_iter().map(entry).collect()))
}

/// In the order in which the original read them: by their numbers as texts.
async fn frontends(api: &Api, domid: u16, class: &str) -> Result<Vec<u32>, Fault> {
    let store = &api.manager.context().store;
    let names = store.list(&paths::frontend_class(domid, class)).await.map_err(store_failed)?;
    let mut names = names.unwrap_or_default();
    names.sort();
    names.truncate(MOST_DEVICES);
    Ok(names.iter().filter_map(|name| name.parse().ok()).collect())
}

fn store_failed(source: xenstore::StoreError) -> Fault {
    fault::of_request(&RequestError::Store { act: "read the devices of the domain", source }, "")
}

fn class(word: &str) -> Result<&'static str, Fault> {
    store_class(word).ok_or_else(|| match NOT_YET.contains(&word) {
        true => Fault::generic(format!("a {word} device is not there yet in this version of xend-rs")),
        false => Fault::generic(format!("Unknown device type: {word}")),
    })
}

fn refuse_foreign(listed: &Listed, designator: &str) -> Result<(), Fault> {
    match ours(listed) {
        Some(_) => Ok(()),
        None => Err(fault::of_request(&RequestError::foreign(listed.name()), designator)),
    }
}

/// `Device 5632 (vbd)`, as texts name a device.
pub(super) fn place(id: DeviceId) -> (u64, &'static str) {
    (id.devid.into(), id.class)
}

/// The dictionary that the original showed of a form.
pub(super) fn shown(form: &Sxp) -> String {
    let pairs =
        form.items().iter().skip(1).filter_map(|pair| Some((pair.name()?, pair.items().get(1)?.atom()?)));
    let repr = xend_api::python::repr;
    let texts: Vec<String> = pairs.map(|(key, value)| format!("{}: {}", repr(key), repr(&value))).collect();
    format!("{{{}}}", texts.join(", "))
}

/// The fault of a form that a device does not become.
pub(super) fn no_medium(form: &Sxp) -> Fault {
    let dev = form.value("dev").and_then(Sxp::atom).unwrap_or_default();
    let name = dev.strip_prefix("ioemu:").unwrap_or(&dev).split(':').next().unwrap_or_default();
    let class = form.name().unwrap_or("vbd");
    let Some(number) = device_number("vbd", name) else {
        return Fault::generic(classic::no_device_number(name));
    };
    let text = format!("Refusing to reconfigure device {class}:{number} to {}", shown(form));
    Fault::generic(text)
        .because("only a CD-ROM drive of the domain takes another medium, and only read-only")
        .hint("block-configure Domain SOURCE NAME:cdrom r; another disk is taken away by block-detach")
}
