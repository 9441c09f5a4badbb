//! `unsafe`: where it may stand and what must stand before it.

use crate::{Finding, Source};

/// The only places with `unsafe`.
const HOMES: &[&str] = &["hypervisor/src/xen/", "hotplug-scripts/src/sys.rs", "hotplug-scripts/src/sys/"];

/// `unsafe` lives in `hypervisor::xen` and `hotplug::sys`, tests included.
pub(super) fn unsafe_stays_at_home(source: &Source<'_>) -> Vec<Finding> {
    if HOMES.iter().any(|home| source.path.starts_with(home)) {
        return Vec::new();
    }
    let words =
        source.tokens.iter().filter(|token| token.text == "unsafe" && token.kind == crate::lexer::Kind::Word);
    words
        .map(|token| {
            Finding::new(source.path, token.line, "`unsafe` outside hypervisor::xen and hotplug::sys")
        })
        .collect()
}

/// `// SAFETY:` stands before every `unsafe` block and implementation, in the same statement or just above it.
pub(super) fn unsafe_is_explained(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, token) in source.tokens.iter().enumerate() {
        let opens = source.tokens.get(index + 1).is_some_and(|next| matches!(next.text, "{" | "impl"));
        if token.text != "unsafe" || token.kind != crate::lexer::Kind::Word || !opens {
            continue;
        }
        let before = source.tokens[..index].iter().rev().find(|token| matches!(token.text, ";" | "{" | "}"));
        let since = before.map_or(0, |token| token.at);
        let explains = |comment: &&crate::lexer::Comment<'_>| {
            comment.at > since && comment.at < token.at && comment.text.contains("SAFETY:")
        };
        if source.comments.iter().find(explains).is_none() {
            let text = "`unsafe` without `// SAFETY:`: what must hold and who makes it hold here";
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
    fn unsafe_away_from_home_is_found() {
        let text = "// unsafe\nfn f() { \"unsafe\"; unsafe { g() } }";
        assert_eq!(lines(unsafe_stays_at_home, "xend/src/main.rs", text), [2]);
        assert_eq!(lines(unsafe_stays_at_home, "hypervisor/src/xen/privcmd.rs", text), [0; 0]);
    }

    #[test]
    fn unsafe_without_its_reason_is_found() {
        let text = "fn f() {\n // SAFETY: of another statement\n a();\n unsafe { b() };\n // SAFETY: fine\n let x = unsafe { c() };\n}\n// SAFETY: fine\nunsafe impl Send for X {}\nunsafe impl Sync for X {}\nunsafe fn g() {}";
        assert_eq!(lines(unsafe_is_explained, "hypervisor/src/xen/a.rs", text), [4, 10]);
    }
}
