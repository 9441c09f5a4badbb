//! The process that serves one image: `qemu-storage-daemon`, which may see this image's files and nothing else.
//!
//! It outlives the script and the daemon, and ends when the disk is removed. It runs under a number of its domain's
//! own, in a root of its own (`confine`), so whoever takes it over through a forged image has that image.
//!
//! ```text
//! xen-hotplug block add           socket(s) bound and handed over; child started, waiting
//!                                 record: pid, start time, files          (from here on `remove` finds it)
//!                                 "go"
//!    └─ xen-hotplug image-server  own session, own root, own number, no way to more rights
//!       └─ exec qemu-storage-daemon --blockdev … --nbd-server … --export …
//! ```
//!
//! If we die before the record, the child hears no "go" and ends. QMP is at `qmp` in the disk's folder.

pub mod confine;
mod options;
mod process;
mod record;

pub use process::Process;
pub use record::{Record, Use, all, folder, is_name, name_of};

use crate::fault::{Fault, Faults};
use crate::host::Host;
use crate::image::Chain;
use crate::nbd::{Export, HandshakeError, negotiate};
use crate::sys;
use crate::vbd::Mode;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Name of the export inside the server.
const EXPORT: &str = "disk";
/// How long a server may take from its start to its first words. Opening a large image on a slow disk takes a while.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long it may take to end: it writes back what it still has in memory.
const STOP_LIMIT: Duration = Duration::from_secs(20);
/// How long the kernel may take to end one that was killed.
const KILL_LIMIT: Duration = Duration::from_secs(5);
/// As much of a server's messages as is passed on.
const MESSAGES_MAX: u64 = 2048;
/// Numbers from here on belong to nobody on any distribution; a domain's is added.
const FIRST_USER: u32 = 0x7000_0000;

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// It is not installed.
    #[error(
        "cannot serve {image}: there is no program {program} here (Debian: package qemu-utils, before trixie qemu-system-common)"
    )]
    NotInstalled {
        /// The image.
        image: PathBuf,
        /// What was looked for.
        program: &'static str,
    },
    /// Something of the host did not work.
    #[error("cannot {verb} {path}")]
    Host {
        /// What was tried.
        verb: &'static str,
        /// With what.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It ended, or said nothing sensible.
    #[error("cannot serve {image}: {messages}")]
    Died {
        /// The image.
        image: PathBuf,
        /// Its last words, or what became of it.
        messages: String,
    },
    /// It does not end.
    #[error("the server of {name} (process {pid}) does not end")]
    Undying {
        /// The disk.
        name: String,
        /// The process.
        pid: u32,
    },
    /// A test let a step fail.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What is to be served.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The host.
    pub host: &'a Host,
    /// The program that confines itself and becomes the server: xen-hotplug.
    pub program: &'a Path,
    /// The disk, as its folder is called.
    pub name: &'a str,
    /// The domain whose it is.
    pub domid: u32,
    /// The image.
    pub chain: &'a Chain,
    /// What the guest may do.
    pub mode: Mode,
}

/// Starts the server of an image and agrees with it on the export. The stream carries blocks from here on.
pub fn start(order: &Order<'_>, faults: &Faults) -> Result<(UnixStream, Export), ServerError> {
    let image = || order.chain.image().path.clone();
    let path = options::program().map_err(|program| ServerError::NotInstalled { image: image(), program })?;
    let folder = folder(order.host, order.name);
    faults.reach("make the folder of the disk")?;
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder.join("root"));
    made.map_err(|source| failed("make", &folder, source))?;
    let (nbd, qmp) = (listen(&folder.join("nbd"))?, listen(&folder.join("qmp"))?);
    let log = log_file(order)?;
    faults.reach("start the image server")?;
    for socket in [&nbd, &qmp] {
        sys::inherit(socket).map_err(|source| failed("hand over a socket in", &folder, source))?;
    }
    let words = options::words(order, &path, (&nbd, &qmp));
    let mut child = spawn(order.program, &words, &log)?;
    drop((nbd, qmp));
    let result = introduce(order, &mut child, &folder, faults);
    result.map_err(|error| {
        let _ = child.kill();
        let _ = child.wait();
        match error {
            Introduction::Failed(error) => error,
            Introduction::Silent(error) => {
                ServerError::Died { image: image(), messages: last_words(&log).unwrap_or(error.to_string()) }
            }
        }
    })
}

