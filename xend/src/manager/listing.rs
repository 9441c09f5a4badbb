//! The domains of this host at one moment: ours with what their tasks publish, those of other tools with what the
//! store says of them, domain 0.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use hypervisor::{DomId, DomainInfo, ShutdownCode};
use uuid::Uuid;
use xenstore::paths;

use super::{Manager, RequestError, View, table::Entry};
use crate::{
    domain::{LiveFacts, ManagedConfig, PowerState},
    operations::blocking,
};

/// Whose a domain is.
#[derive(Clone, Debug)]
pub enum Owner {
    /// This daemon's.
    Ours(Box<View>),
    /// Domain 0, or another tool's.
    Foreign {
        /// From the store; `Domain-N` where it has none.
        name: String,
        /// Target, or what it has.
        memory_mib: u64,
    },
}

/// A live domain.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What Xen says.
    pub info: DomainInfo,
    /// Whose it is.
    pub owner: Owner,
}

impl Listed {
    /// Its name.
    pub fn name(&self) -> &str {
        match &self.owner {
            Owner::Ours(view) => &view.config.name,
            Owner::Foreign { name, .. } => name,
        }
    }

    /// What the state letters and times are made of.
    pub fn facts(&self) -> LiveFacts {
        let flags = self.info.flags;
        LiveFacts {
            running: flags.running,
            blocked: flags.blocked,
            paused: flags.paused,
            shutdown: flags.shutdown,
            crashed: self.info.shutdown == Some(ShutdownCode::Crash),
            dying: flags.dying,
            cpu_seconds: self.info.cpu_time_ns as f64 / 1e9,
            online_vcpus: self.info.nr_online_vcpus,
        }
    }
}

/// A managed domain that Xen does not have.
#[derive(Clone, Debug)]
pub struct Inactive {
    /// As it was defined.
    pub config: Arc<ManagedConfig>,
    /// Halted or suspended.
    pub state: PowerState,
}

/// A domain that a client can speak of.
#[derive(Clone, Debug)]
pub enum Known {
    /// Xen has it.
    Live(Box<Listed>),
    /// Managed, and not in Xen.
    Inactive(Inactive),
}

impl Known {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Live(listed) => listed.name(),
            Self::Inactive(inactive) => &inactive.config.name,
        }
    }

    /// How it stands.
    pub fn state(&self) -> PowerState {
        match self {
            Self::Live(listed) => PowerState::of(&listed.facts()),
            Self::Inactive(inactive) => inactive.state,
        }
    }
}

impl Manager {
    /// Every domain, managed ones that do not run included, by name.
    pub async fn everything(&self) -> Result<Vec<Known>, RequestError> {
        let live = self.list().await?;
        let guests = live.iter().filter(|listed| listed.info.domid != DomId::DOM0);
        let there: HashSet<Uuid> = guests.map(|listed| listed.info.uuid).collect();
        let halted = self.inactive(|config| !there.contains(&config.uuid)).await;
        let live = live.into_iter().map(|listed| Known::Live(Box::new(listed)));
        let mut everything: Vec<Known> = live.chain(halted.into_iter().map(Known::Inactive)).collect();
        everything.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(everything)
    }

    /// Managed domains with their state, as if Xen had none of them.
    async fn inactive(&self, wanted: impl Fn(&ManagedConfig) -> bool) -> Vec<Inactive> {
        let managed: Vec<Arc<ManagedConfig>> = {
            let tables = self.lock();
            let configs = tables.managed.values().map(|managed| &managed.config);
            configs.filter(|config| wanted(config)).cloned().collect()
        };
        if managed.is_empty() {
            return Vec::new();
        }
        let store = self.context.managed.clone();
        blocking(move || {
            let inactive = |config: Arc<ManagedConfig>| {
                let suspended = store.is_suspended(config.uuid);
                let state = if suspended { PowerState::Suspended } else { PowerState::Halted };
                Inactive { config, state }
            };
            managed.into_iter().map(inactive).collect()
        })
        .await
    }

