//! Connections in process: a request is a function call, and an idle connection costs next to nothing.

use std::sync::Arc;

use super::connection::{ConnectionId, Sink};
use super::{Gated, Shared};
use crate::Store;
use crate::client::{Link, Lost, Requests};
use crate::wire::{Frame, PAYLOAD_MAX};

struct Local {
    server: Arc<Shared>,
    id: ConnectionId,
    requests: Arc<Requests>,
}

impl Link for Local {
    fn send(&self, frame: Frame) -> Result<(), Lost> {
        let answer = self.server.answer(self.id, &frame).ok_or(Lost::ClosedByDaemon)?;
        self.requests.deliver(answer);
        Ok(())
    }

    fn payload_max(&self) -> usize {
        PAYLOAD_MAX
    }

    fn close(&self) {
        self.server.close(self.id);
    }
}

pub(super) fn connect(server: &Arc<Shared>, domid: u16, gated: Gated) -> Store {
    let requests = Arc::new(Requests::default());
    let id = server.open(domid, gated, Sink::Local(Arc::clone(&requests)));
    Store::over(Arc::clone(&requests), Box::new(Local { server: Arc::clone(server), id, requests }))
}
