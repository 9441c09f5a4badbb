//! Everything flows down: the table of `xend`'s modules, the homes of single crates, and names that say nothing.
//!
//! ```text
//!   main  program                        (start, stop, supervision, logging; may print and exit)
//!   simulate                             (scripted guests; may use everything below)
//!   api  events
//!   manager
//!   operations
//!   devices  builder  device_model  relocation  balloon
//!   state                                (files on disk)
//!   domain  settings                     (plain data)
//! ```

use crate::lexer::{Kind, Token};
use crate::{Finding, Source};

/// The modules of `xend` and how high they stand. A module uses what stands lower; neighbours do not call each
/// other.
const LEVELS: &[(&str, u8)] = &[
    ("domain", 0),
    ("settings", 0),
    ("state", 1),
    ("devices", 2),
    ("builder", 2),
    ("device_model", 2),
    ("relocation", 2),
    ("balloon", 2),
    ("operations", 3),
    ("manager", 4),
    ("api", 5),
    ("events", 5),
    ("simulate", 6),
    ("program", 7),
    ("main", 8),
    ("lib", 8),
];

/// Modules that are plain data without I/O.
const PLAIN: &[&str] = &["domain", "settings"];

/// What plain data does not know.
const IMPURE: &[&[&str]] = &[
    &["tokio", ":", ":"],
    &["xenstore", ":", ":"],
    &["hypervisor", ":", ":"],
    &["std", ":", ":", "fs"],
    &["std", ":", ":", "net"],
    &["std", ":", ":", "process"],
];

/// Crates and modules that only some places may name.
const HOMES: &[(&[&str], &[&str])] = &[
    (&["axum", ":", ":"], &["xend/src/api"]),
    (&["hyper", ":", ":"], &["xend-api/src/client", "xend/src/api"]),
    (&["hyper_util", ":", ":"], &["xend-api/src/client", "xend/src/api"]),
    (&["http_body_util", ":", ":"], &["xend-api/src/client", "xend/src/api"]),
    (&["xend_api", ":", ":", "xmlrpc"], &["xend/src/api", "tests/"]),
    (&["rtnetlink", ":", ":"], &["hotplug-scripts/src/netlink"]),
    (&["netlink_packet_route", ":", ":"], &["hotplug-scripts/src/netlink"]),
];

/// A module of `xend` uses only modules below it.
pub(super) fn modules_use_what_lies_below(source: &Source<'_>) -> Vec<Finding> {
    let Some(inside) = source.path.strip_prefix("xend/src/") else { return Vec::new() };
    let module = inside.split('/').next().unwrap_or(inside).trim_end_matches(".rs");
    let Some(own) = level(module) else {
        let text = format!("module `{module}` is not in the layer table of tests/tidy");
        return vec![Finding::new(source.path, 1, text)];
    };
    let mut findings = Vec::new();
    for used in used_modules(source, depth(inside)) {
        let Some(level) = level(used.text) else { continue };
        if used.text != module && level >= own {
            let text = format!("`{module}` uses `{}`, which does not lie below it", used.text);
            findings.push(Finding::new(source.path, used.line, text));
        }
    }
    if PLAIN.contains(&module) {
        for token in IMPURE.iter().flat_map(|path| source.sequences(path)) {
            let text = format!("`{module}` is plain data and does not know `{}`", token.text);
            findings.push(Finding::new(source.path, token.line, text));
        }
    }
    findings
}

/// HTTP, XML-RPC and netlink are named only where they are handled.
pub(super) fn crates_stay_at_home(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, homes) in HOMES {
        if homes.iter().any(|home| source.path.starts_with(home)) {
            continue;
        }
        for token in source.sequences(path) {
            let name: String = path.concat();
            let text =
                format!("`{}` is used outside its home, {}", name.trim_end_matches(':'), homes.join(", "));
            findings.push(Finding::new(source.path, token.line, text));
        }
    }
    findings
}

/// No `utils`, `common`, `helpers`, `misc`.
pub(super) fn names_say_something(source: &Source<'_>) -> Vec<Finding> {
    let empty = |part: &&str| matches!(*part, "utils" | "common" | "helpers" | "misc");
    let found = source.path.trim_end_matches(".rs").split('/').find(empty);
    found
        .map(|name| Finding::new(source.path, 1, format!("a module called `{name}` says nothing")))
        .into_iter()
        .collect()
}

fn level(module: &str) -> Option<u8> {
    LEVELS.iter().find(|(name, _)| *name == module).map(|(_, level)| *level)
}

/// How many `super` lead from a file to the root of its crate.
fn depth(inside: &str) -> usize {
    let parts = inside.split('/').count();
    if inside.ends_with("/mod.rs") || matches!(inside, "lib.rs" | "main.rs") { parts - 1 } else { parts }
}

