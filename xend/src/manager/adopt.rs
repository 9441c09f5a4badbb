//! After a restart of the daemon: every record is compared with Xen and the store, and its domain is adopted, finished
//! or undone. The same look that news causes does it, so nothing here is only ever used after a crash.

use std::time::Duration;

use hypervisor::{DomId, DomainInfo};
use tokio::sync::oneshot;
use tracing::{error, info, warn};
use uuid::Uuid;
use xenstore::{
    StoreError,
    paths::{self, node},
};

use super::{
    Manager, RequestError, Standing,
    table::End,
    task::{Message, standing_of},
};
use crate::{
    devices::{self, Hotplug, Wiring},
    domain::{DeviceId, DomainRecord, Phase},
    operations::{Context, Domain, Live, blocking, chain},
};

/// How long start-up waits for half-made domains to be undone before it serves requests all the same.
const PATIENCE: Duration = Duration::from_secs(30);

impl Manager {
    /// Takes over what an earlier life of the daemon left. Returns when every domain has been looked at.
    pub async fn adopt(&self) -> Result<(), RequestError> {
        let records = self.context.records.clone();
        let (records, faults) = match blocking(move || records.read_all()).await {
            Ok(read) => read,
            Err(fault) => {
                error!("{}", chain(&fault));
                (Vec::new(), Vec::new())
            }
        };
        for fault in &faults {
            error!("{}; the domain is treated as another tool's", chain(fault));
        }
        let infos = self.infos()?;
        let mut looks = Vec::new();
        let mut followed = Vec::new();
        for record in records {
            let (uuid, changes) = (record.config.uuid, record.changes.clone());
            looks.extend(self.take_over(record, &infos).await);
            followed.extend(changes.into_iter().map(|change| (uuid, change.device())));
        }
        // Before the looks are over: what they finish may have to be stored.
        self.load_managed().await;
        let all = async {
            for look in looks {
                // An error here is a task that ended: its domain is gone.
                let _ = look.await;
            }
        };
        if tokio::time::timeout(PATIENCE, all).await.is_err() {
            warn!("some half-made domains are still being undone; going on");
        }
        for (uuid, id) in followed {
            self.follow(uuid, id);
        }
        Ok(())
    }

    async fn take_over(&self, record: DomainRecord, infos: &[DomainInfo]) -> Option<oneshot::Receiver<()>> {
        let (name, uuid, phase) = (record.config.name.clone(), record.config.uuid, record.phase);
        let mut domain = Domain::new(record);
        let there = infos.iter().find(|info| info.uuid == uuid && info.domid != DomId::DOM0);
        let mut end = End::Open;
        if let Some(there) = there {
            domain.live = Some(Live::new(there.domid));
            let came = match (phase, standing_of(Some(there))) {
                (Phase::Starting | Phase::Restarting, Standing::Running) => true,
                // Only one that ran can have ended.
                (Phase::Starting, Standing::Ended(_)) => true,
                _ => false,
            };
            if phase == Phase::Live || came {
                match recollect(&self.context, &mut domain, there.domid).await {
                    Ok(found) => end = found,
                    Err(fault) => warn!(%name, "{}", chain(&fault)),
                }
            }
        }
        info!(%name, %uuid, ?phase, domid = there.map(|info| info.domid.0), "found the record of a domain");
        let (done, looked) = oneshot::channel();
        if let Err(fault) = self.start_task(domain, end, Message::Look(Some(done))) {
            error!(%name, "{}", chain(&fault));
            return None;
        }
        Some(looked)
    }
}

/// Reads back what the daemon knew of a complete domain, and finishes the wiring of its devices.
async fn recollect(context: &Context, domain: &mut Domain, domid: DomId) -> Result<End, StoreError> {
    let number = domid.0;
    let wanted = [
        paths::store_node(number, node::store::RING_REF),
        paths::store_node(number, node::store::PORT),
        paths::console_node(number, node::console::RING_REF),
        paths::console_node(number, node::console::PORT),
        paths::xend_node(number, node::xend::SHUTDOWN_COMPLETED),
        paths::join(&paths::vm(domain.uuid().to_string()), node::START_TIME),
    ];
    let nodes = context.store.read_many(&wanted).await?;
    let number = |at: usize| nodes[at].as_deref().and_then(|text| text.parse::<u64>().ok());
    let vm_path = paths::vm(domain.uuid().to_string());
    let block = context.places.find_script("block").map(|path| path.display().to_string());
    let devices = devices::find_devices(&context.store, &vm_path, &block.unwrap_or_default()).await?;
    // The record of one that came again has the time of the one before.
    if let Some(start) =
        nodes[5].as_deref().and_then(|text| text.parse().ok()).filter(|t: &f64| t.is_finite())
    {
        domain.record.start_time = start;
    }
    let Some(live) = domain.live.as_mut() else { return Ok(End::Open) };
    live.rings = number(0).zip(number(2));
    live.ports = number(1).zip(number(3)).map(|(store, console)| (store as u32, console as u32));
    let changes = &domain.record.changes;
    let is_changing = |hotplug: &Hotplug| {
        changes.iter().any(|c| c.device() == DeviceId { class: hotplug.class, devid: hotplug.devid })
    };
    let hotplugs = devices.into_iter().map(|device| device.hotplug).filter(|hotplug| !is_changing(hotplug));
    let hotplugs: Vec<_> = hotplugs.collect();
    live.vif_scripts =
        hotplugs.iter().filter(|h| h.class == "vif").map(|h| (h.devid, h.script.clone())).collect();
    let (store, scripts) = (context.store.clone(), context.scripts.clone());
    live.wiring = Some(Wiring::start(store, scripts, hotplugs, context.settings().device_create_timeout));
    let preserved = nodes[4].as_deref() == Some("True");
    Ok(if preserved { End::Preserved } else { End::Open })
}

impl Manager {
    /// Sends a look to every domain of ours that is not plainly alive. Called on news from the store's daemon.
    pub async fn look_for_changes(&self) -> Result<(), RequestError> {
        let infos: std::collections::HashMap<Uuid, DomainInfo> =
            self.infos()?.into_iter().map(|info| (info.uuid, info)).collect();
        for (uuid, entry) in self.entries() {
            let (phase, domid) = {
                let view = entry.view.borrow();
                (view.phase, view.domid)
            };
            let alive =
                |info: &DomainInfo| Some(info.domid) == domid && !info.flags.dying && !info.flags.shutdown;
            let matters = match phase {
                Phase::Live => !infos.get(&uuid).is_some_and(alive),
                // It may be complete by now and have ended again; its task looks when it is done.
                Phase::Creating | Phase::Starting | Phase::Restarting => true,
                // What failed to go is tried again by itself.
                Phase::Ending => false,
            };
            if matters {
                Self::look(&entry);
            }
        }
        Ok(())
    }
}
