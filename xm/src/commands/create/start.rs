//! Creates the domain, waits for its devices, lets it run (`xm-commands` §4.8).
//!
//! ```text
//!   domain.create -> domain.waitForDevices -> (console) -> domain.unpause -> "Started domain …"
//!                          | fails                             | fails
//!                          +---------> domain.destroy <--------+
//! ```
//!
//! Ctrl-C in between takes the domain back as well. The daemon may go away in between and come back. Then the domain is looked for by its UUID, which is therefore known
//! here: found, the sequence goes on; gone, the failure is told. Another domain of the same name is never touched.

use std::time::Duration;

use xend_api::classic::client as texts;
use xend_api::{FaultKind, Sxp};

use super::super::Session;
use super::super::console::Attachment;
use super::load::Loaded;
use crate::daemon::CallError;
use crate::report::{After, Failure};

/// How long a daemon that went away may take to come back.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often a daemon may go away during one creation.
const MAX_LOSSES: usize = 3;

/// The domain under creation.
struct Started {
    name: String,
    uuid: String,
    domid: Option<i64>,
}

pub(super) fn start(session: &mut Session<'_>, loaded: Loaded) -> Result<(), Failure> {
    let Loaded { sxp, wants, viewer } = loaded;
    if viewer {
        session
            .screen
            .err("Warning: vncconsole is not there yet in this version of xend-rs; no viewer is started");
    }
    session.screen.flush();
    session.daemon()?.catch_signals();
    let domain = create(session, sxp)?;
    wait_for_devices(session, &domain)?;
    // Opened before the first instruction, so that nothing the domain writes is missed.
    let console = if wants.console { Some(attach(session, &domain)) } else { None };
    if !wants.paused {
        unpause(session, &domain)?;
    }
    if !wants.quiet {
        let domid = domain.domid.map_or_else(|| "None".to_owned(), |domid| domid.to_string());
        session.screen.line(&format!("Started domain {} (id={domid})", domain.name));
    }
    match console {
        None => Ok(()),
        Some(Ok(attachment)) => attachment.run(session),
        Some(Err(failure)) => {
            session.screen.line("Could not start console\n");
            let mut because: Vec<String> = failure.text.iter().map(|text| without_error(text)).collect();
            because.extend(failure.because);
            let told = Failure { text: None, status: 0, after: After::Nothing, because, ..failure };
            told.print(session.screen, None);
            Ok(())
        }
    }
}

fn create(session: &mut Session<'_>, sxp: Sxp) -> Result<Started, Failure> {
    let (sxp, uuid) = with_uuid(sxp);
    let name = sxp.value("name").and_then(Sxp::atom).unwrap_or_default();
    let domain = Started { name, uuid, domid: None };
    let answer = match session.try_call("domain.create", [sxp])? {
        Ok(answer) => answer,
        Err(error) if error.lost_the_answer() => look(session, &domain, &error)?,
        Err(error @ CallError::Ended { .. }) => {
            destroy(session, &domain);
            return Err(told(error));
        }
        Err(error) => return Err(told(error)),
    };
    let name = answer.value("name").and_then(Sxp::atom).filter(|name| !name.is_empty());
    let domid = answer.value("domid").and_then(Sxp::int);
    Ok(Started { name: name.unwrap_or(domain.name), uuid: domain.uuid, domid })
}

/// The SXP with a UUID, and that UUID; one is made up when the file gives none.
fn with_uuid(sxp: Sxp) -> (Sxp, String) {
    if let Some(uuid) = sxp.value("uuid").and_then(Sxp::atom) {
        return (sxp, uuid);
    }
    let uuid = uuid::Uuid::new_v4().to_string();
    let mut members = match sxp {
        Sxp::List(members) => members,
        other => vec![other],
    };
    let place = members.iter().position(|member| member.name() == Some("vcpus"));
    members.insert(place.map_or(members.len(), |at| at + 1), Sxp::pair("uuid", uuid.clone()));
    (Sxp::List(members), uuid)
}

