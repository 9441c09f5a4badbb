//! The task that owns one domain. Requests and news come through its queue, one after the other; what may happen is
//! decided by [`super::rules`], done by `operations`. Everybody else sees the domain through [`View`].

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hypervisor::{DomId, DomainInfo, ShutdownCode};
use tokio::sync::{mpsc, oneshot, watch};
use tracing::{error, info, warn};
use uuid::Uuid;
use xend_api::classic::log as classic;
use xenstore::paths::{self, node};

use super::{
    Manager, RequestError,
    hotplug::DeviceRequest,
    retry::Retry,
    rules::{Asked, Ending, Need, Outcome, ShutdownReason, Standing, Verdict, admit, check, policy},
    table::Place,
    view::{View, view_of},
};
use crate::{
    domain::{DeviceConfig, Phase},
    operations::{Context, Domain, Operation, OperationError, Step, chain, plan, run},
};

pub(super) type Reply<T> = oneshot::Sender<Result<T, RequestError>>;

/// What a domain's task is sent.
pub(super) enum Message {
    /// Make it. The first message of a new domain.
    Create(Completion, Reply<()>),
    /// Its devices are connected, and whoever asked for it is about to be told: from now on it outlives the daemon.
    Settle(Reply<()>),
    /// Pause or unpause it.
    Vcpus(Asked, Reply<()>),
    /// Ask the guest to end.
    Shutdown(ShutdownReason, Reply<()>),
    /// End it.
    Destroy(Reply<()>),
    /// Give it a device, take one away, change one.
    Device(DeviceRequest, Reply<DeviceConfig>),
    /// Remember who paused it.
    PauseFlag(PausedBy, Reply<()>),
    /// Look at it: something happened. Whoever waits is told when the look is over.
    Look(Option<oneshot::Sender<()>>),
}

/// When a new domain counts as made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Completion {
    /// Paused, its devices still being connected: its client does the rest.
    LeftPaused,
    /// Paused, its devices connected.
    Connected,
    /// It runs.
    Runs,
}

/// Who paused a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PausedBy {
    /// `xm pause`.
    Admin,
    /// Nobody, or an operation.
    Nobody,
}

/// The task's own things.
pub(super) struct Task {
    /// For the stored configuration of a managed domain.
    pub(super) manager: Manager,
    pub(super) context: Context,
    pub(super) domain: Domain,
    pub(super) queue: mpsc::UnboundedReceiver<Message>,
    pub(super) view: watch::Sender<View>,
    pub(super) paused_by: PausedBy,
    pub(super) preserved: bool,
    /// When a shutdown request that the guest has not answered becomes worth a line in the log.
    pub(super) shutdown_notice: Option<tokio::time::Instant>,
    /// The look that follows a failure.
    pub(super) retry: Retry,
    /// The record on disk is behind: writing it failed.
    pub(super) unrecorded: bool,
    /// Complete, but its creator has not been told so yet. The record on disk still says that it is being made: with
    /// the daemon goes the creator's request, and with that the domain, which nobody would start.
    /// If the creator is not heard of again by this time, it has died.
    pub(super) in_hand: Option<tokio::time::Instant>,
    /// Messages that came while a restart waited for its devices.
    pub(super) put_off: VecDeque<Message>,
    /// Given up before the answer to the request that ends the domain: whoever asked may use the name at once.
    pub(super) place: Option<Place>,
}

/// Whether the task goes on.
pub(super) enum Next {
    Wait,
    End,
}

impl Task {
    /// Works until the domain is gone.
    pub(super) async fn work(mut self) {
        loop {
            let (notice, again, alone) = (self.shutdown_notice, self.retry.due(), self.in_hand);
            let next = match self.put_off.pop_front() {
                Some(message) => self.handle(message).await,
                None => tokio::select! {
                    message = self.queue.recv() => match message {
                        Some(message) => self.handle(message).await,
                        None => Next::End,
                    },
                    () = sleep_until(notice) => self.notice_silence().await,
                    () = sleep_until(again) => self.look().await,
                    () = sleep_until(alone) => self.give_up_on_creator().await,
                },
            };
            if matches!(next, Next::End) {
                return;
            }
            self.publish();
        }
    }

