//! The simulator: a whole Xen host in this process, behind the same traits as the real one.
//!
//! ```text
//!   toolstack ── traits ──> Machine ──> domains, frames, memory, channels      guests ── GuestView ──> the same
//!                              └─ Event ──> whoever asked (store server, scripted guests)
//! ```
//!
//! What is real: numbers and limits, pause counts, free memory, machine frames, page contents, mappings, the page tables
//! (validated as Xen does when they are pinned), grant table, event channels, the hypervisor's console, and the errors.
//! What isn't: no instruction of a guest runs. A simulated guest looks at its memory through [`GuestView`], and once it
//! has seen that it was built right it may drop the contents that nobody will read again ([`GuestView::settle`]).

mod boot;
mod channels;
mod config;
mod domain;
mod domains;
mod faults;
pub mod fixture;
mod frames;
mod guest;
mod host;
mod mapping;
mod memory;
mod page;
mod ring;
mod tables;
mod walk;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

pub use boot::{BootError, BootReport, Modules};
pub use channels::{Handler, Link};
pub use config::{Clock, HostConfig};
pub use faults::{Call, Faults, Gate};
pub use guest::{GuestError, GuestView, StartInfo};
pub use ring::Side;
pub use walk::WalkError;

use crate::{DomId, HypervisorError, Mfn, PhysInfo, Port, ShutdownCode, XenVersion};
use channels::Channels;
use domain::Domain;
use faults::refused;
use frames::{Frames, Run};
use memory::Memory;

/// The hypervisor keeps this many bytes of its own messages.
const CONSOLE_BYTES: usize = 16 * 1024;
/// First reserved domain number: live numbers are below.
const DOMID_FIRST_RESERVED: u16 = 0x7ff0;
/// Ports of dom0.
const DOM0_MAX_PORT: Port = 131_071;

/// Something that a toolstack or a store daemon may want to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Exists from now on, paused and empty.
    Created(DomId),
    /// Its pause count reached zero.
    Unpaused(DomId),
    /// Its pause count left zero.
    Paused(DomId),
    /// Has shut down, of itself or forced. Xen raises `DOM_EXC`.
    Shutdown(DomId, ShutdownCode),
    /// Is being torn down. Xen raises `DOM_EXC`.
    Dying(DomId),
    /// Has left the list, and its number may be used again. Xen raises `DOM_EXC`.
    Gone(DomId),
}

/// Called for each event, in the thread that caused it; no lock of the machine is held.
pub type Listener = Box<dyn Fn(Event) + Send + Sync>;

/// Where a domain's console ring is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsoleRing {
    /// Whose.
    pub domid: DomId,
    /// Its frame: what `console/ring-ref` and the start info say.
    pub mfn: Mfn,
}

struct State {
    domains: BTreeMap<DomId, Domain>,
    frames: Frames,
    /// Sum of what domains claimed and haven't got yet.
    claimed: u64,
    last_domid: u16,
    console: Vec<u8>,
}

struct Inner {
    config: HostConfig,
    version: XenVersion,
    read_only: Option<String>,
    state: Mutex<State>,
    channels: Channels,
    faults: Faults,
    listeners: RwLock<Vec<Listener>>,
}

/// A simulated host; clones are handles on the same one.
#[derive(Clone)]
pub struct Machine {
    inner: Arc<Inner>,
}

impl fmt::Debug for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Machine").field("config", &self.inner.config).finish_non_exhaustive()
    }
}

impl Default for Machine {
    fn default() -> Self {
        Self::new(HostConfig::default())
    }
}

impl Machine {
    /// A host that has just booted: dom0 and free memory.
    pub fn new(config: HostConfig) -> Self {
        let version = config.version();
        let read_only = version.domctl.is_none().then(|| {
            let (release, domctl) = (version.minor, config.domctl);
            format!("Xen 4.{release} speaks domctl interface {domctl:#x}, which this program does not know")
        });
        // Frames of guests aren't their pfns, not even for the first guest: mixing the two up must show.
        let first = 0x10_0000 + (config.seed % 64) * 0x200;
        let free = config.total_pages() - config.dom0_pages();
        let dom0 = Domain::dom0(config.dom0_pages(), config.nr_cpus, (config.clock)());
        let state = State {
            domains: BTreeMap::from([(DomId::DOM0, dom0)]),
            frames: Frames::new(first, free),
            claimed: 0,
            last_domid: 0,
            console: Vec::new(),
        };
        let inner = Inner {
            version,
            read_only,
            state: Mutex::new(state),
            channels: Channels::default(),
            faults: Faults::default(),
            listeners: RwLock::default(),
            config,
        };
        inner.channels.add_domain(DomId::DOM0, DOM0_MAX_PORT);
        let machine = Self { inner: Arc::new(inner) };
        machine.print(&format!("Xen version 4.{}.0-sim (simulator)", machine.inner.config.minor));
        machine
    }

