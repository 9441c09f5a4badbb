//! The backend drivers of dom0's kernel, blkback and netback, as far as the store shows them. One watch on all domains'
//! directories drives them, and tells the console daemon of new consoles as well.
//!
//! ```text
//!   1 ──> 2 ── script done, a medium there, frontend 3 ──> 4 ── told to, or frontend closing ──> 5 ── frontend closed ──> 6
//! ```

use std::sync::Arc;

use hypervisor::DomId;
use xenstore::{Store, StoreError, Transaction, paths};

use super::consoles::Consoles;

/// Numbers of `state`, as the drivers know them.
pub(super) mod state {
    /// Made by the toolstack.
    pub(in super::super) const INITIALISING: u8 = 1;
    /// Backend: ready.
    pub(in super::super) const INIT_WAIT: u8 = 2;
    /// Frontend: has published its rings.
    pub(in super::super) const INITIALISED: u8 = 3;
    /// In use.
    pub(in super::super) const CONNECTED: u8 = 4;
    /// About to end.
    pub(in super::super) const CLOSING: u8 = 5;
    /// Ended.
    pub(in super::super) const CLOSED: u8 = 6;

    /// From the node's text; 0 for what is no state.
    pub(in super::super) fn parse(text: Option<&str>) -> u8 {
        text.and_then(|text| text.parse().ok()).unwrap_or(0)
    }

    /// The node's text.
    pub(in super::super) fn text(state: u8) -> String {
        state.to_string()
    }
}

/// What a backend sees when it looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    own: u8,
    frontend: u8,
    /// The script is done, and there is something to serve.
    wired: bool,
}

/// The next state of a backend, if there is one.
fn decide(seen: Seen) -> Option<u8> {
    let leaves = matches!(seen.frontend, state::CLOSING | state::CLOSED);
    match seen.own {
        state::INITIALISING => Some(state::INIT_WAIT),
        state::INIT_WAIT | state::INITIALISED if leaves => Some(state::CLOSING),
        state::INIT_WAIT | state::INITIALISED => {
            let ready = matches!(seen.frontend, state::INITIALISED | state::CONNECTED);
            (ready && seen.wired).then_some(state::CONNECTED)
        }
        state::CONNECTED => leaves.then_some(state::CLOSING),
        // It waits for its frontend, told to go or not: a guest may have the device in use.
        state::CLOSING => matches!(seen.frontend, 0 | state::CLOSED).then_some(state::CLOSED),
        _ => None,
    }
}

/// One device.
#[derive(Clone, Copy, Debug)]
struct Device<'a> {
    class: &'a str,
    domid: u16,
    devid: u32,
}

/// Runs until the store is gone.
pub(super) async fn run(store: Store, consoles: Arc<Consoles>) {
    if let Err(error) = drive(&store, &consoles).await {
        tracing::warn!(%error, "the simulated backend drivers stopped");
    }
}

async fn drive(store: &Store, consoles: &Arc<Consoles>) -> Result<(), StoreError> {
    let mut watch = store.watch(paths::DOMAINS).await?;
    loop {
        let path = watch.next().await?;
        if path == paths::DOMAINS {
            // The first look, or more news than a watch keeps.
            look_at_all(store, consoles).await?;
            continue;
        }
        if let Some(backend) = paths::parse_backend(&path) {
            let device = Device { class: backend.class, domid: backend.domid, devid: backend.devid };
            let node = backend.node;
            let matters = [
                paths::node::device::STATE,
                paths::node::device::ONLINE,
                paths::node::device::HOTPLUG_STATUS,
            ];
            if backend.backend_domid == 0 && (node.is_empty() || matters.contains(&node)) {
                look(store, device).await?;
            }
        } else if let Some(frontend) = paths::parse_frontend(&path) {
            let device = Device { class: frontend.class, domid: frontend.domid, devid: frontend.devid };
            if matches!(frontend.node, "" | paths::node::device::STATE) {
                look(store, device).await?;
            }
        } else if let Some(domid) = console_of(&path) {
            consoles.look(domid);
        }
    }
}

/// The domain whose console ring this path names.
fn console_of(path: &str) -> Option<DomId> {
    let (domid, _) = paths::parse_domain(path)?;
    (path == paths::console_node(domid, paths::node::console::RING_REF)).then_some(DomId(domid))
}

async fn look_at_all(store: &Store, consoles: &Arc<Consoles>) -> Result<(), StoreError> {
    for name in store.list(paths::DOMAINS).await?.unwrap_or_default() {
        if let Ok(domid) = name.parse() {
            consoles.look(DomId(domid));
        }
    }
    for class in super::frontends::CLASSES {
        let domains = store.list(&paths::backend_class(0, class)).await?.unwrap_or_default();
        for domid in domains.iter().filter_map(|name| name.parse().ok()) {
            let devices = store.list(&paths::backend_domain(0, class, domid)).await?.unwrap_or_default();
            for devid in devices.iter().filter_map(|name| name.parse().ok()) {
                look(store, Device { class, domid, devid }).await?;
            }
        }
    }
    Ok(())
}

