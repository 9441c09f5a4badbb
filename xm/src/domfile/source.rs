//! The text of a domain file, places in it, and the errors that point at them.
//!
//! Lexer, parser and evaluator return a [`Fault`] (a place and what is wrong there); [`Source::explain`] turns it into
//! the [`FileError`] that a person sees, with the path, the line and a caret. What the original printed comes first.

use std::fmt;

use thiserror::Error;

/// Longer source lines are cut in error texts.
const SHOWN_LINE: usize = 160;

/// A position in a file; line and column begin with 1, columns count characters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// What kind of trouble a fault is; it decides the wording.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// Not a sentence of the language.
    Syntax,
    /// Python, but nothing that this version evaluates.
    Unsupported,
    /// Evaluated, and Python itself would have raised an error with this text.
    Raised,
    /// One of our bounds (steps, memory, nesting).
    Limit,
}

/// Trouble at a place of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// Which kind.
    pub kind: FaultKind,
    /// What, as a clause that begins with a small letter.
    pub what: String,
}

impl Fault {
    /// A fault of the kind.
    pub fn new(kind: FaultKind, place: Place, what: impl Into<String>) -> Self {
        Self { place, kind, what: what.into() }
    }

    /// A syntax error.
    pub fn syntax(place: Place, what: impl Into<String>) -> Self {
        Self::new(FaultKind::Syntax, place, what)
    }

    /// A construct that this version does not evaluate.
    pub fn unsupported(place: Place, what: impl Into<String>) -> Self {
        Self::new(FaultKind::Unsupported, place, what)
    }

    /// An error that Python would have raised.
    pub fn raised(place: Place, what: impl Into<String>) -> Self {
        Self::new(FaultKind::Raised, place, what)
    }

    /// A bound of ours was reached.
    pub fn limit(place: Place, what: impl Into<String>) -> Self {
        Self::new(FaultKind::Limit, place, what)
    }
}

/// A fault with everything that a person needs to find it.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{}", self.text())]
pub struct FileError {
    /// The file, as it was opened.
    pub path: String,
    /// The fault.
    pub fault: Fault,
    /// The line of the file, cut and without control characters.
    pub line: String,
    /// The caret's distance from the beginning of `line`.
    pub indent: usize,
}

impl FileError {
    fn text(&self) -> String {
        let Self { path, fault, line, indent } = self;
        let (place, what) = (fault.place, &fault.what);
        let caret = format!("{}^", " ".repeat(*indent));
        match fault.kind {
            FaultKind::Syntax => format!(
                "Errors were found at line {} while processing {path}:\n\t{line}\n\t{caret} {path}:{place}: {what}",
                place.line
            ),
            FaultKind::Raised => format!("{what}\n\t{line}\n\t{caret} {path}:{place}"),
            FaultKind::Unsupported | FaultKind::Limit => {
                format!("{path}:{place}: {what}\n\t{line}\n\t{caret}")
            }
        }
    }
}

/// A domain file that has been read.
#[derive(Clone, Debug)]
pub struct Source {
    path: String,
    text: String,
}

impl Source {
    /// Takes the bytes of a file. Files that are not UTF-8 are from the years of ISO 8859-1, so that is tried next.
    pub fn new(path: &str, bytes: &[u8]) -> Self {
        let text = match std::str::from_utf8(bytes) {
            Ok(text) => text.trim_start_matches('\u{feff}').to_owned(),
            Err(_) => bytes.iter().copied().map(char::from).collect(),
        };
        Self { path: path.to_owned(), text }
    }

    /// The path as opened.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Adds path, line and caret to a fault.
    pub fn explain(&self, fault: Fault) -> FileError {
        let wanted = usize::try_from(fault.place.line).unwrap_or(1).saturating_sub(1);
        let full = self.text.split('\n').nth(wanted).unwrap_or_default().trim_end_matches('\r');
        let skipped = full.chars().take_while(|c| c.is_whitespace()).count();
        let line: String = full.trim().chars().take(SHOWN_LINE).map(plain).collect();
        let column = usize::try_from(fault.place.column).unwrap_or(1).saturating_sub(1);
        let indent = column.saturating_sub(skipped).min(line.chars().count());
        FileError { path: self.path.clone(), fault, line, indent }
    }
}

/// A character that cannot steer a terminal.
fn plain(c: char) -> char {
    if c == '\t' {
        ' '
    } else if c.is_control() {
        '?'
    } else {
        c
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_syntax_error_shows_the_original_text_then_the_caret() {
        let source = Source::new("./a.cfg", b"memory = 1\n  vif = = 2\n");
        let error = source.explain(Fault::syntax(Place { line: 2, column: 9 }, "unexpected `=`"));
        assert_eq!(
            error.to_string(),
            "Errors were found at line 2 while processing ./a.cfg:\n\tvif = = 2\n\t      ^ ./a.cfg:2:9: unexpected `=`"
        );
    }

    #[test]
    fn control_characters_of_a_file_do_not_reach_the_terminal() {
        let source = Source::new("a", b"x = \x1b[2J");
        let error = source.explain(Fault::raised(Place { line: 1, column: 1 }, "name 'x' is not defined"));
        assert!(!error.to_string().contains('\u{1b}'));
    }

    #[test]
    fn a_file_in_latin_1_is_read() {
        let source = Source::new("a", b"# gr\xfc\xdfe\nmemory = 1\n");
        assert!(source.text().contains("gr\u{fc}\u{df}e"));
    }

    #[test]
    fn a_place_beyond_the_file_is_harmless() {
        let source = Source::new("a", b"x");
        let error = source.explain(Fault::syntax(Place { line: 900, column: 900 }, "unexpected end"));
        assert_eq!(error.line, "");
    }
}
