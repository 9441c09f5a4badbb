//! Cuts a domain file into tokens: names, numbers, every kind of Python string, operators, and the ends of lines and
//! blocks (`Newline`, `Indent`, `Dedent`).
//!
//! Brackets are counted here, so that nothing behind the lexer can be made to nest deeper than [`MAX_BRACKETS`].

use super::source::{Fault, Place};
use super::strings::{self, Prefix};

/// Deepest nesting of brackets.
pub const MAX_BRACKETS: usize = 100;
/// Deepest nesting of indented blocks.
pub const MAX_BLOCKS: usize = 50;
/// Longest file that is read.
pub const MAX_FILE: usize = 1 << 20;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub enum TokenKind {
    /// A name or keyword.
    Name(String),
    /// A whole number that fits Python 2's `int`.
    Int(i64),
    /// A whole number written `5L` or too long for `int`.
    Long(i128),
    /// A number with a point or an exponent.
    Float(f64),
    /// A string; `unicode` for `u'…'`.
    Text {
        /// The characters, escapes resolved.
        value: String,
        /// Was it marked `u`?
        unicode: bool,
    },
    /// An operator or bracket.
    Op(&'static str),
    /// The end of a statement's line.
    Newline,
    /// A block begins.
    Indent,
    /// A block ends.
    Dedent,
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
const OPERATORS: [&str; 47] = [
    "**=", "//=", "<<=", ">>=", "...", "**", "//", "<<", ">>", "<=", ">=", "==", "!=", "<>", "+=", "-=",
    "*=", "/=", "%=", "&=", "|=", "^=", "->", ":=", "+", "-", "*", "/", "%", "@", "&", "|", "^", "~", "<",
    ">", "(", ")", "[", "]", "{", "}", ",", ":", ".", ";", "=",
];

/// Cuts the text into tokens; the last one is always `End`.
pub fn tokens(text: &str) -> Result<Vec<Token>, Fault> {
    if text.len() > MAX_FILE {
        let what = format!("the file is {} bytes long, more than {MAX_FILE} are not read", text.len());
        return Err(Fault::limit(Place { line: 1, column: 1 }, what));
    }
    let mut lexer = Lexer::new(text);
    lexer.run()?;
    Ok(lexer.tokens)
}

pub(super) struct Lexer<'a> {
    rest: &'a str,
    place: Place,
    tokens: Vec<Token>,
    brackets: Vec<(char, Place)>,
    indents: Vec<usize>,
}

impl<'a> Lexer<'a> {
    fn new(text: &'a str) -> Self {
        Self {
            rest: text,
            place: Place { line: 1, column: 1 },
            tokens: Vec::new(),
            brackets: Vec::new(),
            indents: Vec::new(),
        }
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    pub(super) fn rest(&self) -> &'a str {
        self.rest
    }

    pub(super) fn place(&self) -> Place {
        self.place
    }

    pub(super) fn advance(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.rest = &self.rest[c.len_utf8()..];
        if c == '\n' {
            self.place.line += 1;
            self.place.column = 1;
        } else {
            self.place.column += 1;
        }
        Some(c)
    }

    pub(super) fn skip(&mut self, chars: usize) {
        for _ in 0..chars {
            self.advance();
        }
    }

    fn push(&mut self, kind: TokenKind, place: Place) {
        self.tokens.push(Token { kind, place });
    }

    fn run(&mut self) -> Result<(), Fault> {
        let mut at_line_start = true;
        loop {
            if at_line_start && self.brackets.is_empty() {
                self.indentation()?;
            }
            at_line_start = false;
            self.blanks();
            let place = self.place;
            let Some(c) = self.peek() else { break };
            match c {
                '\n' => {
                    self.advance();
                    if self.brackets.is_empty() {
                        self.end_line(place);
                        at_line_start = true;
                    }
                }
                '#' => self.comment(),
                '\\' => self.continuation(place)?,
                '0'..='9' => self.number(place)?,
                '.' if self.rest[1..].starts_with(|c: char| c.is_ascii_digit()) => self.number(place)?,
                '\'' | '"' => self.string(Prefix::default(), place)?,
                '_' | 'a'..='z' | 'A'..='Z' => self.word(place)?,
                _ => self.operator(c, place)?,
            }
        }
        self.finish()
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(' ' | '\t' | '\r' | '\x0c')) {
            self.advance();
        }
    }

    fn comment(&mut self) {
        while self.peek().is_some_and(|c| c != '\n') {
            self.advance();
        }
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
        let after = self.rest[1..].trim_start_matches('\r');
        if !after.starts_with('\n') {
            return Err(Fault::syntax(place, "a `\\` must be the last character of its line"));
        }
        while self.peek() != Some('\n') {
            self.advance();
        }
        self.advance();
        Ok(())
    }

    fn indentation(&mut self) -> Result<(), Fault> {
        let mut width = 0;
        while let Some(c) = self.peek() {
            match c {
                ' ' => width += 1,
                '\t' => width = (width / 8 + 1) * 8,
                '\r' | '\x0c' => {}
                _ => break,
            }
            self.advance();
        }
        if matches!(self.peek(), None | Some('\n' | '#')) {
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
        if width != self.indents.last().copied().unwrap_or(0) {
            return Err(Fault::syntax(place, "this line is indented like no block before it"));
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Fault> {
        if let Some((open, place)) = self.brackets.last() {
            return Err(Fault::syntax(*place, format!("`{open}` is never closed")));
        }
        let place = self.place;
        self.end_line(place);
        for _ in std::mem::take(&mut self.indents) {
            self.push(TokenKind::Dedent, place);
        }
        self.push(TokenKind::End, place);
        Ok(())
    }

    fn word(&mut self, place: Place) -> Result<(), Fault> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let name = &self.rest[..end];
        let quoted = self.rest[end..].starts_with(['\'', '"']);
        self.skip(end);
        if quoted && let Some(prefix) = Prefix::of(name) {
            return self.string(prefix, place);
        }
        self.push(TokenKind::Name(name.to_owned()), place);
        Ok(())
    }

    fn string(&mut self, prefix: Prefix, place: Place) -> Result<(), Fault> {
        let value = strings::literal(self, prefix, place)?;
        self.push(TokenKind::Text { value, unicode: prefix.unicode }, place);
        Ok(())
    }

    fn operator(&mut self, c: char, place: Place) -> Result<(), Fault> {
        let Some(op) = OPERATORS.iter().copied().find(|op| self.rest.starts_with(op)) else {
            return Err(Fault::syntax(place, format!("unexpected character {c:?}")));
        };
        self.skip(op.len());
        match op {
            "(" | "[" | "{" => {
                if self.brackets.len() >= MAX_BRACKETS {
                    return Err(Fault::limit(
                        place,
                        format!("brackets are nested deeper than {MAX_BRACKETS}"),
                    ));
                }
                self.brackets.push((c, place));
            }
            ")" | "]" | "}" => self.close(c, place)?,
            _ => {}
        }
        self.push(TokenKind::Op(op), place);
        Ok(())
    }

    fn close(&mut self, close: char, place: Place) -> Result<(), Fault> {
        let Some((open, opened)) = self.brackets.pop() else {
            return Err(Fault::syntax(place, format!("`{close}` closes nothing")));
        };
        if matches!((open, close), ('(', ')') | ('[', ']') | ('{', '}')) {
            return Ok(());
        }
        Err(Fault::syntax(place, format!("`{close}` cannot close the `{open}` of line {}", opened.line)))
    }

    fn number(&mut self, place: Place) -> Result<(), Fault> {
        let digits = self.number_text();
        let (kind, used) = number(digits).map_err(|what| Fault::syntax(place, what))?;
        self.skip(used);
        if self.peek().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Err(Fault::syntax(place, "a number runs into a word"));
        }
        self.push(kind, place);
        Ok(())
    }

    fn number_text(&self) -> &'a str {
        let mut previous = ' ';
        let mut based = false;
        let end = self.rest.char_indices().find(|&(at, c)| {
            based |= at == 1 && matches!(c, 'x' | 'X');
            let exponent_sign = !based && matches!(c, '+' | '-') && matches!(previous, 'e' | 'E');
            previous = c;
            !(c.is_ascii_alphanumeric() || c == '.' || exponent_sign)
        });
        &self.rest[..end.map_or(self.rest.len(), |(at, _)| at)]
    }
}

