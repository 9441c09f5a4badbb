//! Carries frames over a unix socket or the kernel's xenbus device.

mod device;
mod socket;

use std::io;
use std::sync::Arc;

use super::link::Link;
use super::requests::Requests;
use super::{Endpoint, Lost};
use crate::wire::Decoder;

/// Connects, and starts who reads and who writes.
pub(crate) async fn open(endpoint: &Endpoint, requests: &Arc<Requests>) -> io::Result<Box<dyn Link>> {
    match endpoint {
        Endpoint::Socket(path) => socket::open(path, requests).await,
        Endpoint::Device(path) => device::open(path, requests),
    }
}

/// Takes bytes as they arrive and hands on whole frames.
struct Inbox {
    decoder: Decoder,
    requests: Arc<Requests>,
}

impl Inbox {
    fn new(requests: &Arc<Requests>) -> Self {
        Self { decoder: Decoder::for_answers(), requests: Arc::clone(requests) }
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), Lost> {
        self.decoder.push(bytes);
        while let Some(frame) = self.decoder.next_frame().map_err(Lost::Oversized)? {
            self.requests.deliver(frame);
        }
        Ok(())
    }
}