/// Ends the server that `record` names, if it lives. What it complained of is the answer.
pub fn stop(host: &Host, name: &str, record: &Record) -> Result<Option<String>, ServerError> {
    if let Some(server) = record.server {
        server
            .stop(STOP_LIMIT, KILL_LIMIT)
            .map_err(|_| ServerError::Undying { name: name.to_owned(), pid: server.pid })?;
    }
    let path = log_path(host, name);
    let messages = File::open(&path).ok().and_then(|log| last_words(&log));
    match fs::remove_file(&path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path, source)),
        _ => Ok(messages),
    }
}

enum Introduction {
    Failed(ServerError),
    Silent(HandshakeError),
}

impl From<ServerError> for Introduction {
    fn from(error: ServerError) -> Self {
        Introduction::Failed(error)
    }
}

/// From the child's first instant to its first words.
fn introduce(
    order: &Order<'_>,
    child: &mut Child,
    folder: &Path,
    faults: &Faults,
) -> Result<(UnixStream, Export), Introduction> {
    let mut record = Record::read(folder).unwrap_or_default();
    record.server = Process::of(child.id());
    record.uses =
        order.chain.layers.iter().enumerate().map(|(at, layer)| Use::of(layer, at, order.mode)).collect();
    record.write(folder).map_err(|source| failed("write", folder, source))?;
    faults.reach("let the image server go on").map_err(ServerError::from)?;
    let mut go = child.stdin.take().expect("its standard input is a pipe of ours");
    // One that ended already says why in its log.
    let _ = go.write_all(b"\n");
    drop(go);
    let socket = folder.join("nbd");
    let mut stream = UnixStream::connect(&socket).map_err(|source| failed("connect to", &socket, source))?;
    let _ = fs::remove_file(&socket);
    let deadline = |stream: &UnixStream, limit| {
        let set = stream.set_read_timeout(limit).and_then(|()| stream.set_write_timeout(limit));
        set.map_err(|source| failed("set a time limit for", &socket, source))
    };
    deadline(&stream, Some(START_LIMIT))?;
    let export = negotiate(&mut stream, EXPORT).map_err(Introduction::Silent)?;
    // The kernel would obey them, too.
    deadline(&stream, None)?;
    Ok((stream, export))
}

fn listen(path: &Path) -> Result<UnixListener, ServerError> {
    let _ = fs::remove_file(path);
    UnixListener::bind(path).map_err(|source| failed("listen at", path, source))
}

fn log_path(host: &Host, name: &str) -> PathBuf {
    host.path("/var/log/xen").join(format!("image-server-{name}.log"))
}

fn log_file(order: &Order<'_>) -> Result<File, ServerError> {
    let path = log_path(order.host, order.name);
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).map_err(|source| failed("make", folder, source))?;
    let _ = fs::remove_file(&path);
    let log = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path);
    log.map_err(|source| failed("open", &path, source))
}

fn spawn(program: &Path, words: &[OsString], log: &File) -> Result<Child, ServerError> {
    let copy = || log.try_clone().map_err(|source| failed("open the log for", program, source));
    let mut command = Command::new(program);
    command.args(words).env_clear().current_dir("/").stdin(Stdio::piped()).stdout(copy()?).stderr(copy()?);
    command.spawn().map_err(|source| failed("start", program, source))
}

/// The end of what a server wrote, on one line.
fn last_words(mut log: &File) -> Option<String> {
    let size = log.seek(SeekFrom::End(0)).ok()?;
    log.seek(SeekFrom::Start(size.saturating_sub(MESSAGES_MAX))).ok()?;
    let mut bytes = Vec::new();
    log.take(MESSAGES_MAX).read_to_end(&mut bytes).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

fn failed(verb: &'static str, path: &Path, source: io::Error) -> ServerError {
    ServerError::Host { verb, path: path.to_path_buf(), source }
}

/// Waits until `done`, looking often at first.
fn wait_until(limit: Duration, mut done: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + limit;
    let mut pause = Duration::from_micros(200);
    loop {
        if done() {
            return true;
        }
        if Instant::now() >= deadline {
            return false;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(10));
    }
}
