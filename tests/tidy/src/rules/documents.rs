//! Documents that must keep up with the code: each name of the store in `docs/store-paths.md`, each crate in
//! `docs/dependencies.md`.

use std::collections::HashSet;

use crate::lexer::Kind;
use crate::{Finding, Source};

/// Where the names of the store are spelled.
const NODES: &str = "xenstore/src/paths/node.rs";

/// Every name of a node that the code knows is described.
pub fn store_names(sources: &[Source<'_>], document: &str) -> Vec<Finding> {
    let known = quoted_words(document);
    let mut findings = Vec::new();
    for source in sources.iter().filter(|source| source.path == NODES) {
        let strings =
            source.tokens.iter().filter(|token| token.kind == Kind::Text && !source.is_test_line(token.line));
        for token in strings.filter(|token| !known.contains(token.text)) {
            let text = format!("`{}` is not described in docs/store-paths.md", token.text);
            findings.push(Finding::new(source.path, token.line, text));
        }
    }
    findings
}

/// Every crate that the workspace names is explained; our own need no line.
pub fn crates(manifest: &str, document: &str) -> Vec<Finding> {
    let known = quoted_words(document);
    let mut findings = Vec::new();
    let mut inside = false;
    for (at, line) in manifest.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.trim() == "[workspace.dependencies]";
        }
        let Some((name, value)) = line.split_once('=').filter(|_| inside && !line.starts_with('#')) else {
            continue;
        };
        let name = name.trim();
        if !value.contains("path = ") && !known.contains(name) {
            let text = format!("`{name}` is not explained in docs/dependencies.md");
            findings.push(Finding::new("Cargo.toml", at + 1, text));
        }
    }
    findings
}

/// What stands between backticks, and the parts of it that slashes separate.
fn quoted_words(document: &str) -> HashSet<&str> {
    let quoted = document.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted.flat_map(|text| std::iter::once(text).chain(text.split('/'))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_without_a_description_is_found() {
        let text =
            "pub const A: &str = \"ring-ref\";\npub const B: &str = \"tty\";\npub const C: &str = \"new\";";
        let sources = [Source::new(NODES, text), Source::new("xend/src/a.rs", text)];
        let lines: Vec<_> =
            store_names(&sources, "| `console/tty`, `ring-ref` | new |").iter().map(|f| f.line).collect();
        assert_eq!(lines, [3]);
    }

    #[test]
    fn a_crate_without_a_reason_is_found() {
        let manifest = "[workspace.dependencies]\nours = { path = \"ours\" }\na = \"1\"\nb = \"1\"\n[profile.dev]\nc = 1\n";
        assert_eq!(crates(manifest, "| `a` |").iter().map(|finding| finding.line).collect::<Vec<_>>(), [4]);
    }
}
