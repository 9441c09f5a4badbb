//! Every store path, spelled here and nowhere else.
//!
//! ```text
//!   /vm/UUID/…                                       what xend knows of a domain; its table of devices
//!   /local/domain/N/…                                a live domain's own directory
//!   /local/domain/N/device/CLASS/D/…                 a frontend
//!   /local/domain/B/backend/CLASS/N/D/…              its backend, in the serving domain B
//!   /local/domain/0/device-model/N/…                 talk with a device model
//!   @introduceDomain, @releaseDomain                 watches only: domains come, go or shut down
//! ```
//!
//! Functions answer whole directories or nodes; [`node`] has the names inside them, joined by [`join`]. The
//! layout is that of xend 4.4, so that the guests' drivers, backends and scripts of today find what they expect.

mod device;
pub mod node;
mod parse;

use std::fmt::Display;

pub use device::{
    DEVICE_MODELS, backend, backend_class, backend_domain, backend_planned, backend_relative, backends,
    device_misc, device_model, error, error_of_frontend, frontend, frontend_class, frontends, next_device_id,
    vm_device, vm_device_class, vm_devices,
};
pub use parse::{
    BackendPath, FrontendPath, parse_backend, parse_domain, parse_frontend, parse_vm, parse_vm_device,
};

/// Holds the directory of every live domain.
pub const DOMAINS: &str = "/local/domain";
/// Holds a directory per UUID. Permissions `n0`.
pub const VMS: &str = "/vm";
/// Holds a directory per CPU pool.
pub const POOLS: &str = "/local/pool";
/// A watch here speaks up when a domain is introduced.
pub const INTRODUCE_DOMAIN: &str = "@introduceDomain";
/// A watch here speaks up when a domain shuts down, dies or is released.
pub const RELEASE_DOMAIN: &str = "@releaseDomain";
/// Where the store daemon tells of itself; it is there from the start.
pub const XENSTORED: &str = "/tool/xenstored";
/// The domain in which the store daemon runs; absent: 0.
pub const XENSTORED_DOMID: &str = "/tool/xenstored/domid";
/// The domain in which the console daemon runs; absent: 0.
pub const XENCONSOLED_DOMID: &str = "/tool/xenconsoled/domid";

/// A node inside a directory: `join("/vm/U", node::NAME)`.
#[must_use]
pub fn join(directory: &str, name: &str) -> String {
    if directory == "/" { format!("/{name}") } else { format!("{directory}/{name}") }
}

/// The directory above, if there is one.
#[must_use]
pub fn parent(path: &str) -> Option<&str> {
    match path.rsplit_once('/')? {
        ("", "") => None,
        ("", _) => Some("/"),
        (parent, _) => Some(parent),
    }
}

/// Whether `path` is `directory` or lies below it.
#[must_use]
pub fn is_within(path: &str, directory: &str) -> bool {
    path.strip_prefix(directory).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        || directory == "/"
}

/// A live domain's directory. Permissions `n0,rN`.
#[must_use]
pub fn domain(domid: u16) -> String {
    format!("{DOMAINS}/{domid}")
}

/// A node directly in a domain's directory: `domain_node(7, node::NAME)`.
#[must_use]
pub fn domain_node(domid: u16, name: &str) -> String {
    format!("{DOMAINS}/{domid}/{name}")
}

/// Where a domain's `/vm` directory is: an absolute path as value.
#[must_use]
pub fn domain_vm(domid: u16) -> String {
    domain_node(domid, node::VM)
}

/// The name of a domain, repeated for guests and backends.
#[must_use]
pub fn domain_name(domid: u16) -> String {
    domain_node(domid, node::NAME)
}

/// Nodes about a domain's console.
#[must_use]
pub fn console(domid: u16) -> String {
    domain_node(domid, "console")
}

/// A node about a domain's console: `console_node(7, node::console::TTY)`.
#[must_use]
pub fn console_node(domid: u16, name: &str) -> String {
    format!("{DOMAINS}/{domid}/console/{name}")
}

/// Nodes about a domain's store ring.
#[must_use]
pub fn store(domid: u16) -> String {
    domain_node(domid, "store")
}

/// A node about a domain's store ring: `port` or `ring-ref`.
#[must_use]
pub fn store_node(domid: u16, name: &str) -> String {
    format!("{DOMAINS}/{domid}/store/{name}")
}

/// Nodes about a domain's memory. Permissions `nN`.
#[must_use]
pub fn memory(domid: u16) -> String {
    domain_node(domid, "memory")
}

/// The memory a domain should have, in KiB: its balloon driver follows.
#[must_use]
pub fn memory_target(domid: u16) -> String {
    format!("{DOMAINS}/{domid}/memory/target")
}

/// The most memory a domain can have, in KiB.
#[must_use]
pub fn memory_static_max(domid: u16) -> String {
    format!("{DOMAINS}/{domid}/memory/static-max")
}

/// Holds a directory per virtual CPU.
#[must_use]
pub fn cpus(domid: u16) -> String {
    domain_node(domid, "cpu")
}

