//! The rest of a host around the simulated hypervisor: guests that follow a script, the drivers and the console daemon
//! of dom0, and hotplug scripts without a network or loop devices. `xend --simulate` and the daemon tests run on it.
//!
//! ```text
//!   Machine ── events ──> World ─┬─> guests      boot, console, frontends, control/shutdown
//!                                ├─> consoles    a pty per domain, console/tty
//!   store server <── stores ─────┼─> backends    blkback and netback: state 1 → 2 → 4 → 5 → 6
//!                                └─> scripts     block, vif-bridge: hotplug-status
//! ```
//!
//! A [`World`] outlives the daemon under test, as a kernel and its guests outlive a killed xend: it speaks to the store
//! past the gate that "kills" the daemon.

mod backends;
mod behaviour;
mod console_thread;
mod consoles;
mod frontends;
mod guest;
mod guests;
mod host;
mod kill_switch;
mod scripts;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use hypervisor::sim::{Event, Machine};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use xenstore::server::Server;

pub use behaviour::Behaviour;
pub use host::{HostError, SimulatedHost};
pub use kill_switch::KillSwitch;
pub use scripts::SimulatedScripts;

/// A running simulated host. Must be made inside a tokio runtime; dropping it stops it.
pub struct World {
    machine: Machine,
    server: Server,
    scripts: SimulatedScripts,
    conductor: JoinHandle<()>,
    backends: JoinHandle<()>,
    consoles: Arc<consoles::Consoles>,
    kill_switch: KillSwitch,
}

impl World {
    /// Starts guests, drivers and console daemon on a machine and a store.
    pub fn start(machine: Machine, server: Server) -> Self {
        raise_file_limit();
        let store = server.connect_kernel();
        let consoles = Arc::new(consoles::Consoles::start(machine.clone(), store.clone()));
        let backends = tokio::spawn(backends::run(store.clone(), Arc::clone(&consoles)));
        let (events, inbox) = mpsc::unbounded_channel();
        machine.on_event(Box::new(move |event| {
            // A world that was stopped leaves its listener behind; nobody reads its news any more.
            let _stopped = events.send(event);
        }));
        let conductor = Conductor {
            guests: guests::Guests::new(machine.clone(), server.clone()),
            consoles: Arc::clone(&consoles),
        };
        let conductor = tokio::spawn(conductor.run(inbox, server.clone()));
        let kill_switch = KillSwitch::default();
        machine.faults().set_gate(kill_switch.gate());
        server.set_gate(Some(kill_switch.gate()));
        let scripts = SimulatedScripts::new(store, kill_switch.clone());
        Self { machine, server, scripts, conductor, backends, consoles, kill_switch }
    }

    /// The machine that it runs on.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// Its store.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Who runs hotplug scripts on this host.
    pub fn scripts(&self) -> SimulatedScripts {
        self.scripts.clone()
    }

    /// Ends the daemon at a chosen side effect.
    pub fn kill_switch(&self) -> KillSwitch {
        self.kill_switch.clone()
    }

    /// Ends all guests' tasks, the drivers and the console daemon. The domains stay as they are.
    pub async fn stop(mut self) {
        self.halt();
        let ended = (&mut self.conductor).await.and((&mut self.backends).await);
        if ended.is_err_and(|error| error.is_panic()) {
            tracing::error!("a part of the simulated host panicked");
        }
    }

    fn halt(&self) {
        self.conductor.abort();
        self.backends.abort();
        self.consoles.stop();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.halt();
    }
}

/// Reacts to what happens to domains, one event after the other.
struct Conductor {
    guests: guests::Guests,
    consoles: Arc<consoles::Consoles>,
}

impl Conductor {
    async fn run(mut self, mut inbox: mpsc::UnboundedReceiver<Event>, server: Server) {
        while let Some(event) = inbox.recv().await {
            match event {
                Event::Created(_) | Event::Paused(_) => {}
                Event::Unpaused(domid) => self.guests.unpaused(domid),
                Event::Shutdown(domid, _) => {
                    self.guests.ended(domid);
                    self.consoles.drain(domid).await;
                    server.domain_shut_down(domid.0);
                }
                Event::Dying(domid) => self.guests.ended(domid),
                Event::Gone(domid) => {
                    self.consoles.close(domid);
                    server.domain_died(domid.0);
                }
            }
        }
    }
}

/// Two descriptors a domain for its console: a thousand domains need more than the usual 1024.
fn raise_file_limit() {
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        if soft < hard { setrlimit(Resource::RLIMIT_NOFILE, hard, hard) } else { Ok(()) }
    });
    if let Err(error) = raised {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}
