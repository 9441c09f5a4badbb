//! The table of our domains: who is who, and the way to each one's task. Locked for look-ups only, never while
//! anything waits.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures_util::future::join_all;
use hypervisor::DomId;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout, timeout_at},
};
use uuid::Uuid;

use super::{
    RequestError,
    retry::Retry,
    rules::{Asked, ShutdownReason},
    task::{Completion, Message, PausedBy, Task},
    view::{View, view_of},
};
use crate::{
    devices,
    domain::{ConfigFault, DomainConfig, DomainRecord, ManagedConfig, Phase, VbdConfig},
    operations::{Context, Domain},
};

/// Types of disks that need no script of their own; the empty one is a drive without a medium.
const OWN_DISKS: [&str; 5] = ["", "phy", "file", "tap", "tap2"];

/// How long a new domain waits for one of its name that is being taken away.
const LEAVING_LIMIT: Duration = Duration::from_secs(30);

/// How long a daemon that stops waits for a domain that is busy.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// All domains of this host, as requests see them.
#[derive(Clone)]
pub struct Manager {
    pub(super) context: Context,
    table: Arc<Mutex<Tables>>,
    /// Who writes the store of managed domains: one at a time, in the order in which they came.
    pub(super) pen: Arc<tokio::sync::Mutex<()>>,
    /// Whether the store of managed domains has been read; before that nobody knows whether a domain is managed.
    pub(super) loaded: Arc<watch::Sender<bool>>,
}

/// The domains that exist or are being made, and the managed ones, whether they exist at this moment or not.
#[derive(Default)]
pub(super) struct Tables {
    pub(super) live: HashMap<Uuid, Entry>,
    pub(super) managed: HashMap<Uuid, Managed>,
    /// Identity and name of the one that is just being written into the store.
    pub(super) coming: Option<(Uuid, String)>,
}

/// A managed domain.
pub(super) struct Managed {
    pub(super) config: Arc<ManagedConfig>,
    pub(super) claim: Claim,
}

/// What is being done with a managed domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Claim {
    /// Nothing.
    Free,
    /// It is started.
    Starting,
    /// It is deleted.
    Leaving,
}

impl Tables {
    /// The domain of ours that exists and has this name or UUID.
    pub(super) fn clash(&self, name: &str, uuid: Uuid) -> Option<(Uuid, &Entry)> {
        let same = |(other, entry): &(&Uuid, &Entry)| **other == uuid || entry.name == name;
        self.live.iter().find(same).map(|(other, entry)| (*other, entry))
    }

    /// Whether a managed domain of another UUID has this name.
    pub(super) fn is_reserved(&self, name: &str, uuid: Uuid) -> bool {
        let managed = self.managed.iter().map(|(other, managed)| (*other, managed.config.name.as_str()));
        let coming = self.coming.iter().map(|(other, name)| (*other, name.as_str()));
        managed.chain(coming).any(|(other, taken)| other != uuid && taken == name)
    }
}

/// One of our domains.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) queue: mpsc::UnboundedSender<Message>,
    pub(super) view: watch::Receiver<View>,
}

impl Manager {
    /// With an empty table; [`Manager::adopt`] fills it.
    pub fn new(context: Context) -> Self {
        let loaded = Arc::new(watch::Sender::new(false));
        Self { context, table: Arc::default(), pen: Arc::default(), loaded }
    }

    /// What operations work with.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// Makes a domain and leaves it paused, its devices still being connected. The answer is its number.
    pub async fn create(&self, config: DomainConfig) -> Result<DomId, RequestError> {
        self.make(config, Completion::LeftPaused).await
    }

    pub(super) async fn make(
        &self,
        config: DomainConfig,
        completion: Completion,
    ) -> Result<DomId, RequestError> {
        refuse_unknown_disks(&self.context, config.vbds())?;
        let name = config.name.clone();
        let uuid = config.uuid;
        if let Some(foreign) = self.find_foreign(&name, uuid).await? {
            return Err(RequestError::Exists { name, domid: Some(foreign.0) });
        }
        self.wait_for_leaving(&name, uuid).await?;
        let (reply, answer) = oneshot::channel();
        let domain = Domain::new(DomainRecord::creating(config));
        let entry = self.start_task(domain, End::Open, Message::Create(completion, reply))?;
        answer.await.map_err(|_| RequestError::WentAway { name: name.clone() })??;
        let domid = entry.view.borrow().domid;
        domid.ok_or(RequestError::WentAway { name })
    }

