//! Cuts a domain file into tokens: names, numbers, every kind of Python string, operators, and the ends of lines and
//! blocks (`Newline`, `Indent`, `Dedent`).
//!
//! Brackets are counted here, so that nothing behind the lexer can be made to nest deeper than [`MAX_BRACKETS`]. A line
//! with a fault becomes one `Broken` token, and the next line is read as if nothing had happened: a person learns of all
//! faults at once.

use std::rc::Rc;

use super::ast::Name;
use super::numbers;
use super::source::{Fault, FaultKind, Place};
use super::strings::{self, Part, Prefix};

/// Deepest nesting of brackets.
pub const MAX_BRACKETS: usize = 100;
/// Deepest nesting of indented blocks.
pub const MAX_BLOCKS: usize = 50;
/// Longest file that is read.
pub const MAX_FILE: usize = 1 << 20;
/// Most tokens of a file.
const MAX_TOKENS: usize = 150_000;
/// Most faults that are reported at once.
pub(super) const MAX_FAULTS: usize = 20;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenKind {
    /// A name or keyword.
    Name(Name),
    /// A whole number that fits Python 2's `int`.
    Int(i64),
    /// A whole number written `5L` or too long for `int`.
    Long(Box<i128>),
    /// A number with a point or an exponent.
    Float(f64),
    /// A string.
    Text(Rc<[u8]>),
    /// A string written `u''`.
    Unicode(Rc<[u8]>),
    /// A string written `f''`.
    Format(Rc<[Part]>),
    /// An operator or bracket.
    Op(&'static str),
    /// The end of a statement's line.
    Newline,
    /// A block begins.
    Indent,
    /// A block ends.
    Dedent,
    /// A line whose fault is known already.
    Broken,
    /// The end of the file.
    End,
}

/// A token and where it begins.
#[derive(Clone, Debug, PartialEq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Where it begins.
    pub place: Place,
}

/// Longest first, so that the first match is the right one.
const OPERATORS: [&str; 48] = [
    "**=", "//=", "<<=", ">>=", "...", "**", "//", "<<", ">>", "<=", ">=", "==", "!=", "<>", "+=", "-=",
    "*=", "/=", "%=", "&=", "|=", "^=", "->", ":=", "+", "-", "*", "/", "%", "@", "&", "|", "^", "~", "<",
    ">", "(", ")", "[", "]", "{", "}", ",", ":", ".", ";", "=", "`",
];

/// Cuts the text into tokens; the last one is always `End`. Faults come beside them.
pub fn tokens(text: &[u8]) -> (Vec<Token>, Vec<Fault>) {
    let start = Place { line: 1, column: 1 };
    if text.len() > MAX_FILE {
        let what = format!("the file is longer than {} MiB", MAX_FILE >> 20);
        return (Vec::new(), vec![Fault::limit(start, what)]);
    }
    let mut lexer = Lexer::new(text, start);
    if let Some(at) = text.iter().position(|byte| *byte == 0) {
        lexer.skip(at);
        let fault = Fault::syntax(lexer.place, "there is a NUL byte here, so this is not a text file");
        return (Vec::new(), vec![fault]);
    }
    lexer.run();
    (lexer.tokens, lexer.faults)
}

/// The tokens of an expression inside an `f''` string.
pub(super) fn tokens_at(text: &[u8], place: Place) -> Result<Vec<Token>, Fault> {
    let mut lexer = Lexer::new(text, place);
    // Inside brackets neither indentation nor the ends of lines count.
    lexer.brackets.push((b'(', place));
    while lexer.token()? {}
    let place = lexer.place;
    lexer.push(TokenKind::Newline, place);
    lexer.push(TokenKind::End, place);
    Ok(lexer.tokens)
}

