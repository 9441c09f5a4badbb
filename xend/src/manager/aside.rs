//! What a domain's task still answers while it waits for a device of its domain: requests that change nothing of what is
//! being done. A guest that was paused has to be let go on, or it would never let go of the device.

use hypervisor::DomId;
use uuid::Uuid;

use super::{
    RequestError,
    rules::{Asked, ShutdownReason, Standing, Verdict, admit},
    task::{Message, PausedBy, Task, ask_to_end, set_running, standing_in_xen},
};
use crate::operations::Context;

/// Enough of a domain to answer for it.
pub(super) struct Aside {
    context: Context,
    uuid: Uuid,
    name: String,
    domid: Option<DomId>,
    /// Who paused it last.
    pub(super) paused_by: PausedBy,
}

/// What became of a message.
pub(super) enum Served {
    /// Answered.
    Done,
    /// It has to wait.
    Not(Message),
    /// It says that the domain has ended: nothing else is worth waiting for.
    Ended(Message),
}

impl Aside {
    pub(super) fn of(task: &Task) -> Self {
        let (uuid, name, domid) = (task.domain.uuid(), task.name(), task.domid());
        Self { context: task.context.clone(), uuid, name, domid, paused_by: task.paused_by }
    }

    /// Answers a message if that is possible now.
    pub(super) async fn serve(&mut self, message: Message) -> Served {
        match message {
            Message::Vcpus(asked, reply) => {
                let _ = reply.send(self.vcpus(asked).await);
                Served::Done
            }
            Message::Shutdown(reason, reply) => {
                let _ = reply.send(self.shutdown(reason).await);
                Served::Done
            }
            Message::PauseFlag(by, reply) => {
                self.paused_by = by;
                let _ = reply.send(Ok(()));
                Served::Done
            }
            message @ Message::Look(_) => match self.standing().await {
                Ok(Standing::Running | Standing::Paused) | Err(_) => Served::Not(message),
                Ok(Standing::Absent | Standing::Ended(_) | Standing::Dying) => Served::Ended(message),
            },
            message @ (Message::Create(..)
            | Message::Settle(_)
            | Message::Device(..)
            | Message::Destroy(_)) => Served::Not(message),
        }
    }

    async fn vcpus(&self, asked: Asked) -> Result<(), RequestError> {
        match admit(self.standing().await?, asked) {
            Verdict::AlreadyDone => Ok(()),
            Verdict::Refuse(refusal) => Err(RequestError::Refused { name: self.name.clone(), refusal }),
            Verdict::Queue => match self.domid {
                Some(domid) => set_running(&self.context, domid, &self.name, asked).await,
                None => Ok(()),
            },
        }
    }

    async fn shutdown(&self, reason: ShutdownReason) -> Result<(), RequestError> {
        match (admit(self.standing().await?, Asked::Shutdown), self.domid) {
            (Verdict::Refuse(refusal), _) => Err(RequestError::Refused { name: self.name.clone(), refusal }),
            (_, Some(domid)) => ask_to_end(&self.context, domid, &self.name, reason).await,
            (_, None) => Ok(()),
        }
    }

    async fn standing(&self) -> Result<Standing, RequestError> {
        match self.domid {
            Some(domid) => standing_in_xen(&self.context, domid, self.uuid).await,
            None => Ok(Standing::Absent),
        }
    }
}
