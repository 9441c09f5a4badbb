//! Devices of domains that live and of managed ones: attached, detached, given another medium. A live domain's task does
//! it, one after the other, and listens for a destruction meanwhile; a managed domain's stored configuration follows.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tracing::{info, warn};
use uuid::Uuid;
use xend_api::Sxp;

use super::{
    Manager, Refusal, RequestError,
    aside::{Aside, Served},
    rules::{Asked, Verdict, admit},
    table::{Claim, refuse_unknown_disks},
    task::{Message, Next, Reply, Task},
};
use crate::{
    domain::{DeviceChange, DeviceConfig, DeviceId, ManagedConfig},
    operations::{self, Changed, Context, Detach, Domain, OperationError, chain},
};

/// How soon a change that could not be finished is tried again, and how late at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// What is done with a device of a live domain.
pub(super) enum DeviceRequest {
    /// `(vbd …)`, `(vif …)`: one more.
    Attach(Sxp),
    /// One less.
    Detach(DeviceId, Detach),
    /// `(vbd …)`: a drive with another medium.
    Change(Sxp),
    /// The guest has let go: what was asked of it before is finished.
    Finish(DeviceId),
}

/// Waits for some work. What is asked meanwhile is served where `aside` can, and put off otherwise; `None` when the domain
/// is to be destroyed or has ended, which is the next message then.
pub(super) async fn unless_destroyed<T>(
    queue: &mut mpsc::UnboundedReceiver<Message>,
    put_off: &mut VecDeque<Message>,
    aside: Option<&mut Aside>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::pin!(work);
    let mut aside = aside;
    loop {
        tokio::select! {
            biased;
            Some(message) = queue.recv() => {
                if matches!(message, Message::Destroy(_)) {
                    put_off.push_front(message);
                    return None;
                }
                match aside.as_deref_mut() {
                    None => put_off.push_back(message),
                    Some(aside) => match aside.serve(message).await {
                        Served::Done => {}
                        Served::Not(message) => put_off.push_back(message),
                        Served::Ended(message) => {
                            put_off.push_front(message);
                            return None;
                        }
                    },
                }
            }
            done = &mut work => return Some(done),
        }
    }
}

impl Task {
    /// Carries out a request about a device, as the domain's task.
    pub(super) async fn device(&mut self, request: DeviceRequest, reply: Reply<DeviceConfig>) -> Next {
        let done = self.change_device(request).await;
        self.publish();
        let _ = reply.send(done);
        Next::Wait
    }

    async fn change_device(&mut self, request: DeviceRequest) -> Result<DeviceConfig, RequestError> {
        let standing = self.standing().await?;
        if let Verdict::Refuse(refusal) = admit(standing, Asked::Devices) {
            return Err(RequestError::Refused { name: self.name(), refusal });
        }
        // Somebody works with it: it is not given up with its creator any more.
        self.settle().await?;
        let refused = |faults| RequestError::Config { faults };
        let record = &self.domain.record;
        match request {
            DeviceRequest::Attach(form) => {
                let device = record.config.new_device(&form, record.next_vif).map_err(refused)?;
                self.refuse_unknown_source(&device)?;
                self.perform("attach", device.clone(), Work::Attach(device)).await
            }
            DeviceRequest::Change(form) => match record.config.new_medium(&form).map_err(refused)? {
                Some(drive) if record.changes.contains(&DeviceChange::Detaching(drive.id())) => {
                    Err(RequestError::NoDevice { device: drive.id().devid.to_string() })
                }
                Some(drive) => {
                    self.refuse_unknown_source(&drive)?;
                    self.perform("change", drive.clone(), Work::Change(drive)).await
                }
                None => Err(RequestError::NoMedium { form }),
            },
            DeviceRequest::Detach(id, how) => {
                let device = self.known_device(id)?;
                self.perform("detach", device.clone(), Work::Detach(device, how)).await
            }
            DeviceRequest::Finish(id) => {
                let device = self.known_device(id)?;
                let change = record.changes.iter().find(|change| change.device() == id);
                match change {
                    Some(DeviceChange::Detaching(_)) => {
                        self.perform("detach", device.clone(), Work::Detach(device, Detach::Asked)).await
                    }
                    Some(DeviceChange::Changing(_)) => self.perform("change", device, Work::Finish(id)).await,
                    Some(DeviceChange::Attaching(_)) | None => Ok(device),
                }
            }
        }
    }

