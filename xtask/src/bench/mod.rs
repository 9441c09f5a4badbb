//! `cargo xtask bench`: ratios against `xl` in the same boot, and the simulator's figures on this machine.
//!
//! A ratio compares medians of rounds that alternate between the two tools, so that a busy machine slows both.
//! An absolute figure is printed beside what the machine needs for 1,000 processes and 1,000 fsyncs just then.

mod against_xl;
mod simulator;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use lab::{Host, Progress, Suite};

use crate::install::Build;
use crate::progress::Steps;
use crate::{deps, lab_run};

/// One line of the result.
#[derive(Debug, Clone)]
struct Figure {
    what: String,
    value: f64,
    unit: &'static str,
    wanted: Wanted,
}

/// What a figure is held against.
#[derive(Debug, Clone, Copy)]
enum Wanted {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// Only shown.
    Shown,
}

impl Figure {
    fn new(what: impl Into<String>, value: f64, unit: &'static str, wanted: Wanted) -> Self {
        Self { what: what.into(), value, unit, wanted }
    }

    fn holds(&self) -> bool {
        match self.wanted {
            Wanted::AtMost(limit) => self.value <= limit,
            Wanted::AtLeast(limit) => self.value >= limit,
            Wanted::Shown => true,
        }
    }

    fn line(&self) -> String {
        let wanted = match self.wanted {
            Wanted::AtMost(limit) => format!("<= {limit}"),
            Wanted::AtLeast(limit) => format!(">= {limit}"),
            Wanted::Shown => String::new(),
        };
        let verdict = if self.holds() { "" } else { "  MISSED" };
        format!("{:<52} {:>10.2} {:<6} {:>10}{verdict}", self.what, self.value, self.unit, wanted)
    }
}

/// Measures everything; a figure that is missed makes it fail.
pub(crate) fn run(suite: Option<Suite>, build: Build) -> Result<ExitCode> {
    if suite.is_some() {
        deps::provide()?;
    }
    let options = lab_run::prepared(build)?;
    let steps = Steps::new();
    steps.step("the simulator, on this machine");
    let mut figures = simulator::measure()?;
    if let Some(suite) = suite {
        let host = Host::boot(suite, &options, &steps)?;
        steps.step(&format!("xm and xl on Xen {}", suite.xen()));
        figures.extend(against_xl::measure(&host)?);
    }
    steps.finish();
    for figure in &figures {
        println!("{}", figure.line());
    }
    let missed = figures.iter().filter(|figure| !figure.holds()).count();
    println!("{} figures, {missed} missed", figures.len());
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The middle one.
fn median(times: &[Duration]) -> Result<Duration> {
    let mut times = times.to_vec();
    times.sort();
    times.get(times.len() / 2).copied().context("nothing was measured")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_the_middle_and_of_nothing_there_is_none() {
        let times = [3, 1, 2].map(Duration::from_secs);
        assert_eq!(median(&times).unwrap(), Duration::from_secs(2));
        assert!(median(&[]).is_err());
    }

    #[test]
    fn a_figure_that_is_missed_says_so() {
        assert!(Figure::new("x", 0.61, "", Wanted::AtMost(0.6)).line().contains("MISSED"));
        assert!(!Figure::new("x", 200.0, "/s", Wanted::AtLeast(200.0)).line().contains("MISSED"));
    }
}
