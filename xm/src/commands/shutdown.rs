//! `xm shutdown`, `xm reboot`, and waiting for what they ask for.

use std::time::{Duration, Instant};

use xend_api::Sxp;
use xend_api::classic::client as texts;

use super::Session;
use super::domains::{self, Domain};
use crate::getopt::{self, Spec};
use crate::report::Failure;

const SPEC: Spec = Spec { short: "awHR", long: &["all", "wait", "halt", "reboot"] };

/// How often `-w` looks.
const POLL: Duration = Duration::from_millis(250);
/// How long a domain that reboots may be away, and one whose guest has ended may be there.
const AWAY: Duration = Duration::from_secs(30);

/// What a domain is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    PowerOff,
    Halt,
    Reboot,
}

impl Reason {
    fn word(self) -> &'static str {
        match self {
            Self::PowerOff => "poweroff",
            Self::Halt => "halt",
            Self::Reboot => "reboot",
        }
    }
}

/// A domain that was asked, and the restart count that it had.
struct Asked {
    name: String,
    restarts: Option<String>,
}

pub(super) fn shutdown(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    session.expect_words(args, 1, 4)?;
    run(session, args, Reason::PowerOff)
}

pub(super) fn reboot(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    session.expect_words(args, 1, 3)?;
    run(session, args, Reason::Reboot)
}

fn run(session: &mut Session<'_>, args: &[String], default: Reason) -> Result<(), Failure> {
    let parsed = getopt::gnu(args, SPEC)?;
    let halt = parsed.has(&["-H", "--halt"]);
    let reboot = default == Reason::Reboot || parsed.has(&["-R", "--reboot"]);
    let reason = match (halt, reboot) {
        (true, true) => return Err(Failure::error("Can't specify halt and reboot")),
        (true, false) => Reason::Halt,
        (false, true) => Reason::Reboot,
        (false, false) => Reason::PowerOff,
    };
    let names = if parsed.has(&["-a", "--all"]) {
        all_but_dom0(session)?
    } else {
        match parsed.operands.as_slice() {
            [] => return Err(Failure::error(texts::NO_DOMAIN_GIVEN)),
            [designator] => vec![domains::fetch_one(session, designator)?.name],
            _ => return Err(Failure::error(texts::SEVERAL_DOMAINS_GIVEN)),
        }
    };
    let mut asked = Vec::new();
    for name in names {
        let restarts = restart_count(session, &name)?;
        session.call("domain.shutdown", [Sxp::from(name.as_str()), Sxp::from(reason.word())])?;
        asked.push(Asked { name, restarts });
    }
    match (parsed.has(&["-w", "--wait"]), reason) {
        (false, _) => Ok(()),
        (true, Reason::Reboot) => wait_for_reboots(session, asked),
        (true, Reason::Halt | Reason::PowerOff) => wait_for_ends(session, asked),
    }
}

fn all_but_dom0(session: &mut Session<'_>) -> Result<Vec<String>, Failure> {
    let dom0 = domains::fetch_one(session, "0")?.name;
    Ok(running(session)?.into_iter().filter(|name| *name != dom0).collect())
}

/// The names of the running domains.
fn running(session: &mut Session<'_>) -> Result<Vec<String>, Failure> {
    let names = session.call("domains", [Sxp::Int(0)])?;
    Ok(names.items().iter().filter_map(Sxp::atom).collect())
}

fn restart_count(session: &mut Session<'_>, name: &str) -> Result<Option<String>, Failure> {
    Ok(session.call("domain.getRestartCount", [Sxp::from(name)])?.atom())
}

fn wait_for_ends(session: &mut Session<'_>, asked: Vec<Asked>) -> Result<(), Failure> {
    let mut waiting: Vec<(Asked, Option<Instant>)> = asked.into_iter().map(|one| (one, None)).collect();
    loop {
        let running = running(session)?;
        let mut left = Vec::new();
        for (one, ended) in waiting {
            if running.contains(&one.name) {
                left.push((one, None));
                continue;
            }
            let ended = ended.unwrap_or_else(Instant::now);
            if ended.elapsed() < AWAY && is_taken_apart(session, &one.name)? {
                left.push((one, Some(ended)));
            } else {
                session.screen.line(&format!("Domain {} terminated", one.name));
            }
        }
        session.screen.flush();
        if left.is_empty() {
            session.screen.line("All domains terminated");
            return Ok(());
        }
        waiting = left;
        std::thread::sleep(POLL);
    }
}

/// Whether the guest has ended and its domain has not: its name is free when the daemon has taken it apart. One that is to
/// be preserved stays as it is.
fn is_taken_apart(session: &mut Session<'_>, name: &str) -> Result<bool, Failure> {
    let tree = match session.call("domain", [Sxp::from(name)]) {
        Ok(tree) => tree,
        Err(failure) if failure.status == 3 => return Ok(false),
        Err(failure) => return Err(failure),
    };
    let stays = |event: &&str| tree.value(event).and_then(Sxp::atom).as_deref() == Some("preserve");
    let has_ended = Domain::read(&tree).state.contains(['s', 'c', 'd']);
    Ok(has_ended && !["on_poweroff", "on_reboot", "on_crash"].iter().any(stays))
}

/// A rebooting domain is gone for a moment; one that stays away was destroyed.
fn wait_for_reboots(session: &mut Session<'_>, asked: Vec<Asked>) -> Result<(), Failure> {
    let mut waiting: Vec<(Asked, Instant)> = asked.into_iter().map(|one| (one, Instant::now())).collect();
    while !waiting.is_empty() {
        let mut left = Vec::new();
        for (one, seen) in waiting {
            match current_count(session, &one)? {
                Some(restarts) if restarts != one.restarts => {
                    session.screen.line(&format!("Domain {} rebooted", one.name));
                }
                Some(_) => left.push((one, Instant::now())),
                None if seen.elapsed() > AWAY => {
                    session.screen.line(&format!("Domain {} destroyed for failing to reboot", one.name));
                }
                None => left.push((one, seen)),
            }
        }
        session.screen.flush();
        waiting = left;
        if !waiting.is_empty() {
            std::thread::sleep(POLL);
        }
    }
    session.screen.line("All domains rebooted");
    Ok(())
}

/// The restart count of a domain; `None` while there is no such domain. One that the daemon knows and that does not run
/// yet has the count that it had: it is on its way.
fn current_count(session: &mut Session<'_>, one: &Asked) -> Result<Option<Option<String>>, Failure> {
    let runs = running(session)?.contains(&one.name);
    match restart_count(session, &one.name) {
        Ok(restarts) if runs => Ok(Some(restarts)),
        // Only managed: it has ended for good, as far as this reboot goes.
        Ok(None) => Ok(None),
        Ok(Some(_)) => Ok(Some(one.restarts.clone())),
        Err(failure) if failure.status == 3 => Ok(None),
        Err(failure) => Err(failure),
    }
}
