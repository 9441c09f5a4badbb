//! The little of XML that XML-RPC needs, as a stream of pieces. No document types, hence no entities of one's own
//! and no files read; attributes are skipped.

use std::borrow::Cow;

use crate::xmlrpc::{MAX_BYTES, MAX_DEPTH};

/// Why bytes are no XML-RPC message, or a value cannot become one. Lines and columns count from one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum XmlRpcError {
    /// Longer than the limit.
    #[error("cannot read a message of {bytes} bytes, the limit is {MAX_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// Neither UTF-8 nor ISO-8859-1 by its own declaration.
    #[error("cannot read a message that is not UTF-8 at byte {at}")]
    Encoding {
        /// The first byte that isn't.
        at: usize,
    },
    /// Not well formed, or not what XML-RPC has at that place.
    #[error("cannot read line {line}, column {column} of a message: {wanted}, found {found}")]
    Unexpected {
        /// What belongs there.
        wanted: &'static str,
        /// What stands there, shortened.
        found: String,
        /// Where.
        line: usize,
        /// Where.
        column: usize,
    },
    /// More values inside each other than `MAX_DEPTH`.
    #[error("cannot read line {line}, column {column} of a message: more than {MAX_DEPTH} nested values")]
    TooDeep {
        /// Where.
        line: usize,
        /// Where.
        column: usize,
    },
    /// A number beyond the 32 bits of `<int>`.
    #[error("cannot send {value}: int exceeds XML-RPC limits")]
    IntRange {
        /// The number.
        value: i64,
    },
}

