//! A whole store daemon in process: for tests and for `xend --simulate`.
//!
//! ```text
//!   unix socket ─> socket ──┐                     ┌─ tree         nodes, persistent
//!                           ├─> Server ─> State ──┼─ transaction  branches and their commits
//!   connect_as() ─> local ──┘   (a lock)  request ├─ watch        who is told of what
//!                                                 └─ perms, quota
//! ```
//!
//! Everything happens under one lock and without waiting, so a request costs about a microsecond and an idle
//! connection a few hundred bytes. Semantics are those of Debian's xenstored (`tests/conformance` runs on both);
//! where a commit need not conflict, for two new children of the same parent, it does not.

mod actor;
mod arguments;
mod change;
mod connection;
mod domains;
mod gate;
mod local;
mod quota;
mod request;
mod snapshot;
mod socket;
mod state;
mod transaction;
mod tree;
mod watch;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::UnixListener;

use crate::Store;
use connection::{ConnectionId, Sink};
pub use domains::Introduced;
use gate::Guard;
pub use gate::{Gate, Service};
pub use quota::{Limits, Orphans};
pub use snapshot::{NodeView, Snapshot};
use state::State;

/// A store daemon. Clones are handles on the same one.
#[derive(Clone)]
pub struct Server {
    shared: Arc<Shared>,
}

/// What all handles and connections share.
pub(crate) struct Shared {
    state: Mutex<State>,
    guard: Guard,
}

/// Whether a connection of domain 0 is subject to the [`Gate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gated {
    Yes,
    No,
}

impl Server {
    /// A daemon with an empty tree and domain 0 only.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { shared: Arc::new(Shared { state: Mutex::new(State::new(limits)), guard: Guard::default() }) }
    }

    /// Serves connections of domain 0 on a unix socket until the future is dropped. Spawn it as a task.
    pub async fn serve(self, listener: UnixListener) {
        socket::serve(self.shared, listener, 0).await;
    }

    /// Serves connections on a unix socket that have the rights of `domid`: for tests with foreign tools.
    pub async fn serve_as(self, listener: UnixListener, domid: u16) {
        socket::serve(self.shared, listener, domid).await;
    }

    /// A connection in process with the rights of a domain: full rights for 0, a guest's for others.
    #[must_use]
    pub fn connect_as(&self, domid: u16) -> Store {
        local::connect(&self.shared, domid, Gated::Yes)
    }

    /// A connection of domain 0 to which the [`Gate`] and [`Service::Refused`] do not apply: for the simulated
    /// kernel's backends, which go on when the daemon under test is "killed".
    #[must_use]
    pub fn connect_kernel(&self) -> Store {
        local::connect(&self.shared, 0, Gated::No)
    }

    /// Makes a domain known, as INTRODUCE does.
    pub fn domain_introduced(&self, domid: u16) {
        self.shared.state().introduce(Introduced { domid, frame: 0, port: 0 });
    }

    /// Tells those who watch `@releaseDomain` that an introduced domain has shut down; once until it is resumed.
    pub fn domain_shut_down(&self, domid: u16) {
        self.shared.state().domain_shut_down(domid);
    }

    /// A domain is no more: its connections end, its watches, transactions and (with [`Orphans::Removed`])
    /// nodes go, and those who watch `@releaseDomain` are told if it was introduced.
    pub fn domain_died(&self, domid: u16) {
        self.shared.state().domain_died(domid);
    }

    /// Every introduced domain but 0, by number.
    #[must_use]
    pub fn introduced(&self) -> Vec<Introduced> {
        self.shared.state().introduced()
    }

    /// The tree as it is now. Costs nothing, and does not change afterwards.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(self.shared.state().tree().branch())
    }

    /// How many connections, watches and open transactions there are.
    #[must_use]
    pub fn load(&self) -> Load {
        self.shared.state().load()
    }

    /// Asks `gate` before each changing request of domain 0 (WRITE, MKDIR, RM, SET_PERMS, TRANSACTION_END that
    /// commits, INTRODUCE, RELEASE, RESUME, SET_TARGET): `false` refuses it with EIO and without effect.
    pub fn set_gate(&self, gate: Option<Gate>) {
        self.shared.guard.set_gate(gate);
    }

    /// Lets `count` more changing requests of domain 0 succeed and refuses all that follow; `None` ends that.
    pub fn fail_after(&self, count: Option<u64>) {
        self.set_gate(count.map(gate::count_down));
    }

    /// Refuses every request of domain 0, reads too, or serves them again.
    pub fn set_service(&self, service: Service) {
        self.shared.guard.set_service(service);
    }

    /// Ends every connection, as if the daemon had died. Later ones are served.
    pub fn disconnect_all(&self) {
        self.shared.state().disconnect_all();
    }
}

/// What a server is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Load {
    /// Open connections.
    pub connections: usize,
    /// Registered watches.
    pub watches: usize,
    /// Open transactions.
    pub transactions: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self, domid: u16, gated: Gated, sink: Sink) -> ConnectionId {
        self.state().connect(domid, gated, sink)
    }

    fn close(&self, id: ConnectionId) {
        // Dropped after the lock: a dead connection's transactions may be large.
        let connection = self.state().disconnect(id);
        drop(connection);
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("load", &self.load()).finish()
    }
}
