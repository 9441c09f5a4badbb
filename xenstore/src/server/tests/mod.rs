//! Tests of the server as a whole: through requests, and through the client in process.

mod load;
mod model;
mod permissions;
mod quotas;
mod sockets;
mod watches;

use std::sync::Arc;

use super::connection::{ConnectionId, Sink};
use super::{Gated, Limits, Server, Shared};
use crate::Errno;
use crate::client::Requests;
use crate::wire::{Frame, Op};

/// A connection that sends raw requests and throws its news away.
struct Raw {
    shared: Arc<Shared>,
    id: ConnectionId,
}

impl Raw {
    fn new(server: &Server, domid: u16) -> Self {
        let sink = Sink::Local(Arc::new(Requests::default()));
        Self { shared: Arc::clone(&server.shared), id: server.shared.open(domid, Gated::Yes, sink) }
    }

    fn ask(&self, op: Op, tx_id: u32, payload: &[u8]) -> Result<Vec<u8>, Errno> {
        let answer = self.shared.answer(self.id, &Frame::new(op, 1, tx_id, payload.to_vec())).unwrap();
        match Op::from_number(answer.op) {
            Some(Op::Error) => Err(Errno::from_name(answer.payload.strip_suffix(b"\0").unwrap())),
            answered => {
                assert_eq!(answered, Some(op));
                Ok(answer.payload)
            }
        }
    }

    fn begin(&self) -> Result<u32, Errno> {
        let id = self.ask(Op::TransactionStart, 0, b"\0")?;
        Ok(std::str::from_utf8(id.strip_suffix(b"\0").unwrap()).unwrap().parse().unwrap())
    }
}

fn server() -> Server {
    Server::new(Limits::default())
}
