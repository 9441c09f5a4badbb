//! One Rust file: its tokens, its comments, and which of its lines are tests.
//!
//! Tests are whole files (`tests.rs`, files under a crate's `tests/` folder, modules declared under `#[cfg(test)]`) and items
//! under `#[cfg(test)]` or `#[test]`.

use std::ops::RangeInclusive;

use crate::lexer::{Comment, Kind, Token, lex};

/// A lexed file.
pub struct Source<'a> {
    /// Its path, relative to the root of the workspace, with `/`.
    pub path: &'a str,
    /// All of it.
    pub text: &'a str,
    /// Its code.
    pub tokens: Vec<Token<'a>>,
    /// Its comments.
    pub comments: Vec<Comment<'a>>,
    /// Modules that it declares for tests only: `NAME` of `#[cfg(test)] mod NAME;`.
    pub test_modules: Vec<&'a str>,
    is_test: bool,
    test_lines: Vec<RangeInclusive<usize>>,
}

impl<'a> Source<'a> {
    /// Lexes a file.
    pub fn new(path: &'a str, text: &'a str) -> Self {
        let (tokens, comments) = lex(text);
        let (test_lines, test_modules) = test_items(&tokens);
        Self { path, text, tokens, comments, test_modules, is_test: is_test_file(path), test_lines }
    }

    /// Says that the whole file is a test, as whoever declares it knows.
    pub fn mark_as_test(&mut self) {
        self.is_test = true;
    }

    /// Whether the whole file is a test.
    pub fn is_test(&self) -> bool {
        self.is_test
    }

    /// Whether a line belongs to a test.
    pub fn is_test_line(&self, line: usize) -> bool {
        self.is_test || self.test_lines.iter().any(|lines| lines.contains(&line))
    }

    /// Lines that are no tests.
    pub fn code_lines(&self) -> usize {
        (1..=self.text.lines().count()).filter(|&line| !self.is_test_line(line)).count()
    }

    /// Where the tokens have these texts, one after the other, outside tests. A word in a string does not count.
    pub fn sequences(&self, texts: &[&str]) -> Vec<&Token<'a>> {
        let matches = |window: &&[Token<'_>]| {
            window.iter().zip(texts).all(|(token, text)| token.kind != Kind::Text && token.text == *text)
        };
        let starts = self.tokens.windows(texts.len()).filter(matches).map(|window| &window[0]);
        starts.filter(|token| !self.is_test_line(token.line)).collect()
    }

    /// The index of the token that closes the bracket at `open`.
    pub fn closing(&self, open: usize) -> usize {
        closing(&self.tokens, open)
    }

    /// The folder of a module's children: `a/b/` for `a/b.rs` and for `a/b/mod.rs`.
    pub fn children(&self) -> String {
        let (folder, file) = self.path.rsplit_once('/').unwrap_or(("", self.path));
        match file {
            "mod.rs" | "lib.rs" | "main.rs" => format!("{folder}/"),
            _ => format!("{}/", self.path.trim_end_matches(".rs")),
        }
    }
}

/// Whether a path alone says that a file is a test.
fn is_test_file(path: &str) -> bool {
    let inside_crate =
        path.strip_prefix("tests/").and_then(|rest| rest.split_once('/')).map_or(path, |(_, rest)| rest);
    let mut parts = inside_crate.rsplit('/');
    let file = parts.next().unwrap_or_default();
    file == "tests.rs" || parts.any(|folder| matches!(folder, "tests" | "benches" | "fuzz_targets"))
}

