//! Bytes to calls, results and faults. Descends one function call for each nested value, at most `MAX_DEPTH` of
//! them. Members of a struct keep their order; a later one of the same name wins.

use std::borrow::Cow;

use crate::fault::{Fault, FaultKind};
use crate::python;
use crate::sxp::Sxp;
use crate::xmlrpc::xml::{Piece, Xml, XmlRpcError};
use crate::xmlrpc::{BECAUSE, HINT};

/// The longest message that is read from a client.
pub const MAX_BYTES: usize = 16 << 20;

/// Values inside values that a message may hold.
pub const MAX_DEPTH: usize = 128;

/// A request.
#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// The method, for example `xend.domain.create`.
    pub method: String,
    /// Its arguments.
    pub params: Vec<Sxp>,
}

/// Reads a request.
pub fn parse_call(message: &[u8]) -> Result<Call, XmlRpcError> {
    if message.len() > MAX_BYTES {
        return Err(XmlRpcError::TooLong { bytes: message.len() });
    }
    let text = decode(message)?;
    let mut reader = Reader { xml: Xml::new(&text), peeked: None };
    reader.open("methodCall", "<methodCall>")?;
    reader.open("methodName", "<methodName>")?;
    let method = reader.text_to_close("methodName")?.trim().to_owned();
    let params = if reader.opens("params")? { reader.params()? } else { Vec::new() };
    reader.close("methodCall", "</methodCall>")?;
    reader.end()?;
    Ok(Call { method, params })
}

/// Reads an answer, whose length the caller has bounded; the escapes of a string result are undone.
pub fn parse_response(message: &[u8]) -> Result<Result<Sxp, Fault>, XmlRpcError> {
    let text = decode(message)?;
    let mut reader = Reader { xml: Xml::new(&text), peeked: None };
    reader.open("methodResponse", "<methodResponse>")?;
    let answer = if reader.opens("fault")? {
        let fault = reader.value_element(0)?;
        reader.close("fault", "</fault>")?;
        Err(fault_of(&fault))
    } else {
        reader.open("params", "<params> or <fault>")?;
        Ok(reader.params()?.into_iter().next().unwrap_or(Sxp::Nil))
    };
    reader.close("methodResponse", "</methodResponse>")?;
    reader.end()?;
    Ok(answer.map(|value| match value {
        Sxp::Text(text) => Sxp::Text(python::unescape(&text)),
        other => other,
    }))
}

/// The text of a message: UTF-8 unless it says ISO-8859-1 itself.
fn decode(message: &[u8]) -> Result<Cow<'_, str>, XmlRpcError> {
    let message = message.strip_prefix(b"\xef\xbb\xbf").unwrap_or(message);
    match std::str::from_utf8(message) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) if says_latin1(message) => {
            Ok(Cow::Owned(message.iter().map(|&byte| char::from(byte)).collect()))
        }
        Err(error) => Err(XmlRpcError::Encoding { at: error.valid_up_to() }),
    }
}

fn says_latin1(message: &[u8]) -> bool {
    let declaration = message.split(|&byte| byte == b'>').next().unwrap_or(message);
    let declaration =
        String::from_utf8_lossy(&declaration[..declaration.len().min(200)]).to_ascii_lowercase();
    declaration.contains("iso-8859-1") || declaration.contains("latin-1")
}

/// The fault that a struct describes; a struct without the members is a fault all the same.
fn fault_of(tree: &Sxp) -> Fault {
    let members: &[(String, Sxp)] = match tree {
        Sxp::Struct(members) => members,
        _ => &[],
    };
    let member = |name: &str| members.iter().find(|(known, _)| known == name).map(|(_, value)| value);
    Fault {
        kind: FaultKind::from_code(member("faultCode").and_then(Sxp::int).unwrap_or(0)),
        text: member("faultString").and_then(Sxp::atom).unwrap_or_default(),
        because: member(BECAUSE)
            .map(|list| list.items().iter().filter_map(Sxp::atom).collect())
            .unwrap_or_default(),
        hint: member(HINT).and_then(Sxp::atom),
    }
}