    /// Every live domain, by name.
    pub async fn list(&self) -> Result<Vec<Listed>, RequestError> {
        let infos = self.infos()?;
        let mut ours: HashMap<Uuid, View> =
            self.entries().into_iter().map(|(uuid, entry)| (uuid, entry.view.borrow().clone())).collect();
        let (known, foreign): (Vec<_>, Vec<_>) =
            infos.into_iter().partition(|info| info.domid != DomId::DOM0 && ours.contains_key(&info.uuid));
        let known = known.into_iter().filter_map(|info| {
            let view = ours.remove(&info.uuid)?;
            Some(Listed { owner: Owner::Ours(Box::new(view)), info })
        });
        let mut listed: Vec<Listed> = known.collect();
        listed.extend(self.describe_foreign(foreign).await?);
        listed.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(listed)
    }

    /// The domain that a client means: a name before a number before a UUID, those that exist before those that are
    /// only managed.
    pub async fn find(&self, designator: &str) -> Result<Known, RequestError> {
        if let Some(ours) = self.find_ours(designator).await? {
            return Ok(Known::Live(Box::new(ours)));
        }
        let domid = designator.trim().parse::<u16>().ok();
        let uuid = Uuid::parse_str(designator).ok();
        let mut listed = self.list().await?;
        let by_name = listed.iter().position(|one| one.name() == designator);
        let by_uuid = |listed: &[Listed], uuid: Uuid| {
            listed.iter().position(|one| one.info.uuid == uuid && one.info.domid.0 != 0)
        };
        let managed = |by: &dyn Fn(&ManagedConfig) -> bool| {
            let tables = self.lock();
            tables.managed.values().map(|managed| &managed.config).find(|config| by(config)).cloned()
        };
        let managed_name = managed(&|config| config.name == designator);
        let at = match (by_name, &managed_name) {
            (Some(at), _) => Some(at),
            (None, Some(config)) => by_uuid(&listed, config.uuid),
            (None, None) => {
                let by_number = listed.iter().position(|one| domid == Some(one.info.domid.0));
                by_number.or_else(|| by_uuid(&listed, uuid?))
            }
        };
        if let Some(at) = at {
            return Ok(Known::Live(Box::new(listed.swap_remove(at))));
        }
        let found = managed_name.or_else(|| managed(&|config| Some(config.uuid) == uuid));
        let no_domain = || RequestError::NoDomain { designator: designator.to_owned() };
        let found = found.ok_or_else(no_domain)?;
        let inactive = self.inactive(|config| config.uuid == found.uuid).await;
        inactive.into_iter().next().map(Known::Inactive).ok_or_else(no_domain)
    }

    /// A domain of ours by its UUID, which no name and no number can be mistaken for.
    pub async fn find_by_uuid(&self, uuid: Uuid) -> Result<Listed, RequestError> {
        let entry = self.entry(uuid)?;
        let gone = || RequestError::WentAway { name: entry.name.clone() };
        self.listed(uuid, &entry)?.ok_or_else(gone)
    }

    /// One of ours that Xen does not have (any more), by name or UUID: taking it away met an error and is not over.
    pub fn remains_of(&self, designator: &str) -> Option<Uuid> {
        let uuid = Uuid::parse_str(designator).ok();
        let meant = |(own, entry): &(Uuid, Entry)| entry.name == designator || uuid == Some(*own);
        self.entries().into_iter().find(meant).map(|(uuid, _)| uuid)
    }

    /// How often one of ours has been started again, by its name, its number or its UUID, whether Xen has it at this
    /// moment or not.
    pub fn restart_count(&self, designator: &str) -> Option<i64> {
        let uuid = Uuid::parse_str(designator).ok();
        let number = designator.trim().parse::<u16>().ok().map(DomId);
        let entries = self.entries();
        let by_name = entries.iter().find(|(_, entry)| entry.name == designator);
        let by_number = || {
            entries.iter().find(|(own, entry)| {
                (number.is_some() && entry.view.borrow().domid == number) || uuid == Some(*own)
            })
        };
        by_name.or_else(by_number).map(|(_, entry)| entry.view.borrow().restart_count)
    }

