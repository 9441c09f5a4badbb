//! A store daemon that answers anything: every request ends, with a result or an error.
#![no_main]

use fuzz::{Choices, scratch, within_patience};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{UnixListener, UnixStream};
use xenstore::wire::{Decoder, Frame, Op};
use xenstore::{Batch, Endpoint, Permissions, Store, StoreError};

/// A client that has sent nothing for so many turns has nothing to send.
const TURNS: usize = 24;

fuzz_target!(|data: &[u8]| within_patience(converse(data)));

async fn converse(data: &[u8]) {
    let path = scratch("store");
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("the folder is ours");
    let daemon = async {
        let Ok((stream, _)) = listener.accept().await else { return };
        // Either side may end the connection at any time.
        let _ = answer(stream, Choices::new(data)).await;
    };
    let client = async {
        let Ok(store) = Store::connect(&Endpoint::Socket(path.clone())).await else { return };
        let _ = ask(&store).await;
    };
    tokio::join!(daemon, client);
}

/// Every kind of request, whatever became of the one before.
async fn ask(store: &Store) -> Result<(), StoreError> {
    let mut batch = Batch::new();
    batch.write("/a", "b").mkdir("/c").permissions("/a", Permissions::owned_by(0)).remove("/d");
    let mut watch = store.watch("/w").await;
    let _ = store.read("/a").await;
    let _ = store.read_many(&["/a", "/b", "/c"]).await;
    let _ = store.list("/").await;
    let _ = store.list_many(&["/a", "/b"]).await;
    let _ = store.permissions("/a").await;
    let _ = store.is_introduced(1).await;
    let _ = store.domain_path(1).await;
    let _ = store.commit(&batch).await;
    let _ = store.introduce(1, 2, 3).await;
    let _ = store.remove("/a").await;
    if let Ok(watch) = &mut watch {
        // Lasts until the daemon is gone.
        while watch.next().await.is_ok() {}
    }
    store.write("/a", "b").await
}

/// Lets the client run so many times.
async fn turns(count: usize) {
    for _ in 0..count {
        tokio::task::yield_now().await;
    }
}

/// Answers requests by choice until the choices are used up, then ends the connection.
async fn answer(mut stream: UnixStream, mut choices: Choices<'_>) -> std::io::Result<()> {
    let mut decoder = Decoder::for_requests();
    let mut buffer = vec![0; 4096];
    while !choices.is_empty() {
        let count = tokio::select! {
            biased;
            count = stream.read(&mut buffer) => count?,
            // The client waits for us: for an answer that it did not get, or for news.
            () = turns(TURNS) => 0,
        };
        if count == 0 {
            break;
        }
        decoder.push(&buffer[..count]);
        while let Ok(Some(request)) = decoder.next_frame() {
            let mut bytes = Vec::new();
            one_answer(&request, &mut choices, &mut bytes);
            stream.write_all(&bytes).await?;
        }
    }
    Ok(())
}

fn one_answer(request: &Frame, choices: &mut Choices<'_>, bytes: &mut Vec<u8>) {
    let errors: [&[u8]; 6] = [b"ENOENT\0", b"EAGAIN\0", b"EINVAL\0", b"EQUOTA\0", b"E2BIG\0", b""];
    let choice = choices.byte();
    match choice % 6 {
        0 => request.answer(b"OK\0".to_vec()).encode(bytes),
        1 => {
            let text = errors[usize::from(choices.byte()) % errors.len()];
            Frame { op: Op::Error.number(), ..request.answer(text.to_vec()) }.encode(bytes);
        }
        2 => request.answer(choices.piece().to_vec()).encode(bytes),
        3 => {
            let event = Frame::new(Op::WatchEvent, 0, 0, choices.piece().to_vec());
            event.encode(bytes);
            request.answer(b"OK\0".to_vec()).encode(bytes);
        }
        4 => {
            let op = u32::from(choices.byte());
            let req_id = request.req_id.wrapping_add(u32::from(choices.byte() % 3));
            Frame { op, req_id, tx_id: request.tx_id, payload: choices.piece().to_vec() }.encode(bytes);
        }
        _ => bytes.extend(choices.piece()),
    }
}
