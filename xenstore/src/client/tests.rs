//! The client against daemons that die, lie or are slow.

use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::{Batch, Endpoint, Lost, Store, StoreError};
use crate::Errno;
use crate::server::{Limits, Server};
use crate::wire::{Decoder, Frame, Op};

/// A daemon whose every answer is in the test's hand.
struct Daemon {
    stream: UnixStream,
    decoder: Decoder,
}

impl Daemon {
    async fn next(&mut self) -> Frame {
        loop {
            if let Some(frame) = self.decoder.next_frame().unwrap() {
                return frame;
            }
            let mut buffer = [0; 4096];
            let count = self.stream.read(&mut buffer).await.unwrap();
            assert!(count > 0, "the client closed the connection");
            self.decoder.push(&buffer[..count]);
        }
    }

    async fn answer(&mut self, request: &Frame, payload: &[u8]) {
        self.stream.write_all(&request.answer(payload.to_vec()).to_bytes()).await.unwrap();
    }
}

fn socket_path() -> PathBuf {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("xenstore-client-{}-{number}", std::process::id()));
    // Left by a process that was killed and had the same number.
    let _ = std::fs::remove_file(&path);
    path
}

async fn connected() -> (Store, Daemon) {
    let path = socket_path();
    let listener = UnixListener::bind(&path).unwrap();
    let store = Store::connect(&Endpoint::Socket(path.clone())).await.unwrap();
    let (stream, _) = listener.accept().await.unwrap();
    std::fs::remove_file(path).unwrap();
    (store, Daemon { stream, decoder: Decoder::for_requests() })
}

async fn in_time<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("nothing may hang")
}

fn reason(error: StoreError) -> Lost {
    match error {
        StoreError::Lost { source, .. } => source,
        other => panic!("not lost: {other}"),
    }
}

#[tokio::test]
async fn when_the_daemon_dies_mid_request_all_that_wait_and_all_that_follow_get_an_error() {
    let (store, mut daemon) = connected().await;
    let peer = tokio::spawn(async move {
        let watch = daemon.next().await;
        daemon.answer(&watch, b"OK\0").await;
        let first = daemon.next().await;
        daemon.answer(&first, b"value").await;
        daemon.next().await;
        // Half of an answer, then death.
        let bytes = first.answer(b"another".to_vec()).to_bytes();
        daemon.stream.write_all(&bytes[..20]).await.unwrap();
    });
    let mut watch = in_time(store.watch("/w")).await.unwrap();
    assert_eq!(in_time(store.read("/a")).await.unwrap().as_deref(), Some("value"));
    let error = in_time(store.read("/b")).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot read /b in xenstore, the connection is gone");
    assert!(matches!(reason(error), Lost::ClosedByDaemon));
    assert!(in_time(watch.next()).await.unwrap_err().is_lost());
    assert!(in_time(store.write("/c", "x")).await.unwrap_err().is_lost());
    assert!(in_time(store.watch("/d")).await.unwrap_err().is_lost());
    assert!(in_time(store.commit(Batch::new().mkdir("/e").mkdir("/f"))).await.unwrap_err().is_lost());
    peer.await.unwrap();
}

#[tokio::test]
async fn an_impossible_frame_ends_the_connection() {
    let (store, mut daemon) = connected().await;
    daemon.stream.write_all(&[0xff; 16]).await.unwrap();
    let error = in_time(store.read("/a")).await.unwrap_err();
    assert!(matches!(reason(error), Lost::Oversized(_)));
}

#[tokio::test]
async fn answers_find_their_requests_in_any_order_and_news_in_between() {
    let (store, mut daemon) = connected().await;
    let peer = tokio::spawn(async move {
        let requests = [daemon.next().await, daemon.next().await, daemon.next().await];
        for request in requests.iter().rev() {
            daemon
                .stream
                .write_all(&Frame::new(Op::WatchEvent, 0, 0, b"/x\x0099\0".to_vec()).to_bytes())
                .await
                .unwrap();
            let path = request.payload.clone();
            daemon.answer(request, &path).await;
        }
        daemon
    });
    let values = in_time(store.read_many(&["/a", "/b", "/c"])).await.unwrap();
    assert_eq!(values, ["/a\0", "/b\0", "/c\0"].map(|value| Some(value.to_owned())));
    drop(peer.await.unwrap());
}

