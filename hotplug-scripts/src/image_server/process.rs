//! A process that is known beyond its number: numbers are used again.

use super::wait_until;
use crate::sys;
use std::fs;
use std::io;
use std::time::Duration;

/// A process and when it began, in ticks since the host's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// When it began.
    pub started: u64,
}

impl Process {
    /// The process that has this number now; one that has ended is none.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name, which may hold anything, ends at the last bracket.
        let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
        if fields.next()? == "Z" {
            return None;
        }
        // Field 22, where the state is field 3.
        let started = fields.nth(18)?.parse().ok()?;
        Some(Process { pid, started })
    }

    /// Whether it runs.
    pub fn is_alive(self) -> bool {
        Process::of(self.pid) == Some(self)
    }

    /// Asks it to end, and makes it end when it does not within `patience`; an error when even that does not help.
    pub fn stop(self, patience: Duration, limit: Duration) -> io::Result<()> {
        let Some(handle) = sys::process(self.pid)? else { return Ok(()) };
        // Now that its number cannot be given to another: is it the one that is meant?
        if !self.is_alive() {
            return Ok(());
        }
        for (signal, limit) in [(libc::SIGTERM, patience), (libc::SIGKILL, limit)] {
            sys::signal(&handle, signal)?;
            if wait_until(limit, || !self.is_alive()) {
                return Ok(());
            }
        }
        Err(io::Error::from(io::ErrorKind::TimedOut))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    fn child(script: &str) -> std::process::Child {
        Command::new("sh").args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap()
    }

    #[test]
    fn a_process_that_does_not_listen_is_killed_and_one_of_the_same_number_is_not() {
        let mut child = child("trap '' TERM; echo ready; while :; do sleep 1; done");
        let mut ready = [0; 5];
        io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut ready).unwrap();
        let process = Process::of(child.id()).unwrap();
        let other = Process { started: process.started + 1, ..process };
        other.stop(Duration::from_secs(9), Duration::from_secs(9)).unwrap();
        assert!(process.is_alive());
        process.stop(Duration::from_millis(50), Duration::from_secs(20)).unwrap();
        assert!(!process.is_alive());
        child.wait().unwrap();
        process.stop(Duration::ZERO, Duration::ZERO).unwrap();
    }
}
