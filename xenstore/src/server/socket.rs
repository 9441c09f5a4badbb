//! Connections over a unix socket.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::connection::{ConnectionId, Sink};
use super::{Gated, Shared};
use crate::wire::{Decoder, Frame, Op, c_string};

/// Bytes of answers and news that wait; above, no further request of the client is read.
const OUTBOX_BUSY: usize = 256 * 1024;
/// Bytes that wait; above, the client does not listen at all, and is cut off.
const OUTBOX_MAX: usize = 16 * 1024 * 1024;

/// What is to be written to a client.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Mutex<Vec<u8>>,
    filled: Notify,
    emptied: Notify,
    closed: Notify,
}

impl Outbox {
    pub(crate) fn push(&self, frame: &Frame) {
        let is_too_much = {
            let mut bytes = self.lock();
            frame.encode(&mut bytes);
            bytes.len() > OUTBOX_MAX
        };
        if is_too_much {
            self.close();
        }
        self.filled.notify_one();
    }

    pub(crate) fn push_event(&self, path: &[u8], token: &[u8]) {
        let mut payload = c_string(path);
        payload.extend_from_slice(&c_string(token));
        self.push(&Frame::new(Op::WatchEvent, 0, 0, payload));
    }

    /// Ends the connection, also when its client does not read and a write to it never ends.
    pub(crate) fn close(&self) {
        // What comes from now on is for nobody.
        *self.lock() = Vec::new();
        self.closed.notify_one();
    }

    /// Everything that waits.
    async fn take(&self) -> Vec<u8> {
        loop {
            let bytes = std::mem::take(&mut *self.lock());
            if !bytes.is_empty() {
                return bytes;
            }
            self.filled.notified().await;
        }
    }

    async fn until_not_busy(&self) {
        while self.lock().len() > OUTBOX_BUSY {
            self.emptied.notified().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
        self.bytes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) async fn serve(server: Arc<Shared>, listener: UnixListener, domid: u16) {
    let mut connections = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(connection(Arc::clone(&server), stream, domid));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection to the store");
                // Out of descriptors, for example: others may close theirs.
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(server: Arc<Shared>, stream: UnixStream, domid: u16) {
    /// Forgets the connection also when its task is dropped.
    struct Open(Arc<Shared>, ConnectionId);
    impl Drop for Open {
        fn drop(&mut self) {
            self.0.close(self.1);
        }
    }

    let (source, sink) = stream.into_split();
    let outbox = Arc::new(Outbox::default());
    let id = server.open(domid, Gated::Yes, Sink::Socket(Arc::clone(&outbox)));
    let open = Open(server, id);
    tokio::select! {
        () = receive(&open.0, id, source, &outbox) => {}
        () = send(sink, &outbox) => {}
        () = outbox.closed.notified() => {}
    }
}

async fn receive(server: &Shared, id: ConnectionId, mut source: OwnedReadHalf, outbox: &Outbox) {
    let mut decoder = Decoder::for_requests();
    let mut buffer = vec![0; 8 * 1024];
    while let Ok(count @ 1..) = source.read(&mut buffer).await {
        decoder.push(&buffer[..count]);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => match server.answer(id, &frame) {
                    Some(answer) => outbox.push(&answer),
                    None => return,
                },
                Ok(None) => break,
                Err(oversized) => {
                    tracing::debug!(%oversized, "closing a connection to the store");
                    return;
                }
            }
        }
        outbox.until_not_busy().await;
    }
}

async fn send(mut sink: OwnedWriteHalf, outbox: &Outbox) {
    loop {
        let bytes = outbox.take().await;
        outbox.emptied.notify_one();
        if sink.write_all(&bytes).await.is_err() {
            return;
        }
    }
}
