//! A device's backend in the store, as far as a script reads and answers it.
//!
//! The kernel names it relative to the own domain's nodes (`backend/vbd/5/51713`); the store resolves that, so the
//! same script works in a driver domain. Answers are written only while the backend is there: a script that was
//! overtaken by the end of its domain leaves no nodes behind.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;
use xenstore::paths::node::VM;
use xenstore::paths::node::device::{BUSY, CONNECTED, FAILED, HOTPLUG_ERROR, HOTPLUG_STATUS};
use xenstore::{Batch, Store, StoreError, Transaction, paths};

/// The class of network interfaces.
const VIF: &str = "vif";

/// Why the store did not do its part; the classic texts.
#[derive(Debug, thiserror::Error)]
pub enum BackendError {
    /// There is no store.
    #[error("cannot reach xenstore")]
    Unreachable {
        /// Why.
        source: StoreError,
    },
    /// A node that must be there is not.
    #[error("xenstore-read {path} failed.")]
    Absent {
        /// The node.
        path: String,
    },
    /// A node could not be read.
    #[error("xenstore-read {path} failed.")]
    Read {
        /// The node.
        path: String,
        /// Why.
        source: StoreError,
    },
    /// The answer could not be written.
    #[error("Writing {path} to xenstore failed.")]
    Write {
        /// The backend.
        path: String,
        /// Why.
        source: StoreError,
    },
    /// The backend was deleted while we worked.
    #[error("Path closed or removed during hotplug add: {path} state: unknown")]
    Gone {
        /// The backend.
        path: String,
    },
}

impl BackendError {
    /// Whether the original had this text too.
    pub fn is_classic(&self) -> bool {
        !matches!(self, BackendError::Unreachable { .. })
    }
}

/// What a script answers when it did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It cannot work.
    Error,
    /// Somebody else holds what was asked for.
    Busy,
}

impl Status {
    fn word(self) -> &'static str {
        match self {
            Status::Error => FAILED,
            Status::Busy => BUSY,
        }
    }
}

/// A node of another backend of the same class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sibling {
    /// The other backend.
    pub path: String,
    /// Whose it is.
    pub domid: String,
    /// The node's value.
    pub value: String,
}

/// One backend.
#[derive(Clone, Debug)]
pub struct Backend {
    store: Store,
    path: String,
    planned: Option<Planned>,
}

/// A backend that is not in the store yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Planned {
    /// The nodes that it will have.
    pub nodes: BTreeMap<String, String>,
    /// The `vm` node of the domain that it will serve.
    pub vm: Option<String>,
}

impl Backend {
    /// The backend at `path`, in `store`.
    pub fn new(store: Store, path: impl Into<String>) -> Self {
        Backend { store, path: path.into(), planned: None }
    }

    /// One that is to come: its own nodes are those of the plan, all others those of the store. The domain has no number
    /// yet, so `path` has a word in its place.
    pub fn planned(store: Store, path: impl Into<String>, planned: Planned) -> Self {
        Backend { store, path: path.into(), planned: Some(planned) }
    }

    fn plan_of(&self, backend: &str) -> Option<&Planned> {
        self.planned.as_ref().filter(|_| backend == self.path)
    }

    /// Its path, as the kernel gave it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The domain that it serves: the last part of its path but one.
    pub fn domid(&self) -> Option<&str> {
        self.path.rsplit('/').nth(1)
    }

    /// The name that the backend driver gives the interface of a vif.
    pub fn interface(&self) -> Option<String> {
        let mut parts = self.path.rsplit('/');
        let (devid, domid, class) = (parts.next()?, parts.next()?, parts.next()?);
        (class == VIF).then(|| format!("{class}{domid}.{devid}"))
    }

    /// One of its nodes, if it is there.
    pub async fn read(&self, node: &str) -> Result<Option<String>, BackendError> {
        self.read_at(&self.path, node).await
    }

    /// One of its nodes, which must be there.
    pub async fn required(&self, node: &str) -> Result<String, BackendError> {
        self.read(node).await?.ok_or_else(|| self.unreadable(node))
    }

    /// A node that names a file, if it is there: any bytes.
    pub async fn read_path(&self, node: &str) -> Result<Option<PathBuf>, BackendError> {
        let path = paths::join(&self.path, node);
        if let Some(plan) = &self.planned {
            return Ok(plan.nodes.get(node).map(PathBuf::from));
        }
        match self.store.read_bytes(&path).await {
            Ok(value) => Ok(value.map(|bytes| PathBuf::from(OsString::from_vec(bytes)))),
            Err(source) => Err(BackendError::Read { path, source }),
        }
    }

    /// A node that names a file, which must be there.
    pub async fn required_path(&self, node: &str) -> Result<PathBuf, BackendError> {
        self.read_path(node).await?.ok_or_else(|| self.unreadable(node))
    }