    /// One of ours by its name, without listing the others.
    async fn find_ours(&self, name: &str) -> Result<Option<Listed>, RequestError> {
        let Some((uuid, entry)) = self.entries().into_iter().find(|(_, entry)| entry.name == name) else {
            return Ok(None);
        };
        self.listed(uuid, &entry)
    }

    /// A domain of ours with what Xen says of it; `None` when Xen does not have it.
    fn listed(&self, uuid: Uuid, entry: &Entry) -> Result<Option<Listed>, RequestError> {
        let view = entry.view.borrow().clone();
        let Some(domid) = view.domid else { return Ok(None) };
        let info = self
            .context
            .glance(|xen| xen.info(domid))
            .map_err(|source| RequestError::Xen { act: "look at the domain", source })?;
        let info = info.filter(|info| info.uuid == uuid);
        Ok(info.map(|info| Listed { info, owner: Owner::Ours(Box::new(view)) }))
    }

    /// A domain of another tool that has this name or UUID already.
    pub(super) async fn find_foreign(&self, name: &str, uuid: Uuid) -> Result<Option<DomId>, RequestError> {
        let ours: Vec<Uuid> = self.entries().into_iter().map(|(uuid, _)| uuid).collect();
        let mut infos = self.infos()?;
        infos.retain(|info| info.domid == DomId::DOM0 || !ours.contains(&info.uuid));
        if let Some(same) = infos.iter().find(|info| info.uuid == uuid && info.domid != DomId::DOM0) {
            return Ok(Some(same.domid));
        }
        let foreign = self.describe_foreign(infos).await?;
        Ok(foreign.into_iter().find(|one| one.name() == name).map(|one| one.info.domid))
    }

    /// The live domains as Xen has them.
    pub(super) fn infos(&self) -> Result<Vec<DomainInfo>, RequestError> {
        let listed = self.context.glance(|xen| xen.list());
        listed.map_err(|source| RequestError::Xen { act: "list the domains", source })
    }

    async fn describe_foreign(&self, infos: Vec<DomainInfo>) -> Result<Vec<Listed>, RequestError> {
        let (dom0, others): (Vec<_>, Vec<_>) = infos.into_iter().partition(|info| info.domid == DomId::DOM0);
        // Domain 0 is known without asking the store, which on most hosts saves the whole question.
        let mut described: Vec<Listed> = dom0
            .into_iter()
            .map(|info| {
                let owner = Owner::Foreign { name: "Domain-0".to_owned(), memory_mib: info.tot_pages / 256 };
                Listed { info, owner }
            })
            .collect();
        if others.is_empty() {
            return Ok(described);
        }
        let nodes_of =
            |info: &DomainInfo| [paths::domain_name(info.domid.0), paths::memory_target(info.domid.0)];
        let wanted: Vec<String> = others.iter().flat_map(nodes_of).collect();
        let failed = |source| RequestError::Store { act: "read the names of the domains", source };
        let nodes = self.context.store.read_many(&wanted).await.map_err(failed)?;
        described.extend(others.into_iter().zip(nodes.chunks(2)).map(|(info, nodes)| {
            let default = || format!("Domain-{}", info.domid);
            let name = nodes[0].clone().filter(|name| !name.is_empty()).unwrap_or_else(default);
            let target_kib = nodes[1].as_deref().and_then(|kib| kib.trim().parse::<u64>().ok());
            let memory_mib = target_kib.unwrap_or(info.tot_pages * 4) / 1024;
            Listed { info, owner: Owner::Foreign { name, memory_mib } }
        }));
        Ok(described)
    }
}
