//! `cargo xtask lab`: hosts in parallel, their cases in order, and everything about a failure.

use std::fs;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lab::cases::{self, Outcome, Verdict};
use lab::{Host, HostOptions, Progress, Suite};

use crate::install::{self, Build};
use crate::progress::Steps;
use crate::terminal::Keyboard;
use crate::{deps, progress};

/// What became of one suite.
#[derive(Debug)]
pub(crate) struct SuiteOutcome {
    /// Which.
    pub(crate) suite: Suite,
    /// Its cases, or why its host did not come up.
    pub(crate) verdicts: Result<Vec<Verdict>>,
    /// From the start of its boot to its end.
    pub(crate) took: Duration,
}

impl SuiteOutcome {
    /// How many cases passed.
    pub(crate) fn passed(&self) -> usize {
        self.verdicts.iter().flatten().filter(|v| matches!(v.outcome, Outcome::Passed)).count()
    }

    /// How many failed; a host that did not boot is a failure too.
    pub(crate) fn failed(&self) -> usize {
        match &self.verdicts {
            Ok(verdicts) => verdicts.iter().filter(|v| matches!(v.outcome, Outcome::Failed(_))).count(),
            Err(_) => 1,
        }
    }
}

/// Builds and installs what a host needs.
pub(crate) fn prepare(build: Build, steps: &Steps) -> Result<HostOptions> {
    if build == Build::Bare {
        return Ok(HostOptions::new(&install::agent(build, steps)?));
    }
    let tree = install::own_folder()?.join("tree");
    if tree.exists() {
        fs::remove_dir_all(&tree).with_context(|| format!("cannot remove {}", tree.display()))?;
    }
    install::install(&tree, build, steps)?;
    let mut options = HostOptions::new(&install::agent(build, steps)?);
    options.installed = Some(tree);
    Ok(options)
}

/// `cargo xtask lab`.
pub(crate) fn run(suites: &[Suite], filter: &[String], build: Build) -> Result<ExitCode> {
    deps::provide()?;
    let options = prepared(build)?;
    let outcomes = on_all(suites, filter, &options);
    let failed: usize = outcomes.iter().map(SuiteOutcome::failed).sum();
    let passed: usize = outcomes.iter().map(SuiteOutcome::passed).sum();
    println!("{passed} passed, {failed} failed");
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `cargo xtask lab --shell`.
pub(crate) fn shell(suite: Suite, build: Build) -> Result<ExitCode> {
    deps::provide()?;
    let options = prepared(build)?;
    let steps = Steps::new();
    let host = Host::boot(suite, &options, &steps)?;
    steps.finish();
    let keyboard = Keyboard::open();
    eprintln!(
        "dom0 of {suite}, Xen {}; `exit` ends it. Its console: {}",
        suite.xen(),
        host.folder().display()
    );
    let session = host.terminal("exec bash -i")?;
    keyboard.drive(&session)?;
    Ok(ExitCode::SUCCESS)
}

/// [`prepare`] with its progress shown.
pub(crate) fn prepared(build: Build) -> Result<HostOptions> {
    let steps = progress::Steps::new();
    steps.step("building static release programs");
    let options = prepare(build, &steps);
    if options.is_ok() {
        steps.finish()
    } else {
        steps.fail()
    }
    options
}

/// Runs the cases on every suite at once; prints each verdict as it comes.
pub(crate) fn on_all(suites: &[Suite], filter: &[String], options: &HostOptions) -> Vec<SuiteOutcome> {
    let options = &options.clone().beside(suites.len());
    thread::scope(|scope| {
        let threads: Vec<_> =
            suites.iter().map(|suite| scope.spawn(move || on_one(*suite, filter, options))).collect();
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect()
    })
}

fn on_one(suite: Suite, filter: &[String], options: &HostOptions) -> SuiteOutcome {
    let begun = Instant::now();
    let progress = Lines { begun };
    let verdicts = Host::boot(suite, options, &progress).map(|host| {
        let verdicts = cases::run(&host, filter, &|verdict| print(suite, verdict));
        if verdicts.iter().any(|v| matches!(v.outcome, Outcome::Failed(_))) {
            println!("{suite}: logs of this host are in {}", host.keep_folder().display());
        }
        verdicts
    });
    if let Err(error) = &verdicts {
        println!("{suite}: {error:#}");
    }
    SuiteOutcome { suite, verdicts, took: begun.elapsed() }
}

fn print(suite: Suite, verdict: &Verdict) {
    let time = verdict.took.as_secs_f32();
    let name = verdict.name;
    match &verdict.outcome {
        Outcome::Passed => println!("{suite}: {name} … ok ({time:.1} s)"),
        Outcome::Waiting(what) => println!("{suite}: {name} … not run: {what}"),
        Outcome::Failed(report) => println!("{suite}: {name} … FAILED ({time:.1} s)\n{report}"),
    }
}

/// Two hosts boot at once: their steps are lines, not spinners.
struct Lines {
    begun: Instant,
}

impl Progress for Lines {
    fn step(&self, what: &str) {
        println!("[{:6.1} s] {what}", self.begun.elapsed().as_secs_f32());
    }
}
