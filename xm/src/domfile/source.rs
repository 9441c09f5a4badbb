//! The text of a domain file, places in it, and the errors that point at them.
//!
//! Lexer, parser and evaluator return a [`Fault`] (a place and what is wrong there); [`Source::explain`] turns it into
//! the [`FileError`] that a person sees, with the path, the line and a caret. What the original printed comes first.

use std::fmt;

use thiserror::Error;

use super::class::Class;

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
    /// Python, but nothing that a domain file may do. No `except` catches it.
    Unsupported,
    /// Evaluated, and Python itself would have raised an error of this class with this text.
    Raised(Class),
    /// One of our bounds (steps, memory, nesting, time). No `except` catches it.
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

    /// A construct that is not evaluated.
    pub fn unsupported(place: Place, what: impl Into<String>) -> Self {
        Self::new(FaultKind::Unsupported, place, what)
    }

    /// An error that Python would have raised.
    pub fn raised(place: Place, class: Class, what: impl Into<String>) -> Self {
        Self::new(FaultKind::Raised(class), place, what)
    }

    /// A bound of ours was reached.
    pub fn limit(place: Place, what: impl Into<String>) -> Self {
        Self::new(FaultKind::Limit, place, what)
    }
}

/// A fault and the line that it points at.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    /// The fault.
    pub fault: Fault,
    /// The line of the file, cut and without control characters.
    pub line: String,
    /// The caret's distance from the beginning of `line`.
    pub indent: usize,
}

/// What is wrong with a file, with everything that a person needs to find it.
#[derive(Clone, Debug, PartialEq, Error)]
#[error("{}", self.text())]
pub struct FileError {
    /// The file, as it was opened.
    pub path: String,
    /// The first fault.
    pub first: Box<Shown>,
    /// Further syntax errors.
    pub more: Vec<Shown>,
    /// The file itself asked to end with this status (`sys.exit`); nothing is printed then but a text that it gave.
    pub exit: Option<u8>,
}

impl FileError {
    /// The first fault.
    pub fn fault(&self) -> &Fault {
        &self.first.fault
    }

    fn text(&self) -> String {
        let Self { path, first, .. } = self;
        let (place, what) = (first.fault.place, &first.fault.what);
        if self.exit.is_some() {
            return what.clone();
        }
        let mut text = match first.fault.kind {
            FaultKind::Syntax => format!(
                "Errors were found at line {} while processing {path}:\n{}: {what}",
                place.line,
                first.pointer(path)
            ),
            FaultKind::Raised(class) if what.is_empty() => {
                format!("\n{}: {}", first.pointer(path), class.name())
            }
            FaultKind::Raised(_) => format!("{what}\n{}", first.pointer(path)),
            FaultKind::Unsupported | FaultKind::Limit => {
                format!("{path}:{place}: {what}\n\t{}\n\t{}^", first.line, " ".repeat(first.indent))
            }
        };
        for shown in &self.more {
            text += &format!("\n{}: {}", shown.pointer(path), shown.fault.what);
        }
        text
    }
}

impl Shown {
    /// The line, a caret below it, and the place.
    fn pointer(&self, path: &str) -> String {
        format!("\t{}\n\t{}^ {path}:{}", self.line, " ".repeat(self.indent), self.fault.place)
    }
}

/// A domain file that has been read.
#[derive(Clone, Debug)]
pub struct Source {
    path: String,
    bytes: Vec<u8>,
}

impl Source {
    /// Takes the bytes of a file, whatever their encoding: strings of the language are bytes. Lines may end as on Unix,
    /// on Windows or on an old Mac.
    pub fn new(path: &str, bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        Self { path: path.to_owned(), bytes: with_newlines(bytes) }
    }

    /// The path as opened.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The whole text.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds path, line and caret to a fault.
    pub fn explain(&self, fault: Fault) -> FileError {
        FileError {
            path: self.path.clone(),
            first: Box::new(self.shown(fault)),
            more: Vec::new(),
            exit: None,
        }
    }

    /// The same for several faults; `None` if there are none.
    pub fn explain_all(&self, faults: Vec<Fault>) -> Option<FileError> {
        let mut faults = faults.into_iter();
        let mut error = self.explain(faults.next()?);
        error.more = faults.map(|fault| self.shown(fault)).collect();
        Some(error)
    }

    fn shown(&self, fault: Fault) -> Shown {
        let wanted = usize::try_from(fault.place.line).unwrap_or(1).saturating_sub(1);
        let full = self.bytes.split(|byte| *byte == b'\n').nth(wanted).unwrap_or_default();
        let full = &full[..full.len().min(SHOWN_LINE * 8)];
        let full = text_of(full);
        let skipped = full.chars().take_while(|c| c.is_whitespace()).count();
        let line: String = full.trim().chars().take(SHOWN_LINE).map(plain).collect();
        let column = usize::try_from(fault.place.column).unwrap_or(1).saturating_sub(1);
        let indent = column.saturating_sub(skipped).min(line.chars().count());
        Shown { fault, line, indent }
    }
}

/// Every end of a line as a newline.
fn with_newlines(bytes: &[u8]) -> Vec<u8> {
    let before = std::iter::once(&0).chain(bytes);
    let pairs = before.zip(bytes).filter(|pair| *pair != (&b'\r', &b'\n'));
    pairs.map(|(_, byte)| if *byte == b'\r' { b'\n' } else { *byte }).collect()
}

/// Bytes as text: files that are not UTF-8 are from the years of ISO 8859-1.
pub fn text_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().copied().map(char::from).collect(),
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
        let error = source.explain(Fault::raised(Place { line: 1, column: 1 }, Class::Name, "no"));
        assert!(!error.to_string().contains('\u{1b}'));
    }

    #[test]
    fn a_line_in_latin_1_is_shown_with_its_letters() {
        let source = Source::new("a", b"# gr\xfc\xdfe\nmemory = 1\n");
        let error = source.explain(Fault::syntax(Place { line: 1, column: 1 }, "unexpected end"));
        assert!(error.to_string().contains("gr\u{fc}\u{df}e"));
    }

    #[test]
    fn lines_end_in_three_ways() {
        let source = Source::new("a", b"a\r\nb\rc\n\nd\r\r\ne");
        assert_eq!(source.bytes(), b"a\nb\nc\n\nd\n\ne");
    }

    #[test]
    fn a_place_beyond_the_file_is_harmless() {
        let source = Source::new("a", b"x");
        let error = source.explain(Fault::syntax(Place { line: 900, column: 900 }, "unexpected end"));
        assert_eq!(error.first.line, "");
    }

    #[test]
    fn an_error_without_a_text_is_named_behind_its_place() {
        let error = Source::new("a", b"raise ValueError").explain(Fault::raised(
            Place { line: 1, column: 1 },
            Class::Value,
            "",
        ));
        assert_eq!(error.to_string(), "\n\traise ValueError\n\t^ a:1:1: ValueError");
    }
}
