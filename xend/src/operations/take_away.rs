//! The steps that take a domain away. They work from Xen and the store, not from memory, so that they also clear what
//! an earlier life of the daemon left half-made.

use std::time::Duration;

use hypervisor::{DomId, DomainInfo, Hypervisor};
use tokio::time::Instant;
use uuid::Uuid;
use xenstore::{Batch, StoreError, Transaction, paths};

use super::{Context, Domain, OperationError, chain, create::unless_gone};
use crate::devices::{self, Leftover};

/// The classes whose backends domain 0 serves.
const CLASSES: [&str; 2] = ["vbd", "vif"];
/// How long Xen may keep a domain that nobody should hold any more.
const GONE_LIMIT: Duration = Duration::from_secs(30);
const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

/// Ends the domain in Xen, if it is there. The guest's memory is freed here, but for pages that backends still map.
pub(super) async fn end_in_xen(context: &Context, domain: &mut Domain) -> Result<(), OperationError> {
    domain.made = super::run::Made::default();
    if let Some(wiring) = domain.live.as_mut().and_then(|live| live.wiring.take()) {
        wiring.stop().await;
    }
    let uuid = domain.uuid();
    let known = domain.live.as_ref().map(|live| live.domid);
    let ended = context
        .with_xen(move |xen| {
            // By its UUID: the number may belong to somebody else by now.
            let Some(domid) = find_domid(xen, uuid, known)? else { return Ok(known) };
            unless_gone(xen.destroy(domid))?;
            Ok(Some(domid))
        })
        .await
        .map_err(|source| OperationError::Xen { act: "destroy", name: domain.name(), source })?;
    if domain.live.is_none() {
        domain.live = ended.map(super::Live::new);
    }
    Ok(())
}

/// The number of the live domain with this UUID; `known` is where to look first.
fn find_domid(
    xen: &dyn Hypervisor,
    uuid: Uuid,
    known: Option<DomId>,
) -> Result<Option<DomId>, hypervisor::HypervisorError> {
    Ok(find(xen, uuid, known)?.map(|info| info.domid))
}

fn find(
    xen: &dyn Hypervisor,
    uuid: Uuid,
    known: Option<DomId>,
) -> Result<Option<DomainInfo>, hypervisor::HypervisorError> {
    match known {
        // A number that was ours and is somebody else's now: ours is gone, and Xen gives no UUID twice.
        Some(domid) => Ok(xen.info(domid)?.filter(|info| info.uuid == uuid)),
        None => Ok(xen.list()?.into_iter().find(|info| info.uuid == uuid && info.domid != DomId::DOM0)),
    }
}

/// Takes away every device that the store knows of this domain.
pub(super) async fn detach_devices(context: &Context, domain: &mut Domain) -> Result<(), OperationError> {
    let name = domain.name();
    let failed = |source| OperationError::Store { act: "find the devices of", name: name.clone(), source };
    let vm_path = paths::vm(domain.uuid().to_string());
    let script = context.places.find_script("block").map(|path| path.display().to_string());
    let devices =
        devices::find_devices(&context.store, &vm_path, &script.unwrap_or_default()).await.map_err(failed)?;
    detach(context, domain, &devices).await
}

async fn detach(context: &Context, domain: &Domain, devices: &[Leftover]) -> Result<(), OperationError> {
    let limit = context.settings().device_destroy_timeout;
    let errors = devices::detach(&context.store, &context.scripts, devices, limit).await;
    // A script that failed has said so; nothing is gained by keeping the rest of the domain for it.
    for error in &errors {
        tracing::error!(name = %domain.record.config.name, "{}", chain(error));
    }
    let name = domain.name();
    let store_failed = errors.iter().any(|error| matches!(error, devices::DetachError::Store { .. }));
    if store_failed { Err(OperationError::Detach { name, errors }) } else { Ok(()) }
}

/// Waits until Xen has let go of the domain. The store's daemon says when a domain dies, not when its last page is
/// let go of, so this looks again and again, ever more slowly.
pub(super) async fn await_gone(context: &Context, domain: &mut Domain) -> Result<(), OperationError> {
    let name = domain.name();
    let uuid = domain.uuid();
    let known = domain.live.as_ref().map(|live| live.domid);
    let deadline = Instant::now() + GONE_LIMIT;
    let mut pause = FIRST_PAUSE;
    loop {
        let info = context
            .with_xen(move |xen| find(xen, uuid, known))
            .await
            .map_err(|source| OperationError::Xen { act: "look at", name: name.clone(), source })?;
        let Some(info) = info else { return Ok(()) };
        if Instant::now() >= deadline {
            let (seconds, pages) = (GONE_LIMIT.as_secs(), info.tot_pages);
            return Err(OperationError::Zombie { name, domid: info.domid.0, seconds, pages });
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Removes the nodes of the domain. Where its number is not known, those of any number that points to its UUID.
pub(super) async fn remove_nodes(context: &Context, domain: &mut Domain) -> Result<(), OperationError> {
    let name = domain.name();
    let failed = |source| OperationError::Store { act: "remove the nodes of", name: name.clone(), source };
    let vm = paths::vm(domain.uuid().to_string());
    let domids = match &domain.live {
        Some(live) => vec![live.domid.0],
        None => domids_of(context, &vm).await.map_err(failed)?,
    };
    let mut batch = Batch::new();
    for domid in domids {
        batch.remove(paths::domain(domid));
        for class in CLASSES {
            batch.remove(paths::backend_domain(0, class, domid));
        }
    }
    batch.remove(&vm);
    let removed = context.store.transaction(&vm, |tx| {
        let batch = batch.clone();
        async move { remove_with_empty_folders(&tx, &batch).await }
    });
    removed.await.map_err(failed)?;
    domain.live = None;
    Ok(())
}

/// The folders of backends go with the last backend in them. The look and the removal are one transaction: a device
/// that another domain is given meanwhile begins it anew.
async fn remove_with_empty_folders(tx: &Transaction, batch: &Batch) -> Result<(), StoreError> {
    let [vbds, vifs] = CLASSES.map(|class| paths::backend_class(0, class));
    // Sent at once, answered in this order: the lists no longer have what the batch removes.
    let ((), in_vbds, in_vifs) = tokio::try_join!(tx.apply(batch), tx.list(&vbds), tx.list(&vifs))?;
    let is_empty = |names: Option<Vec<String>>| names.is_some_and(|names| names.is_empty());
    let mut folders = Batch::new();
    for (folder, names) in [(vbds, in_vbds), (vifs, in_vifs)] {
        if is_empty(names) {
            folders.remove(folder);
        }
    }
    if folders.is_empty() {
        return Ok(());
    }
    let all = paths::backends(0);
    let ((), left) = tokio::try_join!(tx.apply(&folders), tx.list(&all))?;
    if is_empty(left) { tx.remove(&all).await } else { Ok(()) }
}

async fn domids_of(context: &Context, vm: &str) -> Result<Vec<u16>, StoreError> {
    let domids: Vec<u16> = context
        .store
        .list(paths::DOMAINS)
        .await?
        .unwrap_or_default()
        .iter()
        .filter_map(|name| name.parse().ok())
        .filter(|domid| *domid != 0)
        .collect();
    let pointers: Vec<String> = domids.iter().map(|domid| paths::domain_vm(*domid)).collect();
    let pointers = context.store.read_many(&pointers).await?;
    Ok(domids.into_iter().zip(pointers).filter(|(_, p)| p.as_deref() == Some(vm)).map(|(d, _)| d).collect())
}
