//! The drivers of a simulated guest: blkfront and netfront, as far as the store and event channels show them.
//!
//! ```text
//!   own state 1 ── backend 2 ──> rings, port, 3 ── backend 4 ──> 4 ── backend 5 or gone ──> 6
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use hypervisor::DomId;
use hypervisor::sim::Machine;
use xenstore::{Batch, Store, StoreError, paths};

use super::backends::state;
use super::guest::Holder;

/// The classes that have drivers.
pub(super) const CLASSES: [&str; 2] = ["vbd", "vif"];
/// Below are the grants of console and store.
const FIRST_GRANT: u32 = 8;

/// What a frontend does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Publish,
    Connect,
    Close,
}

/// What to do, given both ends' states.
fn decide(own: u8, backend: u8) -> Option<Step> {
    match (own, backend) {
        (state::INITIALISING, state::INIT_WAIT | state::INITIALISED | state::CONNECTED) => {
            Some(Step::Publish)
        }
        (state::INITIALISED, state::CONNECTED) => Some(Step::Connect),
        (state::INITIALISING..=state::CLOSING, state::CLOSING | state::CLOSED) => Some(Step::Close),
        _ => None,
    }
}

/// All frontends of one guest.
pub(super) struct Frontends {
    machine: Machine,
    domid: DomId,
    store: Store,
    holder: Holder,
    /// How long a device stays in use after the guest was asked for it.
    lets_go_after: Duration,
    /// The event channel of each device that was published.
    ports: BTreeMap<(usize, u32), u32>,
    next_grant: u32,
}

impl Frontends {
    /// `store` has the rights of the domain.
    pub(super) fn new(machine: Machine, domid: DomId, store: Store, holder: Holder) -> Self {
        let (lets_go_after, ports) = (Duration::ZERO, BTreeMap::new());
        Self { machine, domid, store, holder, lets_go_after, ports, next_grant: FIRST_GRANT }
    }

    /// Has each device in use for this long after the guest was asked for it.
    pub(super) fn let_go_after(mut self, time: Duration) -> Self {
        self.lets_go_after = time;
        self
    }

    /// Looks at all devices and brings each one step further.
    pub(super) async fn look(&mut self) -> Result<(), StoreError> {
        let domid = self.domid.0;
        let classes: Vec<String> = CLASSES.iter().map(|class| paths::frontend_class(domid, class)).collect();
        let lists = self.store.list_many(&classes).await?;
        for (class, names) in lists.into_iter().enumerate() {
            for devid in names.unwrap_or_default().iter().filter_map(|name| name.parse().ok()) {
                if let Err(error) = self.look_at(class, devid).await {
                    match error {
                        StoreError::Lost { .. } => return Err(error),
                        // A device that is being taken away under our hands is none any more.
                        _ => {
                            tracing::debug!(%domid, class = CLASSES[class], devid, %error, "a frontend stumbled")
                        }
                    }
                }
            }
        }
        Ok(())
    }

    async fn look_at(&mut self, class: usize, devid: u32) -> Result<(), StoreError> {
        let frontend = paths::frontend(self.domid.0, CLASSES[class], devid);
        let own_path = paths::join(&frontend, paths::node::device::STATE);
        let backend_path = paths::join(&frontend, paths::node::device::BACKEND);
        let [own, backend] = read_pair(&self.store, [own_path.clone(), backend_path]).await?;
        let Some(backend) = backend else { return Ok(()) };
        let backend_state = paths::join(&backend, paths::node::device::STATE);
        let theirs = self.store.read(&backend_state).await?;
        let Some(step) = decide(state::parse(own.as_deref()), state::parse(theirs.as_deref())) else {
            return Ok(());
        };
        self.holder.go_on().await;
        let mut batch = Batch::new();
        match step {
            Step::Publish => self.publish(&mut batch, &frontend, (class, devid)),
            Step::Connect => {
                batch.write(&own_path, state::text(state::CONNECTED));
            }
            Step::Close => {
                tokio::time::sleep(self.lets_go_after).await;
                if let Some(port) = self.ports.remove(&(class, devid)) {
                    self.machine.close_port(self.domid, port);
                }
                batch.write(&own_path, state::text(state::CLOSED));
            }
        }
        // As Linux does it: a device that is taken away meanwhile does not come back by its driver's writing. Nor is one
        // that has come in its place meant, which is told from the old one by its states.
        let seen = (own, theirs);
        let written = self.store.transaction(&own_path, |tx| {
            let (batch, own_path, backend_state) = (&batch, own_path.clone(), backend_state.clone());
            let seen = &seen;
            async move {
                let now = (tx.read(&own_path).await?, tx.read(&backend_state).await?);
                if now == *seen { tx.apply(batch).await } else { Ok::<_, StoreError>(()) }
            }
        });
        written.await
    }

    fn publish(&mut self, batch: &mut Batch, frontend: &str, (class, devid): (usize, u32)) {
        let node = |name: &str| paths::join(frontend, name);
        let port = match self.machine.open_port(self.domid, DomId::DOM0) {
            Ok(port) => port,
            Err(error) => {
                tracing::warn!(domid = %self.domid, %error, "a simulated frontend has no event channel");
                return;
            }
        };
        if let Some(old) = self.ports.insert((class, devid), port) {
            self.machine.close_port(self.domid, old);
        }
        let rings = match CLASSES[class] {
            "vif" => &[paths::node::ring::TX_RING_REF, paths::node::ring::RX_RING_REF][..],
            _ => &[paths::node::ring::RING_REF][..],
        };
        for ring in rings {
            batch.write(node(ring), self.next_grant.to_string());
            self.next_grant += 1;
        }
        batch.write(node(paths::node::ring::EVENT_CHANNEL), port.to_string());
        batch.write(node(paths::node::device::PROTOCOL), "x86_64-abi");
        if CLASSES[class] == "vif" {
            batch.write(node("request-rx-copy"), "1");
        }
        // Netfront says Connected at once, blkfront Initialised first; to the backend both mean "go".
        batch.write(node(paths::node::device::STATE), state::text(state::INITIALISED));
    }
}

async fn read_pair(store: &Store, nodes: [String; 2]) -> Result<[Option<String>; 2], StoreError> {
    let mut values = store.read_many(&nodes).await?.into_iter();
    Ok([values.next().flatten(), values.next().flatten()])
}

#[cfg(test)]
mod tests {
    use super::{Step, decide, state};

    #[test]
    fn a_frontend_waits_for_its_backend_and_closes_with_it() {
        assert_eq!(decide(state::INITIALISING, state::INITIALISING), None);
        assert_eq!(decide(state::INITIALISING, state::INIT_WAIT), Some(Step::Publish));
        assert_eq!(decide(state::INITIALISED, state::INIT_WAIT), None);
        assert_eq!(decide(state::INITIALISED, state::CONNECTED), Some(Step::Connect));
        assert_eq!(decide(state::CONNECTED, state::CONNECTED), None);
        assert_eq!(decide(state::CONNECTED, state::CLOSING), Some(Step::Close));
        assert_eq!(decide(state::CLOSED, state::CLOSED), None);
        assert_eq!(decide(0, state::CLOSING), None);
    }
}
