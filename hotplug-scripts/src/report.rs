//! How a run is told: to the store, to the log, to the caller.
//!
//! ```text
//! success   exit 0  hotplug-status = connected            (written where the device became ready)
//! fatal     exit 1  hotplug-error = TEXT, hotplug-status = error
//! busy      exit 1  hotplug-error = TEXT, hotplug-status = busy
//! ```
//!
//! The log file is that of the classic scripts, `xen-hotplug.log`: whatever our children print goes there too.

use crate::backend::{Backend, BackendError, Status};
use crate::host::Host;
use crate::network::NetworkError;
use crate::vbd::VbdError;
use crate::vif::VifError;
use std::error::Error;
use std::fs::{self, File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixDatagram;

/// Syslog's number for daemons, as it stands in a message's priority.
const SYSLOG_DAEMON: u8 = 3 << 3;
/// Longest message for syslog.
const SYSLOG_MAX: usize = 1024;

/// Why a run did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The script knows no such command.
    #[error("Invalid command: {command}")]
    InvalidCommand {
        /// What was asked.
        command: String,
    },
    /// There is no such script.
    #[error("cannot run {script}, this program has no script of that name")]
    UnknownScript {
        /// Its name.
        script: String,
    },
    /// The script that a device's configuration names is not there.
    #[error("cannot run the script {script}")]
    Setup {
        /// What the configuration names.
        script: String,
        /// Why.
        source: io::Error,
    },
    /// A network script did not do what was asked.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Nobody said which device.
    #[error("XENBUS_PATH is not set; scripts are run by xend, which sets it")]
    NoBackend,
    /// A disk is not ready.
    #[error(transparent)]
    Vbd(#[from] VbdError),
    /// An interface is not connected.
    #[error(transparent)]
    Vif(#[from] VifError),
    /// The store could not be reached.
    #[error(transparent)]
    Store(#[from] BackendError),
}

impl Failure {
    /// What the store is told; `None` when the call itself was wrong and says nothing about a device.
    pub fn status(&self) -> Option<Status> {
        match self {
            Failure::Vbd(error) if error.is_busy() => Some(Status::Busy),
            Failure::InvalidCommand { .. } | Failure::Vif(VifError::UnknownType { .. }) => None,
            Failure::Vbd(_) | Failure::Vif(_) | Failure::Store(_) => Some(Status::Error),
            Failure::Network(_) => None,
            Failure::UnknownScript { .. } | Failure::Setup { .. } | Failure::NoBackend => Some(Status::Error),
        }
    }

    /// The text: the classic one, or for what the original did not foresee its one text for all of that, and
    /// then what happened.
    pub fn text(&self, script: &str) -> String {
        let is_classic = match self {
            Failure::Vbd(error) => error.is_classic(),
            Failure::Vif(error) => error.is_classic(),
            Failure::Store(error) => error.is_classic(),
            _ => true,
        };
        if is_classic {
            return self.to_string();
        }
        format!("{script} failed; error detected.\n{}", self.chain())
    }

    /// Who or what is in the way, where more is known than the text says.
    pub fn because(&self) -> Option<String> {
        match self {
            Failure::Vbd(error) => error.because(),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Failure::Vbd(error) => error.remedy(),
            Failure::Vif(error) => error.remedy().map(str::to_owned),
            _ => None,
        }
    }

    /// What a script that is about the host tells its caller, the classic text where there was one; `None` when the
    /// caller knows.
    pub fn for_caller(&self, script: &str) -> Option<String> {
        match self {
            Failure::Network(NetworkError::Told) => None,
            Failure::Network(NetworkError::UnknownCommand { .. }) => Some(self.to_string()),
            _ => Some(format!("{script}: {}", self.chain())),
        }
    }

    /// The error and all its causes on one line.
    pub fn chain(&self) -> String {
        chain(self)
    }

    /// Tells the backend. A backend that is gone needs no answer.
    pub async fn tell(&self, backend: &Backend, script: &str) -> Result<(), BackendError> {
        let Some(status) = self.status() else { return Ok(()) };
        match backend.failed(status, &self.text(script)).await {
            Err(BackendError::Gone { .. }) => Ok(()),
            done => done,
        }
    }
}

/// An error and all its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string().replace('\n', " ");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

/// Where messages of one run go: the log file, and syslog if there is one.
#[derive(Debug)]
pub struct Log {
    script: String,
    subject: String,
    syslog: Option<UnixDatagram>,
    file: Option<File>,
}

#[derive(Clone, Copy)]
enum Level {
    Error = 3,
    Info = 6,
    Debug = 7,
}

impl Log {
    /// Messages of `script` about `subject`.
    pub fn new(host: &Host, script: &str, subject: &str) -> Self {
        let connect = || -> io::Result<UnixDatagram> {
            let socket = UnixDatagram::unbound()?;
            socket.connect(host.path("/dev/log"))?;
            // A syslog that does not read must not hold up a device.
            socket.set_nonblocking(true)?;
            Ok(socket)
        };
        Log { script: script.to_owned(), subject: subject.to_owned(), syslog: connect().ok(), file: None }
    }

    /// Messages of a script that keeps its standard error for whoever called it: they go to the log file alone.
    pub fn aside(host: &Host, script: &str, subject: &str) -> Self {
        Log { file: open(host).ok(), ..Log::new(host, script, subject) }
    }

    /// Makes the log file this process' standard error, for our messages and for those of scripts that we run.
    /// A person at a terminal keeps the messages there; a log that cannot be opened changes nothing.
    pub fn redirect(host: &Host) {
        if io::stderr().is_terminal() {
            return;
        }
        if let Ok(file) = open(host) {
            let _ = nix::unistd::dup2_stderr(&file);
        }
    }

    /// Something that was asked for did not happen.
    pub fn error(&self, text: &str) {
        self.write(Level::Error, text);
    }

    /// Something was done.
    pub fn info(&self, text: &str) {
        self.write(Level::Info, text);
    }

    /// A detail; syslog only.
    pub fn debug(&self, text: &str) {
        self.write(Level::Debug, text);
    }

    fn write(&self, level: Level, text: &str) {
        let text = text.replace('\n', " ");
        if let Some(syslog) = &self.syslog {
            let mut message = format!("<{}>{}: {text}", SYSLOG_DAEMON | level as u8, self.script);
            message.truncate(message.floor_char_boundary(SYSLOG_MAX));
            let _ = syslog.send(message.as_bytes());
        }
        let word = match level {
            Level::Error => "error",
            Level::Info => "info",
            Level::Debug => return,
        };
        let now = jiff::Zoned::now().strftime("%Y-%m-%d %H:%M:%S");
        // One write for the line: other scripts append to the same file.
        let line =
            format!("{now} {}[{}] {word}: {}: {text}\n", self.script, std::process::id(), self.subject);
        let _ = match self.file.as_ref() {
            Some(mut file) => file.write_all(line.as_bytes()),
            None => io::stderr().write_all(line.as_bytes()),
        };
    }
}

fn open(host: &Host) -> io::Result<File> {
    let path = host.log_file();
    if let Some(folder) = path.parent() {
        let _ = fs::create_dir_all(folder);
    }
    OpenOptions::new().append(true).create(true).mode(0o640).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lock::LockError;

    fn surprise() -> Failure {
        let source = io::Error::from_raw_os_error(libc::EACCES);
        Failure::Vbd(VbdError::Lock(LockError { path: "/var/run/xen-hotplug/block".into(), source }))
    }

    #[test]
    fn a_surprise_is_told_in_the_originals_words_and_then_in_ours() {
        assert_eq!(
            surprise().text("block"),
            "block failed; error detected.\n\
             cannot lock /var/run/xen-hotplug/block: Permission denied (os error 13)"
        );
    }

    #[test]
    fn a_foreseen_refusal_is_told_in_the_originals_words_only() {
        let refusals = [
            (Failure::Vif(VifError::NoBridge), "Could not find bridge, and none was specified"),
            (Failure::Vbd(VbdError::Missing { path: "/x".into() }), "/x does not exist."),
            (Failure::Store(BackendError::Absent { path: "a/b".into() }), "xenstore-read a/b failed."),
        ];
        for (failure, text) in refusals {
            assert_eq!(failure.text("block"), text);
            assert_eq!(failure.status(), Some(Status::Error));
        }
    }

    #[test]
    fn only_what_another_holds_is_busy() {
        let read_only = Failure::Vbd(VbdError::ReadOnly { path: "/x".into() });
        assert_eq!(read_only.status(), Some(Status::Busy));
        assert_eq!(surprise().status(), Some(Status::Error));
        assert_eq!(Failure::InvalidCommand { command: "x".into() }.status(), None);
    }
}
