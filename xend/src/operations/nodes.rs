//! The nodes of a domain in the store (`xend-daemon` §5.2, §5.3). Pure: they are put into a batch that the caller
//! commits in one transaction.

use xenstore::{
    Access, Batch, Permissions,
    paths::{self, node},
};

use crate::domain::{DomainConfig, DomainRecord};

/// `/local/domain/N` and `/vm/U` as they are before the devices: wiped, made, with their permissions.
pub(super) fn furnish(batch: &mut Batch, domid: u16, record: &DomainRecord, console_limit_kib: u64) {
    let config = &record.config;
    let (home, vm) = (paths::domain(domid), paths::vm(config.uuid.to_string()));
    let readable = Permissions::owned_by(0).and(domid, Access::Read);
    let of_guest = Permissions::owned_by(domid);
    batch.remove(&home).mkdir(&home).permissions(&home, readable.clone());
    for folder in node::GUEST_DIRECTORIES {
        let path = paths::join(&home, folder);
        batch.mkdir(&path).permissions(&path, of_guest.clone());
    }
    let target_kib = config.memory_mib * 1024;
    let max_kib = config.maxmem_mib * 1024;
    batch
        .write(paths::domain_vm(domid), &vm)
        .write(paths::domain_node(domid, node::DOMID), domid.to_string())
        .write(paths::domain_name(domid), &config.name)
        .write(paths::memory_target(domid), target_kib.to_string())
        .write(paths::memory_static_max(domid), max_kib.to_string())
        .write(paths::console_node(domid, node::console::LIMIT), (console_limit_kib * 1024).to_string())
        .write(paths::console_node(domid, node::console::TYPE), node::console::XENCONSOLED)
        .write(paths::control_node(domid, node::control::RESET_WATCHES), "1")
        .write(paths::control_node(domid, node::control::MULTIPROCESSOR_SUSPEND), "1");
    for vcpu in 0..config.vcpus {
        let word = if config.vcpu_is_available(vcpu) { node::ONLINE_CPU } else { node::OFFLINE_CPU };
        batch.write(paths::cpu_availability(domid, vcpu), word);
    }
    furnish_vm(batch, &vm, domid, record);
}

fn furnish_vm(batch: &mut Batch, vm: &str, domid: u16, record: &DomainRecord) {
    let config: &DomainConfig = &record.config;
    let readable = Permissions::owned_by(0).and(domid, Access::Read);
    batch.remove(vm).mkdir(vm);
    let plain = |key: &str, default: &str| {
        config.plain_value(key).and_then(|v| v.atom()).unwrap_or_else(|| default.to_owned())
    };
    let actions = config.actions;
    let nodes = [
        (node::NAME, config.name.clone()),
        (node::VCPUS, config.vcpus.to_string()),
        (node::VM_MEMORY, config.memory_mib.to_string()),
        (node::MAXMEM, config.maxmem_mib.to_string()),
        (node::SHADOW_MEMORY, plain(node::SHADOW_MEMORY, "0")),
        (node::ON_POWEROFF, actions.on_poweroff.word().to_owned()),
        (node::ON_REBOOT, actions.on_reboot.word().to_owned()),
        (node::ON_CRASH, actions.on_crash.word().to_owned()),
        (node::ON_XEND_START, plain(node::ON_XEND_START, "ignore")),
        (node::ON_XEND_STOP, plain(node::ON_XEND_STOP, "ignore")),
        (node::POOL_NAME, plain(node::POOL_NAME, "Pool-0")),
    ];
    for (key, value) in &nodes {
        batch.write(paths::join(vm, key), value);
    }
    let image = &config.image;
    batch
        .write(paths::vm_xend_node(vm, node::xend::RESTART_COUNT), record.restart_count.to_string())
        .write(paths::vm_image_node(vm, node::image::OSTYPE), "linux")
        .write(paths::vm_image_node(vm, node::image::KERNEL), &image.kernel);
    if let Some(ramdisk) = &image.ramdisk {
        batch.write(paths::vm_image_node(vm, node::image::RAMDISK), ramdisk);
    }
    let shown = [
        (paths::join(vm, node::UUID), config.uuid.to_string()),
        (paths::vm_image_node(vm, node::image::CMDLINE), image.args.clone()),
    ];
    for (path, value) in shown {
        batch.write(&path, &value).permissions(&path, readable.clone());
    }
}

/// What only the builder knows: the rings and their channels, the kernel's notes.
pub(super) struct Rings<'a> {
    pub(super) domid: u16,
    pub(super) vm: &'a str,
    pub(super) store: (u64, u32),
    pub(super) console: (u64, u32),
    pub(super) start_time: f64,
}

impl Rings<'_> {
    /// Adds the nodes that the console daemon and the guest look for.
    pub(super) fn add(&self, batch: &mut Batch) {
        let domid = self.domid;
        batch
            .write(paths::store_node(domid, node::store::RING_REF), self.store.0.to_string())
            .write(paths::store_node(domid, node::store::PORT), self.store.1.to_string())
            .write(paths::console_node(domid, node::console::RING_REF), self.console.0.to_string())
            .write(paths::console_node(domid, node::console::PORT), self.console.1.to_string())
            .write(paths::join(self.vm, node::START_TIME), format!("{:.2}", self.start_time));
    }
}
