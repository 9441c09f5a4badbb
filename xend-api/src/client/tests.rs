//! The client against small servers of the test's own.

use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

use super::*;

/// A socket in a folder that goes away with the test.
struct Socket {
    folder: PathBuf,
}

impl Socket {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("xend-api-{}-{name}", std::process::id()));
        // Left by a process that was killed and had the same number.
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
        Self { folder }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("s")
    }

    fn client(&self) -> Client {
        Client::new(&format!("httpu://{}", self.path().display())).expect("the path is absolute")
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn http(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

async fn read_request(stream: &mut UnixStream) -> Option<String> {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while !seen.ends_with(b"</methodCall>\n") {
        match stream.read(&mut buffer).await {
            Ok(length) if length > 0 => seen.extend_from_slice(&buffer[..length]),
            _ => return None,
        }
    }
    Some(String::from_utf8(seen).expect("requests are UTF-8"))
}

/// Serves the listed connections one after the other; each is a list of raw answers, then it is closed.
fn serve(socket: &Socket, connections: Vec<Vec<String>>) -> tokio::task::JoinHandle<Vec<String>> {
    let listener = UnixListener::bind(socket.path()).expect("the folder is ours");
    tokio::spawn(async move {
        let mut requests = Vec::new();
        for answers in connections {
            let (mut stream, _) = listener.accept().await.expect("a client connects");
            for answer in answers {
                requests.extend(read_request(&mut stream).await);
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        }
        requests
    })
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.expect("it ends within 20 seconds")
}

fn ok(value: Sxp) -> String {
    http(&xmlrpc::write_response(&Ok(value)))
}

#[tokio::test]
async fn one_connection_serves_several_calls() {
    let socket = Socket::new("reuse");
    let server = serve(&socket, vec![vec![ok(Sxp::Int(1)), ok(Sxp::from("a\nb"))]]);
    let client = socket.client();
    let first = in_time(client.call("m.one", [Sxp::from("pv1"), Sxp::Int(1)])).await;
    assert_eq!(first.expect("the server answers"), Sxp::Int(1));
    assert_eq!(in_time(client.call("m.two", [])).await.expect("the server answers"), Sxp::from("a\nb"));
    let requests = in_time(server).await.expect("the server ends");
    assert!(requests[0].starts_with("POST /RPC2 HTTP/1.1\r\n"), "{}", requests[0]);
    assert!(requests[0].contains("<methodName>m.one</methodName>"), "{}", requests[0]);
    assert!(requests[1].contains("<methodName>m.two</methodName>"), "{}", requests[1]);
}

#[tokio::test]
async fn a_connection_that_the_daemon_closed_is_replaced() {
    let socket = Socket::new("replace");
    let server = serve(&socket, vec![vec![ok(Sxp::Int(1))], vec![ok(Sxp::Int(2))]]);
    let client = socket.client();
    assert_eq!(in_time(client.call("m", [])).await.expect("the server answers"), Sxp::Int(1));
    // The first connection is closed once the server waits for the second; the client has to notice.
    let closed = async {
        loop {
            if client.idle.lock().expect("nobody panicked").as_ref().is_none_or(SendRequest::is_closed) {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    in_time(closed).await;
    assert_eq!(in_time(client.call("m", [])).await.expect("the server answers"), Sxp::Int(2));
    assert_eq!(in_time(server).await.expect("the server ends").len(), 2);
}

#[tokio::test]
async fn nobody_listening_is_told_with_its_errno() {
    let socket = Socket::new("nobody");
    let error = in_time(socket.client().call("m", [])).await.expect_err("there is no socket");
    assert_eq!(error.errno(), Some(2));
    drop(std::os::unix::net::UnixListener::bind(socket.path()).expect("the folder is ours"));
    let error = in_time(socket.client().call("m", [])).await.expect_err("nobody listens");
    assert_eq!(error.errno(), Some(111));
}

#[tokio::test]
async fn each_bad_answer_has_its_own_error() {
    let socket = Socket::new("bad");
    let fault = Fault::no_domain("x").because("nobody knows it");
    let server = serve(
        &socket,
        vec![
            vec![http(&xmlrpc::write_response(&Err(fault.clone()))), http("<nonsense/>")],
            vec!["HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned()],
            vec![String::new()],
            vec!["SSH-2.0-OpenSSH\r\n".to_owned()],
            vec!["HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<?xml".to_owned()],
        ],
    );
    let client = socket.client();
    let mut errors = Vec::new();
    for _ in 0..6 {
        errors.push(in_time(client.call("m", [])).await.expect_err("each answer is bad"));
    }
    assert_eq!(errors[0].fault(), Some(&fault));
    assert!(matches!(errors[1], ClientError::Answer { .. }), "{:?}", errors[1]);
    assert!(matches!(errors[2], ClientError::Http { code: 404, .. }), "{:?}", errors[2]);
    assert!(matches!(errors[3], ClientError::NoAnswer { .. }), "{:?}", errors[3]);
    assert!(matches!(errors[4], ClientError::NoAnswer { .. }), "{:?}", errors[4]);
    assert!(matches!(errors[5], ClientError::Truncated { .. }), "{:?}", errors[5]);
    in_time(server).await.expect("the server ends");
}

#[tokio::test]
async fn a_number_too_large_is_refused_before_anything_is_sent() {
    let socket = Socket::new("number");
    let error = in_time(socket.client().call("m", [Sxp::Int(i64::MAX)])).await;
    assert!(matches!(error, Err(ClientError::Request { .. })), "{error:?}");
}
