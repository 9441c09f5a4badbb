//! A guest that sends anything to the store's daemon: it must end nobody's life but its own connection's, change nothing
//! that it may not change, and leave nothing behind.
#![no_main]

use fuzz::{Choices, scratch, within_patience};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use xenstore::Permissions;
use xenstore::server::{Limits, Load, Server};
use xenstore::wire::Frame;

const GUEST: u16 = 7;

fuzz_target!(|data: &[u8]| within_patience(attack(data)));

async fn attack(data: &[u8]) {
    let server = Server::new(Limits::default());
    let host = server.connect_as(0);
    host.write("/host/secret", "untouched").await.expect("domain 0 may write");
    host.write("/local/domain/7/name", "guest").await.expect("domain 0 may write");
    let owned = Permissions::owned_by(GUEST);
    host.set_permissions("/local/domain/7", &owned).await.expect("domain 0 may set permissions");
    server.domain_introduced(GUEST);

    let path = scratch("store");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("the folder is ours");
    let daemon = tokio::spawn(server.clone().serve_as(listener, GUEST));
    let mut stream = UnixStream::connect(&path).await.expect("the daemon listens");
    // The daemon may cut us off at any byte.
    let (mut answers, mut requests) = stream.split();
    let message = message(data);
    let send = async {
        let _ = requests.write_all(&message).await;
        let _ = requests.shutdown().await;
    };
    let mut heard = Vec::new();
    let _ = tokio::join!(send, answers.read_to_end(&mut heard));
    drop(stream);

    while server.load().connections > 1 {
        tokio::task::yield_now().await;
    }
    assert_eq!(server.load(), Load { connections: 1, watches: 0, transactions: 0 });
    let secret = host.read("/host/secret").await.expect("the daemon is alive");
    assert_eq!(secret.as_deref(), Some("untouched"));
    daemon.abort();
    let _ = daemon.await;
}

/// Bytes as they come, or frames whose parts are chosen.
fn message(data: &[u8]) -> Vec<u8> {
    let mut choices = Choices::new(data);
    if choices.byte() == 0 {
        return choices.rest().to_vec();
    }
    let mut bytes = Vec::new();
    while !choices.is_empty() {
        let op = u32::from(choices.byte() % 24);
        let tx_id = u32::from(choices.byte() % 4);
        let payload = choices.piece().to_vec();
        Frame { op, req_id: 1, tx_id, payload }.encode(&mut bytes);
    }
    bytes
}