    async fn handle(&mut self, message: Message) -> Next {
        match message {
            Message::Create(completion, reply) => self.create(completion, reply).await,
            Message::Settle(reply) => {
                let answer = self.settle().await;
                self.publish();
                let _ = reply.send(answer);
                Next::Wait
            }
            Message::Vcpus(asked, reply) => {
                let answer = self.vcpus(asked).await;
                self.publish();
                let _ = reply.send(answer);
                Next::Wait
            }
            Message::Shutdown(reason, reply) => {
                let _ = reply.send(self.shutdown(reason).await);
                Next::Wait
            }
            Message::Destroy(reply) => {
                info!(name = %self.name(), "destroy requested");
                let gone = self.take_away(Operation::Destroy).await;
                match &gone {
                    Ok(()) => self.place = None,
                    Err(_) => self.retry.schedule(),
                }
                let next = if gone.is_ok() { Next::End } else { Next::Wait };
                let _ = reply.send(gone.map_err(|source| self.failed("destroy", source)));
                next
            }
            Message::PauseFlag(by, reply) => {
                self.paused_by = by;
                self.publish();
                let _ = reply.send(self.settle().await);
                Next::Wait
            }
            Message::Device(request, reply) => self.device(request, reply).await,
            Message::Look(done) => {
                let next = self.look().await;
                if matches!(next, Next::End) {
                    self.place = None;
                }
                if let Some(done) = done {
                    let _ = done.send(());
                }
                next
            }
        }
    }

    async fn vcpus(&mut self, asked: Asked) -> Result<(), RequestError> {
        let standing = self.standing().await?;
        match admit(standing, asked) {
            Verdict::AlreadyDone => return Ok(()),
            Verdict::Refuse(refusal) => {
                return Err(RequestError::Refused { name: self.name(), refusal });
            }
            Verdict::Queue => {}
        }
        let Some(domid) = self.domid() else { return Ok(()) };
        // Before its first instruction, also for a client that did not wait for the devices.
        self.settle().await?;
        set_running(&self.context, domid, &self.name(), asked).await
    }

    async fn shutdown(&mut self, reason: ShutdownReason) -> Result<(), RequestError> {
        let standing = self.standing().await?;
        if let Verdict::Refuse(refusal) = admit(standing, Asked::Shutdown) {
            return Err(RequestError::Refused { name: self.name(), refusal });
        }
        let Some(domid) = self.domid() else { return Ok(()) };
        ask_to_end(&self.context, domid, &self.name(), reason).await?;
        if !matches!(reason, ShutdownReason::Suspend | ShutdownReason::Crash) {
            self.shutdown_notice =
                Some(tokio::time::Instant::now() + self.context.settings().shutdown_notice);
        }
        Ok(())
    }

    /// The guest has not answered a shutdown request for a long time. Nothing is killed.
    async fn notice_silence(&mut self) -> Next {
        self.shutdown_notice = None;
        if let Some(domid) = self.domid() {
            info!("{}", classic::shutdown_timeout(&self.name(), domid.0));
            let path = paths::xend_node(domid.0, node::xend::UNRESPONSIVE);
            if let Err(error) = self.context.store.write(&path, "True").await {
                warn!(domid = domid.0, "{}", chain(&error));
            }
        }
        Next::Wait
    }

    /// Something happened to the domain, or may have: work out what it needs and do it.
    async fn look(&mut self) -> Next {
        self.retry.begin();
        if self.preserved {
            return self.look_at_preserved().await;
        }
        let standing = match self.standing().await {
            Ok(standing) => standing,
            Err(error) => {
                warn!(name = %self.name(), "{}", chain(&error));
                self.retry.schedule();
                return Next::Wait;
            }
        };
        match check(self.domain.record.phase, standing) {
            Need::Nothing if self.unrecorded => self.finish().await,
            Need::Nothing => {
                self.withdraw_attached().await;
                self.retry.reset();
                Next::Wait
            }
            Need::Undo => self.undo().await,
            Need::UndoAndCreate => self.restart().await,
            Need::Finish => self.finish().await,
            Need::ActOnEnd(ending) => self.act_on_end(ending).await,
        }
    }

