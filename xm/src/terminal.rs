//! A session between this terminal and a domain's console: bytes both ways until Ctrl-] or the end of the domain.
//!
//! The terminal is raw meanwhile. [`Raw`] puts it back on every way out: leaving, the end of the domain, an error, a
//! panic, and the signals that ask a process to end, which arrive as readable bytes here and not as interruptions.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, IsTerminal, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::termios::{self, SetArg, Termios};
use thiserror::Error;

/// Ctrl-].
const ESCAPE: u8 = 0x1d;

/// How a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The person typed Ctrl-].
    Left,
    /// The other end is gone.
    Gone,
    /// This process was asked to end by that signal.
    Signal(i32),
}

/// Why there is no session.
#[derive(Debug, Error)]
pub enum ConsoleError {
    /// The console's terminal cannot be opened.
    #[error("cannot open the console's terminal {path}")]
    Open {
        /// Its path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// One of the ends failed.
    #[error("cannot {act} {what}")]
    Transfer {
        /// `read`, `write` or `watch`.
        act: &'static str,
        /// Which end.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
}

/// A domain's console, opened and not yet shown. What the domain writes meanwhile waits in the terminal's buffer.
#[derive(Debug)]
pub struct Console {
    tty: File,
}

impl Console {
    /// Opens the terminal that the console daemon made for a domain.
    pub fn open(path: &Path) -> Result<Self, ConsoleError> {
        let flags = nix::libc::O_NOCTTY | nix::libc::O_NONBLOCK;
        let tty = OpenOptions::new().read(true).write(true).custom_flags(flags).open(path);
        let tty = tty.map_err(|source| ConsoleError::Open { path: path.to_owned(), source })?;
        // No echo and no line editing on the way to the guest, which does its own. Not a terminal: nothing to set.
        if let Ok(mut settings) = termios::tcgetattr(&tty) {
            termios::cfmakeraw(&mut settings);
            let _ = termios::tcsetattr(&tty, SetArg::TCSANOW, &settings);
        }
        Ok(Self { tty })
    }

    /// Connects standard input and output with the console. When standard input ends and is no terminal, the output
    /// goes on until the domain ends.
    pub fn run(mut self) -> Result<Ended, ConsoleError> {
        let signals = EndingSignals::catch().map_err(transfer("watch", "signals"))?;
        let stdin = io::stdin();
        let _raw = Raw::enter(stdin.as_fd());
        let mut typing = true;
        let mut unsent: Vec<u8> = Vec::new();
        loop {
            let typed_from = (typing && unsent.is_empty()).then(|| stdin.as_fd());
            let ready = self.wait(&signals, typed_from, &unsent)?;
            if ready.signal {
                return Ok(Ended::Signal(signals.number()));
            }
            if ready.tty_in && self.show()? == Flow::Ended {
                return Ok(Ended::Gone);
            }
            if ready.typed {
                match read_typed(&mut unsent)? {
                    Flow::Left => {
                        self.send(&mut unsent)?;
                        return Ok(Ended::Left);
                    }
                    Flow::Ended => typing = false,
                    Flow::More => {}
                }
            }
            self.send(&mut unsent)?;
        }
    }

    fn wait(
        &self,
        signals: &EndingSignals,
        stdin: Option<BorrowedFd<'_>>,
        unsent: &[u8],
    ) -> Result<Ready, ConsoleError> {
        let tty_flags =
            if unsent.is_empty() { PollFlags::POLLIN } else { PollFlags::POLLIN | PollFlags::POLLOUT };
        let mut fds = vec![
            PollFd::new(signals.fd.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.tty.as_fd(), tty_flags),
        ];
        fds.extend(stdin.map(|stdin| PollFd::new(stdin, PollFlags::POLLIN)));
        while let Err(errno) = poll(&mut fds, PollTimeout::NONE) {
            if errno != nix::errno::Errno::EINTR {
                return Err(transfer("watch", "the console")(errno.into()));
            }
        }
        let any = |at: usize, flags: PollFlags| {
            let seen = fds.get(at).and_then(PollFd::revents).unwrap_or(PollFlags::empty());
            seen.intersects(flags | PollFlags::POLLHUP | PollFlags::POLLERR | PollFlags::POLLNVAL)
        };
        Ok(Ready {
            signal: any(0, PollFlags::POLLIN),
            tty_in: any(1, PollFlags::POLLIN),
            typed: any(2, PollFlags::POLLIN),
        })
    }

    /// Console to standard output. A terminal whose other end was closed reports an I/O error.
    fn show(&mut self) -> Result<Flow, ConsoleError> {
        let mut buffer = [0; 4096];
        match self.tty.read(&mut buffer) {
            Ok(0) => Ok(Flow::Ended),
            Ok(length) => {
                let mut out = io::stdout().lock();
                let written = out.write_all(&buffer[..length]).and_then(|()| out.flush());
                written.map_err(transfer("write", "standard output"))?;
                Ok(Flow::More)
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Ok(Flow::More)
            }
            Err(error) if error.raw_os_error() == Some(nix::libc::EIO) => Ok(Flow::Ended),
            Err(error) => Err(transfer("read", "the console")(error)),
        }
    }

    /// As much of what was typed as the console takes now.
    fn send(&mut self, unsent: &mut Vec<u8>) -> Result<(), ConsoleError> {
        while !unsent.is_empty() {
            match self.tty.write(unsent) {
                Ok(0) => break,
                Ok(length) => drop(unsent.drain(..length)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                // The other end is gone; reading finds it out and ends the session.
                Err(error) if error.raw_os_error() == Some(nix::libc::EIO) => unsent.clear(),
                Err(error) => return Err(transfer("write", "the console")(error)),
            }
        }
        Ok(())
    }
}

/// What can be done without waiting.
struct Ready {
    signal: bool,
    tty_in: bool,
    typed: bool,
}

#[derive(PartialEq, Eq)]
enum Flow {
    More,
    Ended,
    Left,
}

fn transfer(act: &'static str, what: &'static str) -> impl Fn(io::Error) -> ConsoleError {
    move |source| ConsoleError::Transfer { act, what, source }
}

/// What was typed, up to Ctrl-].
fn read_typed(typed: &mut Vec<u8>) -> Result<Flow, ConsoleError> {
    let mut buffer = [0; 1024];
    // Not through `io::stdin()`, whose buffer would hide bytes from `poll`.
    match nix::unistd::read(io::stdin().as_fd(), &mut buffer) {
        Ok(0) => Ok(Flow::Ended),
        Ok(length) => Ok(until_escape(&buffer[..length], typed)),
        Err(nix::errno::Errno::EINTR | nix::errno::Errno::EAGAIN) => Ok(Flow::More),
        Err(nix::errno::Errno::EIO) => Ok(Flow::Ended),
        Err(errno) => Err(transfer("read", "standard input")(errno.into())),
    }
}

fn until_escape(bytes: &[u8], typed: &mut Vec<u8>) -> Flow {
    let escape = bytes.iter().position(|byte| *byte == ESCAPE);
    typed.extend_from_slice(&bytes[..escape.unwrap_or(bytes.len())]);
    if escape.is_some() { Flow::Left } else { Flow::More }
}

/// The signals that end a process, to be read instead of suffered.
struct EndingSignals {
    fd: SignalFd,
    previous: SigSet,
}

impl EndingSignals {
    fn catch() -> io::Result<Self> {
        let set = SigSet::from_iter([Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM]);
        let previous = SigSet::thread_get_mask()?;
        set.thread_block()?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?;
        Ok(Self { fd, previous })
    }

    /// The number of the signal that arrived.
    fn number(&self) -> i32 {
        let number = self.fd.read_signal().ok().flatten().and_then(|info| i32::try_from(info.ssi_signo).ok());
        number.unwrap_or(Signal::SIGTERM as i32)
    }
}

impl Drop for EndingSignals {
    fn drop(&mut self) {
        let _ = self.previous.thread_set_mask();
    }
}

/// Holds a terminal in raw mode and puts it back when dropped.
struct Raw<'a> {
    fd: BorrowedFd<'a>,
    before: Termios,
}

impl<'a> Raw<'a> {
    /// `None` when it is no terminal.
    fn enter(fd: BorrowedFd<'a>) -> Option<Self> {
        if !fd.is_terminal() {
            return None;
        }
        let before = termios::tcgetattr(fd).ok()?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(fd, SetArg::TCSANOW, &raw).ok()?;
        Some(Self { fd, before })
    }
}

impl Drop for Raw<'_> {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(self.fd, SetArg::TCSADRAIN, &self.before);
        // The guest left its cursor anywhere; the shell's prompt begins on a line of its own.
        if io::stdout().is_terminal() {
            let _ = io::stdout().write_all(b"\r\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_before_the_escape_key_is_sent() {
        let mut typed = Vec::new();
        assert!(until_escape(b"ls\r", &mut typed) == Flow::More);
        assert!(until_escape(b"x\x1dy", &mut typed) == Flow::Left);
        assert_eq!(typed, b"ls\rx");
    }

    #[test]
    fn a_terminal_that_is_not_there_is_named() {
        let error = Console::open(Path::new("/nonexistent/pts/1")).unwrap_err();
        assert_eq!(error.to_string(), "cannot open the console's terminal /nonexistent/pts/1");
    }
}
