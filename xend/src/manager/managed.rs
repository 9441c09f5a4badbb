//! Managed domains: defined, started, deleted. A managed domain that exists is a domain like any other, with a task of
//! its own under the same UUID; what makes it managed is that its configuration stays when it ends.
//!
//! ```text
//!        new            start                         shutdown, destroy, crash
//!   ──────────> halted ──────> live (its own task) ──────────────────────────> halted ──> delete
//! ```

use std::{collections::HashSet, sync::Arc};

use tracing::{error, info, warn};
use uuid::Uuid;

use super::{
    Manager, Refusal, RequestError,
    table::{Claim, Managed},
    task::Completion,
};
use crate::{
    domain::ManagedConfig,
    operations::{blocking, chain},
    state::ManagedError,
};

/// How a managed domain is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Its devices are connected, its first instruction waits for an unpause.
    Paused,
    /// It runs.
    Running,
}

/// Gives the claim on a managed domain up when its start is over, however it ends.
struct Starting<'a> {
    manager: &'a Manager,
    uuid: Uuid,
}

impl Drop for Starting<'_> {
    fn drop(&mut self) {
        if let Some(managed) = self.manager.lock().managed.get_mut(&self.uuid) {
            managed.claim = Claim::Free;
        }
    }
}

impl Manager {
    /// Defines a domain, or defines one anew that has the same UUID. One that runs goes on as it is.
    pub async fn define(&self, config: ManagedConfig) -> Result<(), RequestError> {
        let (name, uuid) = (config.name.clone(), config.uuid);
        let _pen = self.pen.lock().await;
        if let Some(foreign) = self.find_foreign(&name, uuid).await? {
            return Err(RequestError::NameTaken { name, domid: Some(foreign.0) });
        }
        {
            let mut tables = self.lock();
            if let Some((other, there)) = tables.clash(&name, uuid) {
                let domid = there.view.borrow().domid.map(|domid| domid.0);
                if other != uuid {
                    return Err(RequestError::NameTaken { name, domid });
                }
                // It runs under another name, by which people know it.
                if there.name != name {
                    return Err(RequestError::Exists { name, domid });
                }
            }
            if tables.is_reserved(&name, uuid) {
                return Err(RequestError::NameTaken { name, domid: None });
            }
            tables.coming = Some((uuid, name.clone()));
        }
        let (store, config) = (self.context.managed.clone(), Arc::new(config));
        let written = {
            let config = config.clone();
            blocking(move || store.write(&config)).await
        };
        let mut tables = self.lock();
        tables.coming = None;
        if let Err(source) = written {
            let folder = self.context.managed.folder_of(uuid).display().to_string();
            return Err(self.failed_to("Failed to save configuration file to", &folder, source));
        }
        let claim = tables.managed.get(&uuid).map_or(Claim::Free, |before| before.claim);
        tables.managed.insert(uuid, Managed { config, claim });
        info!(%name, %uuid, "defined");
        Ok(())
    }

    fn failed_to(&self, what: &str, whose: &str, source: ManagedError) -> RequestError {
        let failed = RequestError::Managed { text: format!("{what}: {whose}"), source };
        error!("{}", chain(&failed));
        failed
    }

    /// Starts a managed domain; its devices are connected when this returns.
    pub async fn start(&self, uuid: Uuid, how: Start) -> Result<(), RequestError> {
        let (config, _starting) = self.claim_for_start(uuid)?;
        let name = config.name.clone();
        let refuse = || RequestError::Refused { name: name.clone(), refusal: Refusal::AlreadyRunning };
        let managed = self.context.managed.clone();
        if blocking(move || managed.is_suspended(uuid)).await {
            return Err(refuse());
        }
        self.wait_for_leaving(&name, uuid).await?;
        if self.lock().live.contains_key(&uuid) {
            return Err(refuse());
        }
        let config = config.to_config().map_err(|faults| RequestError::Config { faults })?;
        let completion = match how {
            Start::Paused => Completion::Connected,
            Start::Running => Completion::Runs,
        };
        self.make(config, completion).await.map(drop)
    }

    fn claim_for_start(&self, uuid: Uuid) -> Result<(Arc<ManagedConfig>, Starting<'_>), RequestError> {
        let mut tables = self.lock();
        let gone = || RequestError::NoDomain { designator: uuid.to_string() };
        let managed = tables.managed.get_mut(&uuid).ok_or_else(gone)?;
        match managed.claim {
            Claim::Free => managed.claim = Claim::Starting,
            Claim::Starting => {
                let name = managed.config.name.clone();
                return Err(RequestError::Refused { name, refusal: Refusal::AlreadyRunning });
            }
            Claim::Leaving => return Err(gone()),
        }
        Ok((managed.config.clone(), Starting { manager: self, uuid }))
    }

