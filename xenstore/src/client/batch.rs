//! Changes that are made together or not at all.

use super::StoreError;
use super::error::Failure;
use super::requester::{
    Requester, SET_PERMISSIONS, Submitted, absent_is_none, check, check_removable, permissions_payload,
    write_payload,
};
use super::store::Handle;
use crate::Permissions;
use crate::wire::{Op, c_string};

/// A list of changes for [`Store::commit`](super::Store::commit), made in their order.
///
/// ```
/// # use xenstore::{Batch, Permissions};
/// let mut batch = Batch::new();
/// batch.mkdir("/local/domain/7").permissions("/local/domain/7", Permissions::readable_by(7));
/// batch.write("/local/domain/7/name", "mail");
/// ```
#[derive(Clone, Debug, Default)]
pub struct Batch {
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
struct Change {
    path: String,
    what: What,
}

#[derive(Clone, Debug)]
enum What {
    Write(Vec<u8>),
    Mkdir,
    Permissions(Permissions),
    Remove,
}

impl Batch {
    /// No changes yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value of `path`; creates it and what is missing above it.
    pub fn write(&mut self, path: impl Into<String>, value: impl AsRef<[u8]>) -> &mut Self {
        self.add(path, What::Write(value.as_ref().to_vec()))
    }

    /// Creates `path`; fine if it is there.
    pub fn mkdir(&mut self, path: impl Into<String>) -> &mut Self {
        self.add(path, What::Mkdir)
    }

    /// Sets the permissions of `path`, which must be there by then.
    pub fn permissions(&mut self, path: impl Into<String>, permissions: Permissions) -> &mut Self {
        self.add(path, What::Permissions(permissions))
    }

    /// Removes `path` and everything below it; fine if it is absent.
    pub fn remove(&mut self, path: impl Into<String>) -> &mut Self {
        self.add(path, What::Remove)
    }

    /// How many changes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.changes.len()
    }

    /// Whether there is nothing to do.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The first path, for messages.
    pub(crate) fn subject(&self) -> &str {
        self.changes.first().map_or("nothing", |change| &change.path)
    }

    /// Checks every change before the first is sent.
    pub(crate) fn check(&self, handle: &Handle) -> Result<(), StoreError> {
        self.changes.iter().try_for_each(|change| change.request(handle).map(drop))
    }

    /// Sends all changes at once and then reads all answers.
    pub(crate) async fn send(&self, handle: &Handle, requester: Requester<'_>) -> Result<(), StoreError> {
        let mut submitted: Vec<Submitted> = Vec::with_capacity(self.changes.len());
        for change in &self.changes {
            let (op, payload) = change.request(handle)?;
            submitted.push(requester.submit(op, payload));
        }
        let mut result = Ok(());
        for (change, submitted) in self.changes.iter().zip(submitted) {
            let answer = submitted.wait().await;
            result = result.and(change.judge(answer));
        }
        result
    }

    fn add(&mut self, path: impl Into<String>, what: What) -> &mut Self {
        self.changes.push(Change { path: path.into(), what });
        self
    }
}

impl Change {
    fn request(&self, handle: &Handle) -> Result<(Op, Vec<u8>), StoreError> {
        match &self.what {
            What::Write(value) => Ok((Op::Write, write_payload(handle, &self.path, value)?)),
            What::Permissions(value) => Ok((Op::SetPerms, permissions_payload(handle, &self.path, value)?)),
            What::Mkdir => {
                check(self.verb(), &self.path)?;
                Ok((Op::Mkdir, c_string(self.path.as_bytes())))
            }
            What::Remove => {
                check_removable(&self.path)?;
                Ok((Op::Rm, c_string(self.path.as_bytes())))
            }
        }
    }

    fn judge(&self, answer: Result<Vec<u8>, Failure>) -> Result<(), StoreError> {
        let result = match self.what {
            What::Remove => absent_is_none(answer).map(drop),
            _ => answer.map(drop),
        };
        result.map_err(|failure| failure.on(self.verb(), &self.path))
    }

    fn verb(&self) -> &'static str {
        match self.what {
            What::Write(_) => "write",
            What::Mkdir => "create",
            What::Permissions(_) => SET_PERMISSIONS,
            What::Remove => "remove",
        }
    }
}
