//! Performs the steps of an operation, one by one. What a step learns is kept in [`Domain`]; what it did can be found
//! again in Xen, the store and the records.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use hypervisor::DomId;
use tracing::{debug, warn};
use uuid::Uuid;

use super::{Context, OperationError, Step, blocking, chain, create, furnish, take_away};
use crate::{
    builder::{Kernel, KernelFile, Populated, Ramdisk},
    devices::Wiring,
    domain::{DomainRecord, Phase},
};

/// A domain of ours as operations see it.
#[derive(Debug)]
pub struct Domain {
    /// What is on disk of it.
    pub record: DomainRecord,
    /// What there is of it in Xen.
    pub live: Option<Live>,
    /// What one step hands to the next.
    pub(super) made: Made,
    /// Held while its record is written: a write whose caller has gone away is over before the next one begins.
    writing: Arc<tokio::sync::Mutex<()>>,
}

/// From `CreateShell` to `Furnish`, from there to `Build`.
#[derive(Debug, Default)]
pub(super) struct Made {
    pub(super) file: Option<KernelFile>,
    pub(super) ramdisk: Option<Ramdisk>,
    pub(super) populated: Option<Populated>,
    pub(super) kernel: Option<Kernel>,
}

/// A domain that exists in Xen.
#[derive(Debug)]
pub struct Live {
    /// Its number.
    pub domid: DomId,
    /// Guest's ports of the store and the console channel.
    pub ports: Option<(u32, u32)>,
    /// Frames of the store and the console ring.
    pub rings: Option<(u64, u64)>,
    /// Where each vif's script was found, by the vif's number.
    pub vif_scripts: BTreeMap<u32, String>,
    /// The wiring of its devices; `None` once it has been stopped.
    pub wiring: Option<Wiring>,
}

impl Live {
    /// An empty domain.
    pub fn new(domid: DomId) -> Self {
        Self { domid, ports: None, rings: None, vif_scripts: BTreeMap::new(), wiring: None }
    }
}

impl Domain {
    /// One of which only the record is known.
    pub fn new(record: DomainRecord) -> Self {
        Self { record, live: None, made: Made::default(), writing: Arc::default() }
    }

    /// Its name.
    pub fn name(&self) -> String {
        self.record.config.name.clone()
    }

    /// Its identity.
    pub fn uuid(&self) -> Uuid {
        self.record.config.uuid
    }

    /// Its number; only between `CreateShell` and `EndInXen`.
    pub(super) fn domid(&self) -> DomId {
        self.live.as_ref().expect("plan puts CreateShell before every step that needs the number").domid
    }
}

/// Performs `steps` until one fails.
pub async fn run(context: &Context, domain: &mut Domain, steps: &[Step]) -> Result<(), OperationError> {
    for step in steps {
        let started = Instant::now();
        perform(context, domain, *step).await?;
        debug!(
            domid = domain.live.as_ref().map(|live| live.domid.0),
            name = %domain.record.config.name,
            ?step,
            ms = started.elapsed().as_millis() as u64,
            "step done"
        );
    }
    Ok(())
}

async fn perform(context: &Context, domain: &mut Domain, step: Step) -> Result<(), OperationError> {
    match step {
        Step::Record(phase) => record(context, domain, phase).await,
        Step::CreateShell => create::shell(context, domain).await,
        Step::Furnish => furnish::furnish(context, domain).await,
        Step::Build => create::build(context, domain).await,
        Step::Introduce => create::introduce(context, domain).await,
        Step::AwaitDevices => create::await_devices(domain).await,
        Step::Unpause => create::unpause(context, domain).await,
        Step::EndInXen => take_away::end_in_xen(context, domain).await,
        Step::DetachDevices => take_away::detach_devices(context, domain).await,
        Step::AwaitGone => take_away::await_gone(context, domain).await,
        Step::RemoveNodes => take_away::remove_nodes(context, domain).await,
        Step::Forget => forget(context, domain).await,
    }
}

async fn record(context: &Context, domain: &mut Domain, phase: Phase) -> Result<(), OperationError> {
    if phase == Phase::Restarting {
        // One that is found half-way after a crash has been counted.
        if domain.record.phase != Phase::Restarting {
            domain.record.restart_count += 1;
        }
        domain.record.begin_anew();
    }
    domain.record.phase = phase;
    let written = write_record(context, domain).await;
    match (written, phase) {
        // A full disk must not keep a domain from being ended, or a guest that reboots from coming back: without this
        // record the next life of the daemon works out the same from Xen, but for one that dies half-way through it.
        (Err(unwritten), Phase::Ending | Phase::Restarting) => {
            warn!(name = %domain.record.config.name, "{}; going on without", chain(&unwritten));
            Ok(())
        }
        (written, _) => written,
    }
}

/// Puts the record on disk, after whatever is being written of it.
pub(super) async fn write_record(context: &Context, domain: &Domain) -> Result<(), OperationError> {
    let alone = domain.writing.clone().lock_owned().await;
    let (records, record) = (context.records.clone(), domain.record.clone());
    let written = blocking(move || {
        let _alone = alone;
        records.write(&record)
    });
    written.await.map_err(|source| OperationError::Record { name: domain.name(), source })
}

async fn forget(context: &Context, domain: &mut Domain) -> Result<(), OperationError> {
    let _alone = domain.writing.lock().await;
    let (records, uuid) = (context.records.clone(), domain.uuid());
    blocking(move || records.remove(uuid))
        .await
        .map_err(|source| OperationError::Record { name: domain.name(), source })
}

/// Seconds since 1970.
pub(super) fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map(|age| age.as_secs_f64()).unwrap_or_default()
}
