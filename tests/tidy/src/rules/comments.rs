//! What comments must have.

use crate::{Finding, Source};

/// Every file opens with `//!`.
pub(super) fn opens_with_its_duty(source: &Source<'_>) -> Vec<Finding> {
    let first_code = source.tokens.first().map_or(usize::MAX, |token| token.at);
    let opens = source
        .comments
        .first()
        .is_some_and(|comment| comment.text.starts_with("//!") && comment.at < first_code);
    if opens {
        return Vec::new();
    }
    vec![Finding::new(source.path, 1, "the file does not open with `//!`: its duty and its neighbours")]
}

/// A note of work to do carries the number of an issue.
pub(super) fn todo_has_a_number(source: &Source<'_>) -> Vec<Finding> {
    let lines = source.comments.iter().flat_map(|comment| {
        comment.text.lines().enumerate().map(|(offset, line)| (comment.line + offset, line))
    });
    lines.filter(|(_, line)| is_unnumbered(line)).map(|(line, _)| unnumbered(source.path, line)).collect()
}

/// The same for scripts, manifests and unit files, whose comments begin with `#`.
pub(super) fn todo_in_text(path: &str, text: &str) -> Vec<Finding> {
    let comment = |line: &str| line.split_once('#').is_some_and(|(_, comment)| is_unnumbered(comment));
    let lines = text.lines().enumerate().filter(|(_, line)| comment(line));
    lines.map(|(at, _)| unnumbered(path, at + 1)).collect()
}

fn unnumbered(path: &str, line: usize) -> Finding {
    Finding::new(path, line, "a TODO without the number of an issue: write `TODO(#12)`")
}

fn is_unnumbered(comment: &str) -> bool {
    let mut words = comment.split(|character: char| !character.is_alphanumeric());
    let has_note = words.any(|word| matches!(word, "TODO" | "FIXME" | "XXX"));
    let mut after_hash = comment.split('#').skip(1);
    has_note && !after_hash.any(|rest| rest.starts_with(|character: char| character.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::lines;

    #[test]
    fn a_file_without_its_duty_is_found() {
        for (text, found) in [
            ("//! Duty.\nfn f() {}", false),
            ("", true),
            ("// Not it.\nfn f() {}", true),
            ("use x;\n//! Late.", true),
            ("/// Of the item.\nfn f() {}", true),
        ] {
            assert_eq!(!lines(opens_with_its_duty, "a/src/b.rs", text).is_empty(), found, "{text}");
        }
    }

    #[test]
    fn a_note_without_a_number_is_found() {
        let text = "//! x\n// TODO: later\n// TODO(#12): later\n/* a\n FIXME */\nlet s = \"TODO\"; // TODOS";
        assert_eq!(lines(todo_has_a_number, "a/src/b.rs", text), [2, 5]);
        let script = "echo TODO # fine\n# XXX not fine\n# TODO(#3)\n";
        assert_eq!(todo_in_text("a.sh", script).iter().map(|finding| finding.line).collect::<Vec<_>>(), [2]);
    }
}
