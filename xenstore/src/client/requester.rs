//! One request each, outside or inside a transaction: builds the payload, sends it, reads the answer.

use tokio::sync::oneshot;

use super::error::Failure;
use super::requests::Answer;
use super::store::Handle;
use super::{Lost, StoreError};
use crate::wire::{self, Frame, Op, PathFault, c_string};
use crate::{Errno, Permissions};

/// Sends requests on a connection in the name of one transaction, or of none.
#[derive(Clone, Copy)]
pub(crate) struct Requester<'a> {
    handle: &'a Handle,
    tx_id: u32,
}

/// A request under way.
pub(crate) struct Submitted(Result<oneshot::Receiver<Answer>, Lost>);

impl Submitted {
    pub(crate) async fn wait(self) -> Answer {
        match self.0 {
            Ok(receiver) => receiver.await.unwrap_or(Err(Failure::Lost(Lost::ClosedHere))),
            Err(lost) => Err(Failure::Lost(lost)),
        }
    }
}

/// Refuses a path that the daemon would refuse, or that would change the meaning of the request.
pub(crate) fn check(verb: &'static str, path: &str) -> Result<(), StoreError> {
    wire::check_path(path.as_bytes()).map_err(|source| StoreError::Path {
        verb,
        path: path.to_owned(),
        source,
    })
}

/// Some daemons (oxenstored) remove the root when they are asked to.
pub(crate) fn check_removable(path: &str) -> Result<(), StoreError> {
    if path == "/" {
        return Err(StoreError::Path { verb: "remove", path: path.to_owned(), source: PathFault::Root });
    }
    check("remove", path)
}

impl<'a> Requester<'a> {
    pub(crate) fn plain(handle: &'a Handle) -> Self {
        Self { handle, tx_id: 0 }
    }

    pub(crate) fn within(handle: &'a Handle, tx_id: u32) -> Self {
        Self { handle, tx_id }
    }

    /// Sends at once; the caller may send more before it waits.
    pub(crate) fn submit(&self, op: Op, payload: Vec<u8>) -> Submitted {
        Submitted(self.handle.requests.register(op).and_then(|(id, receiver)| {
            self.handle.link.send(Frame::new(op, id, self.tx_id, payload))?;
            Ok(receiver)
        }))
    }

    pub(crate) async fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StoreError> {
        check("read", path)?;
        let answer = self.submit(Op::Read, c_string(path.as_bytes())).wait().await;
        absent_is_none(answer).map_err(|failure| failure.on("read", path))
    }

    pub(crate) async fn write(&self, path: &str, value: &[u8]) -> Result<(), StoreError> {
        let payload = write_payload(self.handle, path, value)?;
        let answer = self.submit(Op::Write, payload).wait().await;
        answer.map(drop).map_err(|failure| failure.on("write", path))
    }

    pub(crate) async fn mkdir(&self, path: &str) -> Result<(), StoreError> {
        check("create", path)?;
        let answer = self.submit(Op::Mkdir, c_string(path.as_bytes())).wait().await;
        answer.map(drop).map_err(|failure| failure.on("create", path))
    }

    pub(crate) async fn remove(&self, path: &str) -> Result<(), StoreError> {
        check_removable(path)?;
        let answer = self.submit(Op::Rm, c_string(path.as_bytes())).wait().await;
        absent_is_none(answer).map(drop).map_err(|failure| failure.on("remove", path))
    }

    pub(crate) async fn permissions(&self, path: &str) -> Result<Option<Permissions>, StoreError> {
        const VERB: &str = "read the permissions of";
        check(VERB, path)?;
        let answer = self.submit(Op::GetPerms, c_string(path.as_bytes())).wait().await;
        match absent_is_none(answer).map_err(|failure| failure.on(VERB, path))? {
            None => Ok(None),
            Some(bytes) => match Permissions::from_wire(&bytes) {
                Some(permissions) => Ok(Some(permissions)),
                None => Err(Failure::Malformed.on(VERB, path)),
            },
        }
    }

    pub(crate) async fn set_permissions(&self, path: &str, value: &Permissions) -> Result<(), StoreError> {
        let payload = permissions_payload(self.handle, path, value)?;
        let answer = self.submit(Op::SetPerms, payload).wait().await;
        answer.map(drop).map_err(|failure| failure.on(SET_PERMISSIONS, path))
    }
}

pub(crate) const SET_PERMISSIONS: &str = "set the permissions of";

pub(crate) fn write_payload(handle: &Handle, path: &str, value: &[u8]) -> Result<Vec<u8>, StoreError> {
    payload(handle, "write", path, value)
}

pub(crate) fn permissions_payload(
    handle: &Handle,
    path: &str,
    value: &Permissions,
) -> Result<Vec<u8>, StoreError> {
    payload(handle, SET_PERMISSIONS, path, &value.to_wire())
}

fn payload(handle: &Handle, verb: &'static str, path: &str, rest: &[u8]) -> Result<Vec<u8>, StoreError> {
    check(verb, path)?;
    let mut payload = c_string(path.as_bytes());
    payload.extend_from_slice(rest);
    let limit = handle.link.payload_max();
    if payload.len() > limit {
        return Err(StoreError::TooLong { verb, path: path.to_owned(), len: payload.len(), limit });
    }
    Ok(payload)
}

/// An answer in which "no such node" is a result, not a failure.
pub(crate) fn absent_is_none(answer: Answer) -> Result<Option<Vec<u8>>, Failure> {
    match answer {
        Ok(bytes) => Ok(Some(bytes)),
        Err(Failure::Refused(Errno::NotFound)) => Ok(None),
        Err(failure) => Err(failure),
    }
}
