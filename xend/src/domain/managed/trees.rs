//! The three trees of a managed domain: shown, stored, handed to the door of those that are started.

use xend_api::Sxp;

use super::ManagedConfig;
use crate::domain::{Devices, PowerState};

/// Keys of the Xen-API that the original always wrote, with what they say when nobody has said anything.
pub(super) const ALWAYS: [(&str, &str); 9] = [
    ("name_description", ""),
    ("user_version", "1"),
    ("is_a_template", "False"),
    ("auto_power_on", "False"),
    ("target", "0"),
    ("PCI_bus", ""),
    ("tools_version", ""),
    ("s3_integrity", "0"),
    ("memory_sharing", "0"),
];

impl ManagedConfig {
    /// The tree of one that does not run, keys in the original's order.
    pub fn shown(&self, state: PowerState, devices: Devices) -> Sxp {
        let mut tree = vec![
            Sxp::from("domain"),
            Sxp::pair("cpu_weight", self.cpu_weight),
            Sxp::pair("cpu_cap", self.cpu_cap),
        ];
        tree.extend(self.classic());
        tree.extend(self.kept("security_label").cloned());
        tree.push(Sxp::pair("image", self.image_form()));
        tree.push(Sxp::pair("status", state.number()));
        if devices == Devices::Shown {
            tree.extend(self.device_forms());
        }
        tree.extend(["cpuid", "cpuid_check"].into_iter().filter_map(|key| self.kept(key).cloned()));
        Sxp::List(tree)
    }

    /// The text of `config.sxp`.
    pub fn to_text(&self) -> String {
        format!("{}\n", self.stored().to_pretty(78))
    }

    /// Every key of the Xen-API, then the classic ones, which win where it is read.
    fn stored(&self) -> Sxp {
        let mut tree = vec![Sxp::from("domain")];
        tree.extend(self.xen_api());
        tree.extend(self.kept.iter().cloned());
        tree.extend(self.classic());
        tree.push(Sxp::pair("image", self.image_form()));
        tree.extend(self.device_forms());
        Sxp::List(tree)
    }

    fn xen_api(&self) -> Vec<Sxp> {
        let text = |key: &str, value: &str| Sxp::pair(key, value);
        let bytes = |mib: u64| (mib << 20).to_string();
        let vcpus = self.vcpus.to_string();
        let pairs = [("cap", self.cpu_cap), ("weight", self.cpu_weight)];
        let params = pairs.map(|(key, value)| Sxp::pair(key, value.to_string())).to_vec();
        let order = self.image.boot_order();
        let policy = if order.is_some() { "BIOS order" } else { "" };
        let boot = order.map(|order| Sxp::pair("order", order));
        let platform = self.image.platform.iter().map(|(key, value)| Sxp::pair(key, value.clone()));
        let [poweroff, reboot, crash] = self.actions.words();
        let mut tree = vec![
            text("name_label", &self.name),
            text("memory_static_min", "0"),
            text("memory_static_max", &bytes(self.maxmem_mib)),
            text("memory_dynamic_min", &bytes(self.memory_mib)),
            text("memory_dynamic_max", &bytes(self.memory_mib)),
            Sxp::pair("vcpus_params", Sxp::List(params)),
            text("VCPUs_max", &vcpus),
            text("VCPUs_at_startup", &vcpus),
            text("VCPUs_live", &vcpus),
            text("actions_after_shutdown", poweroff),
            text("actions_after_reboot", reboot),
            text("actions_after_crash", crash),
            text("PV_bootloader", &self.bootloader),
            text("PV_kernel", &self.image.kernel),
            text("PV_ramdisk", &self.image.ramdisk),
            text("PV_args", &self.image.args),
            text("PV_bootloader_args", &self.bootloader_args),
            text("HVM_boot_policy", policy),
            Sxp::pair("HVM_boot_params", Sxp::List(boot.into_iter().collect())),
            Sxp::pair("platform", Sxp::List(platform.collect())),
        ];
        let missing = ALWAYS.into_iter().filter(|(key, _)| self.kept(key).is_none());
        tree.extend(missing.map(|(key, value)| text(key, value)));
        if self.kept("other_config").is_none() {
            tree.push(Sxp::pair("other_config", Sxp::List(Vec::new())));
        }
        tree
    }

    /// What [`super::DomainConfig`] reads: nothing that it would have to refuse is left out.
    pub(super) fn startable(&self) -> Sxp {
        let mut tree = vec![
            Sxp::from("domain"),
            Sxp::pair("cpu_weight", self.cpu_weight),
            Sxp::pair("cpu_cap", self.cpu_cap),
        ];
        tree.extend(self.classic());
        tree.extend(self.kept.iter().cloned());
        tree.extend(self.image.value("localtime").map(|value| Sxp::pair("localtime", value.clone())));
        tree.push(Sxp::pair("image", self.image_form()));
        tree.extend(self.device_forms());
        Sxp::List(tree)
    }

    fn classic(&self) -> Vec<Sxp> {
        let plain = |key: &str| {
            let pair = self.plain.iter().find(|(name, _)| name == key);
            Sxp::pair(key, pair.map_or(Sxp::Nil, |(_, value)| value.clone()))
        };
        let [poweroff, reboot, crash] = self.actions.words();
        vec![
            plain("pool_name"),
            Sxp::pair("bootloader", self.bootloader.as_str()),
            Sxp::pair("vcpus", i64::from(self.vcpus)),
            Sxp::pair("cpus", Sxp::List(self.cpus.clone())),
            Sxp::pair("on_poweroff", poweroff),
            plain("description"),
            Sxp::pair("on_crash", crash),
            Sxp::pair("uuid", self.uuid.to_string()),
            Sxp::pair("bootloader_args", self.bootloader_args.as_str()),
            Sxp::pair("name", self.name.as_str()),
            Sxp::pair("on_reboot", reboot),
            Sxp::pair("maxmem", self.maxmem_mib as i64),
            Sxp::pair("memory", self.memory_mib as i64),
            plain("shadow_memory"),
            plain("features"),
            plain("on_xend_start"),
            plain("on_xend_stop"),
        ]
    }

    fn image_form(&self) -> Sxp {
        let image = &self.image;
        let mut form = vec![Sxp::from(image.kind.as_str()), Sxp::pair("kernel", image.kernel.as_str())];
        for (key, value) in [("ramdisk", &image.ramdisk), ("args", &image.args)] {
            if !value.is_empty() {
                form.push(Sxp::pair(key, value.as_str()));
            }
        }
        form.extend(image.platform.iter().map(|(key, value)| Sxp::pair(key, value.clone())));
        Sxp::List(form)
    }

    fn device_forms(&self) -> impl Iterator<Item = Sxp> {
        self.devices.iter().map(|form| Sxp::pair("device", form.clone()))
    }
}
