//! Python's string literals: single, double and triple quotes, `r`, `b`, `u`, `f` prefixes, escapes.

use std::rc::Rc;

use super::lexer::{Lexer, TokenKind};
use super::source::{Fault, Place};

/// The letters before the quote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Prefix {
    raw: bool,
    unicode: bool,
    format: bool,
}

impl Prefix {
    /// The prefix, if the name is one.
    pub(super) fn of(name: &str) -> Option<Self> {
        let plain = Self::default();
        match name.to_ascii_lowercase().as_str() {
            "b" => Some(plain),
            "r" | "br" | "rb" => Some(Self { raw: true, ..plain }),
            "u" => Some(Self { unicode: true, ..plain }),
            "ur" => Some(Self { raw: true, unicode: true, ..plain }),
            "f" => Some(Self { format: true, ..plain }),
            "fr" | "rf" => Some(Self { raw: true, format: true, ..plain }),
            _ => None,
        }
    }
}

/// A part of an `f''` string.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Text, escapes resolved.
    Text(Vec<u8>),
    /// `{source!conversion:spec}`.
    Field {
        /// The expression, as it is written.
        source: Vec<u8>,
        /// Where it begins.
        place: Place,
        /// The letter behind `!`.
        conversion: Option<u8>,
        /// How it is written; fields may stand in it.
        spec: Vec<Part>,
    },
}

/// Reads a literal; the lexer stands on its first quote.
pub(super) fn literal(lexer: &mut Lexer<'_>, prefix: Prefix, start: Place) -> Result<TokenKind, Fault> {
    let quote = lexer.advance().unwrap_or(b'\'');
    let triple = lexer.rest().starts_with(&[quote, quote]);
    if triple {
        lexer.skip(2);
    }
    let mut reader = Reader { prefix, start, quote, triple, value: Vec::new(), parts: Vec::new() };
    while reader.more(lexer)? {}
    let Reader { value, mut parts, .. } = reader;
    if prefix.format {
        parts.push(Part::Text(value));
        return Ok(TokenKind::Format(parts.into()));
    }
    let value: Rc<[u8]> = value.into();
    Ok(if prefix.unicode { TokenKind::Unicode(value) } else { TokenKind::Text(value) })
}

struct Reader {
    prefix: Prefix,
    start: Place,
    quote: u8,
    triple: bool,
    value: Vec<u8>,
    parts: Vec<Part>,
}

impl Reader {
    /// One character; false when the closing quote was read.
    fn more(&mut self, lexer: &mut Lexer<'_>) -> Result<bool, Fault> {
        let place = lexer.place();
        let quote = self.quote;
        match lexer.advance() {
            None => return Err(Fault::syntax(self.start, "this string is never closed")),
            Some(b'\n') if !self.triple => {
                return Err(Fault::syntax(self.start, "this string is not closed on its line"));
            }
            Some(c) if c == quote && !self.triple => return Ok(false),
            Some(c) if c == quote && lexer.rest().starts_with(&[quote, quote]) => {
                lexer.skip(2);
                return Ok(false);
            }
            Some(b'\\') if self.prefix.raw => {
                self.value.push(b'\\');
                self.value.extend(lexer.advance());
            }
            Some(b'\\') => escape(lexer, self.prefix, place, &mut self.value)?,
            Some(c @ (b'{' | b'}')) if self.prefix.format => self.brace(lexer, c, place)?,
            Some(c) => self.value.push(c),
        }
        Ok(true)
    }

    fn brace(&mut self, lexer: &mut Lexer<'_>, brace: u8, place: Place) -> Result<(), Fault> {
        if lexer.peek() == Some(brace) {
            lexer.advance();
            self.value.push(brace);
            return Ok(());
        }
        if brace == b'}' {
            return Err(Fault::syntax(place, "a single `}` in this string; write `}}`"));
        }
        self.parts.push(Part::Text(std::mem::take(&mut self.value)));
        let field = field(lexer, self.start, self.quote, Nested::No)?;
        self.parts.push(field);
        Ok(())
    }
}

/// Does the field stand inside the specification of another one?
#[derive(Clone, Copy, PartialEq)]
enum Nested {
    No,
    Yes,
}

