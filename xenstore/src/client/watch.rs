//! Watches: what changed below a path, without ever blocking the one who reads the connection.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::error::Failure;
use super::requester::Requester;
use super::{Lost, Store, StoreError};
use crate::wire::{Op, c_string};

/// Bytes of paths that may wait in one watch. Beyond them only "look at everything" is kept: a guest that makes
/// up names cannot fill the daemon's memory.
const PENDING_MAX: usize = 256 * 1024;

/// A watch on a path and everything below it. Dropping it takes it back.
#[derive(Debug)]
pub struct Watch {
    store: Store,
    path: String,
    token: u64,
    queue: Arc<Queue>,
}

impl Watch {
    pub(crate) async fn register(store: &Store, path: &str) -> Result<Self, StoreError> {
        const VERB: &str = "watch";
        let lost = |source: Lost| StoreError::Lost { verb: VERB, path: path.to_owned(), source };
        super::requester::check(VERB, path)?;
        let (token, queue) = store.handle().requests.register_watch(path).map_err(lost)?;
        // From here on dropping it cleans up, also when this future is dropped while it waits.
        let watch = Self { store: store.clone(), path: path.to_owned(), token, queue };
        let answer = Requester::plain(store.handle()).submit(Op::Watch, watch.arguments());
        answer.wait().await.map_err(|failure| failure.on(VERB, path))?;
        Ok(watch)
    }

    /// The path that changed: the watched one, or one below it. A watch speaks up once by itself after it was
    /// made. Changes of the same path that were not fetched yet are one; when very many different ones wait, the
    /// watched path itself stands for them all.
    ///
    /// Dropping the future loses nothing.
    ///
    /// # Errors
    /// The connection is gone; no more news will come.
    pub async fn next(&mut self) -> Result<String, StoreError> {
        loop {
            let arrived = self.queue.arrived.notified();
            match self.queue.pop() {
                Some(Ok(path)) => return Ok(path.to_string()),
                Some(Err(lost)) => return Err(Failure::Lost(lost).on("watch", &self.path)),
                None => arrived.await,
            }
        }
    }

    /// What is watched.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    fn arguments(&self) -> Vec<u8> {
        let mut payload = c_string(self.path.as_bytes());
        payload.extend_from_slice(&c_string(self.token.to_string().as_bytes()));
        payload
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let handle = self.store.handle();
        handle.requests.forget_watch(self.token);
        // Nobody waits for the answer.
        drop(Requester::plain(handle).submit(Op::Unwatch, self.arguments()));
    }
}

/// Paths that changed and were not fetched yet: each once, in the order of their first change.
#[derive(Debug)]
pub(crate) struct Queue {
    watched: Arc<str>,
    state: Mutex<State>,
    arrived: Notify,
}

#[derive(Debug, Default)]
struct State {
    order: BTreeMap<u64, Arc<str>>,
    place: HashMap<Arc<str>, u64>,
    last: u64,
    bytes: usize,
    lost: Option<Lost>,
}

impl Queue {
    pub(crate) fn new(watched: &str) -> Self {
        Self { watched: watched.into(), state: Mutex::default(), arrived: Notify::new() }
    }

    pub(crate) fn push(&self, path: &str) {
        {
            let mut state = self.lock();
            if state.place.contains_key(path) || state.place.contains_key(&self.watched) && state.is_full() {
                return;
            }
            if state.bytes + path.len() > PENDING_MAX {
                state.order.clear();
                state.place.clear();
                state.add(Arc::clone(&self.watched));
                // Stays full until it is fetched, so that the pieces that follow are covered too.
                state.bytes = PENDING_MAX;
            } else {
                state.add(path.into());
            }
        }
        self.arrived.notify_one();
    }

    pub(crate) fn fail(&self, lost: &Lost) {
        self.lock().lost.get_or_insert_with(|| lost.clone());
        self.arrived.notify_one();
    }

    /// News that arrived before the connection was lost come first.
    fn pop(&self) -> Option<Result<Arc<str>, Lost>> {
        let mut state = self.lock();
        let Some((_, path)) = state.order.pop_first() else { return state.lost.clone().map(Err) };
        state.place.remove(&path);
        state.bytes = if state.order.is_empty() { 0 } else { state.bytes.saturating_sub(path.len()) };
        Some(Ok(path))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_full(&self) -> bool {
        self.bytes >= PENDING_MAX
    }

    fn add(&mut self, path: Arc<str>) {
        self.last += 1;
        self.bytes += path.len();
        self.order.insert(self.last, Arc::clone(&path));
        self.place.insert(path, self.last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(queue: &Queue) -> Vec<String> {
        std::iter::from_fn(|| queue.pop()).map_while(Result::ok).map(|path| path.to_string()).collect()
    }

    #[test]
    fn paths_come_in_the_order_of_their_first_change_and_each_once() {
        let queue = Queue::new("/w");
        for path in ["/w/b", "/w/a", "/w/b", "/w/c", "/w/a"] {
            queue.push(path);
        }
        assert_eq!(drain(&queue), ["/w/b", "/w/a", "/w/c"]);
        queue.push("/w/b");
        assert_eq!(drain(&queue), ["/w/b"]);
    }

    #[test]
    fn a_flood_of_names_becomes_one_look_at_everything_and_then_news_flow_again() {
        let queue = Queue::new("/w");
        for number in 0..200_000 {
            queue.push(&format!("/w/{number}"));
        }
        assert!(queue.lock().order.len() < PENDING_MAX);
        assert_eq!(drain(&queue), ["/w"]);
        queue.push("/w/later");
        assert_eq!(drain(&queue), ["/w/later"]);
    }

    #[test]
    fn news_that_came_before_the_end_are_told_before_it() {
        let queue = Queue::new("/w");
        queue.push("/w/a");
        queue.fail(&Lost::ClosedByDaemon);
        assert_eq!(queue.pop().unwrap().unwrap().as_ref(), "/w/a");
        assert!(queue.pop().unwrap().is_err());
        assert!(queue.pop().unwrap().is_err());
    }
}