    fn refuse_unknown_source(&self, device: &DeviceConfig) -> Result<(), RequestError> {
        match device {
            DeviceConfig::Vbd(vbd) => refuse_unknown_disks(&self.context, std::iter::once(vbd)),
            DeviceConfig::Vif(_) => Ok(()),
        }
    }

    fn known_device(&self, id: DeviceId) -> Result<DeviceConfig, RequestError> {
        let device = self.domain.record.config.device(id).cloned();
        device.ok_or_else(|| RequestError::NoDevice { device: id.devid.to_string() })
    }

    async fn perform(
        &mut self,
        act: &'static str,
        device: DeviceConfig,
        work: Work,
    ) -> Result<DeviceConfig, RequestError> {
        let id = device.id();
        let (name, class, devid) = (self.name(), id.class, id.devid);
        info!(%name, class, devid, "{act} begins");
        let mut aside = Aside::of(self);
        let place = Workplace { manager: &self.manager, context: &self.context, domain: &mut self.domain };
        let done = place.carry_out(work);
        let done = unless_destroyed(&mut self.queue, &mut self.put_off, Some(&mut aside), done).await;
        self.paused_by = aside.paused_by;
        let failed = match done {
            None => return Err(RequestError::WentAway { name }),
            Some(Ok(())) => {
                info!(%name, class, devid, "{act} done");
                return Ok(device);
            }
            Some(Err(Failure::Stored(fault))) => fault,
            Some(Err(Failure::Operation(source))) => {
                RequestError::Failed { operation: act, name, source: Arc::new(source) }
            }
        };
        warn!(name = %self.name(), class, devid, "{}", chain(&failed));
        Err(failed)
    }

    /// The domain ends, or is made anew: what it was to lose, or to have another medium of, counts as done, what it was
    /// just being given does not.
    pub(super) async fn store_pending(&self) {
        let record = &self.domain.record;
        for change in &record.changes {
            let Some(device) = record.config.device(change.device()) else { continue };
            let stored = match change {
                // Nobody was told of the one, and the other was to go.
                DeviceChange::Attaching(_) | DeviceChange::Detaching(_) => {
                    self.manager
                        .store_device(record.config.uuid, |config| config.without_device(device))
                        .await
                }
                DeviceChange::Changing(_) => {
                    self.manager.store_device(record.config.uuid, |config| config.with_device(device)).await
                }
            };
            if let Err(fault) = stored {
                warn!(name = %self.name(), "{}", chain(&fault));
            }
        }
    }

    /// After a restart of the daemon: what was being attached has no one who knows of it.
    pub(super) async fn withdraw_attached(&mut self) {
        let changes = self.domain.record.changes.clone();
        for change in changes {
            if let DeviceChange::Attaching(id) = change {
                info!(name = %self.name(), class = id.class, devid = id.devid, "was being attached: taken back");
                let device = self.domain.record.config.device(id).cloned();
                operations::withdraw(&self.context, &mut self.domain, id).await;
                // The earlier life may have come as far as the stored configuration.
                let Some(device) = device else { continue };
                let uuid = self.domain.uuid();
                let stored = self.manager.store_device(uuid, |config| config.without_device(&device)).await;
                if let Err(fault) = stored {
                    warn!(name = %self.name(), "{}", chain(&fault));
                }
            }
        }
        // Before whoever waits for the look is told that it is over.
        self.publish();
    }
}

/// One of the operations.
enum Work {
    Attach(DeviceConfig),
    Detach(DeviceConfig, Detach),
    Change(DeviceConfig),
    Finish(DeviceId),
}

/// Why a request about a device was not carried out.
enum Failure {
    /// The domain's side of it.
    Operation(OperationError),
    /// The stored configuration of a managed domain.
    Stored(RequestError),
}

/// What the work on a device needs of the domain's task.
struct Workplace<'a> {
    manager: &'a Manager,
    context: &'a Context,
    domain: &'a mut Domain,
}

