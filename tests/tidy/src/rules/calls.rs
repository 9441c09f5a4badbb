//! Calls that end a program or speak past its caller.

use crate::rules::is_program;
use crate::{Finding, Source};

/// No `unwrap` outside tests, and nothing left to be written.
pub(super) fn unwraps(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for call in ["unwrap", "unwrap_err", "unwrap_unchecked"] {
        for token in source.sequences(&[".", call, "("]) {
            let text = format!("`{call}` outside tests: return the error, or `expect` with the proof");
            findings.push(Finding::new(source.path, token.line, text));
        }
    }
    for name in ["todo", "unimplemented", "dbg"] {
        for token in source.sequences(&[name, "!"]) {
            findings.push(Finding::new(source.path, token.line, format!("`{name}!` is for unfinished work")));
        }
    }
    findings
}

/// Only programs print or exit.
pub(super) fn prints_and_exits(source: &Source<'_>) -> Vec<Finding> {
    if is_program(source.path) {
        return Vec::new();
    }
    let mut findings = Vec::new();
    for name in ["print", "println", "eprint", "eprintln"] {
        for token in source.sequences(&[name, "!"]) {
            let text = format!("`{name}!` outside a program: log it or return it");
            findings.push(Finding::new(source.path, token.line, text));
        }
    }
    for name in ["exit", "abort"] {
        for token in source.sequences(&["process", ":", ":", name]) {
            let text = format!("`process::{name}` outside a program: return an error");
            findings.push(Finding::new(source.path, token.line, text));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::lines;

    #[test]
    fn unwrap_is_found_in_code_only() {
        let text = "fn f() {\n a.unwrap();\n b.unwrap_or(1);\n \"c.unwrap()\"; // d.unwrap()\n todo!()\n}\n#[cfg(test)]\nmod tests { fn g() { a.unwrap() } }";
        assert_eq!(lines(unwraps, "xend/src/a.rs", text), [2, 5]);
        assert_eq!(lines(unwraps, "xend/tests/a.rs", text), [0; 0]);
    }

    #[test]
    fn printing_and_exiting_are_found_outside_programs() {
        let text = "fn f() {\n println!(\"x\");\n std::process::exit(1);\n}";
        assert_eq!(lines(prints_and_exits, "xend/src/api/mod.rs", text), [2, 3]);
        for path in [
            "xend/src/main.rs",
            "xm/src/table.rs",
            "hotplug-scripts/src/bin/xen-hotplug.rs",
            "xtask/src/lab.rs",
        ] {
            assert_eq!(lines(prints_and_exits, path, text), [0; 0], "{path}");
        }
    }
}
