//! Python's string literals: single, double and triple quotes, `r`, `b`, `u` prefixes, escapes.

use super::lexer::Lexer;
use super::source::{Fault, Place};

/// The letters before the quote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Prefix {
    /// Backslashes stay.
    pub(super) raw: bool,
    /// The value is of type `unicode`.
    pub(super) unicode: bool,
}

impl Prefix {
    /// The prefix, if the name is one.
    pub(super) fn of(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "b" => Some(Self::default()),
            "r" | "br" | "rb" => Some(Self { raw: true, unicode: false }),
            "u" => Some(Self { raw: false, unicode: true }),
            "ur" => Some(Self { raw: true, unicode: true }),
            _ => None,
        }
    }
}

/// Reads a literal; the lexer stands on its first quote.
pub(super) fn literal(lexer: &mut Lexer<'_>, prefix: Prefix, start: Place) -> Result<String, Fault> {
    let quote = lexer.advance().unwrap_or('\'');
    let triple = lexer.rest().starts_with([quote]) && lexer.rest()[1..].starts_with([quote]);
    if triple {
        lexer.skip(2);
    }
    let mut value = String::new();
    loop {
        let place = lexer.place();
        match lexer.advance() {
            None => return Err(Fault::syntax(start, "this string is never closed")),
            Some('\n') if !triple => {
                return Err(Fault::syntax(start, "this string is not closed on its line"));
            }
            Some('\r') if lexer.peek() == Some('\n') => {}
            Some(c) if c == quote && !triple => return Ok(value),
            Some(c) if c == quote && lexer.rest().starts_with(&quote.to_string().repeat(2)) => {
                lexer.skip(2);
                return Ok(value);
            }
            Some('\\') if prefix.raw => {
                value.push('\\');
                value.extend(lexer.advance());
            }
            Some('\\') => escape(lexer, prefix, place, &mut value)?,
            Some(c) => value.push(c),
        }
    }
}

/// What follows a backslash; an unknown escape keeps its backslash, as in Python.
fn escape(lexer: &mut Lexer<'_>, prefix: Prefix, place: Place, value: &mut String) -> Result<(), Fault> {
    let Some(c) = lexer.advance() else { return Ok(()) };
    let plain = match c {
        '\n' => return Ok(()),
        '\r' if lexer.peek() == Some('\n') => {
            lexer.advance();
            return Ok(());
        }
        '\\' | '\'' | '"' => c,
        'a' => '\x07',
        'b' => '\x08',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        'x' => hex(lexer, place, 2)?,
        'u' if prefix.unicode => hex(lexer, place, 4)?,
        'U' if prefix.unicode => hex(lexer, place, 8)?,
        '0'..='7' => octal(lexer, c),
        other => {
            value.push('\\');
            other
        }
    };
    value.push(plain);
    Ok(())
}

fn hex(lexer: &mut Lexer<'_>, place: Place, digits: usize) -> Result<char, Fault> {
    let wrong = || Fault::syntax(place, format!("this escape needs {digits} hexadecimal digits"));
    let text = lexer.rest().get(..digits).ok_or_else(wrong)?;
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Err(wrong());
    }
    let code = u32::from_str_radix(text, 16).map_err(|_| wrong())?;
    lexer.skip(digits);
    char::from_u32(code).ok_or_else(|| Fault::syntax(place, format!("{code:#x} is not a character")))
}

fn octal(lexer: &mut Lexer<'_>, first: char) -> char {
    let mut code = first.to_digit(8).unwrap_or(0);
    for _ in 0..2 {
        let Some(digit) = lexer.peek().and_then(|c| c.to_digit(8)) else { break };
        code = code * 8 + digit;
        lexer.advance();
    }
    char::from(u8::try_from(code & 0xff).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use crate::domfile::lexer::{TokenKind, tokens};

    fn text(source: &str) -> String {
        match &tokens(source).unwrap()[0].kind {
            TokenKind::Text { value, .. } => value.clone(),
            other => panic!("{other:?} is not a string"),
        }
    }

    #[test]
    fn every_kind_of_literal_is_read() {
        assert_eq!(text("'a\"b'"), "a\"b");
        assert_eq!(text("\"a'b\""), "a'b");
        assert_eq!(text("''"), "");
        assert_eq!(text("'''a\n'b''c'''"), "a\n'b''c");
        assert_eq!(text("\"\"\"x\"\"\""), "x");
        assert_eq!(text(r"r'a\n\''"), r"a\n\'");
        assert_eq!(text("b'x'"), "x");
        assert_eq!(text("UR'\\x'"), "\\x");
    }

    #[test]
    fn escapes_mean_what_they_mean_in_python() {
        assert_eq!(text(r"'\a\b\t\n\v\f\r\\\'\x41\101\0'"), "\x07\x08\t\n\x0b\x0c\r\\'AA\0");
        assert_eq!(text("'a\\\nb'"), "ab");
        assert_eq!(text(r"'\d\.'"), r"\d\.");
        assert_eq!(text(r"u'\u00e9'"), "\u{e9}");
        assert_eq!(text(r"'\u00e9'"), r"\u00e9");
    }

    #[test]
    fn open_strings_and_bad_escapes_are_refused_where_they_begin() {
        let fault = |source: &str| tokens(source).unwrap_err();
        assert_eq!(fault("a = 'x\nb = 1").place.column, 5);
        assert_eq!(fault("a = '''x\nb = 1").place.line, 1);
        assert!(fault(r"a = '\x4'").what.contains("2 hexadecimal digits"));
        assert!(fault("a = '\\x4\u{e9}'").what.contains("2 hexadecimal digits"));
    }
}
