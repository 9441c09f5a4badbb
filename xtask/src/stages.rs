//! `cargo xtask test`: one stage after the other (but for the release programs, which are built beside the tests), a table at the end, and a last line that a script can read.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::process::{ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use lab::{HostOptions, Progress, Suite};

use crate::install::{self, Build};
use crate::progress::Steps;
use crate::{deps, lab_run};

/// What `test` is asked for.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Releases for the lab.
    pub(crate) suites: Vec<Suite>,
    /// Whether the lab is run.
    pub(crate) lab: bool,
}

/// One line of the table.
#[derive(Debug)]
struct Stage {
    name: String,
    passed: usize,
    failed: usize,
    took: Duration,
}

/// Runs all stages; later ones run even when an earlier one fails, so that one turn shows everything.
pub(crate) fn run(plan: Plan) -> Result<ExitCode> {
    let begun = Instant::now();
    let mut table = Vec::new();
    if plan.lab {
        deps::provide()?;
    }
    table.push(cargo_stage("format", &["fmt", "--all", "--check"])?);
    table.push(cargo_stage(
        "lints",
        &["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"],
    )?);
    let tests = || cargo_stage("tests", &["test", "--workspace", "--no-fail-fast"]);
    if plan.lab {
        let (tests, tree) = beside(tests);
        table.push(tests?);
        table.extend(lab_stages(&plan.suites, tree));
    } else {
        table.push(tests()?);
        println!("lab: left out, as asked");
    }
    report(&table, begun.elapsed());
    let failed: usize = table.iter().map(|stage| stage.failed).sum();
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The tree that the lab installs, and how long it took.
type Tree = (Result<HostOptions>, Duration);

/// Builds the tree while the tests run: those wait for each other, for clocks and for children much of the time, and the
/// build takes what they leave.
fn beside<T>(tests: impl FnOnce() -> T) -> (T, Tree) {
    let begun = Instant::now();
    thread::scope(|scope| {
        // Nothing of it is shown: the tests have the screen.
        let build = scope.spawn(|| {
            let tree = lab_run::prepare(Build::Beside, &Steps::new());
            (tree, begun.elapsed())
        });
        let tests = tests();
        let steps = Steps::new();
        if !build.is_finished() {
            steps.step("install: static release programs, begun with the tests");
        }
        let tree = build.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match &tree.0 {
            Ok(_) => steps.finish(),
            Err(_) => steps.fail(),
        }
        (tests, tree)
    })
}

/// The lab needs the installed tree; a build that fails is a failed stage, and the lab cannot run.
fn lab_stages(suites: &[Suite], (prepared, took): Tree) -> Vec<Stage> {
    let failed = usize::from(prepared.is_err());
    let mut stages =
        vec![Stage { name: "install (beside the tests)".into(), passed: 1 - failed, failed, took }];
    match prepared {
        Ok(options) => {
            for outcome in lab_run::on_all(suites, &[], &options) {
                stages.push(Stage {
                    name: format!("lab {} (Xen {})", outcome.suite, outcome.suite.xen()),
                    passed: outcome.passed(),
                    failed: outcome.failed(),
                    took: outcome.took,
                });
            }
        }
        Err(error) => eprintln!("{error:#}"),
    }
    stages
}

/// Runs cargo, keeps its words in a log, and prints them all when it fails.
fn cargo_stage(name: &str, arguments: &[&str]) -> Result<Stage> {
    let begun = Instant::now();
    let steps = Steps::new();
    steps.step(&format!("{name}: cargo {}", arguments.join(" ")));
    let path = install::own_folder()?.join(format!("{name}.log"));
    let log = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    let errors = log.try_clone().context("cannot share a log")?;
    let mut child = install::cargo()
        .args(arguments)
        .env("CARGO_TERM_COLOR", "never")
        .stdout(Stdio::piped())
        .stderr(errors)
        .spawn()
        .context("cannot run cargo")?;
    let mut counts = (0, 0);
    let mut log = log;
    let output = BufReader::new(child.stdout.take().context("cargo has no output")?);
    // A test may print any bytes; cargo must not find its output closed for them.
    for line in output.split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line);
        let (passed, failed) = test_result(&line).unwrap_or_default();
        counts = (counts.0 + passed, counts.1 + failed);
        writeln!(log, "{line}").context("cannot write a log")?;
    }
    let good = child.wait().context("cannot wait for cargo")?.success();
    match (good, counts) {
        (true, (0, _)) => counts = (1, 0),
        (false, (_, 0)) => counts.1 = 1,
        _ => {}
    }
    if good {
        steps.finish();
    } else {
        steps.fail();
        let text = fs::read(&path).unwrap_or_default();
        println!("{}", String::from_utf8_lossy(&text));
    }
    Ok(Stage { name: name.to_owned(), passed: counts.0, failed: counts.1, took: begun.elapsed() })
}

/// The numbers in `test result: ok. 12 passed; 0 failed; …`.
fn test_result(line: &str) -> Option<(usize, usize)> {
    let (_, rest) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let number =
        |word: &str| rest.split("; ").find_map(|part| part.strip_suffix(word)?.trim().parse::<usize>().ok());
    Some((number("passed")?, number("failed")?))
}

fn report(table: &[Stage], took: Duration) {
    println!("\n{:<28} {:>7} {:>7} {:>9}", "stage", "passed", "failed", "time");
    for stage in table {
        let time = format!("{:.1} s", stage.took.as_secs_f32());
        println!("{:<28} {:>7} {:>7} {:>9}", stage.name, stage.passed, stage.failed, time);
    }
    println!("{:<28} {:>7} {:>7} {:>9}\n", "all", "", "", format!("{:.1} s", took.as_secs_f32()));
    let sum = |count: fn(&Stage) -> usize| table.iter().map(count).sum::<usize>();
    println!("{} passed, {} failed", sum(|s| s.passed), sum(|s| s.failed));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_of_a_test_binary_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(test_result(line), Some((12, 3)));
        assert_eq!(test_result("test a ... ok"), None);
    }
}