impl Workplace<'_> {
    /// Does it: the domain first, then its stored configuration, then the record forgets the change. In this order a
    /// life of the daemon that finds the change does the rest again, and nothing is done twice.
    async fn carry_out(self, work: Work) -> Result<(), Failure> {
        let Self { manager, context, domain } = self;
        let uuid = domain.uuid();
        match work {
            Work::Attach(device) => {
                let id = device.id();
                operations::attach(context, domain, device.clone()).await.map_err(Failure::Operation)?;
                let stored = manager.store_device(uuid, |config| config.with_device(&device)).await;
                let concluded = match stored {
                    Ok(()) => operations::conclude(context, domain, id).await.map_err(Failure::Operation),
                    Err(fault) => Err(Failure::Stored(fault)),
                };
                if concluded.is_err() {
                    operations::withdraw(context, domain, id).await;
                    let back = manager.store_device(uuid, |config| config.without_device(&device)).await;
                    if let Err(fault) = back {
                        warn!(name = %domain.record.config.name, "{}", chain(&fault));
                    }
                }
                concluded
            }
            Work::Detach(device, how) => {
                let id = device.id();
                operations::detach(context, domain, id, how).await.map_err(Failure::Operation)?;
                let stored = manager.store_device(uuid, |config| config.without_device(&device)).await;
                stored.map_err(Failure::Stored)?;
                conclude(context, domain, id).await;
                Ok(())
            }
            Work::Change(drive) => {
                let id = drive.id();
                let changed = operations::change_medium(context, domain, drive).await;
                Workplace { manager, context, domain }.settle(id, changed).await
            }
            Work::Finish(id) => {
                let changed = operations::finish_change(context, domain, id, None).await;
                Workplace { manager, context, domain }.settle(id, changed).await
            }
        }
    }

    /// After a change of media: whatever the drive has now is stored.
    async fn settle(self, id: DeviceId, changed: Result<Changed, OperationError>) -> Result<(), Failure> {
        let Self { manager, context, domain } = self;
        let changed = changed.map_err(Failure::Operation)?;
        if let (Changed::Done, Some(drive)) = (&changed, domain.record.config.device(id)) {
            let stored = manager.store_device(domain.uuid(), |config| config.with_device(drive)).await;
            stored.map_err(Failure::Stored)?;
        }
        conclude(context, domain, id).await;
        match changed {
            Changed::Done => Ok(()),
            Changed::PutBack(why) => Err(Failure::Operation(why)),
        }
    }
}

/// Whoever finds the record as it was comes to the same end, so a full disk is no failure of what has been done.
async fn conclude(context: &Context, domain: &mut Domain, id: DeviceId) {
    if let Err(unwritten) = operations::conclude(context, domain, id).await {
        warn!(name = %domain.record.config.name, "{}; tried again later", chain(&unwritten));
    }
}

impl Manager {
    /// Gives a device to a live domain of ours; it is connected on this side when this returns.
    pub async fn attach(&self, uuid: Uuid, form: Sxp) -> Result<DeviceConfig, RequestError> {
        self.ask_device(uuid, DeviceRequest::Attach(form)).await
    }

    /// Takes a device from a live domain of ours. What the guest keeps goes as soon as it lets go of it.
    pub async fn detach(&self, uuid: Uuid, id: DeviceId, how: Detach) -> Result<(), RequestError> {
        let asked = self.ask_device(uuid, DeviceRequest::Detach(id, how)).await;
        self.follow(uuid, id);
        asked.map(drop)
    }

    /// Gives a drive of a live domain of ours another medium.
    pub async fn change_medium(&self, uuid: Uuid, form: Sxp) -> Result<(), RequestError> {
        let id = self.view_of(uuid)?.config.new_medium(&form).ok().flatten().map(|drive| drive.id());
        let asked = self.ask_device(uuid, DeviceRequest::Change(form)).await;
        if let Some(id) = id {
            self.follow(uuid, id);
        }
        asked.map(drop)
    }

    async fn ask_device(&self, uuid: Uuid, request: DeviceRequest) -> Result<DeviceConfig, RequestError> {
        self.ask(&self.entry(uuid)?, |reply| Message::Device(request, reply)).await
    }

