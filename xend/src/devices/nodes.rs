//! The nodes of a device in the store: frontend, backend and the table entry under `/vm` (`xend-daemon` §5.4, §5.5).

use xenstore::{
    Access, Batch, Permissions,
    paths::{self, node::device as node},
};

use super::{check::DevicePlan, wiring::Hotplug, xenbus::XenbusState};
use crate::domain::{DeviceConfig, VbdConfig, VifConfig};

/// What every device's nodes need to know of its domain.
#[derive(Clone, Copy, Debug)]
pub struct DeviceNodes<'a> {
    /// The guest.
    pub domid: u16,
    /// Its name, for scripts and people.
    pub domain_name: &'a str,
    /// `/vm/UUID` of the guest.
    pub vm_path: &'a str,
}

/// A class, a number and the keys of both ends.
struct Nodes {
    class: &'static str,
    devid: u32,
    frontend: Vec<(&'static str, String)>,
    backend: Vec<(&'static str, String)>,
}

impl Nodes {
    fn of_vbd(vbd: &VbdConfig) -> Self {
        let devid = vbd.number.devid;
        let number_key = if vbd.number.extended { "virtual-device-ext" } else { "virtual-device" };
        let protocol = vbd.protocol.clone().unwrap_or_else(|| "x86_64-abi".to_owned());
        Self {
            class: "vbd",
            devid,
            frontend: vec![
                (number_key, devid.to_string()),
                ("device-type", vbd.device_type.clone()),
                ("protocol", protocol),
            ],
            backend: vec![
                ("dev", vbd.name.clone()),
                ("type", vbd.kind.clone()),
                ("params", vbd.params.clone()),
                ("mode", vbd.mode.word().to_owned()),
                ("uuid", vbd.uuid.clone()),
                ("bootable", i32::from(vbd.bootable).to_string()),
            ],
        }
    }

    fn of_vif(vif: &VifConfig, script: &str) -> Self {
        let devid = vif.devid;
        let mut backend =
            vec![("script", script.to_owned()), ("mac", vif.mac.clone()), ("handle", devid.to_string())];
        let optional =
            [("ip", &vif.ip), ("bridge", &vif.bridge), ("vifname", &vif.vifname), ("rate", &vif.rate)];
        backend
            .extend(optional.into_iter().filter_map(|(key, value)| value.clone().map(|value| (key, value))));
        backend.push(("uuid", vif.uuid.clone()));
        let frontend = vec![
            ("handle", devid.to_string()),
            ("mac", vif.mac.clone()),
            ("protocol", "x86_64-abi".to_owned()),
        ];
        Self { class: "vif", devid, frontend, backend }
    }
}

impl DevicePlan {
    /// A device that is to come to the domain at `vm_path`.
    pub fn new(device: &DeviceConfig, script: &str, vm_path: &str) -> Self {
        let Nodes { class, devid, backend, .. } = match device {
            DeviceConfig::Vbd(vbd) => Nodes::of_vbd(vbd),
            DeviceConfig::Vif(vif) => Nodes::of_vif(vif, script),
        };
        Self { class, devid, script: script.to_owned(), vm_path: vm_path.to_owned(), backend }
    }
}

impl DeviceNodes<'_> {
    /// Adds a disk to `batch`; the answer says how it is wired.
    pub fn vbd(&self, batch: &mut Batch, vbd: &VbdConfig, script: &str) -> Hotplug {
        self.add(batch, Nodes::of_vbd(vbd));
        Hotplug::vbd(self.domid, vbd.number.devid, &vbd.name, script)
    }

    /// Adds a network interface to `batch`; the answer says how it is wired.
    pub fn vif(&self, batch: &mut Batch, vif: &VifConfig, script: &str) -> Hotplug {
        self.add(batch, Nodes::of_vif(vif, script));
        Hotplug::vif(self.domid, vif.devid, script)
    }

    fn add(&self, batch: &mut Batch, nodes: Nodes) {
        let Nodes { class, devid, .. } = nodes;
        let frontend = paths::frontend(self.domid, class, devid);
        let backend = paths::backend(0, class, self.domid, devid);
        let entry = paths::vm_device(self.vm_path, class, devid);
        batch.remove(&frontend).remove(&backend).remove(&entry);
        let of_guest = Permissions::owned_by(self.domid).and(0, Access::Read);
        let of_backend = Permissions::owned_by(0).and(self.domid, Access::Read);
        batch.mkdir(&backend).permissions(&backend, of_backend);
        batch.mkdir(&frontend).permissions(&frontend, of_guest);
        let mut write = |base: &str, key: &str, value: &str| {
            batch.write(paths::join(base, key), value);
        };
        let initialising = XenbusState::Initialising.text();
        write(&frontend, node::BACKEND, &backend);
        write(&frontend, node::BACKEND_ID, "0");
        for (key, value) in &nodes.frontend {
            write(&frontend, key, value);
        }
        write(&backend, node::FRONTEND, &frontend);
        write(&backend, node::FRONTEND_ID, &self.domid.to_string());
        write(&backend, node::DOMAIN, self.domain_name);
        write(&backend, node::ONLINE, "1");
        for (key, value) in &nodes.backend {
            write(&backend, key, value);
        }
        write(&entry, node::BACKEND, &backend);
        write(&entry, node::BACKEND_ID, "0");
        write(&entry, node::FRONTEND, &frontend);
        write(&entry, node::FRONTEND_ID, &self.domid.to_string());
        // The states last: a driver that looks early must find the rest.
        write(&backend, node::STATE, initialising);
        write(&frontend, node::STATE, initialising);
    }
}
