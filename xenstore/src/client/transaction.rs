//! Transactions: reads and changes that nobody sees half done, begun anew when somebody else interferes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::error::Failure;
use super::requester::Requester;
use super::{Batch, Store, StoreError};
use crate::wire::{Op, c_string};
use crate::{Errno, Permissions};

/// Begun so often without success, a transaction is given up. With the pauses between, that is some seconds.
pub(crate) const TRIES_MAX: u32 = 200;

/// An open transaction. Cheap to clone; when the last clone is dropped without a commit, it never happened.
#[derive(Clone, Debug)]
pub struct Transaction {
    open: Arc<Open>,
}

#[derive(Debug)]
struct Open {
    store: Store,
    id: u32,
    is_ended: AtomicBool,
}

impl Transaction {
    pub(crate) async fn start(store: &Store, subject: &str) -> Result<Self, StoreError> {
        const VERB: &str = "begin a transaction on";
        let store = store.clone();
        let answer =
            Requester::plain(store.handle()).submit(Op::TransactionStart, c_string(b"")).wait().await;
        let answer = answer.map_err(|failure| failure.on(VERB, subject))?;
        let id = std::str::from_utf8(answer.strip_suffix(b"\0").unwrap_or(&answer)).ok();
        match id.and_then(|id| id.parse().ok()) {
            Some(id) if id != 0 => {
                Ok(Self { open: Arc::new(Open { store, id, is_ended: AtomicBool::new(false) }) })
            }
            _ => Err(Failure::Malformed.on(VERB, subject)),
        }
    }

    /// Commits: `true` when it is done, `false` when it has to be begun anew.
    pub(crate) async fn commit(&self, subject: &str) -> Result<bool, StoreError> {
        self.open.is_ended.store(true, Ordering::Relaxed);
        match self.requester().submit(Op::TransactionEnd, c_string(b"T")).wait().await {
            Ok(_) => Ok(true),
            Err(Failure::Refused(Errno::Again)) => Ok(false),
            Err(failure) => Err(failure.on("commit a transaction on", subject)),
        }
    }

    /// A node's value, if it is there; bytes that are no text are replaced.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn read(&self, path: &str) -> Result<Option<String>, StoreError> {
        Ok(self.read_bytes(path).await?.map(super::store::lossy))
    }

    /// A node's value, if it is there.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn read_bytes(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.requester().read(path).await
    }

    /// Names of a node's children, if it is there.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn list(&self, path: &str) -> Result<Option<Vec<String>>, StoreError> {
        super::directory::Listing::submit(self.requester(), path)?.wait().await
    }

    /// A node's permissions, if it is there.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn permissions(&self, path: &str) -> Result<Option<Permissions>, StoreError> {
        self.requester().permissions(path).await
    }

    /// Sets a node's value; creates it and what is missing above it.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn write(&self, path: &str, value: impl AsRef<[u8]>) -> Result<(), StoreError> {
        self.requester().write(path, value.as_ref()).await
    }

    /// Creates a node; fine if it is there.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn mkdir(&self, path: &str) -> Result<(), StoreError> {
        self.requester().mkdir(path).await
    }

    /// Removes a node and everything below it; fine if it is absent.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn remove(&self, path: &str) -> Result<(), StoreError> {
        self.requester().remove(path).await
    }

    /// Sets a node's permissions.
    ///
    /// # Errors
    /// The store refused, or is gone.
    pub async fn set_permissions(&self, path: &str, permissions: &Permissions) -> Result<(), StoreError> {
        self.requester().set_permissions(path, permissions).await
    }

    /// Makes all changes of `batch` within this transaction, sent at once.
    ///
    /// # Errors
    /// The store refused one of them, or is gone.
    pub async fn apply(&self, batch: &Batch) -> Result<(), StoreError> {
        let handle = self.open.store.handle();
        batch.check(handle)?;
        batch.send(handle, self.requester()).await
    }

    fn requester(&self) -> Requester<'_> {
        Requester::within(self.open.store.handle(), self.open.id)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if !*self.is_ended.get_mut() {
            // Nobody waits for the answer.
            let requester = Requester::within(self.store.handle(), self.id);
            drop(requester.submit(Op::TransactionEnd, c_string(b"F")));
        }
    }
}

/// Lets others finish before the next try: at once at first, then ever later.
pub(crate) async fn pause(tries: u32) {
    if tries < 4 {
        tokio::task::yield_now().await;
    } else {
        tokio::time::sleep(Duration::from_millis(u64::from(tries.min(20)))).await;
    }
}