    /// Where a change is not over, because the guest keeps the device or something failed, somebody has to be there when it
    /// lets go; and again after a failure.
    pub(super) fn follow(&self, uuid: Uuid, id: DeviceId) {
        let Ok(entry) = self.entry(uuid) else { return };
        let is_pending = move |view: &super::View| {
            view.changes
                .iter()
                .any(|change| change.device() == id && !matches!(change, DeviceChange::Attaching(_)))
        };
        if !is_pending(&entry.view.borrow()) {
            return;
        }
        let manager = self.clone();
        tokio::spawn(async move {
            let mut pause = FIRST_PAUSE;
            while is_pending(&entry.view.borrow()) {
                let Some(domid) = entry.view.borrow().domid else { return };
                let released = tokio::select! {
                    released = operations::until_let_go(&manager.context, domid.0, id) => released,
                    () = entry.queue.closed() => return,
                };
                match released {
                    Ok(()) => match manager.ask_device(uuid, DeviceRequest::Finish(id)).await {
                        Ok(_) => {}
                        Err(fault) => warn!(name = %entry.name, "{}", chain(&fault)),
                    },
                    Err(fault) => warn!(name = %entry.name, "{}", chain(&fault)),
                }
                tokio::select! {
                    () = tokio::time::sleep(pause) => pause = (pause * 2).min(LONGEST_PAUSE),
                    () = entry.queue.closed() => return,
                }
            }
        });
    }

    fn view_of(&self, uuid: Uuid) -> Result<super::View, RequestError> {
        Ok(self.entry(uuid)?.view.borrow().clone())
    }

    /// The stored configuration follows what was done to the live domain, if it is a managed one.
    pub(super) async fn store_device(
        &self,
        uuid: Uuid,
        change: impl FnOnce(&ManagedConfig) -> ManagedConfig,
    ) -> Result<(), RequestError> {
        match self.change_stored(uuid, |config| Ok(change(config))).await {
            Err(RequestError::NoDomain { .. }) => Ok(()),
            other => other,
        }
    }

    /// Adds a device to a managed domain that does not run.
    pub async fn attach_stored(&self, uuid: Uuid, form: &Sxp) -> Result<(), RequestError> {
        let refused = |faults| RequestError::Config { faults };
        let with_form = |config: &ManagedConfig| {
            let (changed, device) = config.with_form(form).map_err(refused)?;
            if let Some(DeviceConfig::Vbd(vbd)) = &device {
                refuse_unknown_disks(&self.context, std::iter::once(vbd))?;
            }
            Ok(changed)
        };
        self.change_halted(uuid, with_form).await
    }

    /// Takes a device from a managed domain that does not run.
    pub async fn detach_stored(
        &self,
        uuid: Uuid,
        class: &'static str,
        device: &str,
    ) -> Result<(), RequestError> {
        let missing = || RequestError::NoDevice { device: device.to_owned() };
        self.change_halted(uuid, |config| config.without(class, device).ok_or_else(missing)).await
    }

    /// Gives a drive of a managed domain that does not run another medium.
    pub async fn change_stored_medium(&self, uuid: Uuid, form: &Sxp) -> Result<(), RequestError> {
        let changed = |config: &ManagedConfig| {
            let changed = config.with_medium(form).map_err(|faults| RequestError::Config { faults })?;
            changed.ok_or_else(|| RequestError::NoMedium { form: form.clone() })
        };
        self.change_halted(uuid, changed).await
    }

    /// The same as [`Manager::change_stored`] where nobody would tell a domain that is on its way of it.
    async fn change_halted(
        &self,
        uuid: Uuid,
        change: impl FnOnce(&ManagedConfig) -> Result<ManagedConfig, RequestError>,
    ) -> Result<(), RequestError> {
        self.change_stored(uuid, |config| {
            let in_motion = {
                let tables = self.lock();
                let is_claimed = tables.managed.get(&uuid).is_some_and(|m| m.claim != Claim::Free);
                is_claimed || tables.live.contains_key(&uuid)
            };
            if in_motion {
                return Err(RequestError::Refused { name: config.name.clone(), refusal: Refusal::InMotion });
            }
            change(config)
        })
        .await
    }
}

/// What a domain of another tool is answered.
impl RequestError {
    /// Its devices are its tool's business.
    pub fn foreign(name: &str) -> Self {
        Self::Refused { name: name.to_owned(), refusal: Refusal::Foreign }
    }
}
