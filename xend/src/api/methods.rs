//! The table of methods: which there are, which are not there yet, and what an unknown one is answered.

use std::path::PathBuf;

use xend_api::{Fault, Sxp};

use super::{devices, domains, managed, node};
use crate::manager::Manager;

/// What the methods work with.
#[derive(Clone)]
pub struct Api {
    pub(super) manager: Manager,
    pub(super) log: PathBuf,
}

/// Methods that are carried out.
const METHODS: [&str; 30] = [
    "system.listMethods",
    "xend.domain",
    "xend.domain.console_tty",
    "xend.domain.create",
    "xend.domain.delete",
    "xend.domain.destroy",
    "xend.domain.destroyDevice",
    "xend.domain.device_configure",
    "xend.domain.device_create",
    "xend.domain.getBlockDeviceClass",
    "xend.domain.getDeviceSxprs",
    "xend.domain.getRestartCount",
    "xend.domain.getVCPUInfo",
    "xend.domain.getpauseflag",
    "xend.domain.new",
    "xend.domain.pause",
    "xend.domain.resume",
    "xend.domain.setpauseflag",
    "xend.domain.shutdown",
    "xend.domain.start",
    "xend.domain.suspend",
    "xend.domain.unpause",
    "xend.domain.waitForDevices",
    "xend.domains",
    "xend.domains_with_state",
    "xend.node.dmesg.clear",
    "xend.node.dmesg.info",
    "xend.node.info",
    "xend.node.log",
    "xend.node.send_debug_keys",
];

/// Methods of the original that are not carried out yet; they are refused by name, so that no client takes silence
/// for success.
const NOT_YET: [&str; 5] = ["xend.domain.", "xend.node.", "xend.cpu_pool.", "xend.security.", "system."];

impl Api {
    /// `log` is the file that `xend.node.log` answers with.
    pub fn new(manager: Manager, log: PathBuf) -> Self {
        Self { manager, log }
    }

    /// Whether a method changes nothing, so that it may end anywhere when its client goes away.
    pub fn only_looks(method: &str) -> bool {
        const LOOKS: [&str; 9] = [
            "xend.domain",
            "xend.domain.getBlockDeviceClass",
            "xend.domain.getDeviceSxprs",
            "xend.domain.getRestartCount",
            "xend.domain.getVCPUInfo",
            "xend.domain.getpauseflag",
            "xend.domains",
            "xend.domains_with_state",
            "xend.node.info",
        ];
        LOOKS.contains(&method)
    }

    /// Carries out one call.
    pub async fn call(&self, method: &str, params: &[Sxp]) -> Result<Sxp, Fault> {
        match method {
            "system.listMethods" => Ok(Sxp::List(METHODS.map(Sxp::from).to_vec())),
            "xend.domain" => domains::one(self, params).await,
            "xend.domains" => domains::running(self, params).await,
            "xend.domains_with_state" => domains::with_state(self, params).await,
            "xend.domain.create" => domains::create(self, params).await,
            "xend.domain.new" => managed::new(self, params).await,
            "xend.domain.start" => managed::start(self, params).await,
            "xend.domain.delete" => managed::delete(self, params).await,
            "xend.domain.suspend" => managed::suspend(self, params).await,
            "xend.domain.resume" => managed::resume(self, params).await,
            "xend.domain.waitForDevices" => domains::wait_for_devices(self, params).await,
            "xend.domain.pause" => domains::pause(self, params).await,
            "xend.domain.unpause" => domains::unpause(self, params).await,
            "xend.domain.setpauseflag" => domains::set_pause_flag(self, params).await,
            "xend.domain.getpauseflag" => domains::pause_flag(self, params).await,
            "xend.domain.shutdown" => domains::shutdown(self, params).await,
            "xend.domain.destroy" => domains::destroy(self, params).await,
            "xend.domain.getRestartCount" => domains::restart_count(self, params).await,
            "xend.domain.getVCPUInfo" => domains::vcpu_info(self, params).await,
            "xend.domain.device_create" => devices::create(self, params).await,
            "xend.domain.device_configure" => devices::configure(self, params).await,
            "xend.domain.destroyDevice" => devices::destroy(self, params).await,
            "xend.domain.getBlockDeviceClass" => devices::block_class(self, params).await,
            "xend.domain.getDeviceSxprs" => devices::list(self, params).await,
            "xend.domain.console_tty" => domains::console_tty(self, params).await,
            "xend.node.info" => node::info(self, params).await,
            "xend.node.log" => node::log(self, params).await,
            "xend.node.dmesg.info" => node::dmesg(self, params).await,
            "xend.node.dmesg.clear" => node::clear_dmesg(self, params).await,
            "xend.node.send_debug_keys" => node::send_debug_keys(self, params).await,
            _ if NOT_YET.iter().any(|prefix| method.starts_with(prefix)) => {
                Err(Fault::generic(format!("{method} is not there yet in this version of xend-rs")))
            }
            _ => Ok(unknown(method)),
        }
    }
}

/// Not a fault: the original answered with a struct of its other interface.
fn unknown(method: &str) -> Sxp {
    let description = vec![Sxp::from("MESSAGE_METHOD_UNKNOWN"), Sxp::from(method)];
    Sxp::Struct(vec![
        ("Status".to_owned(), Sxp::from("Failure")),
        ("ErrorDescription".to_owned(), Sxp::List(description)),
    ])
}
