//! Text to trees. One loop with an explicit stack: nested brackets cost heap, not stack, and only up to `MAX_DEPTH`.
//!
//! ```text
//!            space, #comment                  ( pushes a list, ) pops it into its parent
//!  item ---> skip          item ---> ' or "   string, with escapes, to the same quote
//!            0x04: end               else     atom, to space, #, or one of { } ( ) < > [ ] ;
//! ```

use std::collections::BTreeSet;

use crate::python::hex;
use crate::sxp::{Place, Sxp};

/// Lists inside lists that a text may hold.
pub const MAX_DEPTH: usize = 128;

/// The longest text that is read.
pub const MAX_BYTES: usize = 16 << 20;

/// Why a text is no S-expression. Lines and columns count from one; columns count bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SxpError {
    /// A `)` without its `(`.
    #[error("cannot parse line {line}, column {column}: syntax error: )")]
    StrayBracket {
        /// Where the bracket stands.
        line: usize,
        /// Where the bracket stands.
        column: usize,
    },
    /// The text ends inside a list, a string or an escape.
    #[error("cannot parse line {line}, column {column}: unexpected EOF, what begins here has no end")]
    UnexpectedEnd {
        /// Where the unfinished list or string began.
        line: usize,
        /// Where the unfinished list or string began.
        column: usize,
    },
    /// A byte that begins nothing.
    #[error("cannot parse line {line}, column {column}: invalid character: code {code}")]
    InvalidCharacter {
        /// The byte.
        code: u8,
        /// Where it stands.
        line: usize,
        /// Where it stands.
        column: usize,
    },
    /// `\400` and above.
    #[error("cannot parse line {line}, column {column}: invalid octal escape: out of range {digits}")]
    OctalRange {
        /// The digits as written.
        digits: String,
        /// Where the escape stands.
        line: usize,
        /// Where the escape stands.
        column: usize,
    },
    /// `\x` without two hexadecimal digits.
    #[error("cannot parse line {line}, column {column}: invalid hex escape, wanted two digits after \\x")]
    HexDigits {
        /// Where the escape stands.
        line: usize,
        /// Where the escape stands.
        column: usize,
    },
    /// More than `MAX_DEPTH` lists inside each other.
    #[error("cannot parse line {line}, column {column}: more than {MAX_DEPTH} nested lists")]
    TooDeep {
        /// Where the list begins that is one too many.
        line: usize,
        /// Where the list begins that is one too many.
        column: usize,
    },
    /// More than `MAX_BYTES`.
    #[error("cannot parse a text of {bytes} bytes, the limit is {MAX_BYTES}")]
    TooLong {
        /// The length of the text.
        bytes: usize,
    },
    /// One form was wanted.
    #[error("cannot use a text with {found} forms, wanted one")]
    NotOne {
        /// How many there are.
        found: usize,
    },
}

impl SxpError {
    /// Where it is wrong; a text that is too long or holds too many forms is so everywhere.
    pub fn place(&self) -> Option<Place> {
        match *self {
            Self::StrayBracket { line, column }
            | Self::UnexpectedEnd { line, column }
            | Self::InvalidCharacter { line, column, .. }
            | Self::OctalRange { line, column, .. }
            | Self::HexDigits { line, column }
            | Self::TooDeep { line, column } => Some(Place { line, column }),
            Self::TooLong { .. } | Self::NotOne { .. } => None,
        }
    }

    /// The words of the original for the same fault, without the place.
    pub fn classic(&self) -> String {
        match self {
            Self::StrayBracket { .. } => "syntax error: )".to_owned(),
            Self::UnexpectedEnd { .. } => "unexpected EOF".to_owned(),
            Self::InvalidCharacter { code, .. } => format!("invalid character: code {code}"),
            Self::OctalRange { digits, .. } => format!("invalid octal escape: out of range {digits}"),
            Self::NotOne { found: 0 } => "Coercion to sxpr failed".to_owned(),
            Self::NotOne { .. } => "Too many sxprs".to_owned(),
            Self::HexDigits { .. } | Self::TooDeep { .. } | Self::TooLong { .. } => self.to_string(),
        }
    }
}

