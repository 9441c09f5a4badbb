//! The rules, one noun a file. A rule looks at one file and says what is wrong with it.

mod calls;
mod comments;
pub mod documents;
mod layers;
mod machines;
mod manifests;
mod safety;
mod sizes;
mod store_paths;

use crate::workspace::TextFile;
use crate::{Finding, Source};

/// A rule over one Rust file.
pub type Rule = fn(&Source<'_>) -> Vec<Finding>;

/// The rules over Rust files.
pub const ALL: &[Rule] = &[
    calls::unwraps,
    calls::prints_and_exits,
    comments::opens_with_its_duty,
    comments::todo_has_a_number,
    layers::modules_use_what_lies_below,
    layers::crates_stay_at_home,
    layers::names_say_something,
    safety::unsafe_stays_at_home,
    safety::unsafe_is_explained,
    sizes::files,
    sizes::functions,
    store_paths::spelled_at_home,
];

/// The rules over every text file, manifests and scripts included.
pub fn check_text(file: &TextFile) -> Vec<Finding> {
    let mut findings = machines::paths(&file.path, &file.text);
    if file.path.ends_with("Cargo.toml") {
        findings.extend(manifests::check(&file.path, &file.text));
    }
    if !file.path.ends_with(".rs") && !file.path.ends_with(".md") && file.path != "Cargo.lock" {
        findings.extend(comments::todo_in_text(&file.path, &file.text));
    }
    findings
}

/// Whether a path is that of a program, which may print and end itself: `main.rs`, `src/bin`, examples, build scripts,
/// `xend`'s `program`, `xm`, `xtask` and the crates that test.
fn is_program(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    matches!(file, "main.rs" | "build.rs")
        || ["/src/bin/", "/examples/"].iter().any(|folder| path.contains(folder))
        || ["xm/", "xtask/", "tests/", "xend/src/program/"].iter().any(|folder| path.starts_with(folder))
}

/// The lines that a rule finds fault with, for the tests of the rules.
#[cfg(test)]
fn lines(rule: Rule, path: &str, text: &str) -> Vec<usize> {
    rule(&Source::new(path, text)).iter().map(|finding| finding.line).collect()
}
