//! Taking devices away: backends are told to close, their drivers let go, the scripts run for removal, the nodes go.
//! Works from the store alone, so that it also clears what an earlier life of the daemon left (`xend-daemon` §5.6).

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::future::join_all;
use tokio::time::Instant;
use xenstore::{
    Batch, Store, StoreError,
    paths::{self, node::device as node},
};

use super::{
    scripts::{ScriptError, ScriptRunner},
    wiring::Hotplug,
    xenbus::XenbusState,
};

/// The bus of backends has no news for us, so it is looked at while a driver closes: after this time, then ever less often.
const DRIVER_TICK: Duration = Duration::from_millis(200);
/// At least this often.
const LONGEST_TICK: Duration = Duration::from_secs(5);
/// Longer than any host runs.
const FOR_EVER: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// A device that did not go as it should. Teardown goes on; all of them are reported together.
#[derive(Debug, thiserror::Error)]
pub enum DetachError {
    /// The store could not be read or written.
    #[error("cannot take {what} away")]
    Store {
        /// Which device or devices.
        what: String,
        /// Why.
        source: StoreError,
    },
    /// The backend's driver still holds it.
    #[error(
        "backend of {class} {devid} of domain {domid} is still {seen} after {limit:?}, wanted Closed (6)"
    )]
    StillThere {
        /// Class.
        class: &'static str,
        /// Number.
        devid: u32,
        /// The guest.
        domid: u16,
        /// Its state.
        seen: XenbusState,
        /// How long it had.
        limit: Duration,
    },
    /// The script failed; the nodes are removed all the same.
    #[error("cannot disconnect {class} {devid} of domain {domid}")]
    Script {
        /// Class.
        class: &'static str,
        /// Number.
        devid: u32,
        /// The guest.
        domid: u16,
        /// Why.
        source: ScriptError,
    },
}

/// A device found in the table of a domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leftover {
    /// How it is wired.
    pub hotplug: Hotplug,
    /// Its entry in the table.
    pub entry: String,
}

/// The devices that the store knows of a domain: its table under `/vm`, with the scripts that connected them.
pub async fn find_devices(
    store: &Store,
    vm_path: &str,
    block_script: &str,
) -> Result<Vec<Leftover>, StoreError> {
    let mut found = Vec::new();
    for class in ["vbd", "vif"] {
        let folder = paths::vm_device_class(vm_path, class);
        let devids: Vec<u32> =
            store.list(&folder).await?.unwrap_or_default().iter().filter_map(|id| id.parse().ok()).collect();
        let entries: Vec<String> =
            devids.iter().map(|devid| paths::vm_device(vm_path, class, *devid)).collect();
        let backends: Vec<String> = entries.iter().map(|entry| paths::join(entry, node::BACKEND)).collect();
        let backends = store.read_many(&backends).await?;
        for ((devid, entry), backend) in devids.into_iter().zip(entries).zip(backends) {
            let Some(parsed) = backend.as_deref().and_then(paths::parse_backend) else { continue };
            let hotplug = if class == "vbd" {
                Hotplug::vbd(parsed.domid, devid, "", block_script)
            } else {
                let backend = paths::backend(0, class, parsed.domid, devid);
                let script = store.read(&paths::join(&backend, paths::node::vif::SCRIPT)).await?;
                Hotplug::vif(parsed.domid, devid, &script.unwrap_or_default())
            };
            found.push(Leftover { hotplug, entry });
        }
    }
    Ok(found)
}

/// Asks a guest that lives to let go of a device: its backend is told to close, its frontend answers. What has it open
/// in the guest makes the guest keep it, for ever if need be; `limit` is how long this waits, `None` until the end.
pub async fn ask_to_let_go(
    store: &Store,
    device: &Hotplug,
    limit: Option<Duration>,
) -> Result<(), DetachError> {
    let backend = device.backend();
    let frontend = paths::frontend(device.domid, device.class, device.devid);
    let asked = store.transaction(&backend, |tx| {
        let [own, online] = [node::STATE, node::ONLINE].map(|name| paths::join(&backend, name));
        let theirs = paths::join(&frontend, node::STATE);
        async move {
            let (seen, guest) = tokio::try_join!(tx.read(&own), tx.read(&theirs))?;
            let guest = XenbusState::parse(guest.as_deref());
            // A guest without a driver for it holds nothing, and would never answer.
            let nobody =
                matches!(guest, XenbusState::Unknown | XenbusState::Initialising | XenbusState::Closed);
            if nobody || seen.is_none() {
                return Ok::<_, StoreError>(Answers::Nobody);
            }
            tx.write(&online, "0").await?;
            if XenbusState::parse(seen.as_deref()) != XenbusState::Closed {
                tx.write(&own, XenbusState::Closing.text()).await?;
            }
            Ok(Answers::Guest)
        }
    });
    let what = || format!("{} {} of domain {}", device.class, device.devid, device.domid);
    match asked.await.map_err(|source| DetachError::Store { what: what(), source })? {
        Answers::Nobody => Ok(()),
        Answers::Guest => {
            let limit = limit.unwrap_or(FOR_EVER);
            wait_until_closed(store, device, Instant::now() + limit, limit).await
        }
    }
}

/// Who answers when a backend is told to close.
enum Answers {
    Guest,
    Nobody,
}