/// One piece of a document.
#[derive(Debug, PartialEq)]
pub(super) enum Piece<'a> {
    /// `<name>`; `<name/>` yields this and then `Close`.
    Open(&'a str),
    /// `</name>`.
    Close(&'a str),
    /// Character data, entities resolved. One text may come in several pieces.
    Text(Cow<'a, str>),
    /// The end of the document.
    End,
}

/// A cursor over a document.
pub(super) struct Xml<'a> {
    text: &'a str,
    at: usize,
    /// Where the last piece began, for errors.
    began: usize,
    /// The name of an empty element whose `Close` is still due.
    empty: Option<&'a str>,
}

impl<'a> Xml<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, began: 0, empty: None }
    }

    pub(super) fn next(&mut self) -> Result<Piece<'a>, XmlRpcError> {
        if let Some(name) = self.empty.take() {
            return Ok(Piece::Close(name));
        }
        loop {
            self.began = self.at;
            let rest = &self.text[self.at..];
            match rest.as_bytes() {
                [] => return Ok(Piece::End),
                [b'<', b'!', b'[', ..] => return self.cdata(rest),
                [b'<', b'!', b'-', b'-', ..] => self.skip_past("-->", "a comment that ends")?,
                [b'<', b'!', ..] => return Err(self.unexpected("no document type")),
                [b'<', b'?', ..] => self.skip_past("?>", "an instruction that ends")?,
                [b'<', ..] => return self.tag(rest),
                _ => return self.text(rest),
            }
        }
    }

    /// The text between `open` and `close` if exactly that comes next and the text needs no resolving: most values
    /// of most messages, at a third of the cost.
    pub(super) fn plain_between(&mut self, open: &str, close: &str) -> Option<&'a str> {
        let inside = self.text[self.at..].strip_prefix(open).filter(|_| self.empty.is_none())?;
        let length = inside.bytes().position(|byte| matches!(byte, b'<' | b'&' | b'\r'))?;
        inside[length..].starts_with(close).then(|| {
            self.at += open.len() + length + close.len();
            &inside[..length]
        })
    }

    /// Moves past white space, which between elements means nothing.
    pub(super) fn skip_space(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        let space = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
        // An empty element's end is due before anything that follows it.
        self.at += if self.empty.is_none() { space.count() } else { 0 };
    }

    fn cdata(&mut self, rest: &'a str) -> Result<Piece<'a>, XmlRpcError> {
        let inside = rest.strip_prefix("<![CDATA[").ok_or_else(|| self.unexpected("no document type"))?;
        let length = inside.find("]]>").ok_or_else(|| self.unexpected("a CDATA section that ends"))?;
        self.at += "<![CDATA[".len() + length + "]]>".len();
        Ok(Piece::Text(Cow::Borrowed(&inside[..length])))
    }

    fn text(&mut self, rest: &'a str) -> Result<Piece<'a>, XmlRpcError> {
        let mut is_plain = true;
        let length = rest.bytes().position(|byte| {
            is_plain &= !matches!(byte, b'&' | b'\r');
            byte == b'<'
        });
        let raw = &rest[..length.unwrap_or(rest.len())];
        self.at += raw.len();
        Ok(Piece::Text(if is_plain { Cow::Borrowed(raw) } else { Cow::Owned(self.resolve(raw)?) }))
    }

    fn tag(&mut self, rest: &'a str) -> Result<Piece<'a>, XmlRpcError> {
        let is_close = rest.as_bytes().get(1) == Some(&b'/');
        let start = 1 + usize::from(is_close);
        let length = rest.bytes().skip(start).take_while(|&byte| is_name(byte)).count();
        let name = &rest[start..start + length];
        if name.is_empty() {
            return Err(self.unexpected("the name of an element"));
        }
        let after = start + length;
        // Nearly every tag ends here; what follows looks for the end behind attributes.
        let end = after
            + tag_end(&rest.as_bytes()[after..]).ok_or_else(|| self.unexpected("a tag that ends with >"))?;
        let between = &rest[after..end];
        if !between.is_empty() && !between.starts_with([' ', '\t', '\r', '\n', '/']) {
            return Err(self.unexpected("the name of an element"));
        }
        self.at += end + 1;
        if is_close {
            return Ok(Piece::Close(name));
        }
        if between.ends_with('/') {
            self.empty = Some(name);
        }
        Ok(Piece::Open(name))
    }

    fn skip_past(&mut self, end: &str, wanted: &'static str) -> Result<(), XmlRpcError> {
        let length = self.text[self.at..].find(end).ok_or_else(|| self.unexpected(wanted))?;
        self.at += length + end.len();
        Ok(())
    }

    /// Character data with its five entities, its numbered characters and its line ends put right.
    fn resolve(&self, raw: &str) -> Result<String, XmlRpcError> {
        let unified = raw.replace("\r\n", "\n").replace('\r', "\n");
        let mut out = String::with_capacity(unified.len());
        let mut rest = unified.as_str();
        while let Some(start) = rest.find('&') {
            out.push_str(&rest[..start]);
            let after = &rest[start + 1..];
            let end = after.find(';').ok_or_else(|| self.unexpected("an entity that ends with ;"))?;
            out.push(entity(&after[..end]).ok_or_else(|| self.unexpected("one of XML's own entities"))?);
            rest = &after[end + 1..];
        }
        out.push_str(rest);
        Ok(out)
    }

    /// Where the next piece begins, for `unexpected_at`.
    pub(super) fn mark(&self) -> usize {
        self.at
    }

    /// An error about the last piece.
    pub(super) fn unexpected(&self, wanted: &'static str) -> XmlRpcError {
        self.unexpected_at(self.began, wanted)
    }

    /// An error about what stands at a mark.
    pub(super) fn unexpected_at(&self, mark: usize, wanted: &'static str) -> XmlRpcError {
        let (line, column) = self.place(mark);
        let found = match self.text[mark..].chars().take(24).collect::<String>() {
            nothing if nothing.is_empty() => "the end".to_owned(),
            some => format!("{some:?}"),
        };
        XmlRpcError::Unexpected { wanted, found, line, column }
    }

    pub(super) fn too_deep(&self) -> XmlRpcError {
        let (line, column) = self.place(self.began);
        XmlRpcError::TooDeep { line, column }
    }

    fn place(&self, at: usize) -> (usize, usize) {
        let before = &self.text[..at];
        let start_of_line = before.rfind('\n').map_or(0, |newline| newline + 1);
        (1 + before.matches('\n').count(), 1 + before[start_of_line..].chars().count())
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b':' | b'_' | b'-')
}

/// The index of the `>` that ends a tag, one inside an attribute's quotes not counted.
fn tag_end(tag: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, &byte) in tag.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

/// The character that `&NAME;` stands for.
fn entity(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix('x') {
                Some(digits) => u32::from_str_radix(digits, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|&character| character != '\0')
        }
    }
}
