//! Runs in dom0 of a lab host: starts commands for the test outside, and carries their streams.
//!
//! One thread reads frames from the virtio-serial port, each command has a thread per stream. It is the only
//! program that holds the port open, and it is linked statically, so it runs on every suite. Started with arguments it
//! is one of the [`tools`].

mod tools;

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use lab::protocol::{Frame, Kind, MAX_PAYLOAD, PORT};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

type Line = Arc<Mutex<File>>;
type Commands = Arc<Mutex<HashMap<u32, Running>>>;

/// After a command's end its streams may be silent this long before they are given up: a machine that stands still for a
/// moment must not cost a command its words. Only one that leaves a writer in the background waits for this.
const LINGER: Duration = Duration::from_secs(10);

/// A command that has not ended.
struct Running {
    input: Option<Sender<Vec<u8>>>,
    group: Pid,
}

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if !arguments.is_empty() {
        return tools::run(&arguments);
    }
    let port = OpenOptions::new().read(true).write(true).open(find_port())?;
    let mut input = port.try_clone()?;
    let line: Line = Arc::new(Mutex::new(port));
    let commands = Commands::default();
    send(&line, &Frame::new(0, Kind::Hello, *b""));
    loop {
        let frame = Frame::read(&mut input)?;
        match frame.kind {
            Kind::Run | Kind::RunOnTerminal => {
                let (channel, kind) = (frame.channel, frame.kind);
                if let Err(error) = start(&line, &commands, frame) {
                    send(
                        &line,
                        &Frame::new(channel, Kind::Error, format!("cannot start ({kind:?}): {error}\n")),
                    );
                    send(&line, &Frame::new(channel, Kind::Exit, 127i32.to_le_bytes()));
                }
            }
            Kind::Data => {
                if let Some(Running { input: Some(input), .. }) = hold(&commands).get(&frame.channel) {
                    let _ = input.send(frame.payload);
                }
            }
            Kind::End => {
                if let Some(running) = hold(&commands).get_mut(&frame.channel) {
                    running.input = None;
                }
            }
            Kind::Exit => {
                if let Some(running) = hold(&commands).get(&frame.channel) {
                    let _ = killpg(running.group, Signal::SIGKILL);
                }
            }
            Kind::Hello | Kind::Error => {}
        }
    }
}

/// Without udev the port has no name in `/dev`: it is found by the name that the kernel shows.
fn find_port() -> PathBuf {
    loop {
        for entry in fs::read_dir("/sys/class/virtio-ports").into_iter().flatten().flatten() {
            let name = fs::read_to_string(entry.path().join("name")).unwrap_or_default();
            if name.trim() == PORT {
                return PathBuf::from("/dev").join(entry.file_name());
            }
        }
        thread::sleep(Duration::from_millis(50));
    }
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn send(line: &Line, frame: &Frame) {
    // A line that broke ends the reading loop; there is nobody left to tell.
    let _ = frame.write(&mut *hold(line));
}

fn start(line: &Line, commands: &Commands, frame: Frame) -> io::Result<()> {
    let channel = frame.channel;
    let script = String::from_utf8_lossy(&frame.payload).into_owned();
    let started = match frame.kind {
        Kind::RunOnTerminal => on_terminal(&script)?,
        _ => on_pipes(&script)?,
    };
    let group = Pid::from_raw(started.child.id() as i32);
    let (input, bytes) = mpsc::channel::<Vec<u8>>();
    hold(commands).insert(channel, Running { input: Some(input), group });
    let mut sink = started.input;
    thread::spawn(move || {
        while let Ok(bytes) = bytes.recv() {
            if sink.write_all(&bytes).is_err() {
                break;
            }
        }
    });
    let (alive, copied) = mpsc::channel::<()>();
    for (kind, source) in started.outputs {
        let (line, alive) = (Arc::clone(line), alive.clone());
        thread::spawn(move || copy(&line, channel, kind, source, &alive));
    }
    drop(alive);
    let (line, commands, mut child) = (Arc::clone(line), Arc::clone(commands), started.child);
    thread::spawn(move || {
        let status = child.wait();
        // What is still on its way is waited for; a process in the background that holds the stream open is not.
        while copied.recv_timeout(LINGER).is_ok() {}
        hold(&commands).remove(&channel);
        send(&line, &Frame::new(channel, Kind::Exit, status.map_or(126, code).to_le_bytes()));
    });
    Ok(())
}

struct Started {
    child: Child,
    input: File,
    outputs: Vec<(Kind, File)>,
}

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/bash");
    command.args(["-c", script]);
    command
}

fn on_pipes(script: &str) -> io::Result<Started> {
    let mut command = shell(script);
    command.process_group(0).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let gone = || io::Error::other("a pipe is missing");
    let input = OwnedFd::from(child.stdin.take().ok_or_else(gone)?);
    let output = OwnedFd::from(child.stdout.take().ok_or_else(gone)?);
    let error = OwnedFd::from(child.stderr.take().ok_or_else(gone)?);
    Ok(Started {
        child,
        input: input.into(),
        outputs: vec![(Kind::Data, output.into()), (Kind::Error, error.into())],
    })
}

/// `setsid --ctty` makes the terminal the command's own: doing it here would take `unsafe`. It must not be
/// the leader of a process group, or it would fork and its number would not be the command's.
fn on_terminal(script: &str) -> io::Result<Started> {
    let size = Winsize { ws_row: 50, ws_col: 132, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None)?;
    let mut command = Command::new("/usr/bin/setsid");
    command.args(["--ctty", "/bin/bash", "-c", script]).env("TERM", "vt100");
    command.stdin(pty.slave.try_clone()?).stdout(pty.slave.try_clone()?).stderr(pty.slave);
    let child = command.spawn()?;
    let input = pty.master.try_clone()?;
    Ok(Started { child, input: input.into(), outputs: vec![(Kind::Data, pty.master.into())] })
}

/// Until the end of the stream; a terminal ends with EIO when its last user has gone.
fn copy(line: &Line, channel: u32, kind: Kind, mut source: File, alive: &Sender<()>) {
    let mut buffer = vec![0; MAX_PAYLOAD];
    while let Ok(length @ 1..) = source.read(&mut buffer) {
        send(line, &Frame::new(channel, kind, &buffer[..length]));
        let _ = alive.send(());
    }
}

/// As a shell shows it: 128 and the signal's number for a command that a signal ended.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}