struct Reader<'a> {
    xml: Xml<'a>,
    peeked: Option<Piece<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<Piece<'a>, XmlRpcError> {
        match self.peeked.take() {
            Some(piece) => Ok(piece),
            None => self.xml.next(),
        }
    }

    /// The next piece that isn't white space.
    fn next_tag(&mut self) -> Result<Piece<'a>, XmlRpcError> {
        loop {
            if self.peeked.is_none() {
                self.xml.skip_space();
            }
            match self.next()? {
                // Behind a comment, or spelled as an entity.
                Piece::Text(text) if text.trim_ascii().is_empty() => {}
                piece => return Ok(piece),
            }
        }
    }

    /// Takes `<name>` if it comes next.
    fn opens(&mut self, name: &str) -> Result<bool, XmlRpcError> {
        let piece = self.next_tag()?;
        if piece == Piece::Open(name) {
            return Ok(true);
        }
        self.peeked = Some(piece);
        Ok(false)
    }

    fn open(&mut self, name: &str, wanted: &'static str) -> Result<(), XmlRpcError> {
        if self.opens(name)? { Ok(()) } else { Err(self.xml.unexpected(wanted)) }
    }

    fn close(&mut self, name: &str, wanted: &'static str) -> Result<(), XmlRpcError> {
        if self.next_tag()? == Piece::Close(name) { Ok(()) } else { Err(self.xml.unexpected(wanted)) }
    }

    fn end(&mut self) -> Result<(), XmlRpcError> {
        if self.next_tag()? == Piece::End {
            Ok(())
        } else {
            Err(self.xml.unexpected("the end of the message"))
        }
    }

    /// The values of `<params>`, its own tag already read.
    fn params(&mut self) -> Result<Vec<Sxp>, XmlRpcError> {
        let mut params = Vec::new();
        while self.opens("param")? {
            params.push(self.value_element(0)?);
            self.close("param", "</param>")?;
        }
        self.close("params", "<param> or </params>")?;
        Ok(params)
    }

    /// `<value>…</value>`.
    fn value_element(&mut self, depth: usize) -> Result<Sxp, XmlRpcError> {
        self.open("value", "<value>")?;
        self.value(depth)
    }

    /// What `<value>` holds, up to and with `</value>`. Text without a type is a string.
    fn value(&mut self, depth: usize) -> Result<Sxp, XmlRpcError> {
        if depth == MAX_DEPTH {
            return Err(self.xml.too_deep());
        }
        if let Some(text) = self.xml.plain_between("<string>", "</string></value>") {
            return Ok(Sxp::Text(text.to_owned()));
        }
        let mut bare = Cow::Borrowed("");
        loop {
            match self.next()? {
                Piece::Text(text) => join(&mut bare, text),
                Piece::Close("value") => return Ok(Sxp::Text(bare.into_owned())),
                Piece::Open(kind) if bare.trim_ascii().is_empty() => {
                    let value = self.typed(kind, depth)?;
                    self.close("value", "</value>")?;
                    return Ok(value);
                }
                _ => return Err(self.xml.unexpected("a type or </value>")),
            }
        }
    }

    /// A value of the type `kind`, whose opening tag has been read, up to and with its closing tag.
    fn typed(&mut self, kind: &'a str, depth: usize) -> Result<Sxp, XmlRpcError> {
        match kind {
            "array" => return self.array(depth),
            "struct" => return self.members(depth),
            _ => {}
        }
        let start = self.xml.mark();
        let text = self.text_to_close(kind)?;
        let plain = text.trim();
        match kind {
            "string" | "base64" | "dateTime.iso8601" => Some(Sxp::Text(text.into_owned())),
            "int" | "i4" | "i8" | "i1" | "i2" | "long" => plain.parse().ok().map(Sxp::Int),
            "double" | "float" => plain.parse().ok().map(Sxp::Float),
            "boolean" => match plain {
                "1" | "true" => Some(Sxp::Bool(true)),
                "0" | "false" => Some(Sxp::Bool(false)),
                _ => None,
            },
            "nil" | "ex:nil" => plain.is_empty().then_some(Sxp::Nil),
            _ => None,
        }
        .ok_or_else(|| self.xml.unexpected_at(start, "a value that its type allows"))
    }

    fn array(&mut self, depth: usize) -> Result<Sxp, XmlRpcError> {
        self.open("data", "<data>")?;
        let mut items = Vec::new();
        while self.opens("value")? {
            items.push(self.value(depth + 1)?);
        }
        self.close("data", "<value> or </data>")?;
        self.close("array", "</array>")?;
        Ok(Sxp::List(items))
    }

    fn members(&mut self, depth: usize) -> Result<Sxp, XmlRpcError> {
        let mut members: Vec<(String, Sxp)> = Vec::new();
        while self.opens("member")? {
            self.open("name", "<name>")?;
            let name = self.text_to_close("name")?.into_owned();
            let value = self.value_element(depth + 1)?;
            self.close("member", "</member>")?;
            members.push((name, value));
        }
        self.close("struct", "<member> or </struct>")?;
        Ok(Sxp::Struct(without_repeats(members)))
    }

    /// Character data up to and with `</name>`.
    fn text_to_close(&mut self, name: &str) -> Result<Cow<'a, str>, XmlRpcError> {
        let mut out = Cow::Borrowed("");
        loop {
            match self.next()? {
                Piece::Text(text) => join(&mut out, text),
                Piece::Close(closed) if closed == name => return Ok(out),
                _ => return Err(self.xml.unexpected("text and the end of its element")),
            }
        }
    }
}

fn join<'a>(whole: &mut Cow<'a, str>, piece: Cow<'a, str>) {
    if whole.is_empty() {
        *whole = piece;
    } else {
        whole.to_mut().push_str(&piece);
    }
}

/// As a Python dictionary would be filled: a name keeps its first place and takes its last value.
fn without_repeats(members: Vec<(String, Sxp)>) -> Vec<(String, Sxp)> {
    let mut places = std::collections::HashMap::with_capacity(members.len());
    let mut out: Vec<(String, Sxp)> = Vec::with_capacity(members.len());
    for (name, value) in members {
        match places.get(&name) {
            Some(&place) => {
                let (_, known): &mut (String, Sxp) = &mut out[place];
                *known = value;
            }
            None => {
                places.insert(name.clone(), out.len());
                out.push((name, value));
            }
        }
    }
    out
}
