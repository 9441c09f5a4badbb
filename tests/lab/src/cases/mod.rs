//! What must hold on real Xen, one function a case, run one after the other on one host.
//!
//! A case that fails leaves a report: its error, and the consoles of its guests, of dom0 and of Xen. The next
//! case starts from a host without guests.

mod articles;
mod disks;
mod extras;
mod footprint;
mod guest;
mod hotplug;
mod iscsi;
mod managed;
mod networks;
mod refusals;
mod restart;
mod rounds;
mod xl;

use std::time::{Duration, Instant};

use anyhow::Result;

use crate::Host;

/// One thing that must hold.
struct Case {
    name: &'static str,
    needs: Needs,
    run: fn(&Host) -> Result<()>,
}

/// What a case speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needs {
    /// Debian's own tools only: they show that the lab itself works.
    Tools,
    /// Our daemon.
    Xend,
}

const CASES: [&[Case]; 9] = [
    xl::CASES,
    articles::CASES,
    refusals::CASES,
    disks::CASES,
    restart::CASES,
    managed::CASES,
    hotplug::CASES,
    networks::CASES,
    rounds::CASES,
];

/// How a case ended.
#[derive(Debug)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// It does not; the report says all that is known.
    Failed(String),
    /// It was not run.
    Waiting(&'static str),
}

/// A case and how it ended.
#[derive(Debug)]
pub struct Verdict {
    /// The case's name.
    pub name: &'static str,
    /// How it ended.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// Runs the cases whose names contain a part of `filter`, or all; telling each verdict as it comes.
pub fn run(host: &Host, filter: &[String], tell: &dyn Fn(&Verdict)) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    let has_xend = host.installed();
    for case in CASES.iter().flat_map(|group| group.iter()) {
        if !filter.is_empty() && !filter.iter().any(|part| case.name.contains(part)) {
            continue;
        }
        let begun = Instant::now();
        let outcome = match (case.needs, has_xend) {
            (Needs::Xend, false) => Outcome::Waiting("nothing of ours is installed on this host"),
            _ => run_one(host, case),
        };
        let verdict = Verdict { name: case.name, outcome, took: begun.elapsed() };
        tell(&verdict);
        verdicts.push(verdict);
    }
    verdicts
}

fn run_one(host: &Host, case: &Case) -> Outcome {
    let result = (case.run)(host);
    let outcome = match result {
        Ok(()) => Outcome::Passed,
        Err(error) => Outcome::Failed(report(host, &error)),
    };
    let _ = host.run(CLEAN_UP);
    outcome
}

/// Guests of a case that failed must not be there for the next one.
const CLEAN_UP: &str = "
for domain in $(xl list | awk 'NR > 1 && $2 != 0 { print $2 }'); do xl destroy $domain; done
rm -f /var/log/xen/console/guest-*.log";

/// Everything that may tell why.
const EVIDENCE: &str = "
echo '--- xl list'; xl list
for log in /var/log/xen/console/guest-*.log /var/log/xen/xen-hotplug.log /var/log/xen/image-server-*.log /var/log/xen/xend*.log; do
  [ -s $log ] && echo \"--- $log\" && tail -n 60 $log
done
echo '--- dmesg'; dmesg | tail -n 30
echo '--- xl dmesg'; xl dmesg | tail -n 30";

fn report(host: &Host, error: &anyhow::Error) -> String {
    let evidence = match host.run_within(EVIDENCE, Duration::from_secs(60)) {
        Ok(output) => output.stdout + &output.stderr,
        Err(error) => format!("{error:#}"),
    };
    let console = host.console(40);
    let text = format!("{error:#}\n{evidence}\n--- console of Xen and dom0\n{console}\n");
    text.lines().map(|line| format!("    {line}\n")).collect()
}