pub(super) struct Lexer<'a> {
    rest: &'a [u8],
    place: Place,
    tokens: Vec<Token>,
    faults: Vec<Fault>,
    brackets: Vec<(u8, Place)>,
    indents: Vec<usize>,
    /// The first token of the current statement.
    line_start: usize,
    /// Has a line just ended that goes on nowhere?
    ended: bool,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a [u8], place: Place) -> Self {
        Self {
            rest: text,
            place,
            tokens: Vec::new(),
            faults: Vec::new(),
            brackets: Vec::new(),
            indents: Vec::new(),
            line_start: 0,
            ended: false,
        }
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    pub(super) fn advance(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        if *byte == b'\n' {
            self.place.line += 1;
            self.place.column = 1;
        } else if byte & 0xc0 != 0x80 {
            // Not the second or a later byte of a character.
            self.place.column += 1;
        }
        Some(*byte)
    }

    pub(super) fn skip(&mut self, bytes: usize) {
        for _ in 0..bytes {
            self.advance();
        }
    }

    fn push(&mut self, kind: TokenKind, place: Place) {
        self.tokens.push(Token { kind, place });
    }

    fn run(&mut self) {
        loop {
            match self.line() {
                Ok(true) => {}
                Ok(false) => break,
                Err(fault) => {
                    let fatal = fault.kind == FaultKind::Limit || self.faults.len() >= MAX_FAULTS;
                    self.broken(fault);
                    if fatal {
                        break;
                    }
                }
            }
        }
        self.finish();
    }

    /// One statement's line, or a part of it; false at the end of the file.
    fn line(&mut self) -> Result<bool, Fault> {
        self.line_start = self.tokens.len();
        self.indentation()?;
        self.line_start = self.tokens.len();
        loop {
            self.ended = false;
            if !self.token()? {
                return Ok(false);
            }
            if self.tokens.len() > MAX_TOKENS {
                return Err(Fault::limit(self.place, format!("more than {MAX_TOKENS} words and signs")));
            }
            if self.ended {
                return Ok(true);
            }
        }
    }

    /// A line with a fault: its tokens go, and what follows on it too.
    fn broken(&mut self, fault: Fault) {
        let place = fault.place;
        self.faults.push(fault);
        self.tokens.truncate(self.line_start);
        self.brackets.clear();
        while self.place.column > 1 && self.advance().is_some_and(|byte| byte != b'\n') {}
        self.push(TokenKind::Broken, place);
        self.push(TokenKind::Newline, place);
    }

    /// One token, if there is one; false at the end of the file. An end of line may make none.
    fn token(&mut self) -> Result<bool, Fault> {
        self.blanks();
        let place = self.place;
        let Some(byte) = self.peek() else { return Ok(false) };
        match byte {
            b'\n' => {
                self.advance();
                if self.brackets.is_empty() {
                    self.ended = true;
                    self.end_line(place);
                } else {
                    self.forgotten_bracket()?;
                }
            }
            b'#' => self.comment(),
            b'\\' => self.continuation(place)?,
            b'0'..=b'9' => self.number(place)?,
            b'.' if self.rest.get(1).is_some_and(u8::is_ascii_digit) => self.number(place)?,
            b'\'' | b'"' => self.string(Prefix::default(), place)?,
            b'_' | b'a'..=b'z' | b'A'..=b'Z' => self.word(place)?,
            _ => self.operator(byte, place)?,
        }
        Ok(true)
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\x0c')) {
            self.advance();
        }
    }

    fn comment(&mut self) {
        while self.peek().is_some_and(|byte| byte != b'\n') {
            self.advance();
        }
    }

    /// A line that begins with `name =` never goes on inside `[` or `{`: the bracket before it was forgotten.
    fn forgotten_bracket(&mut self) -> Result<(), Fault> {
        let Some((open @ (b'[' | b'{'), opened)) = self.brackets.last().copied() else { return Ok(()) };
        let name = self.rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let after = self.rest[name..].trim_ascii_start();
        if name > 0 && after.starts_with(b"=") && !after.starts_with(b"==") {
            // Told here, not at the bracket: the original stumbled on this line, and its number goes first.
            let what = format!("the `{}` of line {} is never closed", char::from(open), opened.line);
            return Err(Fault::syntax(self.place, what));
        }
        Ok(())
    }

    /// An empty line ends nothing.
    fn end_line(&mut self, place: Place) {
        let ends_something = !matches!(
            self.tokens.last().map(|token| &token.kind),
            None | Some(TokenKind::Newline | TokenKind::Indent | TokenKind::Dedent)
        );
        if ends_something {
            self.push(TokenKind::Newline, place);
        }
    }

    fn continuation(&mut self, place: Place) -> Result<(), Fault> {
        if !self.rest[1..].starts_with(b"\n") {
            return Err(Fault::syntax(place, "a `\\` must be the last character of its line"));
        }
        self.comment();
        self.advance();
        Ok(())
    }

    fn indentation(&mut self) -> Result<(), Fault> {
        let mut width = 0;
        while let Some(byte) = self.peek() {
            match byte {
                b' ' => width += 1,
                b'\t' => width = (width / 8 + 1) * 8,
                b'\x0c' => width = 0,
                _ => break,
            }
            self.advance();
        }
        if matches!(self.peek(), None | Some(b'\n' | b'#')) {
            return Ok(());
        }
        let place = self.place;
        let current = self.indents.last().copied().unwrap_or(0);
        if width > current {
            if self.indents.len() >= MAX_BLOCKS {
                return Err(Fault::limit(place, format!("blocks are nested deeper than {MAX_BLOCKS}")));
            }
            self.indents.push(width);
            self.push(TokenKind::Indent, place);
        }
        while self.indents.last().is_some_and(|&indent| width < indent) {
            self.indents.pop();
            self.push(TokenKind::Dedent, place);
        }
        self.line_start = self.tokens.len();
        if width != self.indents.last().copied().unwrap_or(0) {
            return Err(Fault::syntax(place, "this line is indented like no block before it"));
        }
        Ok(())
    }

    fn finish(&mut self) {
        if let Some((open, opened)) = self.brackets.last().copied() {
            let what = format!("`{}` is never closed", char::from(open));
            self.tokens.truncate(self.line_start);
            self.faults.push(Fault::syntax(opened, what));
            self.push(TokenKind::Broken, opened);
        }
        let place = self.place;
        self.end_line(place);
        for _ in std::mem::take(&mut self.indents) {
            self.push(TokenKind::Dedent, place);
        }
        self.push(TokenKind::End, place);
    }

    fn word(&mut self, place: Place) -> Result<(), Fault> {
        let length =
            self.rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
        let (name, after) = self.rest.split_at(length);
        let name = String::from_utf8_lossy(name);
        self.skip(length);
        if matches!(after.first(), Some(b'\'' | b'"'))
            && let Some(prefix) = Prefix::of(&name)
        {
            return self.string(prefix, place);
        }
        self.push(TokenKind::Name(name.into()), place);
        Ok(())
    }

    fn string(&mut self, prefix: Prefix, place: Place) -> Result<(), Fault> {
        let kind = strings::literal(self, prefix, place)?;
        self.push(kind, place);
        Ok(())
    }

    fn operator(&mut self, byte: u8, place: Place) -> Result<(), Fault> {
        let Some(op) = OPERATORS.iter().copied().find(|op| self.rest.starts_with(op.as_bytes())) else {
            let shown = super::source::text_of(&self.rest[..self.rest.len().min(4)]);
            let shown = shown.chars().next().unwrap_or('?');
            return Err(Fault::syntax(place, format!("unexpected character {shown:?}")));
        };
        self.skip(op.len());
        match op {
            "(" | "[" | "{" => {
                if self.brackets.len() >= MAX_BRACKETS {
                    let what = format!("brackets are nested deeper than {MAX_BRACKETS}");
                    return Err(Fault::limit(place, what));
                }
                self.brackets.push((byte, place));
            }
            ")" | "]" | "}" => self.close(byte, place)?,
            _ => {}
        }
        self.push(TokenKind::Op(op), place);
        Ok(())
    }

    fn close(&mut self, close: u8, place: Place) -> Result<(), Fault> {
        let close = char::from(close);
        let Some((open, opened)) = self.brackets.pop() else {
            return Err(Fault::syntax(place, format!("`{close}` closes nothing")));
        };
        let open = char::from(open);
        if matches!((open, close), ('(', ')') | ('[', ']') | ('{', '}')) {
            return Ok(());
        }
        Err(Fault::syntax(place, format!("`{close}` cannot close the `{open}` of line {}", opened.line)))
    }

    fn number(&mut self, place: Place) -> Result<(), Fault> {
        let (kind, used) = numbers::read(self.rest).map_err(|what| Fault::syntax(place, what))?;
        self.skip(used);
        if self.peek().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return Err(Fault::syntax(place, "a number runs into a word"));
        }
        self.push(kind, place);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        let (tokens, faults) = tokens(text.as_bytes());
        assert_eq!(faults, []);
        tokens.into_iter().map(|token| token.kind).collect()
    }

    fn fault(text: &str) -> String {
        let faults = tokens(text.as_bytes()).1;
        faults.iter().map(|fault| format!("{} {}", fault.place, fault.what)).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn lines_inside_brackets_and_after_a_backslash_go_on() {
        let name = |name: &str| TokenKind::Name(name.into());
        let expected =
            vec![name("a"), TokenKind::Op("="), TokenKind::Op("["), TokenKind::Int(1), TokenKind::Op(",")];
        let tokens = kinds("a = [1, # one\n\n  2]\nb = \\\n 3");
        assert_eq!(tokens[..5], expected);
        assert_eq!(tokens.iter().filter(|kind| **kind == TokenKind::Newline).count(), 2);
    }

    #[test]
    fn blocks_are_marked_and_closed_at_the_end() {
        let tokens = kinds("if x:\n\tb\n\n# c\n        d\ne");
        let count = |kind: TokenKind| tokens.iter().filter(|other| **other == kind).count();
        assert_eq!((count(TokenKind::Indent), count(TokenKind::Dedent)), (1, 1));
        assert_eq!(fault("if x:\n    a\n  b"), "3:3 this line is indented like no block before it");
    }

    #[test]
    fn faults_name_the_place() {
        assert_eq!(fault("a = [1,\n"), "1:5 `[` is never closed");
        assert_eq!(fault("a = (1]"), "1:7 `]` cannot close the `(` of line 1");
        assert_eq!(fault("a = )"), "1:5 `)` closes nothing");
        assert_eq!(fault("a = $"), "1:5 unexpected character '$'");
        assert_eq!(fault("a = \\ 5"), "1:5 a `\\` must be the last character of its line");
        assert_eq!(fault("a = 1\nb = \0"), "2:5 there is a NUL byte here, so this is not a text file");
    }

    #[test]
    fn every_line_with_a_fault_is_told() {
        assert_eq!(
            fault("a = $\nb = 'x\nc = 1\nd = )\n"),
            "1:5 unexpected character '$'; 2:5 this string is not closed on its line; 4:5 `)` closes nothing"
        );
        assert_eq!(
            fault("disk = [ 'a',\n 'b'\nvif = [ '' ]\nx = $"),
            "3:1 the `[` of line 1 is never closed; 4:5 unexpected character '$'"
        );
    }

    #[test]
    fn deep_nesting_is_refused_before_anything_recurses() {
        assert!(fault(&"[".repeat(5000)).contains("nested deeper than 100"));
        let blocks: String = (0..80).map(|n| format!("{}if x:\n", " ".repeat(n))).collect();
        assert!(fault(&blocks).contains("nested deeper than 50"));
    }
}
