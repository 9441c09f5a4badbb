//! A person's terminal, connected to a command in dom0.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use lab::channel::{News, Session};
use nix::sys::termios::{self, SetArg, Termios};

/// Raw mode of standard input; the old mode comes back when it is dropped.
struct Raw(Termios);

impl Raw {
    fn enter() -> Result<Self> {
        let before = termios::tcgetattr(io::stdin().as_fd()).context("cannot read the terminal's mode")?;
        let mut raw = before.clone();
        termios::cfmakeraw(&mut raw);
        termios::tcsetattr(io::stdin().as_fd(), SetArg::TCSANOW, &raw)
            .context("cannot set the terminal's mode")?;
        Ok(Self(before))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        let _ = termios::tcsetattr(io::stdin().as_fd(), SetArg::TCSANOW, &self.0);
    }
}

/// What a person types, from now to the end of the program: a thread that reads cannot be stopped, so there is
/// one for all sessions.
pub(crate) struct Keyboard {
    keys: mpsc::Receiver<Vec<u8>>,
}

impl Keyboard {
    /// Starts reading.
    pub(crate) fn open() -> Self {
        let (sender, keys) = mpsc::channel();
        thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(length @ 1..) = io::stdin().read(&mut buffer) {
                if sender.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { keys }
    }

    /// Joins the person and the command until the command ends; gives its status.
    pub(crate) fn drive(&self, session: &Session) -> Result<i32> {
        let _raw = Raw::enter()?;
        loop {
            while let Ok(keys) = self.keys.try_recv() {
                session.write(&keys)?;
            }
            match session.next(Duration::from_millis(10))? {
                News::Output(bytes) | News::Error(bytes) => {
                    let mut out = io::stdout().lock();
                    out.write_all(&bytes)
                        .and_then(|()| out.flush())
                        .context("cannot write to the terminal")?;
                }
                News::Ended(status) => return Ok(status),
                News::Silence => {}
            }
        }
    }
}

/// The command that gives a terminal in dom0 the size of this one.
pub(crate) fn size() -> String {
    let output =
        std::process::Command::new("stty").arg("size").stdin(std::process::Stdio::inherit()).output();
    let text = output.map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default();
    match text.split_whitespace().collect::<Vec<_>>()[..] {
        [rows, columns] if rows.parse::<u16>().is_ok() && columns.parse::<u16>().is_ok() => {
            format!("stty rows {rows} cols {columns}")
        }
        _ => ":".into(),
    }
}
