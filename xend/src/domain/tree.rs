//! The tree of a live domain as `xm list --long`, XML-RPC and save files have it (`xend-daemon` §7.1, §7.3).

use std::collections::BTreeMap;

use xend_api::Sxp;

use super::{DeviceConfig, DomainConfig, LiveFacts, PowerState, VbdClass, VbdConfig, state_letters};

/// Everything the tree of a live domain is made of.
#[derive(Clone, Copy, Debug)]
pub struct DomainTree<'a> {
    /// Live number.
    pub domid: u16,
    /// What was asked for.
    pub config: &'a DomainConfig,
    /// What Xen says now.
    pub facts: &'a LiveFacts,
    /// Seconds since 1970 at which it was built, where that is known.
    pub start_time: Option<f64>,
    /// Frames of the two ring pages, once it is built.
    pub ring_mfns: Option<(u64, u64)>,
    /// Guest's port of the console channel, once it is made.
    pub console_port: Option<u32>,
    /// The kernel's ELF notes.
    pub notes: &'a [(String, String)],
    /// Where each vif's script was found, by the vif's number.
    pub vif_scripts: &'a BTreeMap<u32, String>,
    /// Devices too, or only the head.
    pub devices: Devices,
}

/// Whether a tree shows the devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Devices {
    /// All of them.
    Shown,
    /// None.
    LeftOut,
}

/// Makes the tree, keys in the original's order.
pub fn domain_tree(from: &DomainTree<'_>) -> Sxp {
    let config = from.config;
    let mut tree = vec![Sxp::from("domain"), Sxp::pair("domid", i64::from(from.domid))];
    tree.extend(head(config));
    tree.extend(from.start_time.map(|seconds| Sxp::pair("start_time", seconds)));
    tree.push(Sxp::pair("cpu_time", from.facts.cpu_seconds));
    tree.push(Sxp::pair("online_vcpus", i64::from(from.facts.online_vcpus)));
    tree.push(Sxp::pair("image", image(config, Some(from.notes))));
    tree.push(Sxp::pair("status", PowerState::of(from.facts).number()));
    tree.push(Sxp::pair("state", state_letters(from.facts)));
    if let Some((store, console)) = from.ring_mfns {
        tree.push(Sxp::pair("store_mfn", store as i64));
        tree.push(Sxp::pair("console_mfn", console as i64));
    }
    if from.devices == Devices::Shown {
        let scripts = from.vif_scripts;
        let vifs = config.vifs().filter_map(|vif| Some((vif, scripts.get(&vif.devid)?)));
        tree.extend(vbds(config, VbdClass::Tap2));
        tree.extend(vifs.map(|(vif, script)| Sxp::pair("device", vif.to_sxp(script))));
        tree.extend(vbds(config, VbdClass::Tap));
        if let Some(port) = from.console_port {
            tree.push(Sxp::pair("device", console(config, port)));
        }
        tree.extend(vbds(config, VbdClass::Vbd));
    }
    Sxp::List(tree)
}

/// The disks of a class as the original read them back from the store: by their numbers as texts.
fn vbds(config: &DomainConfig, class: VbdClass) -> impl Iterator<Item = Sxp> {
    let mut vbds: Vec<&VbdConfig> = config.vbds().filter(|vbd| vbd.class == class).collect();
    vbds.sort_by_key(|vbd| vbd.number.devid.to_string());
    vbds.into_iter().map(|vbd| Sxp::pair("device", vbd.to_sxp()))
}

/// The configuration alone, enough to make the same domain again: what records hold.
pub(super) fn config_tree(config: &DomainConfig) -> Sxp {
    let mut tree = vec![Sxp::from("domain")];
    tree.extend(head(config));
    if let Some(mask) = config.vcpu_avail {
        tree.push(Sxp::pair("vcpu_avail", mask as i64));
    }
    tree.push(Sxp::pair("image", image(config, None)));
    for device in &config.devices {
        let form = match device {
            DeviceConfig::Vbd(vbd) => vbd_record(vbd),
            DeviceConfig::Vif(vif) => vif.to_sxp(vif.script.as_deref().unwrap_or_default()),
        };
        tree.push(Sxp::pair("device", form));
    }
    Sxp::List(tree)
}

/// As shown, with the protocol only where one was configured, and the source also when it is empty.
fn vbd_record(vbd: &VbdConfig) -> Sxp {
    let Sxp::List(mut form) = vbd.to_sxp() else { return Sxp::Nil };
    if vbd.protocol.is_none() {
        form.retain(|pair| pair.name() != Some("protocol"));
    }
    Sxp::List(form)
}

fn head(config: &DomainConfig) -> Vec<Sxp> {
    let plain = |key: &str| Sxp::pair(key, config.plain_value(key).cloned().unwrap_or(Sxp::Nil));
    let actions = config.actions;
    vec![
        Sxp::pair("cpu_weight", config.cpu_weight),
        Sxp::pair("cpu_cap", config.cpu_cap),
        plain("pool_name"),
        Sxp::pair("bootloader", ""),
        Sxp::pair("vcpus", i64::from(config.vcpus)),
        Sxp::pair("cpus", Sxp::List(config.cpus.clone())),
        Sxp::pair("on_poweroff", actions.on_poweroff.word()),
        plain("description"),
        Sxp::pair("on_crash", actions.on_crash.word()),
        Sxp::pair("uuid", config.uuid.to_string()),
        Sxp::pair("bootloader_args", ""),
        Sxp::pair("name", config.name.as_str()),
        Sxp::pair("on_reboot", actions.on_reboot.word()),
        Sxp::pair("maxmem", config.maxmem_mib as i64),
        Sxp::pair("memory", config.memory_mib as i64),
        plain("shadow_memory"),
        plain("features"),
        plain("on_xend_start"),
        plain("on_xend_stop"),
    ]
}

fn image(config: &DomainConfig, notes: Option<&[(String, String)]>) -> Sxp {
    let image = &config.image;
    let mut form = vec![Sxp::from(image.kind.as_str()), Sxp::pair("kernel", image.kernel.as_str())];
    if let Some(ramdisk) = &image.ramdisk {
        form.push(Sxp::pair("ramdisk", ramdisk.as_str()));
    }
    if !image.args.is_empty() {
        form.push(Sxp::pair("args", image.args.as_str()));
    }
    form.extend(image.other.iter().map(|(key, value)| Sxp::pair(key, value.clone())));
    if let Some(notes) = notes {
        form.push(Sxp::form("notes", notes.iter().map(|(name, value)| Sxp::pair(name, value.as_str()))));
    }
    Sxp::List(form)
}

/// The console's uuid is the domain's own, turned round: stable over restarts without being stored.
fn console(config: &DomainConfig, port: u32) -> Sxp {
    let mut bytes = *config.uuid.as_bytes();
    bytes.reverse();
    let uuid = uuid::Uuid::from_bytes(bytes);
    Sxp::form(
        "console",
        [
            Sxp::pair("protocol", "vt100"),
            Sxp::pair("location", i64::from(port)),
            Sxp::pair("uuid", uuid.to_string()),
        ],
    )
}
