//! `xm start`, `xm delete`, `xm suspend`, `xm resume`, and what `xm new` does with a domain file that has been read
//! (`xm-commands` §3.8, §4.8).

use std::time::Duration;

use xend_api::classic::daemon as texts;
use xend_api::{FaultKind, Sxp};

use super::console::Attachment;
use super::{Session, create, domains};
use crate::daemon::{CallError, Daemon};
use crate::getopt::{self, Spec};
use crate::report::{After, Failure};

const START: Spec =
    Spec { short: "pc", long: &["paused", "console_autoconnect", "vncviewer", "vncviewer-autopass"] };
/// How long a daemon that went away may take to come back.
const PATIENCE: Duration = Duration::from_secs(10);
const RESUME: Spec = Spec { short: "p", long: &["paused"] };

/// Defines the domain. A fault is told as `create` tells it.
pub(super) fn define(session: &mut Session<'_>, sxp: Sxp) -> Result<(), Failure> {
    match session.try_call("domain.new", [sxp])? {
        Ok(_) => Ok(()),
        Err(error) => Err(create::told(error)),
    }
}

pub(super) fn start(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    let parsed = getopt::gnu(args, START)?;
    let [name] = parsed.operands.as_slice() else { return Err(Failure::option("Expects 1 argument")) };
    if parsed.has(&["--vncviewer"]) {
        session
            .screen
            .err("Warning: --vncviewer is not there yet in this version of xend-rs; no viewer is started");
    }
    let paused = parsed.has(&["-p", "--paused"]);
    let console = parsed.has(&["-c", "--console_autoconnect"]);
    let word = || Sxp::from(name.as_str());
    if !console {
        session.call("domain.start", [word(), Sxp::Bool(paused)])?;
        return Ok(());
    }
    // With a console it waits paused until the console is open, so that nothing it writes is missed.
    session.daemon()?.catch_signals();
    match session.try_call("domain.start", [word(), Sxp::Bool(true)])? {
        Err(error) if error.is_interrupted() || matches!(error, CallError::Ended { .. }) => {
            return Err(let_run(session, name, paused, error.into()));
        }
        answer => answer?,
    };
    let attached = open_console(session, name, paused);
    match attached.map_err(|failure| let_run(session, name, paused, failure))? {
        Ok(attachment) => attachment.run(session),
        Err(failure) => {
            session.screen.line("Could not start console\n");
            let because = failure.text.iter().cloned().chain(failure.because.clone()).collect();
            let told = Failure { text: None, status: 0, after: After::Nothing, because, ..failure };
            told.print(session.screen, None);
            Ok(())
        }
    }
}

/// A console that cannot be opened keeps nothing from running; its failure is the inner one.
fn open_console(
    session: &mut Session<'_>,
    name: &str,
    paused: bool,
) -> Result<Result<Attachment, Failure>, Failure> {
    let Some(domid) = domains::fetch_one(session, name)?.domid else {
        return Err(Failure::option(texts::not_started(name)));
    };
    let attached = Attachment::find(session, name, (domid, '0'));
    if !paused {
        session.call("domain.unpause", [Sxp::from(name)])?;
    }
    Ok(attached)
}

/// The domain was started, and what was to follow did not: it is not left waiting for a console that never comes.
fn let_run(session: &mut Session<'_>, name: &str, paused: bool, failure: Failure) -> Failure {
    if paused {
        return failure;
    }
    let unpause = |daemon: &Daemon| daemon.call_patiently("domain.unpause", &[Sxp::from(name)], PATIENCE);
    match session.daemon().map(unpause) {
        Ok(Ok(_)) => failure,
        Ok(Err(error)) if error.fault().is_some_and(|fault| fault.kind == FaultKind::NoDomain) => failure,
        _ => {
            failure.hint(Some(format!("it may wait paused: see `xm list`, `xm unpause {name}` lets it run")))
        }
    }
}

pub(super) fn delete(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    let name = session.only_word(args)?;
    session.call("domain.delete", [Sxp::from(name)]).map(drop)
}

pub(super) fn suspend(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    let name = session.only_word(args)?;
    session.call("domain.suspend", [Sxp::from(name)]).map(drop)
}

pub(super) fn resume(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    session.expect_words(args, 1, 2)?;
    let parsed = getopt::gnu(args, RESUME)?;
    let [name] = parsed.operands.as_slice() else {
        return Err(Failure::option("Wrong number of parameters"));
    };
    let paused = parsed.has(&["-p", "--paused"]);
    session.call("domain.resume", [Sxp::from(name.as_str()), Sxp::Bool(paused)]).map(drop)
}