    /// The error of a node that is not there.
    pub fn unreadable(&self, node: &str) -> BackendError {
        BackendError::Absent { path: paths::join(&self.path, node) }
    }

    /// A node of another backend.
    pub async fn read_at(&self, backend: &str, node: &str) -> Result<Option<String>, BackendError> {
        if let Some(plan) = self.plan_of(backend) {
            return Ok(plan.nodes.get(node).cloned());
        }
        let path = paths::join(backend, node);
        self.store.read(&path).await.map_err(|source| BackendError::Read { path, source })
    }

    /// A node of a domain's own directory, if both are there.
    pub async fn of_domain(&self, domid: &str, node: &str) -> Result<Option<String>, BackendError> {
        match domid.parse() {
            // A plan's domain has no number.
            Err(_) if node == VM && self.domid() == Some(domid) => {
                Ok(self.planned.as_ref().and_then(|plan| plan.vm.clone()))
            }
            Ok(domid) => self.read_at(&paths::domain(domid), node).await,
            Err(_) => Ok(None),
        }
    }

    /// Whether a node is there, anywhere in the store.
    pub async fn exists(&self, path: &str) -> Result<bool, BackendError> {
        let found = self.store.list(path).await;
        found
            .map(|found| found.is_some())
            .map_err(|source| BackendError::Read { path: path.to_owned(), source })
    }

    /// Removes a node anywhere in the store, and the directories above it that are empty then.
    pub async fn prune(&self, path: &str) -> Result<(), BackendError> {
        let fail = |source| BackendError::Write { path: path.to_owned(), source };
        if !self.exists(path).await? {
            return Ok(());
        }
        self.store.remove(path).await.map_err(fail)?;
        let mut above = paths::parent(path);
        while let Some(folder) = above {
            if !self.store.list(folder).await.map_err(fail)?.is_some_and(|left| left.is_empty()) {
                break;
            }
            self.store.remove(folder).await.map_err(fail)?;
            above = paths::parent(folder);
        }
        Ok(())
    }

    /// `node` of every other backend of this class that has it. Three round trips, however many there are.
    pub async fn siblings(&self, node: &str) -> Result<Vec<Sibling>, BackendError> {
        let Some(class) = paths::parent(&self.path).and_then(paths::parent) else { return Ok(Vec::new()) };
        let fail = |source| BackendError::Read { path: class.to_owned(), source };
        let domids = self.store.list(class).await.map_err(fail)?.unwrap_or_default();
        let folders: Vec<String> = domids.iter().map(|domid| paths::join(class, domid)).collect();
        let lists = self.store.list_many(&folders).await.map_err(fail)?;
        let mut others = Vec::new();
        for ((domid, folder), devids) in domids.iter().zip(&folders).zip(lists) {
            let found = devids.unwrap_or_default().into_iter().map(|devid| paths::join(folder, &devid));
            others.extend(found.filter(|path| *path != self.path).map(|path| (domid, path)));
        }
        let nodes: Vec<String> = others.iter().map(|(_, path)| paths::join(path, node)).collect();
        let values = self.store.read_many(&nodes).await.map_err(fail)?;
        let sibling = |((domid, path), value): ((&String, String), Option<String>)| {
            Some(Sibling { path, domid: domid.clone(), value: value? })
        };
        Ok(others.into_iter().zip(values).filter_map(sibling).collect())
    }

    /// Tells that the device is ready, together with what was found out about it.
    pub async fn connected(&self, nodes: &[(&str, String)]) -> Result<(), BackendError> {
        let mut batch = Batch::new();
        for (node, value) in nodes {
            batch.write(paths::join(&self.path, node), value);
        }
        batch.write(paths::join(&self.path, HOTPLUG_STATUS), CONNECTED);
        self.answer(&batch).await
    }

    /// Tells that it is not, and why. The reason is there when the status is.
    pub async fn failed(&self, status: Status, text: &str) -> Result<(), BackendError> {
        let mut batch = Batch::new();
        batch.write(paths::join(&self.path, HOTPLUG_ERROR), text);
        batch.write(paths::join(&self.path, HOTPLUG_STATUS), status.word());
        self.answer(&batch).await
    }

    async fn answer(&self, batch: &Batch) -> Result<(), BackendError> {
        let work = async |transaction: Transaction| match transaction.read_bytes(&self.path).await? {
            Some(_) => transaction.apply(batch).await.map(|()| true),
            None => Ok(false),
        };
        let path = || self.path.clone();
        match self.store.transaction(&self.path, work).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(BackendError::Gone { path: path() }),
            Err(source) => Err(BackendError::Write { path: path(), source }),
        }
    }
}
