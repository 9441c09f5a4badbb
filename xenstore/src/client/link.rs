//! The seam between the client and what carries its frames.

use super::Lost;
use crate::wire::Frame;

/// Carries frames to a daemon; answers come back through [`Requests::deliver`](super::requests::Requests).
pub(crate) trait Link: Send + Sync {
    /// Sends one frame, in the order of the calls, without waiting.
    fn send(&self, frame: Frame) -> Result<(), Lost>;

    /// Most bytes of a payload that it can carry.
    fn payload_max(&self) -> usize;

    /// Ends the connection: its tasks and threads stop, its watches and transactions are dropped.
    fn close(&self);
}
