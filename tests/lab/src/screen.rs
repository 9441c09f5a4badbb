//! A terminal session as a test sees it: wait for words, type others.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::Host;
use crate::channel::{News, Session};

/// A command on a terminal, and what it has shown so far.
#[derive(Debug)]
pub struct Screen {
    session: Session,
    shown: String,
    read: usize,
    ended: Option<i32>,
}

impl Screen {
    /// Starts a command in dom0.
    pub fn open(host: &Host, script: &str) -> Result<Self> {
        Ok(Self { session: host.terminal(script)?, shown: String::new(), read: 0, ended: None })
    }

    /// Types.
    pub fn send(&self, keys: &str) -> Result<()> {
        self.session.write(keys.as_bytes())
    }

    /// Waits until a text is shown after what was waited for before; gives everything up to its end.
    pub fn expect(&mut self, text: &str, within: Duration) -> Result<String> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(at) = self.shown[self.read..].find(text) {
                let from = self.read;
                self.read += at + text.len();
                return Ok(self.shown[from..self.read].to_owned());
            }
            if let Some(status) = self.ended {
                bail!("ended with status {status} before it showed {text:?}:\n{}", self.shown);
            }
            if !self.more(deadline)? {
                bail!("did not show {text:?} within {within:?}:\n{}", self.shown);
            }
        }
    }

    /// Waits for the command's end; gives its status.
    pub fn end(&mut self, within: Duration) -> Result<i32> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.ended {
                return Ok(status);
            }
            if !self.more(deadline)? {
                bail!("has not ended within {within:?}:\n{}", self.shown);
            }
        }
    }

    /// Everything that was shown.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Takes in what comes next; false when the time is over.
    fn more(&mut self, deadline: Instant) -> Result<bool> {
        match self.session.next(deadline.saturating_duration_since(Instant::now()))? {
            News::Output(bytes) | News::Error(bytes) => self.shown += &String::from_utf8_lossy(&bytes),
            News::Ended(status) => self.ended = Some(status),
            News::Silence => return Ok(false),
        }
        Ok(true)
    }
}