/// Every form of `text`, in order; none is fine.
pub fn parse(text: &str) -> Result<Vec<Sxp>, SxpError> {
    parse_bytes(text.as_bytes())
}

/// The only form of `text`.
pub fn parse_one(text: &str) -> Result<Sxp, SxpError> {
    let mut forms = parse(text)?;
    match (forms.len(), forms.pop()) {
        (1, Some(form)) => Ok(form),
        (found, _) => Err(SxpError::NotOne { found }),
    }
}

/// As `parse`, for files that may not be UTF-8: what is not becomes a replacement character.
pub fn parse_bytes(text: &[u8]) -> Result<Vec<Sxp>, SxpError> {
    if text.len() > MAX_BYTES {
        return Err(SxpError::TooLong { bytes: text.len() });
    }
    let mut forms = Vec::new();
    Parser { text, at: 0, form_at: 0, notes: None }.run(&mut forms)?;
    Ok(forms)
}

/// A list that waits for its `)`.
struct Open {
    at: usize,
    items: Vec<Sxp>,
}

/// What is noted beside the trees for whoever has to speak of places in the text. All numbers count bytes.
#[derive(Debug, Default)]
pub(super) struct Notes {
    /// Where each item of each form begins, a list before what is in it.
    pub(super) starts: Vec<usize>,
    /// How many of them belong to whole forms.
    whole: usize,
    /// Escapes that lose their character, such as the dot of `'\.'`.
    pub(super) lossy: BTreeSet<usize>,
    /// The ctrl-D behind which nothing is read.
    pub(super) cut: Option<usize>,
}

pub(super) struct Parser<'a> {
    pub(super) text: &'a [u8],
    /// The next byte.
    pub(super) at: usize,
    /// Where the last form outside of all lists begins.
    pub(super) form_at: usize,
    pub(super) notes: Option<&'a mut Notes>,
}

