//! The configuration of a managed domain: every tree that the original accepted for `xm new` or stored, read and made
//! whole (UUIDs, addresses, defaults), whether this version can start such a domain or not (`xend-daemon` §4.10, §7).
//!
//! ```text
//!   tree of `xm new` ─┐                    ┌─> shown     `xm list --long` of one that does not run
//!   config.sxp ───────┴─> ManagedConfig ───┼─> stored    config.sxp
//!                                          └─> to_config what this version can start, or its refusals by name
//! ```

mod change;
mod cpus;
mod devices;
mod image;
mod trees;

use uuid::Uuid;
use xend_api::Sxp;

use super::{ConfigFault, DomainConfig, action, config};
use image::ManagedImage;

/// A domain as it was defined.
#[derive(Clone, Debug, PartialEq)]
pub struct ManagedConfig {
    /// Identity for life; the name of its folder.
    pub uuid: Uuid,
    /// Unique among the domains of the host.
    pub name: String,
    /// Memory to start with, MiB.
    pub memory_mib: u64,
    /// Memory it may grow to, MiB.
    pub maxmem_mib: u64,
    /// Vcpus it has.
    pub vcpus: u32,
    cpus: Vec<Sxp>,
    cpu_weight: i64,
    cpu_cap: i64,
    actions: action::Words,
    bootloader: String,
    bootloader_args: String,
    plain: Vec<(String, Sxp)>,
    image: ManagedImage,
    devices: Vec<Sxp>,
    /// Whole forms without a field of their own: stored as they came.
    kept: Vec<Sxp>,
}

/// Keys that have a field, are made anew whenever the tree is stored, or say only how the domain stood when it ran.
const CONSUMED: [&str; 54] = [
    "uuid",
    "name",
    "name_label",
    "memory",
    "maxmem",
    "memory_static_min",
    "memory_static_max",
    "memory_dynamic_min",
    "memory_dynamic_max",
    "vcpus",
    "VCPUs_max",
    "VCPUs_at_startup",
    "VCPUs_live",
    "vcpus_params",
    "cpus",
    "cpu",
    "cpu_weight",
    "cpu_cap",
    "restart",
    "on_poweroff",
    "on_reboot",
    "on_crash",
    "actions_after_shutdown",
    "actions_after_reboot",
    "actions_after_crash",
    "bootloader",
    "bootloader_args",
    "PV_bootloader",
    "PV_bootloader_args",
    "PV_kernel",
    "PV_ramdisk",
    "PV_args",
    "HVM_boot_policy",
    "HVM_boot_params",
    "platform",
    "image",
    "device",
    "localtime",
    "superpages",
    "pool_name",
    "description",
    "shadow_memory",
    "features",
    "on_xend_start",
    "on_xend_stop",
    "domid",
    "status",
    "state",
    "store_mfn",
    "console_mfn",
    "start_time",
    "cpu_time",
    "online_vcpus",
    "resident_on",
];

/// Keys of the Xen-API with the classic ones that win over them.
const CLASSIC: [(&str, &str); 7] = [
    ("name_label", "name"),
    ("VCPUs_max", "vcpus"),
    ("actions_after_shutdown", "on_poweroff"),
    ("actions_after_reboot", "on_reboot"),
    ("actions_after_crash", "on_crash"),
    ("PV_bootloader", "bootloader"),
    ("PV_bootloader_args", "bootloader_args"),
];

impl ManagedConfig {
    /// Reads and completes a tree; all faults, the first one found first.
    pub fn from_sxp(tree: &Sxp) -> Result<Self, Vec<ConfigFault>> {
        let (config, faults) = Self::read(tree);
        if faults.is_empty() { Ok(config) } else { Err(faults) }
    }

    /// The same of one that is stored. Older versions of the original did not refuse all that the last one did; such a
    /// domain is not lost, its start names the faults.
    pub fn from_stored(tree: &Sxp) -> Result<Self, Vec<ConfigFault>> {
        let (config, mut faults) = Self::read(tree);
        faults.retain(|fault| {
            !matches!(
                fault,
                ConfigFault::VbdTwice { .. }
                    | ConfigFault::UnameTwice { .. }
                    | ConfigFault::MacTwice { .. }
                    | ConfigFault::DeviceClass { .. }
                    | ConfigFault::CpusNotVcpus
            )
        });
        if faults.is_empty() { Ok(config) } else { Err(faults) }
    }