/// The words after `crate::`, after `xend::` and after a chain of `super::` that ends at the root, outside tests.
fn used_modules<'a>(source: &Source<'a>, depth: usize) -> Vec<Token<'a>> {
    let tokens = &source.tokens;
    let mut used = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let token = &tokens[at];
        at += 1;
        let is_path_start = at < 2 || tokens[at - 2].text != ":";
        if token.kind != Kind::Word || !is_path_start || source.is_test_line(token.line) {
            continue;
        }
        let mut after = at;
        match token.text {
            "crate" | "xend" => {}
            "super" => {
                let mut climbed = 1;
                while is_word(tokens, after + 2, "super") && is_colons(tokens, after) {
                    climbed += 1;
                    after += 3;
                }
                if climbed != depth {
                    continue;
                }
            }
            _ => continue,
        }
        if is_colons(tokens, after) {
            first_words(source, after + 2, &mut used);
        }
    }
    used
}

fn is_colons(tokens: &[Token<'_>], at: usize) -> bool {
    tokens
        .get(at..at + 2)
        .is_some_and(|pair| pair.iter().all(|token| token.text == ":" && token.kind == Kind::Mark))
}

fn is_word(tokens: &[Token<'_>], at: usize, text: &str) -> bool {
    tokens.get(at).is_some_and(|token| token.kind == Kind::Word && token.text == text)
}

/// The word at `at`, or the first word of each path of the group `{…}` there.
fn first_words<'a>(source: &Source<'a>, at: usize, used: &mut Vec<Token<'a>>) {
    match source.tokens.get(at) {
        Some(token) if token.kind == Kind::Word => used.push(*token),
        Some(token) if token.text == "{" => {
            let (mut inside, end) = (at + 1, source.closing(at));
            let mut wanted = true;
            while inside < end {
                let token = source.tokens[inside];
                match token.text {
                    "{" => inside = source.closing(inside),
                    "," => wanted = true,
                    _ if wanted => {
                        used.push(token);
                        wanted = false;
                    }
                    _ => {}
                }
                inside += 1;
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::lines;

    #[test]
    fn a_call_up_or_sideways_is_found_however_it_is_spelled() {
        for (path, text, found) in [
            ("xend/src/devices/vif.rs", "use crate::manager::Registry;", true),
            ("xend/src/devices/vif.rs", "use crate::{domain::Record, manager};", true),
            ("xend/src/devices/vif.rs", "use crate::{domain::{Record, manager}, state};", false),
            ("xend/src/devices/vif.rs", "fn f() { crate::builder::build() }", true),
            ("xend/src/devices/vif.rs", "use super::super::operations::Step;", true),
            ("xend/src/devices/mod.rs", "use super::operations::Step;", true),
            ("xend/src/devices/vif.rs", "use super::operations::Step;", false),
            ("xend/src/devices/vif.rs", "use crate::devices::Handshake; use crate::state::File;", false),
            (
                "xend/src/devices/vif.rs",
                "// crate::manager\n#[cfg(test)]\nmod tests { use crate::manager::X; }",
                false,
            ),
            ("xend/src/operations.rs", "use crate::{devices, builder};", false),
            ("xend/src/api/mod.rs", "use crate::events::News;", true),
            ("xend/src/manager/mod.rs", "use crate::simulate::Guest;", true),
            ("xend/src/main.rs", "use xend::simulate::Guest;", false),
            ("xend/src/gadgets.rs", "", true),
            ("xenstore/src/client/mod.rs", "use crate::api;", false),
        ] {
            assert_eq!(!lines(modules_use_what_lies_below, path, text).is_empty(), found, "{path}: {text}");
        }
    }

    #[test]
    fn plain_data_with_input_or_output_is_found() {
        let text = "use std::path::Path;\nuse std::fs;\nuse xenstore::Store;";
        assert_eq!(lines(modules_use_what_lies_below, "xend/src/domain/record.rs", text), [3, 2]);
        assert_eq!(lines(modules_use_what_lies_below, "xend/src/state.rs", text), [0; 0]);
    }

    #[test]
    fn a_crate_outside_its_home_is_found() {
        let text = "use axum::Router;\nuse xend_api::xmlrpc::parse_call;\nuse xend_api::Sxp;";
        assert_eq!(lines(crates_stay_at_home, "xend/src/manager/mod.rs", text), [1, 2]);
        assert_eq!(lines(crates_stay_at_home, "xend/src/api/server.rs", text), [0; 0]);
    }

    #[test]
    fn an_empty_name_is_found() {
        assert_eq!(lines(names_say_something, "xend/src/utils.rs", ""), [1]);
        assert_eq!(lines(names_say_something, "xend/src/common/mod.rs", ""), [1]);
        assert_eq!(lines(names_say_something, "xend/src/commonly.rs", ""), [0; 0]);
    }
}