#[tokio::test]
async fn a_request_that_nobody_waits_for_any_more_disturbs_nothing() {
    let (store, mut daemon) = connected().await;
    {
        let mut dropped = pin!(store.read("/a"));
        poll_fn(|cx| {
            assert!(dropped.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    let peer = tokio::spawn(async move {
        for value in [b"1", b"2"] {
            let request = daemon.next().await;
            daemon.answer(&request, value).await;
        }
        daemon
    });
    assert_eq!(in_time(store.read("/b")).await.unwrap().as_deref(), Some("2"));
    drop(peer.await.unwrap());
}

#[tokio::test]
async fn a_watch_is_taken_back_also_when_nobody_waited_for_it() {
    let (store, mut daemon) = connected().await;
    {
        let mut dropped = pin!(store.watch("/a"));
        poll_fn(|cx| {
            assert!(dropped.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
    }
    let (watch, unwatch) = (daemon.next().await, daemon.next().await);
    assert_eq!((watch.op, unwatch.op), (Op::Watch.number(), Op::Unwatch.number()));
    assert_eq!(watch.payload, unwatch.payload);
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_before_it_is_sent() {
    let server = Server::new(Limits::default());
    let store = server.connect_as(0);
    for path in ["", "/a\0b", "a b", "/a/", &"a".repeat(2049)] {
        let error = store.write(path, "x").await.unwrap_err();
        assert!(matches!(error, StoreError::Path { verb: "write", .. }), "{error}");
        assert!(store.watch(path).await.is_err());
        assert!(store.commit(Batch::new().mkdir("/good").remove(path)).await.is_err());
    }
    assert!(matches!(store.write("/a", [0; 4094]).await, Err(StoreError::TooLong { len: 4097, .. })));
    assert!(matches!(store.remove("/").await, Err(StoreError::Path { .. })));
    assert!(!server.snapshot().contains("/good"));
}

#[tokio::test]
async fn a_missing_daemon_is_named() {
    let missing = Endpoint::at(Path::new("/nonexistent/socket"));
    let error = Store::connect(&missing).await.unwrap_err();
    assert_eq!(error.to_string(), "cannot connect to xenstored at /nonexistent/socket");
    let device = Endpoint::Device("/nonexistent/xenbus".into());
    assert!(matches!(Store::connect(&device).await, Err(StoreError::Connect { .. })));
}

/// xenstored's own queue is that short.
#[tokio::test]
async fn a_daemon_that_has_no_time_yet_is_waited_for() {
    use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
    use std::os::fd::AsRawFd;
    let path = std::env::temp_dir().join(format!("xenstore-busy-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let busy = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None).unwrap();
    bind(busy.as_raw_fd(), &UnixAddr::new(&path).unwrap()).unwrap();
    listen(&busy, Backlog::new(1).unwrap()).unwrap();
    let mut waiting = Vec::new();
    while let Ok(stream) = UnixStream::connect(&path).await {
        waiting.push(stream);
    }
    assert!(waiting.len() < 5, "the queue is {} long", waiting.len());
    let endpoint = Endpoint::at(&path);
    let late = tokio::spawn(async move { Store::connect(&endpoint).await.map(drop) });
    // Whatever it does meanwhile, it cannot be connected before somebody is let in.
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!late.is_finished());
    let listener = std::os::unix::net::UnixListener::from(busy);
    // Nobody waits for this thread: without the last client it would never end.
    let clients = waiting.len() + 1;
    std::thread::spawn(move || (0..clients).map(|_| listener.accept().unwrap()).collect::<Vec<_>>());
    late.await.unwrap().unwrap();
    std::fs::remove_file(&path).unwrap();
}

#[tokio::test]
async fn a_batch_is_begun_anew_until_nobody_interferes() {
    let server = Server::new(Limits::default());
    let store = server.connect_as(0);
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..8 {
        let store = server.connect_as(0);
        tasks.spawn(async move {
            for round in 0..50 {
                let value = format!("{writer}-{round}");
                let mut batch = Batch::new();
                batch.write("/pair/one", &value).write("/pair/two", &value);
                store.commit(&batch).await.unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    while tasks.try_join_next().is_none() {
        let pair = store
            .transaction("/pair", |tx| async move {
                let one = tx.read("/pair/one").await?;
                tokio::task::yield_now().await;
                Ok::<_, StoreError>((one, tx.read("/pair/two").await?))
            })
            .await
            .unwrap();
        assert_eq!(pair.0, pair.1, "half of a batch was seen");
        tokio::task::yield_now().await;
    }
    tasks.join_all().await;
    assert_eq!(server.load().transactions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_always_meets_others_is_given_up() {
    let server = Server::new(Limits::default());
    let (store, other) = (server.connect_as(0), server.connect_as(0));
    let result = store.transaction("/a", |tx| {
        let other = &other;
        async move {
            tx.read("/a").await?;
            other.write("/a", "mine").await?;
            tx.write("/a", "yours").await
        }
    });
    let error: StoreError = result.await.unwrap_err();
    assert!(matches!(error, StoreError::Conflict { tries: 200, .. }), "{error}");
    assert_eq!(other.read("/a").await.unwrap().as_deref(), Some("mine"));
}

#[tokio::test]
async fn work_that_fails_leaves_nothing_behind() {
    #[derive(Debug, thiserror::Error)]
    enum Failure {
        #[error("the work is no good")]
        NoGood,
        #[error("the store is no good")]
        Store(#[from] StoreError),
    }
    let server = Server::new(Limits::default());
    let store = server.connect_as(0);
    let result: Result<(), Failure> = store
        .transaction("/a", |tx| async move {
            tx.write("/a", "x").await?;
            Err(Failure::NoGood)
        })
        .await;
    assert!(matches!(result, Err(Failure::NoGood)));
    assert_eq!((server.snapshot().value("/a"), server.load().transactions), (None, 0));
    let refused = store.set_permissions("/absent", &crate::Permissions::owned_by(0)).await.unwrap_err();
    assert_eq!(refused.errno(), Some(Errno::NotFound));
    assert_eq!(refused.to_string(), "cannot set the permissions of /absent in xenstore");
}

/// Callers move these into tasks of a runtime with many threads.
#[test]
fn futures_of_the_client_can_move_between_threads() {
    fn sendable<T: Send>(_: &T) {}
    let server = Server::new(Limits::default());
    let store = server.connect_as(0);
    let batch = Batch::new();
    sendable(&store.commit(&batch));
    sendable(&store.watch("/a"));
    sendable(&store.read_many(&["/a"]));
    sendable(&store.list_many(&["/a"]));
    let path = String::from("/a");
    sendable(&store.transaction(&path, |tx| {
        let path = &path;
        async move { tx.write(path, "x").await }
    }));
    drop(store);
}