    fn read(tree: &Sxp) -> (Self, Vec<ConfigFault>) {
        let mut faults = Vec::new();
        let tree = &with_classic_keys(tree);
        let name = config::name(tree, &mut faults);
        let uuid = config::uuid(tree, &mut faults);
        let (memory_mib, maxmem_mib) = config::memory(tree, &mut faults);
        let vcpus = config::vcpus(tree, &mut faults);
        let actions = action::Words::from_sxp(tree, &mut faults);
        let cpus = cpus::read(tree, vcpus, &mut faults);
        let mut devices = devices::read(tree, &mut faults);
        let mut kept: Vec<Sxp> = tree.items().iter().skip(1).filter(|form| is_kept(form)).cloned().collect();
        let image = image::read(tree, &mut devices, &mut kept);
        kept.retain(is_kept);
        devices::sort(&mut devices);
        let text = |key: &str| tree.value(key).and_then(Sxp::atom).unwrap_or_default();
        let int = |key: &str, default| tree.value(key).and_then(Sxp::int).unwrap_or(default);
        let config = Self {
            uuid,
            name,
            memory_mib,
            maxmem_mib,
            vcpus,
            cpus,
            cpu_weight: int("cpu_weight", 256),
            cpu_cap: int("cpu_cap", 0),
            actions,
            bootloader: text("bootloader"),
            bootloader_args: text("bootloader_args"),
            plain: config::plain(tree),
            image,
            devices,
            kept,
        };
        (config, faults)
    }

    /// What this version starts, or everything in it that it can't start yet.
    pub fn to_config(&self) -> Result<DomainConfig, Vec<ConfigFault>> {
        DomainConfig::from_sxp(&self.startable())
    }

    /// Whether it is to be started with the daemon.
    pub fn starts_with_xend(&self) -> bool {
        let is_true = |value: &Sxp| value.atom().is_some_and(|text| !matches!(&*text, "" | "0" | "False"));
        let auto_power_on = self.kept("auto_power_on").and_then(|form| form.items().get(1));
        self.plain_text("on_xend_start") == "start" || auto_power_on.is_some_and(is_true)
    }

    /// Processors that a vcpu may run on; an empty list means any.
    pub fn cpus_of(&self, vcpu: usize) -> Sxp {
        self.cpus.get(vcpu).cloned().unwrap_or_else(|| Sxp::List(Vec::new()))
    }

    /// The CPU pool.
    pub fn pool(&self) -> String {
        self.plain_text("pool_name")
    }

    fn plain_text(&self, key: &str) -> String {
        let pair = self.plain.iter().find(|(name, _)| name == key);
        pair.and_then(|(_, value)| value.atom()).unwrap_or_default()
    }

    fn kept(&self, key: &str) -> Option<&Sxp> {
        self.kept.iter().find(|form| form.name() == Some(key))
    }
}

/// Forms with a value: an empty one says nothing, nor does one that says what is written anyway.
fn is_kept(form: &Sxp) -> bool {
    let is_usual = |value: &Sxp| {
        let usual = trees::ALWAYS.iter().find(|(key, _)| form.name() == Some(key));
        usual.is_some_and(|(_, usual)| value.atom().as_deref() == Some(usual))
    };
    let says = |value: &Sxp| {
        !is_usual(value) && *value != Sxp::Nil && *value != "".into() && *value != Sxp::List(Vec::new())
    };
    let is_known = |name: &str| CONSUMED.contains(&name);
    form.name().is_some_and(|name| !is_known(name)) && form.items().get(1).is_some_and(says)
}

/// The tree with the classic keys that only the Xen-API's stand for.
fn with_classic_keys(tree: &Sxp) -> Sxp {
    let mut items = match tree {
        Sxp::List(items) if !items.is_empty() => items.clone(),
        _ => vec![Sxp::from("domain")],
    };
    let missing = |key: &str| tree.child(key).is_none();
    for (theirs, classic) in CLASSIC.into_iter().filter(|(_, classic)| missing(classic)) {
        items.extend(tree.value(theirs).map(|value| Sxp::pair(classic, value.clone())));
    }
    for (theirs, classic) in [("memory_dynamic_max", "memory"), ("memory_static_max", "maxmem")] {
        let bytes = tree.value(theirs).and_then(Sxp::int).filter(|_| missing(classic));
        items.extend(bytes.map(|bytes| Sxp::pair(classic, bytes >> 20)));
    }
    let params = tree.value("vcpus_params").map(Sxp::items).unwrap_or_default();
    for (theirs, classic) in [("weight", "cpu_weight"), ("cap", "cpu_cap")] {
        let found = params.iter().find(|pair| pair.name() == Some(theirs)).filter(|_| missing(classic));
        items.extend(found.and_then(|pair| Some(Sxp::pair(classic, pair.items().get(1)?.clone()))));
    }
    Sxp::List(items)
}

#[cfg(test)]
mod tests;
