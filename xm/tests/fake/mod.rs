//! A daemon for tests: answers XML-RPC on a unix socket as a test tells it, remembers what was asked, and runs `xm`
//! against itself.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test program uses a part")]

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use xend_api::{Fault, Sxp, sxp, xmlrpc};

/// What the daemon does about a call.
pub enum Reply {
    /// A result.
    Result(Sxp),
    /// A fault.
    Fault(Fault),
    /// Closes the connection without an answer, as a daemon that is killed.
    Die,
    /// A status of HTTP that is not 200.
    Http(u16),
    /// Never answers.
    Hang,
    /// What an original daemon says to a method that it does not have.
    Unknown,
}

/// A tree from text; whole numbers become numbers, as on the wire.
pub fn tree(text: &str) -> Sxp {
    numbers(sxp::parse(text).unwrap().remove(0))
}

fn numbers(sxp: Sxp) -> Sxp {
    match sxp {
        Sxp::List(items) => Sxp::List(items.into_iter().map(numbers).collect()),
        Sxp::Text(text) => match (text.parse::<i64>(), text.parse::<f64>()) {
            (Ok(n), _) => Sxp::Int(n),
            (_, Ok(n)) if text.contains('.') => Sxp::Float(n),
            _ => Sxp::Text(text),
        },
        other => other,
    }
}

type Handler = dyn FnMut(&str, &[Sxp]) -> Reply + Send;

/// A folder of its own, removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("xm-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        // Left by a process that was killed and had the same number.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, text: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        path.to_string_lossy().into_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What `xm` printed and how it ended.
#[derive(Debug, PartialEq, Eq)]
pub struct Ran {
    pub out: String,
    pub err: String,
    pub status: i32,
}

/// A daemon that listens.
pub struct Fake {
    pub folder: Folder,
    calls: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    pub fn new(handler: impl FnMut(&str, &[Sxp]) -> Reply + Send + 'static) -> Self {
        let folder = Folder::new();
        let listener = UnixListener::bind(folder.path().join("sock")).unwrap();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&calls);
        let handler: Arc<Mutex<Box<Handler>>> = Arc::new(Mutex::new(Box::new(handler)));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (handler, seen) = (Arc::clone(&handler), Arc::clone(&seen));
                std::thread::spawn(move || serve(stream, &handler, &seen));
            }
        });
        Self { folder, calls }
    }

    /// What was asked so far, `METHOD(PARAMS)` each, and forgets it.
    pub fn take_calls(&self) -> Vec<String> {
        std::mem::take(&mut self.calls.lock().unwrap())
    }

    /// `xm` with this daemon, in the fake's folder.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = command(self.folder.path(), args);
        command.env("XM_SERVER", format!("httpu://{}", self.folder.path().join("sock").display()));
        command
    }

    pub fn run(&self, args: &[&str]) -> Ran {
        ran(self.command(args))
    }

    /// Both streams in one file, in the order written.
    pub fn run_merged(&self, args: &[&str]) -> (String, i32) {
        let path = self.folder.path().join("merged");
        let file = File::create(&path).unwrap();
        let mut command = self.command(args);
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let status = command.status().unwrap();
        (fs::read_to_string(&path).unwrap(), status.code().unwrap_or(-1))
    }
}

/// `xm` without a daemon.
pub fn command(folder: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_xm"));
    command.args(args).current_dir(folder);
    command
        .env("XM_CONFIG_FILE", folder.join("no-xm-config.xml"))
        .env("XM_SERVER", "httpu:///nonexistent/socket");
    command.env("HOME", "/home").env_remove("DISPLAY").env_remove("XAUTHORITY");
    command
}

pub fn ran(mut command: Command) -> Ran {
    let output = command.stdin(Stdio::null()).output().unwrap();
    Ran {
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
        status: output.status.code().unwrap_or(-1),
    }
}

/// Requests of one connection, until it ends.
fn serve(mut stream: UnixStream, handler: &Mutex<Box<Handler>>, seen: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some(body) = request(&mut reader) {
        let call = xmlrpc::parse_call(&body).unwrap();
        let params: Vec<String> = call.params.iter().map(ToString::to_string).collect();
        seen.lock().unwrap().push(format!("{}({})", call.method, params.join(", ")));
        let method = call.method.strip_prefix("xend.").unwrap_or(&call.method);
        let reply = (handler.lock().unwrap())(method, &call.params);
        let (status, body) = match reply {
            Reply::Result(result) => (200, xmlrpc::write_response(&Ok(result))),
            Reply::Fault(fault) => (200, xmlrpc::write_response(&Err(fault))),
            Reply::Unknown => {
                let members = [("Status", Sxp::from("Failure")), ("ErrorDescription", Sxp::List(vec![]))];
                let members = members.map(|(name, value)| (name.to_owned(), value)).to_vec();
                (200, xmlrpc::write_response(&Ok(Sxp::Struct(members))))
            }
            Reply::Http(status) => (status, String::new()),
            Reply::Die => return,
            Reply::Hang => loop {
                std::thread::park();
            },
        };
        let head = format!(
            "HTTP/1.1 {status} OK\r\nContent-Type: text/xml\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).is_err() {
            return;
        }
    }
}

fn request(reader: &mut BufReader<UnixStream>) -> Option<Vec<u8>> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        let line = line.trim().to_ascii_lowercase();
        if line.is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some(body)
}