/// Whether a virtual CPU should run: [`node::ONLINE_CPU`] or [`node::OFFLINE_CPU`].
#[must_use]
pub fn cpu_availability(domid: u16, vcpu: u32) -> String {
    format!("{DOMAINS}/{domid}/cpu/{vcpu}/availability")
}

/// What the toolstack asks of a domain. Permissions `nN`.
#[must_use]
pub fn control(domid: u16) -> String {
    domain_node(domid, "control")
}

/// A node by which something is asked: `control_node(7, node::control::SHUTDOWN)`.
#[must_use]
pub fn control_node(domid: u16, name: &str) -> String {
    format!("{DOMAINS}/{domid}/control/{name}")
}

/// The request to shut down, reboot, suspend: the domain empties or removes it when it has understood.
#[must_use]
pub fn control_shutdown(domid: u16) -> String {
    control_node(domid, node::control::SHUTDOWN)
}

/// What the builder found in the kernel (ELF notes), and the device model's process.
#[must_use]
pub fn image(domid: u16) -> String {
    domain_node(domid, "image")
}

/// One ELF note of the kernel, `name` in lower case with `-`.
#[must_use]
pub fn image_node(domid: u16, name: &str) -> String {
    format!("{DOMAINS}/{domid}/image/{name}")
}

/// One feature that the kernel's ELF notes name: `1` required or wanted, `0` forbidden.
#[must_use]
pub fn image_feature(domid: u16, feature: &str) -> String {
    format!("{DOMAINS}/{domid}/image/features/{feature}")
}

/// xend's own notes on a live domain: `xend_node(7, node::xend::SHUTDOWN_START_TIME)`.
#[must_use]
pub fn xend_node(domid: u16, name: &str) -> String {
    format!("{DOMAINS}/{domid}/xend/{name}")
}

/// The tty of a domain's emulated serial line, written by the device model.
#[must_use]
pub fn serial_tty(domid: u16, line: u32) -> String {
    format!("{DOMAINS}/{domid}/serial/{line}/tty")
}

/// A domain's directory under `/vm`, named by its UUID.
#[must_use]
pub fn vm(uuid: impl Display) -> String {
    format!("{VMS}/{uuid}")
}

/// The directory of a further incarnation of the same UUID, `/vm/UUID-N`: a relocation within one host has two.
#[must_use]
pub fn vm_incarnation(uuid: impl Display, number: u32) -> String {
    if number == 0 { vm(uuid) } else { format!("{VMS}/{uuid}-{number}") }
}

/// xend's notes that outlive a domain's restarts: `vm_xend_node(&vm, node::xend::RESTART_COUNT)`.
#[must_use]
pub fn vm_xend_node(vm: &str, name: &str) -> String {
    format!("{vm}/xend/{name}")
}

/// What a domain was built from: `vm_image_node(&vm, node::image::KERNEL)`.
#[must_use]
pub fn vm_image_node(vm: &str, name: &str) -> String {
    format!("{vm}/image/{name}")
}

/// The clock offset of a domain in seconds.
#[must_use]
pub fn vm_rtc_timeoffset(vm: &str) -> String {
    format!("{vm}/rtc/timeoffset")
}

/// A CPU pool's directory.
#[must_use]
pub fn pool(id: u32) -> String {
    format!("{POOLS}/{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directories_are_those_of_the_reference() {
        assert_eq!(domain(7), "/local/domain/7");
        assert_eq!(console_node(7, node::console::RING_REF), "/local/domain/7/console/ring-ref");
        assert_eq!(store_node(7, node::store::PORT), "/local/domain/7/store/port");
        assert_eq!(cpu_availability(7, 3), "/local/domain/7/cpu/3/availability");
        assert_eq!(control_shutdown(7), "/local/domain/7/control/shutdown");
        assert_eq!(
            image_feature(7, "writable-page-tables"),
            "/local/domain/7/image/features/writable-page-tables"
        );
        let vm = vm("0a1b");
        assert_eq!(vm_xend_node(&vm, node::xend::RESTART_COUNT), "/vm/0a1b/xend/restart_count");
        assert_eq!(vm_image_node(&vm, node::image::OSTYPE), "/vm/0a1b/image/ostype");
        assert_eq!((vm_incarnation("u", 0), vm_incarnation("u", 2)), ("/vm/u".into(), "/vm/u-2".into()));
    }

    #[test]
    fn every_node_name_makes_a_path_that_the_store_accepts() {
        for names in [node::DOMAIN_NODES, node::VM_NODES, node::FRONTEND_NODES, node::BACKEND_NODES] {
            for name in names {
                assert_eq!(crate::wire::check_path(join("/x", name).as_bytes()), Ok(()), "{name}");
            }
        }
    }

    #[test]
    fn a_path_is_within_a_directory_by_whole_names() {
        assert!(is_within("/vm/a", "/vm/a") && is_within("/vm/a/b", "/vm/a") && is_within("/x", "/"));
        assert!(!is_within("/vm/ab", "/vm/a") && !is_within("/vm", "/vm/a"));
        assert_eq!((parent("/vm/a"), parent("/vm"), parent("/")), (Some("/vm"), Some("/"), None));
    }
}
