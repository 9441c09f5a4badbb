//! Who waits for which answer, and which token belongs to which watch.
//!
//! Answers are matched by `req_id`. The kernel's xenbus device answers WATCH and UNWATCH itself and, on many
//! versions, with `req_id` 0: such an answer goes to the oldest request of its kind that waits. Hence no
//! request of ours ever has the number 0.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::Lost;
use super::error::Failure;
use super::watch::Queue;
use crate::Errno;
use crate::wire::{Frame, Op};

/// The answer's payload, once it is there.
pub(crate) type Answer = Result<Vec<u8>, Failure>;

/// Everything on a connection that waits for the daemon.
#[derive(Debug, Default)]
pub(crate) struct Requests {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    lost: Option<Lost>,
    last_id: u32,
    last_token: u64,
    /// Ordered, since the oldest is asked for: numbers grow until they wrap.
    pending: BTreeMap<u32, Pending>,
    watches: HashMap<u64, Arc<Queue>>,
}

#[derive(Debug)]
struct Pending {
    op: Op,
    answer: oneshot::Sender<Answer>,
}

impl Requests {
    /// Reserves a number for a request and the place where its answer will come.
    pub(crate) fn register(&self, op: Op) -> Result<(u32, oneshot::Receiver<Answer>), Lost> {
        let mut waiting = self.lock();
        if let Some(lost) = &waiting.lost {
            return Err(lost.clone());
        }
        let id = loop {
            waiting.last_id = waiting.last_id.wrapping_add(1);
            let id = waiting.last_id;
            if id != 0 && !waiting.pending.contains_key(&id) {
                break id;
            }
        };
        let (answer, receiver) = oneshot::channel();
        waiting.pending.insert(id, Pending { op, answer });
        Ok((id, receiver))
    }

    /// Reserves a token for a watch and its queue, before the daemon can send the first news of it.
    pub(crate) fn register_watch(&self, path: &str) -> Result<(u64, Arc<Queue>), Lost> {
        let mut waiting = self.lock();
        if let Some(lost) = &waiting.lost {
            return Err(lost.clone());
        }
        waiting.last_token += 1;
        let token = waiting.last_token;
        let queue = Arc::new(Queue::new(path));
        waiting.watches.insert(token, Arc::clone(&queue));
        Ok((token, queue))
    }

    /// Forgets a watch; news of it that are still under way are thrown away.
    pub(crate) fn forget_watch(&self, token: u64) {
        self.lock().watches.remove(&token);
    }

    /// Takes in a frame from the daemon.
    pub(crate) fn deliver(&self, frame: Frame) {
        if frame.op == Op::WatchEvent.number() {
            if let Some((path, token)) = event_of(&frame.payload) {
                self.deliver_event(path, token);
            }
            return;
        }
        let pending = {
            let mut waiting = self.lock();
            let id = if frame.req_id == 0 { waiting.oldest(frame.op) } else { Some(frame.req_id) };
            id.and_then(|id| waiting.pending.remove(&id))
        };
        // Nobody waits any more: the future was dropped.
        let Some(pending) = pending else { return };
        let answer = if frame.op == Op::Error.number() {
            Err(Failure::Refused(Errno::from_name(
                frame.payload.strip_suffix(b"\0").unwrap_or(&frame.payload),
            )))
        } else if frame.op == pending.op.number() {
            Ok(frame.payload)
        } else {
            Err(Failure::Malformed)
        };
        let _ = pending.answer.send(answer);
    }

    /// Takes in news of a watch.
    pub(crate) fn deliver_event(&self, path: &[u8], token: &[u8]) {
        let token = std::str::from_utf8(token).ok().and_then(|token| token.parse().ok());
        let queue = token.and_then(|token: u64| self.lock().watches.get(&token).cloned());
        if let Some(queue) = queue {
            queue.push(&String::from_utf8_lossy(path));
        }
    }

    /// Refuses the one request whose frame could not be sent.
    pub(crate) fn refuse(&self, id: u32, errno: Errno) {
        let pending = self.lock().pending.remove(&id);
        if let Some(pending) = pending {
            let _ = pending.answer.send(Err(Failure::Refused(errno)));
        }
    }

    /// Ends everything: each request that waits and each watch gets `lost`.
    pub(crate) fn fail(&self, lost: &Lost) {
        let (pending, watches) = {
            let mut waiting = self.lock();
            waiting.lost.get_or_insert_with(|| lost.clone());
            (std::mem::take(&mut waiting.pending), std::mem::take(&mut waiting.watches))
        };
        for pending in pending.into_values() {
            let _ = pending.answer.send(Err(Failure::Lost(lost.clone())));
        }
        for queue in watches.into_values() {
            queue.fail(lost);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn oldest(&self, op: u32) -> Option<u32> {
        self.pending.iter().find(|(_, pending)| pending.op.number() == op).map(|(&id, _)| id)
    }
}

/// Path and token of an event. A depth or other words may follow in newer protocols.
fn event_of(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut words = payload.split(|&byte| byte == 0);
    Some((words.next()?, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_without_number_goes_to_the_oldest_request_of_its_kind() {
        let requests = Requests::default();
        let (_, mut read) = requests.register(Op::Read).unwrap();
        let (_, mut first) = requests.register(Op::Watch).unwrap();
        let (_, mut second) = requests.register(Op::Watch).unwrap();
        requests.deliver(Frame::new(Op::Watch, 0, 0, b"OK\0".to_vec()));
        assert!(first.try_recv().unwrap().is_ok());
        assert!(second.try_recv().is_err());
        assert!(read.try_recv().is_err());
    }

    #[test]
    fn an_answer_of_another_kind_is_malformed_and_an_unknown_one_is_ignored() {
        let requests = Requests::default();
        let (id, mut read) = requests.register(Op::Read).unwrap();
        requests.deliver(Frame::new(Op::Read, id + 9, 0, Vec::new()));
        requests.deliver(Frame::new(Op::WatchEvent, 0, 0, b"no token".to_vec()));
        requests.deliver(Frame::new(Op::WatchEvent, 0, 0, b"/a\0\xff\0".to_vec()));
        assert!(read.try_recv().is_err());
        requests.deliver(Frame::new(Op::Write, id, 0, Vec::new()));
        assert!(matches!(read.try_recv().unwrap(), Err(Failure::Malformed)));
    }

    #[test]
    fn after_the_end_nothing_can_be_asked_any_more() {
        let requests = Requests::default();
        let (_, mut read) = requests.register(Op::Read).unwrap();
        requests.fail(&Lost::ClosedByDaemon);
        assert!(matches!(read.try_recv().unwrap(), Err(Failure::Lost(Lost::ClosedByDaemon))));
        assert!(requests.register(Op::Read).is_err());
        assert!(requests.register_watch("/a").is_err());
    }
}