fn wait_for_devices(session: &mut Session<'_>, domain: &Started) -> Result<(), Failure> {
    let error = match step(session, domain, "domain.waitForDevices")? {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    destroy(session, domain);
    let silent = error.fault().is_some_and(|fault| fault.text.is_empty());
    let failure = told(error);
    if silent {
        let text = format!("{}Device creation failed for domain {}", texts::ERROR, domain.name);
        return Err(Failure { text: Some(text), ..failure });
    }
    Err(failure)
}

fn unpause(session: &mut Session<'_>, domain: &Started) -> Result<(), Failure> {
    let error = match step(session, domain, "domain.unpause")? {
        Ok(_) => return Ok(()),
        Err(error) => error,
    };
    destroy(session, domain);
    let ended = matches!(error, CallError::Ended { .. });
    let cause = told(error);
    if ended {
        return Err(cause);
    }
    let reason = cause.text.iter().map(|text| without_error(text));
    let failure = Failure::error(format!("Failed to unpause domain {}", domain.name));
    Err(failure.because(reason.chain(cause.because.clone())).hint(cause.hint))
}

fn attach(session: &mut Session<'_>, domain: &Started) -> Result<Attachment, Failure> {
    Attachment::find(session, &domain.name, (domain.domid.unwrap_or(0), '0'))
}

/// One step that may be repeated; a daemon that goes away meanwhile is waited for.
fn step(
    session: &mut Session<'_>,
    domain: &Started,
    method: &str,
) -> Result<Result<Sxp, CallError>, Failure> {
    let mut losses = 0;
    loop {
        let answer = session.try_call(method, [Sxp::from(domain.name.as_str())])?;
        match answer {
            Err(error) if error.is_interrupted() && losses < MAX_LOSSES => {
                losses += 1;
                look(session, domain, &error)?;
            }
            answer => return Ok(answer),
        }
    }
}

/// Looks for the domain after the daemon went away.
fn look(session: &mut Session<'_>, domain: &Started, lost: &CallError) -> Result<Sxp, Failure> {
    let Started { name, uuid, .. } = domain;
    let params = [Sxp::from(name.as_str())];
    let answer = session.daemon()?.call_patiently("domain", &params, PATIENCE);
    let found = match answer {
        Ok(found) => Some(found),
        Err(error) if error.fault().is_some_and(|fault| fault.kind == FaultKind::NoDomain) => None,
        Err(error) => {
            let failure = Failure::from(error);
            let reason = format!("xend went away while domain {name} was created: {lost}");
            return Err(failure
                .because([reason])
                .hint(Some("start xend, then see `xm list` for what is left")));
        }
    };
    match found {
        Some(found) if found.value("uuid").and_then(Sxp::atom).as_ref() == Some(uuid) => Ok(found),
        Some(_) | None => {
            let text = format!("xend went away while domain {name} was created, and nothing of it is left");
            Err(Failure::error(text).because([lost.to_string()]).hint(Some("create it again")))
        }
    }
}

/// Takes back a creation that failed. Its own failure is not told: the first one is what matters, and the daemon
/// cleans up by itself what it finds half made.
fn destroy(session: &mut Session<'_>, domain: &Started) {
    if let Ok(daemon) = session.daemon() {
        let _ = daemon.call_patiently("domain.destroy", &[Sxp::from(domain.uuid.as_str())], PATIENCE);
    }
}

fn without_error(text: &str) -> String {
    text.strip_prefix(texts::ERROR).unwrap_or(text).to_owned()
}

/// A call that failed, as `create` tells it: without usage, with status 1 unless a signal ended it.
pub(in crate::commands) fn told(error: CallError) -> Failure {
    let missing = error.fault().filter(|fault| fault.kind == FaultKind::NoDomain);
    let text =
        missing.map(|fault| format!("{}{}", texts::ERROR, texts::the_domain_does_not_exist(&fault.text)));
    let ended = matches!(error, CallError::Ended { .. });
    let failure = Failure::from(error);
    let text = text.or(failure.text);
    let status = if ended { failure.status } else { 1 };
    Failure { status, text, after: After::Nothing, ..failure }
}
