//! Clients on sockets that do not behave.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use super::server;
use crate::server::Server;
use crate::wire::{Frame, Op};
use crate::{Endpoint, Store};

async fn serving(name: &str) -> (Server, PathBuf) {
    let path = std::env::temp_dir().join(format!("xenstore-server-{}-{name}", std::process::id()));
    // Left by a process that was killed and had the same number.
    let _ = std::fs::remove_file(&path);
    let server = server();
    tokio::spawn(server.clone().serve(UnixListener::bind(&path).unwrap()));
    (server, path)
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what} takes too long");
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_client_that_never_reads_its_news_is_cut_off_and_others_are_served() {
    let (server, path) = serving("deaf").await;
    let mut deaf = UnixStream::connect(&path).await.unwrap();
    deaf.write_all(&Frame::new(Op::Watch, 1, 0, b"/\0t\0".to_vec()).to_bytes()).await.unwrap();
    until("the watch", || server.load().watches == 1).await;
    let store = server.connect_as(0);
    let long = format!("/{}", "d".repeat(3000));
    for _ in 0..7000 {
        store.write(&long, "").await.unwrap();
    }
    until("cutting off", || server.load().watches == 0).await;
    let other = Store::connect(&Endpoint::Socket(path.clone())).await.unwrap();
    assert_eq!(other.read(&long).await.unwrap().as_deref(), Some(""));
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_client_that_asks_without_reading_is_not_asked_for_more_than_it_can_take() {
    let (server, path) = serving("greedy").await;
    let store = server.connect_as(0);
    store.write("/big", vec![b'x'; 4000]).await.unwrap();
    let mut greedy = UnixStream::connect(&path).await.unwrap();
    let requests: Vec<u8> =
        (1..=20_000).flat_map(|id| Frame::new(Op::Read, id, 0, b"/big\0".to_vec()).to_bytes()).collect();
    let total = 20_000 * 4016;
    let (mut source, mut sink) = greedy.split();
    let send = async { sink.write_all(&requests).await.unwrap() };
    let receive = async {
        // Reads late: by then, answers fill what the server is ready to hold.
        until("the first answers", || server.load().connections == 2).await;
        let (mut seen, mut buffer) = (0, vec![0; 65536]);
        while seen < total {
            let count = source.read(&mut buffer).await.unwrap();
            assert!(count > 0, "cut off after {seen} bytes");
            seen += count;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), async { tokio::join!(send, receive) }).await.unwrap();
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn a_connection_that_goes_away_leaves_nothing() {
    let (server, path) = serving("gone").await;
    {
        let store = Store::connect(&Endpoint::Socket(path.clone())).await.unwrap();
        let mut watch = store.watch("/a").await.unwrap();
        watch.next().await.unwrap();
        assert_eq!((server.load().connections, server.load().watches), (1, 1));
    }
    until("closing", || server.load().connections == 0).await;
    assert_eq!(server.load().watches, 0);
    std::fs::remove_file(path).unwrap();
}

#[tokio::test]
async fn when_the_server_hangs_up_its_clients_notice() {
    let (server, path) = serving("hang-up").await;
    let (near, far) = (server.connect_as(0), Store::connect(&Endpoint::Socket(path.clone())).await.unwrap());
    let mut watches = [near.watch("/a").await.unwrap(), far.watch("/a").await.unwrap()];
    for watch in &mut watches {
        watch.next().await.unwrap();
    }
    server.disconnect_all();
    for watch in &mut watches {
        let news = tokio::time::timeout(Duration::from_secs(20), watch.next()).await.unwrap();
        assert!(news.unwrap_err().is_lost());
    }
    assert!(near.read("/").await.unwrap_err().is_lost());
    assert!(far.read("/").await.unwrap_err().is_lost());
    std::fs::remove_file(path).unwrap();
}