    /// Forgets a managed domain that is halted, its folder included.
    pub async fn delete(&self, uuid: Uuid) -> Result<(), RequestError> {
        let name = self.managed_name(uuid)?;
        // One that is just ending is halted in a moment; nobody else is kept waiting for it.
        self.wait_for_leaving(&name, uuid).await?;
        let _pen = self.pen.lock().await;
        let name = self.managed_name(uuid)?;
        let managed = self.context.managed.clone();
        let is_suspended = blocking(move || managed.is_suspended(uuid)).await;
        {
            let mut tables = self.lock();
            let is_live = tables.live.contains_key(&uuid);
            let managed = tables.managed.get_mut(&uuid).filter(|managed| managed.claim == Claim::Free);
            match managed.filter(|_| !is_live && !is_suspended) {
                Some(managed) => managed.claim = Claim::Leaving,
                None => return Err(RequestError::Refused { name, refusal: Refusal::NotHalted }),
            }
        }
        let managed = self.context.managed.clone();
        let removed = blocking(move || managed.remove(uuid)).await;
        let mut tables = self.lock();
        if let Err(source) = removed {
            if let Some(managed) = tables.managed.get_mut(&uuid) {
                managed.claim = Claim::Free;
            }
            let uuid = uuid.to_string();
            return Err(self.failed_to("Unable to remove managed configuration for domain", &uuid, source));
        }
        tables.managed.remove(&uuid);
        info!(%name, %uuid, "deleted");
        Ok(())
    }

    /// Changes the configuration of a managed domain, on disk when this returns. `NoDomain` when it is not managed.
    pub(super) async fn change_stored(
        &self,
        uuid: Uuid,
        change: impl FnOnce(&ManagedConfig) -> Result<ManagedConfig, RequestError>,
    ) -> Result<(), RequestError> {
        let gone = || RequestError::NoDomain { designator: uuid.to_string() };
        let mut loaded = self.loaded.subscribe();
        // An error would mean that this manager is no more.
        drop(loaded.wait_for(|loaded| *loaded).await);
        let _pen = self.pen.lock().await;
        let before = {
            let tables = self.lock();
            let managed = tables.managed.get(&uuid).filter(|managed| managed.claim != Claim::Leaving);
            managed.map(|managed| managed.config.clone()).ok_or_else(gone)?
        };
        let after = Arc::new(change(&before)?);
        if after == before {
            return Ok(());
        }
        let store = self.context.managed.clone();
        let written = {
            let after = after.clone();
            blocking(move || store.write(&after)).await
        };
        if let Err(source) = written {
            let folder = self.context.managed.folder_of(uuid).display().to_string();
            return Err(self.failed_to("Failed to save configuration file to", &folder, source));
        }
        if let Some(managed) = self.lock().managed.get_mut(&uuid) {
            managed.config = after;
        }
        Ok(())
    }

    fn managed_name(&self, uuid: Uuid) -> Result<String, RequestError> {
        let gone = || RequestError::NoDomain { designator: uuid.to_string() };
        self.lock().managed.get(&uuid).map(|managed| managed.config.name.clone()).ok_or_else(gone)
    }

    /// Whether a domain is managed.
    pub fn is_managed(&self, uuid: Uuid) -> bool {
        self.lock().managed.contains_key(&uuid)
    }

    /// Reads the store, once, when the domains that exist have been taken over.
    pub(super) async fn load_managed(&self) {
        let store = self.context.managed.clone();
        let (configs, faults) = blocking(move || store.read_all()).await;
        for fault in &faults {
            error!("{}; it is left as it is", chain(fault));
        }
        let mut tables = self.lock();
        let mut names = HashSet::new();
        for config in configs {
            let (name, uuid) = (config.name.clone(), config.uuid);
            let folder = self.context.managed.folder_of(uuid);
            // A name has one owner, and a domain that runs keeps its own.
            let rival = tables.clash(&name, uuid).map(|(other, _)| other).filter(|other| *other != uuid);
            if rival.is_some() || !names.insert(name.clone()) {
                error!(%name, "cannot use {}: another domain has this name; it is left as it is", folder.display());
                continue;
            }
            tables.managed.insert(uuid, Managed { config: Arc::new(config), claim: Claim::Free });
        }
        info!("{} managed domains", tables.managed.len());
        self.loaded.send_replace(true);
    }

    /// Starts the managed domains whose configuration asks for it, one after the other.
    pub async fn start_with_xend(&self) {
        let wanted = |(uuid, managed): (&Uuid, &Managed)| {
            managed.config.starts_with_xend().then(|| (managed.config.name.clone(), *uuid))
        };
        let mut wanted: Vec<(String, Uuid)> = {
            let tables = self.lock();
            let halted = tables.managed.iter().filter(|(uuid, _)| !tables.live.contains_key(uuid));
            halted.filter_map(wanted).collect()
        };
        wanted.sort();
        for (name, uuid) in wanted {
            match self.start(uuid, Start::Running).await {
                Ok(()) => info!(%name, "started with xend"),
                Err(RequestError::Config { faults }) => {
                    let first = faults.first().map(ToString::to_string).unwrap_or_default();
                    warn!(%name, "on_xend_start: {first}");
                }
                Err(fault) => warn!(%name, "on_xend_start: {}", chain(&fault)),
            }
        }
    }
}
