//! `xm uptime`.

use std::time::{SystemTime, UNIX_EPOCH};

use super::Session;
use super::domains::{self, Detail, Domain};
use crate::getopt::{self, Spec};
use crate::report::Failure;

const SPEC: Spec = Spec { short: "s", long: &["short"] };

pub(super) fn uptime(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    let parsed = getopt::gnu(args, SPEC)?;
    let found = domains::fetch(session, &parsed.operands, "all", Detail::Short)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |now| now.as_secs_f64());
    let rows = found.iter().map(Domain::read).map(|domain| (seconds_up(&domain, now), domain));
    if parsed.has(&["-s", "--short"]) {
        let clock = jiff::Zoned::now().strftime("%H:%M:%S").to_string();
        rows.for_each(|(seconds, domain)| session.screen.line(&short_row(&clock, seconds, &domain)));
        return Ok(());
    }
    session.screen.line(&format!("{:<33} {:>4} {} ", "Name", "ID", "Uptime"));
    rows.for_each(|(seconds, domain)| session.screen.line(&row(seconds, &domain)));
    Ok(())
}

/// How long the domain has been up. For Domain-0 that is this host's own uptime.
fn seconds_up(domain: &Domain, now: f64) -> u64 {
    let seconds = match domain.domid {
        None => 0.0,
        Some(0) => {
            let text = std::fs::read_to_string("/proc/uptime").unwrap_or_default();
            text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(0.0)
        }
        Some(_) => domain.started.map_or(0.0, |started| now - started),
    };
    seconds.max(0.0).round() as u64
}

/// `3 days, ` or nothing, then hours and minutes.
fn span(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let days = match days {
        0 => String::new(),
        1 => "1 day, ".to_owned(),
        days => format!("{days} days, "),
    };
    format!("{days}{:>2}:{:02}", rest / 3_600, rest % 3_600 / 60)
}

fn row(seconds: u64, domain: &Domain) -> String {
    format!("{:<32} {:>5} {}:{:02}", domain.name, domain.domid_text(), span(seconds), seconds % 60)
}

fn short_row(clock: &str, seconds: u64, domain: &Domain) -> String {
    format!(" {clock} up {}, {} ({})", span(seconds), domain.name, domain.domid_text())
}

#[cfg(test)]
mod tests {
    use xend_api::sxp;

    use super::*;

    fn domain(text: &str) -> Domain {
        Domain::read(&sxp::parse(text).unwrap()[0])
    }

    #[test]
    fn rows_have_the_format_of_the_original() {
        let pv1 = domain("(domain (domid 3) (name pv1) (start_time 1000.4))");
        assert_eq!(seconds_up(&pv1, 1061.0), 61);
        assert_eq!(row(61, &pv1), "pv1                                  3  0:01:01");
        assert_eq!(row(90_061, &pv1), "pv1                                  3 1 day,  1:01:01");
        assert_eq!(short_row("12:00:00", 200_000, &pv1), " 12:00:00 up 2 days,  7:33, pv1 (3)");
    }

    #[test]
    fn a_domain_that_is_not_running_has_been_up_for_nothing() {
        let managed = domain("(domain (name m))");
        let row = row(seconds_up(&managed, 1e9), &managed);
        assert_eq!(row, "m                                       0:00:00");
    }
}
