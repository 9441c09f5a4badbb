//! The outer end of the agent's line: many commands at once over one socket.
//!
//! A thread reads frames and hands each to the command whose channel it names. When the line breaks (QEMU has
//! ended), every waiting command learns it at once, because its sender is dropped.

use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::protocol::{Frame, Kind, MAX_PAYLOAD};

/// The line to one host's agent.
#[derive(Debug, Clone)]
pub struct Line {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    out: Mutex<UnixStream>,
    commands: Mutex<HashMap<u32, Sender<Frame>>>,
    next: AtomicU32,
}

/// How a command's streams are connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// Three pipes.
    Pipes,
    /// A terminal of its own; error output comes with the rest.
    Terminal,
}

/// What a command has to say next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Bytes of its standard output.
    Output(Vec<u8>),
    /// Bytes of its standard error.
    Error(Vec<u8>),
    /// It has ended.
    Ended(i32),
    /// Nothing within the time given.
    Silence,
}

/// A command that was started; dropping it ends it.
#[derive(Debug)]
pub struct Session {
    line: Line,
    channel: u32,
    frames: Receiver<Frame>,
}

impl Line {
    /// Waits for the agent's first word on a socket that QEMU serves.
    pub fn open(socket: UnixStream, deadline: Instant) -> Result<Self> {
        let mut input = socket.try_clone().context("cannot copy the agent's socket")?;
        input
            .set_read_timeout(Some(
                deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1)),
            ))
            .context("cannot set the agent's time limit")?;
        let hello = Frame::read(&mut input).context("cannot hear the agent in dom0")?;
        if hello.kind != Kind::Hello {
            bail!("cannot understand the agent in dom0: {:?} came first", hello.kind);
        }
        input.set_read_timeout(None).context("cannot set the agent's time limit")?;
        let shared =
            Arc::new(Shared { out: Mutex::new(socket), commands: Mutex::default(), next: AtomicU32::new(1) });
        let reader = Arc::clone(&shared);
        thread::spawn(move || {
            while let Ok(frame) = Frame::read(&mut input) {
                let ended = frame.kind == Kind::Exit;
                let channel = frame.channel;
                let mut commands = hold(&reader.commands);
                if let Some(command) = commands.get(&channel) {
                    let _ = command.send(frame);
                }
                if ended {
                    commands.remove(&channel);
                }
            }
            hold(&reader.commands).clear();
        });
        Ok(Self { shared })
    }

    /// Starts a shell script.
    pub fn start(&self, script: &str, streams: Streams) -> Result<Session> {
        let channel = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let (sender, frames) = mpsc::channel();
        hold(&self.shared.commands).insert(channel, sender);
        let session = Session { line: self.clone(), channel, frames };
        let kind = match streams {
            Streams::Pipes => Kind::Run,
            Streams::Terminal => Kind::RunOnTerminal,
        };
        session.send(kind, script.as_bytes())?;
        Ok(session)
    }
}

impl Session {
    /// Gives the command input.
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        bytes.chunks(MAX_PAYLOAD / 2).try_for_each(|piece| self.send(Kind::Data, piece))
    }

    /// Ends the command's input.
    pub fn end_input(&self) -> Result<()> {
        self.send(Kind::End, b"")
    }

    /// What the command says next, within a time.
    pub fn next(&self, within: Duration) -> Result<News> {
        match self.frames.recv_timeout(within) {
            Ok(frame) => Ok(match frame.kind {
                Kind::Error => News::Error(frame.payload),
                Kind::Exit => News::Ended(status(&frame.payload)),
                _ => News::Output(frame.payload),
            }),
            Err(RecvTimeoutError::Timeout) => Ok(News::Silence),
            Err(RecvTimeoutError::Disconnected) => {
                bail!("cannot hear the command any more: the host has ended")
            }
        }
    }

    fn send(&self, kind: Kind, payload: &[u8]) -> Result<()> {
        let frame = Frame::new(self.channel, kind, payload);
        send(&self.line, &frame).context("cannot reach the agent in dom0")
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if hold(&self.line.shared.commands).remove(&self.channel).is_some() {
            let _ = send(&self.line, &Frame::new(self.channel, Kind::Exit, *b""));
        }
    }
}

fn send(line: &Line, frame: &Frame) -> io::Result<()> {
    frame.write(&mut *hold(&line.shared.out))
}

fn status(payload: &[u8]) -> i32 {
    payload.try_into().map_or(-1, i32::from_le_bytes)
}

fn hold<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> (Line, UnixStream) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        Frame::new(0, Kind::Hello, *b"").write(&mut theirs).unwrap();
        (Line::open(ours, Instant::now() + Duration::from_secs(5)).unwrap(), theirs)
    }

    #[test]
    fn two_commands_hear_only_their_own_frames() {
        let (line, mut agent) = line();
        let (one, two) =
            (line.start("one", Streams::Pipes).unwrap(), line.start("two", Streams::Terminal).unwrap());
        let asked = [Frame::read(&mut agent).unwrap(), Frame::read(&mut agent).unwrap()];
        Frame::new(asked[1].channel, Kind::Data, *b"2").write(&mut agent).unwrap();
        Frame::new(asked[0].channel, Kind::Exit, 9i32.to_le_bytes()).write(&mut agent).unwrap();
        assert_eq!(one.next(Duration::from_secs(5)).unwrap(), News::Ended(9));
        assert_eq!(two.next(Duration::from_secs(5)).unwrap(), News::Output(b"2".to_vec()));
    }

    #[test]
    fn a_broken_line_ends_the_wait_at_once() {
        let (line, agent) = line();
        let session = line.start("x", Streams::Pipes).unwrap();
        drop(agent);
        assert!(session.next(Duration::from_secs(60)).is_err());
    }

    #[test]
    fn a_silent_agent_is_given_up_at_the_deadline() {
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert!(Line::open(ours, Instant::now() + Duration::from_millis(20)).is_err());
    }
}