/// A field; the lexer stands behind its `{`.
fn field(lexer: &mut Lexer<'_>, start: Place, quote: u8, nested: Nested) -> Result<Part, Fault> {
    let place = lexer.place();
    let open = || Fault::syntax(start, "a `{` of this string is never closed");
    let mut source = Vec::new();
    let mut depth = 0usize;
    let mut inner_quote = None;
    loop {
        let byte = lexer.peek().filter(|byte| *byte != quote && *byte != b'\n').ok_or_else(open)?;
        let next = lexer.rest().get(1).copied();
        match byte {
            _ if inner_quote == Some(byte) => inner_quote = None,
            _ if inner_quote.is_some() => {}
            b'\'' | b'"' => inner_quote = Some(byte),
            b'(' | b'[' | b'{' => depth += 1,
            b'}' | b':' if depth == 0 => break,
            b'!' if depth == 0 && next != Some(b'=') => break,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        source.extend(lexer.advance());
    }
    let mut conversion = None;
    if lexer.peek() == Some(b'!') {
        lexer.advance();
        conversion = lexer.advance().filter(|byte| matches!(byte, b'r' | b's' | b'a'));
        if conversion.is_none() {
            return Err(Fault::syntax(place, "`!` in a string must be followed by r or s"));
        }
    }
    let mut spec = Vec::new();
    if lexer.peek() == Some(b':') {
        lexer.advance();
        spec = specification(lexer, start, quote, nested)?;
    }
    if lexer.advance() != Some(b'}') {
        return Err(open());
    }
    Ok(Part::Field { source, place, conversion, spec })
}

fn specification(lexer: &mut Lexer<'_>, start: Place, quote: u8, nested: Nested) -> Result<Vec<Part>, Fault> {
    let mut spec = Vec::new();
    let mut text = Vec::new();
    loop {
        match lexer.peek() {
            Some(b'{') if nested == Nested::No => {
                lexer.advance();
                spec.push(Part::Text(std::mem::take(&mut text)));
                spec.push(field(lexer, start, quote, Nested::Yes)?);
            }
            Some(byte) if byte != b'}' && byte != b'{' && byte != quote && byte != b'\n' => {
                text.extend(lexer.advance());
            }
            _ => break,
        }
    }
    spec.push(Part::Text(text));
    Ok(spec)
}

/// What follows a backslash; an unknown escape keeps its backslash, as in Python.
fn escape(lexer: &mut Lexer<'_>, prefix: Prefix, place: Place, value: &mut Vec<u8>) -> Result<(), Fault> {
    let Some(c) = lexer.advance() else { return Ok(()) };
    let plain = match c {
        b'\n' => return Ok(()),
        b'\\' | b'\'' | b'"' => c,
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        b'x' | b'0'..=b'7' => {
            let code = if c == b'x' { hex(lexer, place, 2)? } else { octal(lexer, c) };
            push_code(value, prefix, place, code)?;
            return Ok(());
        }
        b'u' | b'U' if prefix.unicode => {
            let code = hex(lexer, place, if c == b'u' { 4 } else { 8 })?;
            push_code(value, prefix, place, code)?;
            return Ok(());
        }
        b'N' if prefix.unicode => {
            return Err(Fault::unsupported(
                place,
                "characters by name are not known; write \\u and its number",
            ));
        }
        other => {
            value.push(b'\\');
            other
        }
    };
    value.push(plain);
    Ok(())
}

/// A byte, or in a `unicode` the character of that number.
fn push_code(value: &mut Vec<u8>, prefix: Prefix, place: Place, code: u32) -> Result<(), Fault> {
    if !prefix.unicode {
        value.push(code as u8);
        return Ok(());
    }
    let c =
        char::from_u32(code).ok_or_else(|| Fault::syntax(place, format!("{code:#x} is not a character")))?;
    value.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(())
}

fn hex(lexer: &mut Lexer<'_>, place: Place, digits: usize) -> Result<u32, Fault> {
    let wrong = || Fault::syntax(place, format!("this escape needs {digits} hexadecimal digits"));
    let text = lexer.rest().get(..digits).ok_or_else(wrong)?;
    if !text.iter().all(u8::is_ascii_hexdigit) {
        return Err(wrong());
    }
    lexer.skip(digits);
    u32::from_str_radix(&String::from_utf8_lossy(text), 16).map_err(|_| wrong())
}

fn octal(lexer: &mut Lexer<'_>, first: u8) -> u32 {
    let mut code = u32::from(first - b'0');
    for _ in 0..2 {
        let Some(digit) = lexer.peek().filter(|byte| matches!(byte, b'0'..=b'7')) else { break };
        code = code * 8 + u32::from(digit - b'0');
        lexer.advance();
    }
    code & 0xff
}

#[cfg(test)]
mod tests {
    use super::super::lexer::{TokenKind, tokens};

    fn text(source: &str) -> Vec<u8> {
        match &tokens(source.as_bytes()).0[0].kind {
            TokenKind::Text(value) | TokenKind::Unicode(value) => value.to_vec(),
            other => panic!("{other:?} is not a string"),
        }
    }

    #[test]
    fn every_kind_of_literal_is_read() {
        assert_eq!(text("'a\"b'"), b"a\"b");
        assert_eq!(text("\"a'b\""), b"a'b");
        assert_eq!(text("''"), b"");
        assert_eq!(text("'''a\n'b''c'''"), b"a\n'b''c");
        assert_eq!(text("\"\"\"x\"\"\""), b"x");
        assert_eq!(text(r"r'a\n\''"), br"a\n\'");
        assert_eq!(text("b'x'"), b"x");
        assert_eq!(text("UR'\\x'"), b"\\x");
    }

    #[test]
    fn escapes_mean_what_they_mean_in_python() {
        assert_eq!(text(r"'\a\b\t\n\v\f\r\\\'\x41\101\0'"), b"\x07\x08\t\n\x0b\x0c\r\\'AA\0");
        assert_eq!(text("'a\\\nb'"), b"ab");
        assert_eq!(text(r"'\d\.'"), br"\d\.");
        assert_eq!(text(r"'\xe9'"), b"\xe9");
        assert_eq!(text(r"u'\u00e9\xe9'"), "\u{e9}\u{e9}".as_bytes());
        assert_eq!(text(r"'\u00e9'"), br"\u00e9");
    }

    #[test]
    fn open_strings_and_bad_escapes_are_refused_where_they_begin() {
        let fault = |source: &str| tokens(source.as_bytes()).1.remove(0);
        assert_eq!(fault("a = 'x\nb = 1").place.column, 5);
        assert_eq!(fault("a = '''x\nb = 1").place.line, 1);
        assert!(fault(r"a = '\x4'").what.contains("2 hexadecimal digits"));
        assert!(fault("a = '\\x4\u{e9}'").what.contains("2 hexadecimal digits"));
        assert!(fault("a = f'{b'").what.contains("never closed"));
        assert!(fault("a = f'b}'").what.contains("single `}`"));
    }
}
