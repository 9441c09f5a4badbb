//! Event channels: ports of each domain from 1 on, unbound until the remote end binds, closed with their domain.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::lock;
use crate::{DomId, Port};

/// Called when an event arrives at a port; no lock of the machine is held meanwhile.
pub type Handler = Arc<dyn Fn() + Send + Sync>;

/// What a port is connected to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Link {
    /// Waits for this domain to bind.
    Unbound(DomId),
    /// The other end.
    Bound(DomId, Port),
}

struct Channel {
    link: Link,
    pending: bool,
    handler: Option<Handler>,
}

#[derive(Default)]
struct Ports {
    max_port: Port,
    open: BTreeMap<Port, Channel>,
}

/// All ports of all domains.
#[derive(Default)]
pub(super) struct Channels {
    domains: Mutex<BTreeMap<DomId, Ports>>,
    arrived: Condvar,
}

impl Channels {
    /// Gives a new domain its (empty) set of ports.
    pub(super) fn add_domain(&self, domid: DomId, max_port: Port) {
        lock(&self.domains).insert(domid, Ports { max_port, open: BTreeMap::new() });
    }

    /// Closes all ports of a domain that ended; the other ends wait for it again, in vain.
    pub(super) fn remove_domain(&self, domid: DomId) {
        let mut domains = lock(&self.domains);
        let Some(gone) = domains.remove(&domid) else { return };
        for channel in gone.open.values() {
            if let Link::Bound(remote, port) = channel.link {
                unbind(&mut domains, remote, port, domid);
            }
        }
        drop(domains);
        self.arrived.notify_all();
    }

    /// A port of `domid` that `remote` may bind to.
    pub(super) fn alloc_unbound(&self, domid: DomId, remote: DomId) -> Result<Port, i32> {
        let mut domains = lock(&self.domains);
        open(&mut domains, domid, Link::Unbound(remote))
    }

    /// Binds a new port of `local` to an unbound port of `remote` that was made for it. As in Xen, the new end has an
    /// event pending at once, since one may have been lost before.
    pub(super) fn bind(&self, local: DomId, remote: DomId, remote_port: Port) -> Result<Port, i32> {
        let mut domains = lock(&self.domains);
        let link =
            domains.get(&remote).ok_or(libc::ESRCH)?.open.get(&remote_port).map(|channel| channel.link);
        if link != Some(Link::Unbound(local)) {
            return Err(libc::EINVAL);
        }
        let port = open(&mut domains, local, Link::Bound(remote, remote_port))?;
        if let Some(channel) = channel(&mut domains, local, port) {
            channel.pending = true;
        }
        if let Some(channel) = channel(&mut domains, remote, remote_port) {
            channel.link = Link::Bound(local, port);
        }
        Ok(port)
    }

    /// Closes one port.
    pub(super) fn close(&self, domid: DomId, port: Port) {
        let mut domains = lock(&self.domains);
        let closed = domains.get_mut(&domid).and_then(|ports| ports.open.remove(&port));
        if let Some(Channel { link: Link::Bound(remote, remote_port), .. }) = closed {
            unbind(&mut domains, remote, remote_port, domid);
        }
    }

    /// What a port is connected to; `None` when it is closed.
    pub(super) fn link(&self, domid: DomId, port: Port) -> Option<Link> {
        channel(&mut lock(&self.domains), domid, port).map(|channel| channel.link)
    }

    /// Sends an event through a port. Sending into an unbound port is lost without an error, as in Xen.
    pub(super) fn notify(&self, domid: DomId, port: Port) -> Result<(), i32> {
        let handler = {
            let mut domains = lock(&self.domains);
            let Some(from) = channel(&mut domains, domid, port) else { return Err(libc::EINVAL) };
            let Link::Bound(remote, remote_port) = from.link else { return Ok(()) };
            let Some(to) = channel(&mut domains, remote, remote_port) else { return Ok(()) };
            to.pending = true;
            to.handler.clone()
        };
        self.arrived.notify_all();
        if let Some(handler) = handler {
            handler();
        }
        Ok(())
    }

    /// Sets who is called when an event arrives, at once too when one waits already.
    pub(super) fn set_handler(&self, domid: DomId, port: Port, handler: Handler) -> Result<(), i32> {
        let pending = {
            let mut domains = lock(&self.domains);
            let channel = channel(&mut domains, domid, port).ok_or(libc::EINVAL)?;
            channel.handler = Some(Arc::clone(&handler));
            channel.pending
        };
        if pending {
            handler();
        }
        Ok(())
    }