    async fn look_at_preserved(&mut self) -> Next {
        match self.standing().await {
            Ok(Standing::Absent | Standing::Dying) => self.undo().await,
            _ => Next::Wait,
        }
    }

    pub(super) async fn undo(&mut self) -> Next {
        match self.take_away(Operation::Destroy).await {
            Ok(()) => Next::End,
            Err(source) => {
                error!(name = %self.name(), "{}", chain(&source));
                self.retry.schedule();
                Next::Wait
            }
        }
    }

    /// A restarted domain runs, only its record does not say so yet: the last step of the restart, also where the
    /// daemon ended just before it. The guest is not ended for a disk that is full.
    pub(super) async fn finish(&mut self) -> Next {
        let written = run(&self.context, &mut self.domain, &[Step::Record(Phase::Live)]).await;
        self.unrecorded = written.is_err();
        if let Err(source) = written {
            error!(name = %self.name(), "{}", chain(&source));
            self.retry.schedule();
        }
        Next::Wait
    }

    async fn act_on_end(&mut self, ending: Ending) -> Next {
        self.shutdown_notice = None;
        let Some(domid) = self.domid() else { return Next::Wait };
        let (name, reason) = (self.name(), ending_word(ending));
        match ending {
            Ending::Crash => warn!("{}", classic::has_crashed(&name, domid.0)),
            _ => info!("{}", classic::has_shutdown(&name, domid.0, reason)),
        }
        let age = self.age();
        let floor = self.context.settings().restart_floor;
        match policy(ending, self.domain.record.config.actions, age, floor) {
            Outcome::Leave => Next::Wait,
            Outcome::Destroy => self.undo().await,
            Outcome::RestartedTooFast => {
                error!("{}", classic::restarting_too_fast(&name, age.as_secs_f64()));
                self.undo().await
            }
            Outcome::Restart => self.restart().await,
            Outcome::Preserve => self.preserve(domid, reason).await,
        }
    }

    async fn preserve(&mut self, domid: DomId, reason: &'static str) -> Next {
        info!("{}", classic::preserving(&self.name(), domid.0));
        let vm = paths::vm(self.domain.uuid().to_string());
        let mut batch = xenstore::Batch::new();
        batch.write(paths::xend_node(domid.0, node::xend::SHUTDOWN_COMPLETED), "True");
        batch.write(paths::vm_xend_node(&vm, node::xend::LAST_SHUTDOWN_REASON), reason);
        if let Err(error) = self.context.store.commit(&batch).await {
            warn!(domid = domid.0, "{}", chain(&error));
        }
        self.preserved = true;
        Next::Wait
    }

    async fn take_away(&mut self, operation: Operation) -> Result<(), OperationError> {
        self.store_pending().await;
        // Before Xen lets go of it: whoever wants its name knows then that it will be free.
        self.view.send_modify(|view| view.phase = Phase::Ending);
        run(&self.context, &mut self.domain, &plan(operation)).await
    }

    pub(super) fn failed(&self, operation: &'static str, source: OperationError) -> RequestError {
        let failed = RequestError::Failed { operation, name: self.name(), source: Arc::new(source) };
        error!(name = %self.name(), "{}", chain(&failed));
        failed
    }

    /// How the domain stands in Xen, by its UUID.
    pub(super) async fn standing(&self) -> Result<Standing, RequestError> {
        let Some(domid) = self.domid() else { return Ok(Standing::Absent) };
        standing_in_xen(&self.context, domid, self.domain.uuid()).await
    }

