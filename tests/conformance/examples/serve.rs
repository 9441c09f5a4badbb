//! Serves an empty store on a unix socket, to try foreign tools by hand:
//! `cargo run -p conformance --example serve -- /tmp/store` and `XENSTORED_PATH=/tmp/store xenstore-ls`.

use tokio::net::UnixListener;
use xenstore::server::{Limits, Server};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::io::Result<()> {
    let Some(path) = std::env::args_os().nth(1) else {
        return Err(std::io::Error::other("usage: serve SOCKET"));
    };
    let listener = UnixListener::bind(path)?;
    Server::new(Limits::default()).serve(listener).await;
    Ok(())
}