    /// Takes a waiting event.
    pub(super) fn take(&self, domid: DomId, port: Port) -> bool {
        channel(&mut lock(&self.domains), domid, port)
            .is_some_and(|channel| std::mem::take(&mut channel.pending))
    }

    /// Waits for an event and takes it; `false` when none came in time or the port is closed.
    pub(super) fn wait(&self, domid: DomId, port: Port, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut domains = lock(&self.domains);
        loop {
            let Some(waiting) = channel(&mut domains, domid, port) else { return false };
            if std::mem::take(&mut waiting.pending) {
                return true;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            domains = self.arrived.wait_timeout(domains, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

fn channel(domains: &mut BTreeMap<DomId, Ports>, domid: DomId, port: Port) -> Option<&mut Channel> {
    domains.get_mut(&domid)?.open.get_mut(&port)
}

/// Opens the lowest free port.
fn open(domains: &mut BTreeMap<DomId, Ports>, domid: DomId, link: Link) -> Result<Port, i32> {
    let ports = domains.get_mut(&domid).ok_or(libc::ESRCH)?;
    let port = ports.open.keys().zip(1..).find_map(|(&used, free)| (used != free).then_some(free));
    let port = port.unwrap_or(ports.open.len() as Port + 1);
    if port > ports.max_port {
        return Err(libc::ENOSPC);
    }
    ports.open.insert(port, Channel { link, pending: false, handler: None });
    Ok(port)
}

/// Puts the other end of a closed port back to waiting.
fn unbind(domains: &mut BTreeMap<DomId, Ports>, domid: DomId, port: Port, closed: DomId) {
    if let Some(channel) = channel(domains, domid, port) {
        channel.link = Link::Unbound(closed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::{Channels, Link};
    use crate::DomId;

    const GUEST: DomId = DomId(3);

    fn channels() -> Channels {
        let channels = Channels::default();
        channels.add_domain(DomId::DOM0, 1023);
        channels.add_domain(GUEST, 3);
        channels
    }

    #[test]
    fn ports_start_at_1_and_the_lowest_free_one_is_next() {
        let channels = channels();
        let ports: Vec<_> = (0..4).map(|_| channels.alloc_unbound(GUEST, DomId::DOM0)).collect();
        assert_eq!(ports, [Ok(1), Ok(2), Ok(3), Err(libc::ENOSPC)]);
        channels.close(GUEST, 2);
        assert_eq!(channels.alloc_unbound(GUEST, DomId::DOM0), Ok(2));
    }

    #[test]
    fn an_event_reaches_the_other_end_once() {
        let channels = channels();
        let port = channels.alloc_unbound(GUEST, DomId::DOM0).unwrap();
        let remote = channels.bind(DomId::DOM0, GUEST, port).unwrap();
        assert!(channels.take(DomId::DOM0, remote), "a fresh binding has an event pending");
        let calls = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&calls);
        let count = Arc::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
        });
        channels.set_handler(DomId::DOM0, remote, count).unwrap();
        channels.notify(GUEST, port).unwrap();
        assert_eq!(calls.load(Ordering::SeqCst), 1);
        assert!(channels.wait(DomId::DOM0, remote, Duration::ZERO));
        assert!(!channels.wait(DomId::DOM0, remote, Duration::ZERO));
        channels.notify(DomId::DOM0, remote).unwrap();
        assert!(channels.take(GUEST, port));
    }

    #[test]
    fn only_the_named_domain_binds_and_only_once() {
        let channels = channels();
        let port = channels.alloc_unbound(GUEST, DomId(9)).unwrap();
        assert_eq!(channels.bind(DomId::DOM0, GUEST, port), Err(libc::EINVAL));
        assert_eq!(channels.bind(DomId::DOM0, DomId(8), 1), Err(libc::ESRCH));
        let port = channels.alloc_unbound(GUEST, DomId::DOM0).unwrap();
        channels.bind(DomId::DOM0, GUEST, port).unwrap();
        assert_eq!(channels.bind(DomId::DOM0, GUEST, port), Err(libc::EINVAL));
    }

    #[test]
    fn the_end_of_a_domain_unbinds_the_other_side() {
        let channels = channels();
        let port = channels.alloc_unbound(GUEST, DomId::DOM0).unwrap();
        let remote = channels.bind(DomId::DOM0, GUEST, port).unwrap();
        channels.remove_domain(GUEST);
        assert_eq!(channels.link(DomId::DOM0, remote), Some(Link::Unbound(GUEST)));
        assert_eq!(channels.notify(DomId::DOM0, remote), Ok(()));
        assert_eq!(channels.notify(GUEST, port), Err(libc::EINVAL));
    }
}