    /// What is to go wrong.
    pub fn faults(&self) -> Faults {
        self.inner.faults.clone()
    }

    /// Adds a listener; there is no way to remove it but to end the machine.
    pub fn on_event(&self, listener: Listener) {
        self.inner.listeners.write().unwrap_or_else(PoisonError::into_inner).push(listener);
    }

    /// The guest's own view of a domain.
    pub fn guest(&self, domid: DomId) -> GuestView {
        GuestView::new(self.clone(), domid)
    }

    /// Binds a new port of `local` to a port of `remote` that was allocated for it (errors: `ESRCH`, `EINVAL`, `ENOSPC`).
    pub fn bind_port(&self, local: DomId, remote: DomId, remote_port: Port) -> Result<Port, GuestError> {
        self.inner
            .channels
            .bind(local, remote, remote_port)
            .map_err(|errno| guest::port_error(remote, remote_port, errno))
    }

    /// Allocates a port of `domid` for `remote`, as the guest itself does for its devices; no fault strikes it.
    pub fn open_port(&self, domid: DomId, remote: DomId) -> Result<Port, GuestError> {
        self.inner.channels.alloc_unbound(domid, remote).map_err(|errno| guest::port_error(domid, 0, errno))
    }

    /// Closes a port.
    pub fn close_port(&self, domid: DomId, port: Port) {
        self.inner.channels.close(domid, port);
    }

    /// What a port is connected to; `None` when it is closed.
    pub fn port_link(&self, domid: DomId, port: Port) -> Option<Link> {
        self.inner.channels.link(domid, port)
    }

    /// Sends an event through a port.
    pub fn notify(&self, domid: DomId, port: Port) -> Result<(), GuestError> {
        self.inner.channels.notify(domid, port).map_err(|errno| guest::port_error(domid, port, errno))
    }

    /// Sets who is called when an event arrives at a port; called at once when one waits already.
    pub fn on_port(&self, domid: DomId, port: Port, handler: Handler) -> Result<(), GuestError> {
        self.inner
            .channels
            .set_handler(domid, port, handler)
            .map_err(|errno| guest::port_error(domid, port, errno))
    }

    /// Takes an event that waits at a port.
    pub fn take_event(&self, domid: DomId, port: Port) -> bool {
        self.inner.channels.take(domid, port)
    }

    /// Waits for an event at a port and takes it; `false` when none came in time.
    pub fn wait_event(&self, domid: DomId, port: Port, limit: Duration) -> bool {
        self.inner.channels.wait(domid, port, limit)
    }

    /// Puts bytes into the console ring at frame `ring` of a domain, as the side that is named: what fits.
    pub fn console_put(&self, ring: ConsoleRing, side: Side, bytes: &[u8]) -> Result<usize, GuestError> {
        let memory = self.ring_memory(ring)?;
        let mut memory = lock(&memory);
        check_ring(&memory, ring)?;
        Ok(ring::put(&mut memory, ring.mfn, side, bytes))
    }

    /// Takes up to `limit` bytes from the console ring at frame `ring` of a domain, as the side that is named.
    pub fn console_get(&self, ring: ConsoleRing, side: Side, limit: usize) -> Result<Vec<u8>, GuestError> {
        let memory = self.ring_memory(ring)?;
        let mut memory = lock(&memory);
        check_ring(&memory, ring)?;
        Ok(ring::get(&mut memory, ring.mfn, side, limit))
    }

    /// Adds a line to the hypervisor's console.
    pub fn print(&self, line: &str) {
        let mut state = lock(&self.inner.state);
        state.print(line);
    }

    /// Bytes of this process that a domain's memory takes, roughly; 0 when there is no such domain.
    pub fn host_bytes(&self, domid: DomId) -> usize {
        let memory = lock(&self.inner.state).domains.get(&domid).map(Domain::memory);
        memory.map_or(0, |memory| lock(&memory).host_bytes())
    }

