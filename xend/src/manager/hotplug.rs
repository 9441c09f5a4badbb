//! Devices of domains that live and of managed ones: attached, detached, given another medium. A live domain's task does
//! it, one after the other, and listens for a destruction meanwhile; a managed domain's stored configuration follows.

use std::sync::Arc;

use tokio::sync::mpsc;
use tracing::{info, warn};
use uuid::Uuid;
use xend_api::Sxp;

use super::{
    Manager, Refusal, RequestError,
    rules::{Asked, Verdict, admit},
    table::refuse_unknown_disks,
    task::{Message, Next, Reply, Task},
};
use crate::{
    domain::{DeviceChange, DeviceConfig, DeviceId, ManagedConfig},
    operations::{self, Detach, OperationError, chain},
};

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

/// Waits for some work and puts off what is asked meanwhile; `None` when the domain is to be destroyed, which is the next
/// message then.
pub(super) async fn unless_destroyed<T>(
    queue: &mut mpsc::UnboundedReceiver<Message>,
    put_off: &mut std::collections::VecDeque<Message>,
    work: impl Future<Output = T>,
) -> Option<T> {
    tokio::pin!(work);
    loop {
        tokio::select! {
            biased;
            Some(message) = queue.recv() => {
                if matches!(message, Message::Destroy(_)) {
                    put_off.push_front(message);
                    return None;
                }
                put_off.push_back(message);
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
                Some(drive) => {
                    self.refuse_unknown_source(&drive)?;
                    self.perform("change", drive.clone(), Work::Change(drive)).await
                }
                None => Err(RequestError::NoMedium { form }),
            },
            DeviceRequest::Detach(id, how) => {
                let device = self.known_device(id)?;
                self.perform("detach", device, Work::Detach(id, how)).await
            }
            DeviceRequest::Finish(id) => {
                let device = self.known_device(id)?;
                let change = record.changes.iter().find(|change| change.device() == id);
                match change {
                    Some(DeviceChange::Detaching(_)) => {
                        self.perform("detach", device, Work::Detach(id, Detach::Asked)).await
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
        let (context, domain) = (&self.context, &mut self.domain);
        let done = unless_destroyed(&mut self.queue, &mut self.put_off, async {
            match work {
                Work::Attach(device) => operations::attach(context, domain, device).await,
                Work::Detach(id, how) => operations::detach(context, domain, id, how).await,
                Work::Change(drive) => operations::change_medium(context, domain, drive).await,
                Work::Finish(id) => operations::finish_change(context, domain, id, None).await,
            }
        });
        match done.await {
            None => Err(RequestError::WentAway { name }),
            Some(Ok(())) => {
                info!(%name, class, devid, "{act} done");
                Ok(device)
            }
            Some(Err(source)) => {
                let failed = RequestError::Failed { operation: act, name, source: Arc::new(source) };
                warn!(name = %self.name(), class, devid, "{}", chain(&failed));
                Err(failed)
            }
        }
    }

    /// After a restart of the daemon: what was being attached has no one who knows of it.
    pub(super) async fn withdraw_attached(&mut self) {
        let changes = self.domain.record.changes.clone();
        for change in changes {
            if let DeviceChange::Attaching(id) = change {
                info!(name = %self.name(), class = id.class, devid = id.devid, "was being attached: taken back");
                operations::withdraw(&self.context, &mut self.domain, id).await;
            }
        }
        // Before whoever waits for the look is told that it is over.
        self.publish();
    }
}

/// One of the operations.
enum Work {
    Attach(DeviceConfig),
    Detach(DeviceId, Detach),
    Change(DeviceConfig),
    Finish(DeviceId),
}

impl Manager {
    /// Gives a device to a live domain of ours; it is connected on this side when this returns.
    pub async fn attach(&self, uuid: Uuid, form: Sxp) -> Result<DeviceConfig, RequestError> {
        let device = self.ask_device(uuid, DeviceRequest::Attach(form)).await?;
        self.store_device(uuid, |config| config.with_device(&device)).await?;
        Ok(device)
    }

    /// Takes a device from a live domain of ours. What the guest keeps goes as soon as it lets go of it.
    pub async fn detach(&self, uuid: Uuid, id: DeviceId, how: Detach) -> Result<(), RequestError> {
        let asked = self.ask_device(uuid, DeviceRequest::Detach(id, how)).await;
        let device = self.or_follow(uuid, id, asked)?;
        self.store_device(uuid, |config| config.without_device(&device)).await
    }

    /// Gives a drive of a live domain of ours another medium.
    pub async fn change_medium(&self, uuid: Uuid, form: Sxp) -> Result<(), RequestError> {
        let id = self.view_of(uuid)?.config.new_medium(&form).ok().flatten().map(|drive| drive.id());
        let asked = self.ask_device(uuid, DeviceRequest::Change(form)).await;
        let drive = match id {
            Some(id) => self.or_follow(uuid, id, asked)?,
            None => asked?,
        };
        self.store_device(uuid, |config| config.with_device(&drive)).await
    }

    async fn ask_device(&self, uuid: Uuid, request: DeviceRequest) -> Result<DeviceConfig, RequestError> {
        self.ask(&self.entry(uuid)?, |reply| Message::Device(request, reply)).await
    }

    /// Where the guest keeps a device, somebody has to be there when it lets go.
    fn or_follow(
        &self,
        uuid: Uuid,
        id: DeviceId,
        asked: Result<DeviceConfig, RequestError>,
    ) -> Result<DeviceConfig, RequestError> {
        if let Err(RequestError::Failed { source, .. }) = &asked
            && matches!(**source, OperationError::InUse { .. })
        {
            self.follow(uuid, id);
        }
        asked
    }

    /// Finishes a change as soon as the guest has let go of the device.
    pub(super) fn follow(&self, uuid: Uuid, id: DeviceId) {
        let manager = self.clone();
        tokio::spawn(async move {
            let Ok(entry) = manager.entry(uuid) else { return };
            let Some(domid) = entry.view.borrow().domid else { return };
            let released = tokio::select! {
                released = operations::until_let_go(&manager.context, domid.0, id) => released,
                () = entry.queue.closed() => return,
            };
            if let Err(fault) = released {
                warn!(name = %entry.name, "{}", chain(&fault));
                return;
            }
            let change = entry.view.borrow().changes.iter().find(|change| change.device() == id).copied();
            let finished = manager.ask_device(uuid, DeviceRequest::Finish(id)).await;
            let stored = match (finished, change) {
                (Ok(device), Some(DeviceChange::Detaching(_))) => {
                    manager.store_device(uuid, |config| config.without_device(&device)).await
                }
                (Ok(device), Some(DeviceChange::Changing(_))) => {
                    manager.store_device(uuid, |config| config.with_device(&device)).await
                }
                (Ok(_), Some(DeviceChange::Attaching(_)) | None) => Ok(()),
                // It ended, or was taken by force meanwhile.
                (Err(RequestError::WentAway { .. } | RequestError::NoDevice { .. }), _) => Ok(()),
                (Err(fault), _) => Err(fault),
            };
            if let Err(fault) = stored {
                warn!(name = %entry.name, "{}", chain(&fault));
            }
        });
    }

    fn view_of(&self, uuid: Uuid) -> Result<super::View, RequestError> {
        Ok(self.entry(uuid)?.view.borrow().clone())
    }

    /// The stored configuration follows what was done to the live domain, if it is a managed one.
    async fn store_device(
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
        self.change_stored(uuid, |config| config.with_form(form).map_err(refused)).await
    }

    /// Takes a device from a managed domain that does not run.
    pub async fn detach_stored(
        &self,
        uuid: Uuid,
        class: &'static str,
        device: &str,
    ) -> Result<(), RequestError> {
        let missing = || RequestError::NoDevice { device: device.to_owned() };
        self.change_stored(uuid, |config| config.without(class, device).ok_or_else(missing)).await
    }

    /// Gives a drive of a managed domain that does not run another medium.
    pub async fn change_stored_medium(&self, uuid: Uuid, form: &Sxp) -> Result<(), RequestError> {
        let changed = |config: &ManagedConfig| {
            let changed = config.with_medium(form).map_err(|faults| RequestError::Config { faults })?;
            changed.ok_or_else(|| RequestError::NoMedium { form: form.clone() })
        };
        self.change_stored(uuid, changed).await
    }
}

/// What a domain of another tool is answered.
impl RequestError {
    /// Its devices are its tool's business.
    pub fn foreign(name: &str) -> Self {
        Self::Refused { name: name.to_owned(), refusal: Refusal::Foreign }
    }
}