/// The lines of test items, and the names of modules that are declared for tests.
fn test_items<'a>(tokens: &[Token<'a>]) -> (Vec<RangeInclusive<usize>>, Vec<&'a str>) {
    let (mut lines, mut modules) = (Vec::new(), Vec::new());
    let mut at = 0;
    while at + 1 < tokens.len() {
        if !(tokens[at].text == "#" && tokens[at + 1].text == "[") {
            at += 1;
            continue;
        }
        let close = closing(tokens, at + 1);
        if !is_test_attribute(&tokens[at + 2..close]) {
            at = close + 1;
            continue;
        }
        let (start, end) = item(tokens, close + 1);
        lines.push(tokens[at].line..=tokens.get(end).map_or(usize::MAX, |token| token.line));
        if tokens.get(end).is_some_and(|token| token.text == ";") {
            let name = (start..end)
                .find(|&index| tokens[index].text == "mod")
                .and_then(|index| tokens.get(index + 1));
            modules.extend(name.map(|token| token.text));
        }
        at = end + 1;
    }
    (lines, modules)
}

/// Whether the inside of an attribute is `test`, `tokio::test(…)`, `cfg(test)` or `cfg(all(test, …))`.
fn is_test_attribute(inside: &[Token<'_>]) -> bool {
    let texts: Vec<&str> = inside.iter().take(6).map(|token| token.text).collect();
    match texts.as_slice() {
        ["cfg", "(", "test", ")", ..] | ["cfg", "(", "all", "(", "test", ..] => true,
        ["cfg" | "cfg_attr", ..] => false,
        [] => false,
        _ => {
            let path: Vec<&str> = texts.iter().take_while(|text| **text != "(").copied().collect();
            path.last() == Some(&"test")
        }
    }
}

/// First and last token of the item that begins at `at`, its further attributes skipped.
fn item(tokens: &[Token<'_>], mut at: usize) -> (usize, usize) {
    while tokens.get(at).is_some_and(|token| token.text == "#") {
        at = closing(tokens, at + 1) + 1;
    }
    let start = at;
    while let Some(token) = tokens.get(at) {
        match (token.kind, token.text) {
            (Kind::Mark, ";") => return (start, at),
            (Kind::Mark, "{") => return (start, closing(tokens, at)),
            (Kind::Mark, "(" | "[") => at = closing(tokens, at) + 1,
            _ => at += 1,
        }
    }
    (start, tokens.len())
}

fn closing(tokens: &[Token<'_>], open: usize) -> usize {
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate().skip(open) {
        match (token.kind, token.text) {
            (Kind::Mark, "(" | "[" | "{") => depth += 1,
            (Kind::Mark, ")" | "]" | "}") => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return index;
        }
    }
    tokens.len().saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_under_test_attributes_are_tests() {
        let text = "fn a() {}\n#[cfg(test)]\n#[allow(x)]\nmod tests {\n fn b() {}\n}\nfn c() {}\n#[tokio::test(flavor = \"x\")]\nasync fn d() {\n}\n#[cfg(not(test))]\nfn e() {}\n";
        let source = Source::new("a/src/lib.rs", text);
        let tests: Vec<_> = (1..=12).filter(|&line| source.is_test_line(line)).collect();
        assert_eq!(tests, [2, 3, 4, 5, 6, 8, 9, 10]);
        assert_eq!(source.code_lines(), 4);
    }

    #[test]
    fn declared_test_modules_are_named() {
        let source = Source::new(
            "a/src/b.rs",
            "#[cfg(test)]\nmod testing;\n#[cfg(all(test, unix))]\npub(crate) mod more;\nmod c;",
        );
        assert_eq!(source.test_modules, ["testing", "more"]);
        assert_eq!(source.children(), "a/src/b/");
        assert_eq!(Source::new("a/src/b/mod.rs", "").children(), "a/src/b/");
    }

    #[test]
    fn paths_tell_tests_from_the_crates_that_test() {
        for (path, is_test) in [
            ("xend/src/api/tests.rs", true),
            ("xend/tests/create.rs", true),
            ("tests/tidy/tests/workspace.rs", true),
            ("tests/lab/src/lib.rs", false),
            ("tests/fuzz/fuzz_targets/sxp.rs", true),
            ("xend/src/tests_of_faith.rs", false),
        ] {
            assert_eq!(Source::new(path, "").is_test(), is_test, "{path}");
        }
    }
}