    fn ring_memory(&self, ring: ConsoleRing) -> Result<Arc<Mutex<Memory>>, GuestError> {
        let state = lock(&self.inner.state);
        let domain = state.domains.get(&ring.domid).filter(|domain| !domain.dying);
        domain.map(Domain::memory).ok_or(GuestError::NoDomain { domid: ring.domid })
    }
}

/// A ring must be an ordinary page of the domain, whoever names it.
fn check_ring(memory: &Memory, ring: ConsoleRing) -> Result<(), GuestError> {
    let ConsoleRing { domid, mfn } = ring;
    let is_ordinary = memory.extent_of(mfn).is_some() && memory.table_level(mfn).is_none();
    if is_ordinary { Ok(()) } else { Err(GuestError::NoRing { domid, mfn }) }
}

impl Inner {
    /// First thing in every call: counts it and lets it fail as planned.
    fn enter(&self, call: Call, domid: Option<DomId>) -> Result<(), HypervisorError> {
        if let Some(reason) = self.read_only.as_ref().filter(|_| !call.only_reads()) {
            return Err(HypervisorError::ReadOnly { call: call.text(), reason: reason.clone() });
        }
        self.faults.admit(call).map_err(|errno| refused(call, domid, errno))
    }

    /// Runs `change` on a domain that exists.
    fn with_domain<T>(
        &self,
        call: Call,
        domid: DomId,
        change: impl FnOnce(&mut Domain) -> Result<T, i32>,
    ) -> Result<T, HypervisorError> {
        self.enter(call, Some(domid))?;
        let mut state = lock(&self.state);
        let domain = state.domains.get_mut(&domid).ok_or(libc::ESRCH);
        domain.and_then(change).map_err(|errno| refused(call, Some(domid), errno))
    }

    fn emit(&self, event: Event) {
        for listener in self.listeners.read().unwrap_or_else(PoisonError::into_inner).iter() {
            listener(event);
        }
    }

    fn now(&self) -> Duration {
        (self.config.clock)()
    }

    /// Puts a domain into the shutdown state; a second time changes nothing.
    fn shut_down(&self, domid: DomId, code: ShutdownCode) -> Result<(), i32> {
        {
            let mut state = lock(&self.state);
            let now = self.now();
            let domain = state.domains.get_mut(&domid).ok_or(libc::ESRCH)?;
            if !domain.shut_down(code, now) {
                return Ok(());
            }
            if code == ShutdownCode::Crash {
                state.print(&format!("Domain {domid} (vcpu#0) crashed (simulated)"));
            }
        }
        self.emit(Event::Shutdown(domid, code));
        Ok(())
    }

    /// Takes a dying domain whose last mapping has gone off the list.
    fn reap(&self, domid: DomId, memory: &Arc<Mutex<Memory>>) {
        {
            let mut state = lock(&self.state);
            let is_this = state.domains.get(&domid).is_some_and(|domain| domain.is_held_by(memory));
            if !is_this || !state.release(domid) {
                return;
            }
        }
        self.channels.remove_domain(domid);
        self.emit(Event::Gone(domid));
    }
}

impl State {
    fn print(&mut self, line: &str) {
        self.console.extend_from_slice(format!("(XEN) {line}\n").as_bytes());
        let excess = self.console.len().saturating_sub(CONSOLE_BYTES);
        self.console.drain(..excess);
    }

    /// Frees what nobody maps of a domain that ends; `true` when that was all and the domain has left the list.
    fn release(&mut self, domid: DomId) -> bool {
        let Some(domain) = self.domains.get_mut(&domid) else { return false };
        domain.dying = true;
        self.claimed -= std::mem::take(&mut domain.claim);
        let memory = domain.memory();
        let mut memory = lock(&memory);
        for run in memory.release() {
            self.frames.give(run);
        }
        domain.tot_pages = memory.tot_pages();
        if !memory.is_unmapped() {
            return false;
        }
        let own = [domain.shared_info, domain.grant_table];
        self.domains.remove(&domid);
        for mfn in own {
            self.frames.give(Run { start: mfn, len: 1 });
        }
        true
    }

    /// Free pages and those already promised.
    fn fill_memory(&self, info: &mut PhysInfo) {
        info.free_pages = self.frames.nr_free();
        info.outstanding_pages = self.claimed;
    }
}

/// Locks; a panic elsewhere while it was held left nothing half-done that matters to a simulation.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