/// Reads a number at the start of the text; also tells how many characters it used.
fn number(text: &str) -> Result<(TokenKind, usize), String> {
    let lower = text.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            let used = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
            return whole(&lower, 2, used, radix);
        }
    }
    let used = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    let float = matches!(lower.as_bytes().get(used), Some(b'.' | b'e'));
    if float {
        return fraction(&lower);
    }
    let octal = used > 1 && lower.starts_with('0') && lower[..used].bytes().any(|b| b != b'0');
    if octal { whole(&lower, 1, used - 1, 8) } else { whole(&lower, 0, used, 10) }
}

fn whole(lower: &str, skip: usize, digits: usize, radix: u32) -> Result<(TokenKind, usize), String> {
    let text = &lower[skip..skip + digits];
    let value =
        i128::from_str_radix(text, radix).map_err(|_| format!("cannot read the number {:.40}", lower))?;
    if lower[skip + digits..].starts_with('l') {
        return Ok((TokenKind::Long(value), skip + digits + 1));
    }
    let kind = i64::try_from(value).map_or(TokenKind::Long(value), TokenKind::Int);
    Ok((kind, skip + digits))
}

fn fraction(lower: &str) -> Result<(TokenKind, usize), String> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let mut used = digits(lower);
    if lower[used..].starts_with('.') {
        used += 1 + digits(&lower[used + 1..]);
    }
    if lower[used..].starts_with('e') {
        let sign = usize::from(lower[used + 1..].starts_with(['+', '-']));
        let exponent = digits(&lower[used + 1 + sign..]);
        if exponent > 0 {
            used += 1 + sign + exponent;
        }
    }
    let value = lower[..used].parse().map_err(|_| format!("cannot read the number {:.40}", lower))?;
    Ok((TokenKind::Float(value), used))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        tokens(text).unwrap().into_iter().map(|token| token.kind).collect()
    }

    fn fault(text: &str) -> String {
        let fault = tokens(text).unwrap_err();
        format!("{} {}", fault.place, fault.what)
    }

    #[test]
    fn numbers_of_python_2_and_3_are_read() {
        let text = "1 0 00 0755 0o17 0x1F 0b11 10L 99999999999999999999 1.5 .5 1e3 2.e-1 0x1e+1";
        let mut expected: Vec<_> = [1, 0, 0, 493, 15, 31, 3].into_iter().map(TokenKind::Int).collect();
        expected.extend([TokenKind::Long(10), TokenKind::Long(99_999_999_999_999_999_999)]);
        expected.extend([1.5, 0.5, 1000.0, 0.2].into_iter().map(TokenKind::Float));
        expected.extend([TokenKind::Int(30), TokenKind::Op("+"), TokenKind::Int(1)]);
        expected.extend([TokenKind::Newline, TokenKind::End]);
        assert_eq!(kinds(text), expected);
        assert_eq!(fault("a = 12abc"), "1:5 a number runs into a word");
        assert_eq!(fault("a = 089"), "1:5 cannot read the number 089");
    }

    #[test]
    fn lines_inside_brackets_and_after_a_backslash_go_on() {
        let name = |name: &str| TokenKind::Name(name.to_owned());
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
    }

    #[test]
    fn deep_nesting_is_refused_before_anything_recurses() {
        assert!(fault(&"[".repeat(5000)).contains("nested deeper than 100"));
        let blocks: String = (0..80).map(|n| format!("{}if x:\n", " ".repeat(n))).collect();
        assert!(fault(&blocks).contains("nested deeper than 50"));
    }
}
