//! Files and functions that can be read at one sitting.

use crate::lexer::Kind;
use crate::{Finding, Source};

/// The most lines of a file, its tests not counted.
const FILE: usize = 500;

/// The most lines of a function, from `fn` to its last bracket.
const FUNCTION: usize = 80;

/// No file of code over 500 lines.
pub(super) fn files(source: &Source<'_>) -> Vec<Finding> {
    let lines = source.code_lines();
    if source.is_test() || lines <= FILE {
        return Vec::new();
    }
    vec![Finding::new(
        source.path,
        1,
        format!("{lines} lines without tests, at most {FILE}: split it by noun"),
    )]
}

/// No function over 80 lines, tests excepted.
pub(super) fn functions(source: &Source<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, token) in source.tokens.iter().enumerate() {
        let named = source.tokens.get(index + 1).filter(|next| next.kind == Kind::Word);
        let (Kind::Word, "fn", Some(name)) = (token.kind, token.text, named) else { continue };
        let Some(open) = body(source, index + 2) else { continue };
        let end = source.tokens[source.closing(open)].line;
        let lines = end + 1 - token.line;
        if lines > FUNCTION && !source.is_test_line(token.line) {
            let text = format!("`{}` has {lines} lines, at most {FUNCTION}", name.text);
            findings.push(Finding::new(source.path, token.line, text));
        }
    }
    findings
}

/// The bracket that opens the body of a function; a declaration has none.
fn body(source: &Source<'_>, mut at: usize) -> Option<usize> {
    loop {
        let token = source.tokens.get(at)?;
        match (token.kind, token.text) {
            (Kind::Mark, "{") => return Some(at),
            (Kind::Mark, ";") => return None,
            (Kind::Mark, "(" | "[") => at = source.closing(at) + 1,
            _ => at += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::lines;

    #[test]
    fn a_long_file_is_found_unless_its_tests_are_long() {
        let long = "x;\n".repeat(FILE + 1);
        assert_eq!(lines(files, "a/src/b.rs", &long), [1]);
        assert_eq!(lines(files, "a/src/b.rs", &long[3..]), [0; 0]);
        assert_eq!(lines(files, "a/src/tests.rs", &long), [0; 0]);
        let tests = format!("x;\n#[cfg(test)]\nmod tests {{\n{long}}}\n");
        assert_eq!(lines(files, "a/src/b.rs", &tests), [0; 0]);
    }

    #[test]
    fn a_long_function_is_found() {
        let function =
            |lines: usize| format!("fn g();\nfn f(x: [u8; 2]) {{\n{}}}\n", "a();\n".repeat(lines - 2));
        assert_eq!(lines(functions, "a/src/b.rs", &function(FUNCTION + 1)), [2]);
        assert_eq!(lines(functions, "a/src/b.rs", &function(FUNCTION)), [0; 0]);
        assert_eq!(lines(functions, "a/tests/b.rs", &function(FUNCTION + 1)), [0; 0]);
    }
}