/// Takes devices away, side by side, and returns everything that went wrong.
pub async fn detach(
    store: &Store,
    scripts: &Arc<dyn ScriptRunner>,
    devices: &[Leftover],
    limit: Duration,
) -> Vec<DetachError> {
    if devices.is_empty() {
        return Vec::new();
    }
    if let Err(source) = close_backends(store, devices).await {
        // Nobody was told to close, so nobody will: waiting for it would only cost the time limit.
        return vec![DetachError::Store { what: format!("{} devices", devices.len()), source }];
    }
    let mut errors = Vec::new();
    let deadline = Instant::now() + limit;
    let each =
        devices.iter().map(|device| release(store, scripts.as_ref(), &device.hotplug, deadline, limit));
    errors.extend(join_all(each).await.into_iter().filter_map(Result::err));
    let mut batch = Batch::new();
    for device in devices {
        let hotplug = &device.hotplug;
        batch
            .remove(paths::frontend(hotplug.domid, hotplug.class, hotplug.devid))
            .remove(hotplug.backend())
            .remove(&device.entry);
    }
    if let Err(source) = store.commit(&batch).await {
        errors.push(DetachError::Store { what: format!("the nodes of {} devices", devices.len()), source });
    }
    errors
}

/// `online` first: a backend that sees Closing while it is online would wait for its guest to come back. The frontend
/// is closed on behalf of a guest that is dead or never ran; drivers answer that with Closed, where they let go of a
/// frontend that merely vanished without a word.
async fn close_backends(store: &Store, devices: &[Leftover]) -> Result<(), StoreError> {
    let state_of = |end: String| paths::join(&end, node::STATE);
    let frontend =
        |device: &Leftover| paths::frontend(device.hotplug.domid, device.hotplug.class, device.hotplug.devid);
    let states: Vec<String> = devices
        .iter()
        .flat_map(|device| [state_of(device.hotplug.backend()), state_of(frontend(device))])
        .collect();
    let seen = store.read_many(&states).await?;
    let mut batch = Batch::new();
    for (device, seen) in devices.iter().zip(seen.chunks(2)) {
        let backend = device.hotplug.backend();
        // An end that is gone, or closed already, must not come back by our writing.
        if let Some(text) = seen[0].as_deref() {
            batch.write(paths::join(&backend, node::ONLINE), "0");
            // One that is still Initialising has no driver that could close it: it just goes.
            let state = XenbusState::parse(Some(text));
            if !matches!(state, XenbusState::Closed | XenbusState::Initialising) {
                batch.write(state_of(backend), XenbusState::Closing.text());
            }
        }
        if seen[1].is_some() {
            batch.write(state_of(frontend(device)), XenbusState::Closed.text());
        }
    }
    store.commit(&batch).await
}

async fn release(
    store: &Store,
    scripts: &dyn ScriptRunner,
    device: &Hotplug,
    deadline: Instant,
    limit: Duration,
) -> Result<(), DetachError> {
    // An interface leaves its bridge while it still exists; a disk's loop device goes when nobody holds it.
    let (class, devid, domid) = (device.class, device.devid, device.domid);
    let run = async {
        if device.script.is_empty() {
            return Ok(());
        }
        let ended = scripts.run(device.call(device.remove, limit)).await;
        ended.map_err(|source| DetachError::Script { class, devid, domid, source })
    };
    if class == "vif" {
        let (script, closed) = tokio::join!(run, wait_until_closed(store, device, deadline, limit));
        return closed.and(script);
    }
    let closed = wait_until_closed(store, device, deadline, limit).await;
    closed.and(run.await)
}

async fn wait_until_closed(
    store: &Store,
    device: &Hotplug,
    deadline: Instant,
    limit: Duration,
) -> Result<(), DetachError> {
    let backend = device.backend();
    let state = paths::join(&backend, node::STATE);
    let (class, devid, domid) = (device.class, device.devid, device.domid);
    let failed = |source| DetachError::Store { what: format!("{class} {devid} of domain {domid}"), source };
    let mut watch = store.watch(&state).await.map_err(failed)?;
    let mut tick = DRIVER_TICK;
    loop {
        let seen = XenbusState::parse(store.read(&state).await.map_err(failed)?.as_deref());
        if matches!(seen, XenbusState::Closed | XenbusState::Unknown | XenbusState::Initialising)
            || driver_has_let_go(device)
        {
            return Ok(());
        }
        let next_look = deadline.min(Instant::now() + tick);
        match tokio::time::timeout_at(next_look, watch.next()).await {
            Ok(Ok(_)) => {}
            Ok(Err(source)) => return Err(failed(source)),
            Err(_) if next_look == deadline => {
                return Err(DetachError::StillThere { class, devid, domid, seen, limit });
            }
            Err(_) => tick = (tick * 2).min(LONGEST_TICK),
        }
    }
}

/// Whether the kernel's bus of backends exists and does not have the device (any more): some drivers go without
/// writing a last state.
fn driver_has_let_go(device: &Hotplug) -> bool {
    let bus = Path::new("/sys/bus/xen-backend/devices");
    let name = format!("{}-{}-{}", device.class, device.domid, device.devid);
    bus.is_dir() && bus.join(name).symlink_metadata().is_err()
}