impl Parser<'_> {
    /// Puts the forms that are whole into `forms`, also where an error follows them.
    pub(super) fn run(&mut self, forms: &mut Vec<Sxp>) -> Result<(), SxpError> {
        let ended = self.read(forms);
        if let Some(notes) = &mut self.notes {
            notes.starts.truncate(notes.whole);
        }
        ended
    }

    fn read(&mut self, forms: &mut Vec<Sxp>) -> Result<(), SxpError> {
        let mut open: Vec<Open> = Vec::new();
        while let Some(byte) = self.next_item() {
            let start = self.at;
            if open.is_empty() {
                self.form_at = start;
            }
            if let Some(notes) = self.notes.as_mut().filter(|_| byte != b')') {
                notes.starts.push(start);
            }
            let item = match byte {
                b'(' if open.len() == MAX_DEPTH => return Err(self.too_deep(start)),
                b'(' => {
                    self.at += 1;
                    open.push(Open { at: start, items: Vec::new() });
                    continue;
                }
                b')' => {
                    self.at += 1;
                    Sxp::List(open.pop().ok_or_else(|| self.stray_bracket(start))?.items)
                }
                b'\'' | b'"' => Sxp::Text(self.string(byte)?),
                0x21..=0x7e => Sxp::Text(self.atom()),
                code => {
                    let (line, column) = self.place(start);
                    return Err(SxpError::InvalidCharacter { code, line, column });
                }
            };
            match open.last_mut() {
                Some(list) => list.items.push(item),
                None => {
                    forms.push(item);
                    self.form_is_whole();
                }
            }
        }
        match open.last() {
            Some(list) => Err(self.unexpected_end(list.at)),
            None => Ok(()),
        }
    }

    fn form_is_whole(&mut self) {
        if let Some(notes) = &mut self.notes {
            notes.whole = notes.starts.len();
        }
    }

    /// The byte with which the next item begins, spaces and comments skipped; ctrl-D ends the text.
    fn next_item(&mut self) -> Option<u8> {
        loop {
            match self.text.get(self.at).copied()? {
                b'#' => {
                    let rest = &self.text[self.at..];
                    self.at += rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len());
                }
                byte if is_space(byte) => self.at += 1,
                0x04 => {
                    if let Some(notes) = &mut self.notes {
                        notes.cut = Some(self.at);
                    }
                    return None;
                }
                byte => return Some(byte),
            }
        }
    }

    fn atom(&mut self) -> String {
        let rest = &self.text[self.at..];
        // A separator that stands first belongs to the atom: `a;b` is `a` and `;b`.
        let length = 1 + rest[1..].iter().position(|&byte| ends_atom(byte)).unwrap_or(rest.len() - 1);
        self.at += length;
        String::from_utf8_lossy(&rest[..length]).into_owned()
    }

    fn string(&mut self, quote: u8) -> Result<String, SxpError> {
        let start = self.at;
        self.at += 1;
        let mut out = Vec::new();
        loop {
            match self.text.get(self.at) {
                None => return Err(self.unexpected_end(start)),
                Some(&byte) if byte == quote => break,
                Some(b'\\') => self.escape(start, &mut out)?,
                Some(&byte) => {
                    out.push(byte);
                    self.at += 1;
                }
            }
        }
        self.at += 1;
        Ok(String::from_utf8(out).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned()))
    }

    fn escape(&mut self, string_at: usize, out: &mut Vec<u8>) -> Result<(), SxpError> {
        let escape_at = self.at;
        let Some(&kind) = self.text.get(self.at + 1) else { return Err(self.unexpected_end(string_at)) };
        self.at += 2;
        let value = match kind {
            b'a' => 0x07,
            b'b' => 0x08,
            b't' => b'\t',
            b'n' => b'\n',
            b'v' => 0x0b,
            b'f' => 0x0c,
            b'r' => b'\r',
            b'\\' | b'\'' | b'"' => kind,
            b'x' => self.hex_escape(escape_at)?,
            b'0'..=b'7' => self.octal_escape(escape_at)?,
            // Not ours to mend: settings rely on `\.` being a lone backslash.
            _ => {
                if let Some(notes) = &mut self.notes {
                    notes.lossy.insert(escape_at);
                }
                b'\\'
            }
        };
        out.push(value);
        Ok(())
    }

    /// True hexadecimal, where the original counted `a` to `f` as 0 to 5; nobody can have relied on that.
    fn hex_escape(&mut self, escape_at: usize) -> Result<u8, SxpError> {
        let digit = |at: usize| self.text.get(at).copied().and_then(hex);
        let (Some(high), Some(low)) = (digit(self.at), digit(self.at + 1)) else {
            let (line, column) = self.place(escape_at);
            return Err(SxpError::HexDigits { line, column });
        };
        self.at += 2;
        Ok(high * 16 + low)
    }

    fn octal_escape(&mut self, escape_at: usize) -> Result<u8, SxpError> {
        let rest = &self.text[escape_at + 1..];
        let digits: String = rest
            .iter()
            .take(3)
            .take_while(|byte| (b'0'..=b'7').contains(byte))
            .map(|&byte| char::from(byte))
            .collect();
        self.at = escape_at + 1 + digits.len();
        u8::from_str_radix(&digits, 8).map_err(|_| {
            let (line, column) = self.place(escape_at);
            SxpError::OctalRange { digits, line, column }
        })
    }

    /// Line and column of a byte; counted only when something went wrong.
    fn place(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..at.min(self.text.len())];
        let line = 1 + before.iter().filter(|&&byte| byte == b'\n').count();
        let column = 1 + before.iter().rev().take_while(|&&byte| byte != b'\n').count();
        (line, column)
    }

    fn unexpected_end(&self, began: usize) -> SxpError {
        let (line, column) = self.place(began);
        SxpError::UnexpectedEnd { line, column }
    }

    fn stray_bracket(&self, at: usize) -> SxpError {
        let (line, column) = self.place(at);
        SxpError::StrayBracket { line, column }
    }

    fn too_deep(&self, at: usize) -> SxpError {
        let (line, column) = self.place(at);
        SxpError::TooDeep { line, column }
    }
}

fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

fn ends_atom(byte: u8) -> bool {
    is_space(byte) || matches!(byte, b'#' | b'{' | b'}' | b'(' | b')' | b'<' | b'>' | b'[' | b']' | b';')
}

#[cfg(test)]
mod tests;