    /// A domain that a client saw go may still have its nodes and its record: waits until its name and UUID are free.
    pub(super) async fn wait_for_leaving(&self, name: &str, uuid: Uuid) -> Result<(), RequestError> {
        let deadline = Instant::now() + LEAVING_LIMIT;
        while let Some((other, entry)) = self.clash(name, uuid) {
            if !self.is_leaving(other, &entry).await? {
                return Ok(());
            }
            Self::look(&entry);
            if timeout_at(deadline, entry.queue.closed()).await.is_err() {
                return Ok(());
            }
            // Its place in the table goes right behind its queue.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    async fn is_leaving(&self, uuid: Uuid, entry: &Entry) -> Result<bool, RequestError> {
        let (phase, domid) = {
            let view = entry.view.borrow();
            (view.phase, view.domid)
        };
        match (phase, domid) {
            (Phase::Ending, _) => Ok(true),
            (Phase::Creating | Phase::Starting | Phase::Restarting, _) | (Phase::Live, None) => Ok(false),
            (Phase::Live, Some(domid)) => {
                let info = self.context.with_xen(move |xen| xen.info(domid)).await;
                let info = info.map_err(|source| RequestError::Xen { act: "look at the domain", source })?;
                Ok(!info.is_some_and(|info| info.uuid == uuid && !info.flags.dying))
            }
        }
    }

    /// The domain of ours that has this name or UUID.
    fn clash(&self, name: &str, uuid: Uuid) -> Option<(Uuid, Entry)> {
        self.lock().clash(name, uuid).map(|(other, entry)| (other, entry.clone()))
    }

    /// Pauses or unpauses a domain of ours.
    pub async fn vcpus(&self, uuid: Uuid, asked: Asked) -> Result<(), RequestError> {
        self.ask(&self.entry(uuid)?, |reply| Message::Vcpus(asked, reply)).await
    }

    /// Asks the guest of a domain of ours to end.
    pub async fn shutdown(&self, uuid: Uuid, reason: ShutdownReason) -> Result<(), RequestError> {
        self.ask(&self.entry(uuid)?, |reply| Message::Shutdown(reason, reply)).await
    }

    /// Ends a domain of ours; it is gone when this returns.
    pub async fn destroy(&self, uuid: Uuid) -> Result<(), RequestError> {
        match self.ask(&self.entry(uuid)?, Message::Destroy).await {
            // It went of itself meanwhile, which is what was wanted.
            Err(RequestError::WentAway { .. }) if !self.infos()?.iter().any(|info| info.uuid == uuid) => {
                Ok(())
            }
            other => other,
        }
    }

    /// The daemon is being stopped: guests whose `on_xend_stop` says so are asked to end. Nobody waits for them, nor
    /// for a domain that is busy with something else. A domain that its creator still waits for stays: the creator
    /// goes on with it when the daemon is back.
    pub async fn act_on_stop(&self) {
        let asked = self.entries().into_iter().map(|(uuid, entry)| async move {
            let (wanted, in_hand) = {
                let view = entry.view.borrow();
                let action = view.config.plain_value("on_xend_stop").and_then(xend_api::Sxp::text);
                (action == Some("shutdown"), view.in_hand)
            };
            if in_hand && let Ok(Err(fault)) = timeout(STOP_LIMIT, self.ask(&entry, Message::Settle)).await {
                tracing::warn!(name = %entry.name, "not kept for its creator: {fault}");
            }
            if !wanted {
                return;
            }
            match timeout(STOP_LIMIT, self.shutdown(uuid, ShutdownReason::Poweroff)).await {
                Ok(Ok(())) => {}
                Ok(Err(fault)) => tracing::warn!(name = %entry.name, "on_xend_stop: {fault}"),
                Err(_) => {
                    tracing::warn!(name = %entry.name, "on_xend_stop: the domain is busy; it is not asked")
                }
            }
        });
        join_all(asked).await;
    }

    /// Remembers who paused a domain of ours.
    pub async fn set_paused_by(&self, uuid: Uuid, by: PausedBy) -> Result<(), RequestError> {
        self.ask(&self.entry(uuid)?, |reply| Message::PauseFlag(by, reply)).await
    }

    /// Waits until the devices of a domain of ours are connected, or one of them is not to be.
    pub async fn wait_for_devices(&self, uuid: Uuid) -> Result<(), RequestError> {
        let entry = self.entry(uuid)?;
        let view = entry.view.borrow().clone();
        if let Some(mut wiring) = view.wiring {
            let name = view.config.name.clone();
            devices::outcome(&mut wiring).await.map_err(|fault| RequestError::Device { name, fault })?;
        }
        self.ask(&entry, Message::Settle).await
    }

    /// Tells the task of a domain to look at it. Nobody waits for what it finds.
    pub(super) fn look(entry: &Entry) {
        // A task that is gone has nothing to look at.
        let _ = entry.queue.send(Message::Look(None));
    }

    /// All our domains.
    pub(super) fn entries(&self) -> Vec<(Uuid, Entry)> {
        self.lock().live.iter().map(|(uuid, entry)| (*uuid, entry.clone())).collect()
    }

    pub(super) fn entry(&self, uuid: Uuid) -> Result<Entry, RequestError> {
        let gone = || RequestError::NoDomain { designator: uuid.to_string() };
        self.lock().live.get(&uuid).cloned().ok_or_else(gone)
    }

    /// Puts a domain into the table, unless one with its name or UUID is there, and starts its task.
    /// `first` is in its queue before anybody can find it: a look in front of it would find nothing and undo that.
    pub(super) fn start_task(&self, domain: Domain, end: End, first: Message) -> Result<Entry, RequestError> {
        let (queue, messages) = mpsc::unbounded_channel();
        queue.send(first).expect("its receiver is held here");
        let (publish, view) = watch::channel(view_of(&domain));
        let (name, uuid) = (domain.name(), domain.uuid());
        let entry = Entry { name: name.clone(), queue, view };
        {
            let mut table = self.lock();
            if let Some((_, there)) = table.clash(&name, uuid) {
                let domid = there.view.borrow().domid.map(|domid| domid.0);
                return Err(RequestError::Exists { name, domid });
            }
            if table.is_reserved(&name, uuid) {
                return Err(RequestError::NameTaken { name, domid: None });
            }
            table.live.insert(uuid, entry.clone());
        }
        let task = Task {
            manager: self.clone(),
            context: self.context.clone(),
            domain,
            queue: messages,
            view: publish,
            paused_by: PausedBy::Nobody,
            preserved: matches!(end, End::Preserved),
            shutdown_notice: None,
            retry: Retry::default(),
            unrecorded: false,
            in_hand: None,
            put_off: VecDeque::new(),
            place: Some(Place { table: self.table.clone(), uuid }),
        };
        tokio::spawn(task.work());
        Ok(entry)
    }

    pub(super) async fn ask<T>(
        &self,
        entry: &Entry,
        message: impl FnOnce(oneshot::Sender<Result<T, RequestError>>) -> Message,
    ) -> Result<T, RequestError> {
        let gone = || RequestError::WentAway { name: entry.name.clone() };
        let (reply, answer) = oneshot::channel();
        entry.queue.send(message(reply)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Tables> {
        // Nothing panics between lock and unlock, and a map that was being read is whole.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A disk of a type that is not ours needs a script `block-TYPE`.
pub(super) fn refuse_unknown_disks<'a>(
    context: &Context,
    vbds: impl Iterator<Item = &'a VbdConfig>,
) -> Result<(), RequestError> {
    let foreign = vbds.map(|vbd| vbd.kind.as_str()).filter(|kind| !OWN_DISKS.contains(kind));
    let missing = foreign.filter(|kind| context.places.find_script(&format!("block-{kind}")).is_none());
    let faults: Vec<_> = missing.map(|kind| ConfigFault::VbdKind { kind: kind.to_owned() }).collect();
    if faults.is_empty() { Ok(()) } else { Err(RequestError::Config { faults }) }
}

/// Whether a domain that is put into the table has ended for good and is only kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// It has not.
    Open,
    /// `on_…` = preserve has been done.
    Preserved,
}

/// A task's place in the table; dropping it, also by a panic, makes name and UUID free again.
pub(super) struct Place {
    table: Arc<Mutex<Tables>>,
    uuid: Uuid,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.table.lock().unwrap_or_else(PoisonError::into_inner).live.remove(&self.uuid);
    }
}