    /// A start that lies ahead says that the clock was set back, and nothing of the guest: it counts as long ago, for
    /// a guest that reboots must not be lost for that.
    fn age(&self) -> Duration {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        Duration::try_from_secs_f64(now - self.domain.record.start_time).unwrap_or(Duration::MAX)
    }

    pub(super) fn name(&self) -> String {
        self.domain.name()
    }

    pub(super) fn domid(&self) -> Option<DomId> {
        self.domain.live.as_ref().map(|live| live.domid)
    }

    pub(super) fn domid_text(&self) -> u16 {
        self.domid().map_or(0, |domid| domid.0)
    }

    fn current_view(&self) -> View {
        View {
            paused_by_admin: self.paused_by == PausedBy::Admin,
            preserved: self.preserved,
            in_hand: self.in_hand.is_some(),
            ..view_of(&self.domain)
        }
    }

    pub(super) fn publish(&self) {
        self.view.send_replace(self.current_view());
    }
}

/// Pauses or unpauses a live domain.
pub(super) async fn set_running(
    context: &Context,
    domid: DomId,
    name: &str,
    asked: Asked,
) -> Result<(), RequestError> {
    let (act, done) = match asked {
        Asked::Pause => ("pause", context.with_xen(move |xen| xen.pause(domid)).await),
        _ => ("unpause", context.with_xen(move |xen| xen.unpause(domid)).await),
    };
    done.map_err(|source| RequestError::Failed {
        operation: act,
        name: name.to_owned(),
        source: Arc::new(OperationError::Xen { act, name: name.to_owned(), source }),
    })
}

/// Asks a guest to end, or ends it as a crash.
pub(super) async fn ask_to_end(
    context: &Context,
    domid: DomId,
    name: &str,
    reason: ShutdownReason,
) -> Result<(), RequestError> {
    if reason == ShutdownReason::Crash {
        let forced = context.with_xen(move |xen| xen.force_shutdown(domid, ShutdownCode::Crash)).await;
        return forced.map_err(|source| RequestError::Xen { act: "crash the domain", source });
    }
    let written = context.store.write(&paths::control_shutdown(domid.0), reason.word()).await;
    written.map_err(|source| RequestError::Store { act: "ask the guest to shut down", source })?;
    info!(domid = domid.0, %name, reason = reason.word(), "shutdown requested");
    Ok(())
}

/// How the domain of this number stands, if it is still the one with this UUID.
pub(super) async fn standing_in_xen(
    context: &Context,
    domid: DomId,
    uuid: Uuid,
) -> Result<Standing, RequestError> {
    let info = context
        .with_xen(move |xen| xen.info(domid))
        .await
        .map_err(|source| RequestError::Xen { act: "look at the domain", source })?;
    Ok(standing_of(info.filter(|info| info.uuid == uuid).as_ref()))
}

/// From what Xen says of a domain.
pub(super) fn standing_of(info: Option<&DomainInfo>) -> Standing {
    match info {
        None => Standing::Absent,
        Some(info) if info.flags.dying => Standing::Dying,
        Some(info) => match info.shutdown {
            Some(ShutdownCode::Poweroff) => Standing::Ended(Ending::Poweroff),
            Some(ShutdownCode::Reboot) => Standing::Ended(Ending::Reboot),
            Some(ShutdownCode::Suspend) => Standing::Ended(Ending::Suspend),
            Some(ShutdownCode::Crash) => Standing::Ended(Ending::Crash),
            Some(ShutdownCode::Watchdog | ShutdownCode::SoftReset | ShutdownCode::Other(_)) => {
                Standing::Ended(Ending::Other)
            }
            None if info.flags.paused => Standing::Paused,
            None => Standing::Running,
        },
    }
}

fn ending_word(ending: Ending) -> &'static str {
    match ending {
        Ending::Poweroff => "poweroff",
        Ending::Reboot => "reboot",
        Ending::Suspend => "suspend",
        Ending::Crash => "crash",
        Ending::Other => "halt",
    }
}

async fn sleep_until(when: Option<tokio::time::Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
