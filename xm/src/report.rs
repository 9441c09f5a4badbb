//! How a failure is told: its text, whether the usage follows, the exit status (`xm-commands` §2.6).
//!
//! Classic texts come first and letter for letter. Lines that begin with `because:` and `try:` are ours and are printed
//! only where a person reads: when standard error is a terminal.

use std::error::Error;

use nix::errno::Errno;
use xend_api::classic::client as texts;
use xend_api::{ClientError, Fault, FaultKind};

use crate::getopt::GetoptError;
use crate::screen::{Screen, harmless};
use crate::table::{Command, help};

/// What is printed on standard output after the error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing.
    Nothing,
    /// The usage of the command.
    Usage,
    /// The usage of the command and one more line.
    UsageAndLine,
    /// The common help.
    CommonHelp,
}

/// Why `xm` ends without success.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The exit status.
    pub status: u8,
    /// What is printed on standard error, whole; `None` for nothing.
    pub text: Option<String>,
    /// What follows on standard output.
    pub after: After,
    /// Why, outermost first.
    pub because: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

/// Whose rights the process has; some texts depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum User {
    /// The superuser.
    Root,
    /// Anybody else.
    Other,
}

impl User {
    /// The user of this process.
    pub fn current() -> Self {
        if nix::unistd::geteuid().is_root() { Self::Root } else { Self::Other }
    }
}

impl Failure {
    fn with_text(text: String, after: After) -> Self {
        Self { status: 1, text: Some(text), after, because: Vec::new(), hint: None }
    }

    /// `Error: TEXT`, status 1.
    pub fn error(text: impl AsRef<str>) -> Self {
        Self::with_text(format!("{}{}", texts::ERROR, text.as_ref()), After::Nothing)
    }

    /// `Error: TEXT` and the usage, status 1.
    pub fn usage(text: impl AsRef<str>) -> Self {
        Self { after: After::Usage, ..Self::error(text) }
    }

    /// An error that the command itself raised: the usage is followed by one more line.
    pub fn option(text: impl AsRef<str>) -> Self {
        Self { after: After::UsageAndLine, ..Self::error(text) }
    }

    /// Nothing is printed.
    pub fn silent(status: u8) -> Self {
        Self { status, text: None, after: After::Nothing, because: Vec::new(), hint: None }
    }

    /// A line that does not begin with `Error: `.
    pub fn raw(text: impl Into<String>) -> Self {
        Self::with_text(text.into(), After::Nothing)
    }

    /// The same with a hint.
    pub fn hint(mut self, hint: Option<impl Into<String>>) -> Self {
        self.hint = hint.map(Into::into);
        self
    }

    /// The same with reasons.
    pub fn because(mut self, reasons: impl IntoIterator<Item = String>) -> Self {
        self.because.extend(reasons);
        self
    }

    /// A call that failed, as most commands tell it.
    pub fn call(error: &ClientError, user: User) -> Self {
        match error {
            ClientError::Fault(fault) => Self::fault(fault),
            ClientError::Connect { source, .. } => Self::not_reached(source.raw_os_error(), user),
            ClientError::NoAnswer { .. } => Self::raw(texts::CRASHED_NO_STATUS).because(causes(error)),
            ClientError::Http { code, reason, .. } => {
                Self::raw(texts::crashed_with_status(*code, reason)).because(causes(error))
            }
            ClientError::Request { .. } => Self::usage(texts::INVALID_ARGUMENT).because(causes(error)),
            ClientError::BadAddress { .. }
            | ClientError::NotYet { .. }
            | ClientError::Answer { .. }
            | ClientError::Truncated { .. } => {
                let mut causes = causes(error);
                let text = if causes.is_empty() { error.to_string() } else { causes.remove(0) };
                Self::error(text).because(causes)
            }
        }
    }

    /// A fault, as most commands tell it.
    pub fn fault(fault: &Fault) -> Self {
        let failure = match fault.kind {
            FaultKind::NoDomain => {
                Self { status: 3, ..Self::error(texts::domain_does_not_exist(&fault.text)) }
            }
            FaultKind::Internal | FaultKind::Generic => Self::usage(&fault.text),
        };
        failure.because(fault.because.clone()).hint(fault.hint.clone())
    }