/// Looks at one device until there is nothing to do. Only the store's end is an error.
async fn look(store: &Store, device: Device<'_>) -> Result<(), StoreError> {
    if !super::frontends::CLASSES.contains(&device.class) {
        return Ok(());
    }
    let backend = paths::backend(0, device.class, device.domid, device.devid);
    // Most looks find nothing to do: they need no transaction.
    while let Some(seen) = see(store, device, &backend).await? {
        if decide(seen).is_none() {
            return Ok(());
        }
        let stepped = store.transaction(&backend, |tx| step(tx, device, backend.clone())).await;
        match stepped {
            Ok(()) => {}
            Err(error @ StoreError::Lost { .. }) => return Err(error),
            Err(error) => {
                tracing::warn!(path = %backend, %error, "a simulated backend stumbled");
                return Ok(());
            }
        }
    }
    Ok(())
}

async fn see(store: &Store, device: Device<'_>, backend: &str) -> Result<Option<Seen>, StoreError> {
    let values = store.read_many(&seen_nodes(device, backend)).await?;
    Ok(judge(device.class, &values))
}

/// In a transaction, so that a backend that the toolstack removes meanwhile does not come back.
async fn step(tx: Transaction, device: Device<'_>, backend: String) -> Result<(), StoreError> {
    let mut values = Vec::new();
    for path in seen_nodes(device, &backend) {
        values.push(tx.read(&path).await?);
    }
    let Some(next) = judge(device.class, &values).and_then(decide) else { return Ok(()) };
    for (name, value) in announced(device.class, next) {
        tx.write(&paths::join(&backend, name), value).await?;
    }
    tx.write(&paths::join(&backend, paths::node::device::STATE), state::text(next)).await
}

fn seen_nodes(device: Device<'_>, backend: &str) -> [String; 4] {
    let frontend = paths::frontend(device.domid, device.class, device.devid);
    [
        paths::join(backend, paths::node::device::STATE),
        paths::join(&frontend, paths::node::device::STATE),
        paths::join(backend, paths::node::device::HOTPLUG_STATUS),
        paths::join(backend, paths::node::vbd::PHYSICAL_DEVICE),
    ]
}

/// `None` when there is no such backend.
fn judge(class: &str, values: &[Option<String>]) -> Option<Seen> {
    let [own, frontend, hotplug, physical] = values else { return None };
    Some(Seen {
        own: state::parse(Some(own.as_deref()?)),
        frontend: state::parse(frontend.as_deref()),
        wired: hotplug.as_deref() == Some(paths::node::device::CONNECTED)
            && (class != "vbd" || physical.is_some()),
    })
}

/// What a driver writes along with a state.
fn announced(class: &str, next: u8) -> &'static [(&'static str, &'static str)] {
    match (class, next) {
        ("vbd", state::INIT_WAIT) => &[("feature-barrier", "1"), ("feature-flush-cache", "1")],
        ("vbd", state::CONNECTED) => &[
            (paths::node::vbd::SECTORS, "2097152"),
            (paths::node::vbd::SECTOR_SIZE, "512"),
            (paths::node::vbd::INFO, "0"),
        ],
        ("vif", state::INIT_WAIT) => &[("feature-sg", "1"), ("feature-rx-copy", "1")],
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::{Seen, console_of, decide, judge, state};

    fn seen(own: u8, frontend: u8) -> Seen {
        Seen { own, frontend, wired: true }
    }

    #[test]
    fn a_backend_connects_when_script_and_frontend_are_ready() {
        assert_eq!(decide(seen(1, 0)), Some(state::INIT_WAIT));
        assert_eq!(decide(seen(2, 1)), None);
        assert_eq!(decide(Seen { wired: false, ..seen(2, 3) }), None);
        assert_eq!(decide(seen(2, 3)), Some(state::CONNECTED));
        assert_eq!(decide(seen(2, 4)), Some(state::CONNECTED));
        assert_eq!(decide(seen(4, 4)), None);
    }

    #[test]
    fn a_backend_told_to_go_waits_for_its_frontend() {
        assert_eq!(decide(seen(5, 4)), None);
        assert_eq!(decide(seen(5, 6)), Some(state::CLOSED));
        assert_eq!(decide(seen(4, 6)), Some(state::CLOSING));
        assert_eq!(decide(seen(6, 1)), None);
    }

    #[test]
    fn a_backend_that_is_gone_stays_gone() {
        assert_eq!(judge("vbd", &[None, Some("1".to_owned()), None, None]), None);
    }

    #[test]
    fn a_drive_without_a_medium_waits_for_one() {
        let nodes = |physical: Option<&str>| {
            [Some("2"), Some("3"), Some("connected"), physical].map(|node| node.map(str::to_owned))
        };
        assert_eq!(judge("vbd", &nodes(None)).and_then(decide), None);
        assert_eq!(judge("vbd", &nodes(Some("7:0"))).and_then(decide), Some(state::CONNECTED));
        assert_eq!(judge("vif", &nodes(None)).and_then(decide), Some(state::CONNECTED));
    }

    #[test]
    fn a_console_is_known_by_its_ring() {
        assert_eq!(console_of("/local/domain/7/console/ring-ref").map(|domid| domid.0), Some(7));
        assert_eq!(console_of("/local/domain/7/console/tty"), None);
    }
}
