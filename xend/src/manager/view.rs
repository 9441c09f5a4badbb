//! What a domain's task publishes: the only thing that anybody else sees of a domain of ours.

use std::{collections::BTreeMap, sync::Arc};

use hypervisor::DomId;
use tokio::sync::watch;

use crate::{
    devices::{Wiring, WiringState},
    domain::{DeviceChange, DomainConfig, Phase},
    operations::Domain,
};

/// What everybody may know of a domain of ours without asking its task.
#[derive(Clone, Debug)]
pub struct View {
    /// What was asked for.
    pub config: Arc<DomainConfig>,
    /// How far it has come.
    pub phase: Phase,
    /// Its number, while it is in Xen.
    pub domid: Option<DomId>,
    /// Seconds since 1970 at which it was built.
    pub start_time: f64,
    /// How often it has been started again.
    pub restart_count: i64,
    /// Frames of its rings.
    pub rings: Option<(u64, u64)>,
    /// Guest's port of the console channel.
    pub console_port: Option<u32>,
    /// ELF notes of its kernel.
    pub notes: Arc<Vec<(String, String)>>,
    /// Where each vif's script was found, by the vif's number.
    pub vif_scripts: Arc<BTreeMap<u32, String>>,
    /// Changes of its devices that are not over.
    pub changes: Vec<DeviceChange>,
    /// Paused by an administrator rather than by an operation.
    pub paused_by_admin: bool,
    /// How far the wiring of its devices is; `None` for one that was adopted complete.
    pub wiring: Option<watch::Receiver<WiringState>>,
    /// Dead and kept.
    pub preserved: bool,
    /// Complete, and its creator still waits for its devices.
    pub in_hand: bool,
}

/// What is known of a domain itself; its task adds what it knows.
pub(super) fn view_of(domain: &Domain) -> View {
    let record = &domain.record;
    let live = domain.live.as_ref();
    View {
        config: Arc::new(record.config.clone()),
        phase: record.phase,
        domid: live.map(|live| live.domid),
        start_time: record.start_time,
        restart_count: record.restart_count,
        rings: live.and_then(|live| live.rings),
        console_port: live.and_then(|live| live.ports).map(|(_, console)| console),
        notes: Arc::new(record.notes.clone()),
        vif_scripts: Arc::new(live.map(|live| live.vif_scripts.clone()).unwrap_or_default()),
        changes: record.changes.clone(),
        paused_by_admin: false,
        wiring: live.and_then(|live| live.wiring.as_ref()).map(Wiring::watch),
        preserved: false,
        in_hand: false,
    }
}
