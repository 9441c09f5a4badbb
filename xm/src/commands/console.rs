//! `xm console`, and the console of `xm create -c`.
//!
//! Our daemon tells the terminal by `xend.domain.console_tty`, and `xm` connects to it itself. An original daemon has no
//! such method: then the program `xenconsole` takes over, as it always did.

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use xend_api::Sxp;
use xend_api::classic::daemon as texts;

use super::{Session, domains};
use crate::daemon::CallError;
use crate::getopt::{self, Spec};
use crate::report::{Failure, causes};
use crate::terminal::{Console, Ended};

const SPEC: Spec = Spec { short: "qn:", long: &["quiet", "num="] };

const XENCONSOLE: &str = "xenconsole";
/// Where helper programs are; `/usr/lib/xen-VERSION/bin` is looked for as well.
const HELPER_DIRS: [&str; 5] =
    ["/usr/bin", "/usr/sbin", "/usr/libexec/xen/bin", "/usr/lib/xen/bin", "/usr/local/lib/xen/bin"];

pub(super) fn console(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    session.expect_words(args, 1, 3)?;
    let parsed = getopt::gnu(args, SPEC)?;
    let Some(designator) = parsed.operands.first() else { return Err(Failure::option("No domain given")) };
    let quiet = parsed.has(&["-q", "--quiet"]);
    // Only the first character ever counted: `-n 12` is console 1.
    let number = parsed.value(&["-n", "--num"]).and_then(|text| text.chars().next()).unwrap_or('0');
    if !number.is_ascii_digit() {
        return Err(Failure::usage(xend_api::classic::client::INVALID_ARGUMENT));
    }
    let found = domains::fetch_one(session, designator);
    let domain = match found {
        Err(failure) if quiet && failure.status == 3 => return Err(Failure::silent(1)),
        found => found?,
    };
    let Some(domid) = domain.domid else {
        return Err(if quiet { Failure::silent(1) } else { Failure::option(texts::not_started(designator)) });
    };
    Attachment::find(session, designator, (domid, number))?.run(session)
}

/// The way to a console.
#[derive(Debug)]
pub(super) enum Attachment {
    /// Opened by us.
    Native(Console),
    /// Left to another program.
    Program {
        /// The domain's number.
        domid: i64,
        /// The console's number.
        number: char,
    },
}

impl Attachment {
    /// Finds and, if possible, opens console `number` of the domain.
    pub(super) fn find(
        session: &mut Session<'_>,
        designator: &str,
        (domid, number): (i64, char),
    ) -> Result<Self, Failure> {
        if number != '0' {
            return Ok(Self::Program { domid, number });
        }
        match session.try_call("domain.console_tty", [Sxp::from(designator)])? {
            Ok(answer) => {
                let path = answer.text().filter(|path| path.starts_with('/'));
                let path =
                    path.ok_or_else(|| Failure::error("the daemon did not tell the console's terminal"))?;
                let console = Console::open(Path::new(path));
                console.map(Self::Native).map_err(|error| Failure::error(causes(&error).join(": ")))
            }
            Err(CallError::UnknownMethod { .. }) => Ok(Self::Program { domid, number }),
            Err(error) => Err(error.into()),
        }
    }

    /// Shows the console until it is left or the domain ends.
    pub(super) fn run(self, session: &mut Session<'_>) -> Result<(), Failure> {
        session.screen.flush();
        match self {
            Self::Native(console) => match console.run() {
                Ok(Ended::Left | Ended::Gone) => Ok(()),
                Ok(Ended::Signal(number)) => {
                    Err(Failure::silent(u8::try_from(128 + number).unwrap_or(u8::MAX)))
                }
                Err(error) => Err(Failure::error(causes(&error).join(": "))),
            },
            Self::Program { domid, number } => {
                let program = helper(XENCONSOLE);
                let error =
                    Command::new(&program).args([&domid.to_string(), "--num", &number.to_string()]).exec();
                let reason = crate::report::strerror(Errno::from_raw(error.raw_os_error().unwrap_or(0)));
                session.screen.line(&format!("{} :  {reason}", program.display()));
                Err(Failure::silent(1))
            }
        }
    }
}

/// The path of a helper program; its bare name, to be looked for in `PATH`, if it is nowhere.
fn helper(name: &str) -> PathBuf {
    let versions = std::fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    let versions = versions.filter(|path| path.to_string_lossy().starts_with("/usr/lib/xen-"));
    let versions = versions.map(|path| path.join("bin"));
    let dirs = HELPER_DIRS.iter().map(PathBuf::from).chain(versions);
    dirs.map(|dir| dir.join(name)).find(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(name))
}