    fn not_reached(errno: Option<i32>, user: User) -> Self {
        let errno = Errno::from_raw(errno.unwrap_or(0));
        let refused = matches!(errno, Errno::ENOENT | Errno::ECONNREFUSED);
        let failure = match (user, refused) {
            (User::Other, true) => Self::error(texts::NEEDS_ROOT),
            (User::Other, false) => Self::error(texts::NEEDS_ROOT_IO),
            (User::Root, true) => Self::error(texts::cannot_connect(&strerror(errno))),
            (User::Root, false) => Self::error(texts::connection_failed(&strerror(errno))),
        };
        failure.hint(if refused { start_hint(user) } else { None })
    }

    /// Prints the failure and tells the exit status.
    pub fn print(&self, screen: &mut Screen, command: Option<&Command>) -> u8 {
        if let Some(text) = &self.text {
            screen.err(&if screen.err_is_terminal() { harmless(text) } else { text.clone() });
        }
        if screen.err_is_terminal() {
            self.because.iter().for_each(|reason| screen.err(&format!("  because: {}", on_one_line(reason))));
            self.hint.iter().for_each(|hint| screen.err(&format!("  try: {}", on_one_line(hint))));
        }
        let usage = command.map_or_else(help::common, help::usage);
        match self.after {
            After::Nothing => {}
            After::Usage => screen.out(&usage),
            After::UsageAndLine => {
                screen.out(&usage);
                screen.out("\n");
            }
            After::CommonHelp => screen.out(&help::common()),
        }
        self.status
    }
}

impl From<GetoptError> for Failure {
    fn from(error: GetoptError) -> Self {
        Self::option(error.to_string())
    }
}

/// An error and its sources, outermost first.
pub fn causes(error: &dyn Error) -> Vec<String> {
    let mut texts = vec![error.to_string()];
    let mut next = error.source();
    while let Some(cause) = next {
        texts.push(cause.to_string());
        next = cause.source();
    }
    texts
}

/// What to do when no daemon answers. On a host with Xen a user without rights is told to become root, which the
/// classic text already says.
fn start_hint(user: User) -> Option<&'static str> {
    let on_xen = std::fs::read_to_string("/sys/hypervisor/type").is_ok_and(|kind| kind.trim() == "xen");
    let on_xen = on_xen || std::path::Path::new("/proc/xen/capabilities").exists();
    match (on_xen, user) {
        (true, User::Root) => Some("start it with `xend start`"),
        (true, User::Other) => None,
        (false, _) => Some(
            "this machine does not run Xen: `cargo xtask try` boots one in an emulator, \
             `xend --simulate` serves simulated domains",
        ),
    }
}

/// Text from elsewhere on one line.
fn on_one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// An error of the operating system in the words of the C library, as the original told them.
pub fn strerror(errno: Errno) -> String {
    let text = std::io::Error::from_raw_os_error(errno as i32).to_string();
    text.split(" (os error ").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    fn connect(errno: i32) -> ClientError {
        ClientError::Connect { address: "x".to_owned(), source: io::Error::from_raw_os_error(errno) }
    }

    #[test]
    fn a_daemon_that_is_not_there_is_told_as_the_original_told_it() {
        let cases = [
            (
                Errno::ENOENT,
                User::Root,
                "Error: Unable to connect to xend: No such file or directory. Is xend running?",
            ),
            (
                Errno::ECONNREFUSED,
                User::Root,
                "Error: Unable to connect to xend: Connection refused. Is xend running?",
            ),
            (Errno::ENOENT, User::Other, "Error: Most commands need root access. Please try again as root."),
            (Errno::EACCES, User::Other, "Error: Most commands need root access.  Please try again as root."),
            (Errno::EMFILE, User::Root, "Error: Unable to connect to xend: Too many open files."),
        ];
        for (errno, user, expected) in cases {
            let failure = Failure::call(&connect(errno as i32), user);
            assert_eq!((failure.text.as_deref(), failure.status), (Some(expected), 1));
            assert_eq!(failure.after, After::Nothing);
        }
    }

    #[test]
    fn only_an_unknown_domain_has_status_3_and_no_usage() {
        let failure = Failure::fault(&Fault::no_domain("x"));
        assert_eq!((failure.status, failure.after), (3, After::Nothing));
        assert_eq!(failure.text.as_deref(), Some("Error: Domain 'x' does not exist."));
        let failure = Failure::fault(&Fault::generic("Invalid VM Name"));
        assert_eq!((failure.status, failure.after), (1, After::Usage));
    }

    #[test]
    fn reasons_and_hints_of_the_daemon_are_kept() {
        let failure = Failure::fault(&Fault::generic("no").because("why").hint("do"));
        assert_eq!((failure.because, failure.hint), (vec!["why".to_owned()], Some("do".to_owned())));
    }
}
