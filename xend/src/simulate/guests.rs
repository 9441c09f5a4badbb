//! Which guests run: one task for each domain that was unpaused and has not ended.

use std::collections::HashMap;
use std::sync::Arc;

use hypervisor::DomId;
use hypervisor::sim::Machine;
use tokio::sync::{Notify, Semaphore};
use tokio::task::AbortHandle;
use xenstore::server::Server;

use super::guest::{Guest, Holder};

/// Guests that look at their memory at the same time: each needs a thread for that, and threads cost memory.
const BOOTS_AT_ONCE: usize = 4;

/// All guests that run.
pub(super) struct Guests {
    machine: Machine,
    server: Server,
    running: HashMap<DomId, Running>,
    boots: Arc<Semaphore>,
}

struct Running {
    task: AbortHandle,
    unpaused: Arc<Notify>,
}

impl Guests {
    /// None yet.
    pub(super) fn new(machine: Machine, server: Server) -> Self {
        Self { machine, server, running: HashMap::new(), boots: Arc::new(Semaphore::new(BOOTS_AT_ONCE)) }
    }

    /// A domain's pause count reached zero: starts its guest, or lets it go on.
    pub(super) fn unpaused(&mut self, domid: DomId) {
        if let Some(running) = self.running.get(&domid) {
            running.unpaused.notify_one();
            return;
        }
        let view = self.machine.guest(domid);
        // It may have been destroyed since.
        if !view.is_live() {
            return;
        }
        let unpaused = Arc::new(Notify::new());
        let store = self.server.connect_as(domid.0);
        let holder = Holder::new(view.clone(), Arc::clone(&unpaused), Arc::clone(&self.boots));
        let guest = Guest::new(self.machine.clone(), view, store, holder);
        let task = tokio::spawn(guest.run()).abort_handle();
        self.running.insert(domid, Running { task, unpaused });
    }

    /// A domain shut down or is being destroyed: its guest does nothing any more.
    pub(super) fn ended(&mut self, domid: DomId) {
        if let Some(running) = self.running.remove(&domid) {
            running.task.abort();
        }
    }
}

impl Drop for Guests {
    fn drop(&mut self) {
        for running in self.running.values() {
            running.task.abort();
        }
    }
}
