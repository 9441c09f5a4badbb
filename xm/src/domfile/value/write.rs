//! How Python 2 writes values: `str(value)` and `repr(value)`.

use std::rc::Rc;

use xend_api::python;

use super::super::room::Room;
use super::super::source::Fault;
use super::{Dict, Value};

/// Nesting beyond which values are not written.
const MAX_DEPTH: usize = 60;

/// `str(value)`.
pub(in super::super) fn to_text(room: &mut Room, value: &Value) -> Result<Vec<u8>, Fault> {
    let bytes = match value {
        Value::Text(text) => text.to_vec(),
        Value::Unicode(text) => text.as_bytes().to_vec(),
        Value::Float(n) => python::float_str(*n).into_bytes(),
        Value::Long(n) => n.to_string().into_bytes(),
        Value::Error(raised) => {
            let args = raised.args.items().unwrap_or_default();
            return match args.as_slice() {
                [] => Ok(Vec::new()),
                [only] if raised.class == super::Class::Key => to_repr(room, only),
                [only] => to_text_of_argument(room, only),
                [number, text] if raised.class.is(super::Class::Environment) => {
                    let (number, text) = (to_text(room, number)?, to_text(room, text)?);
                    Ok([b"[Errno ", number.as_slice(), b"] ", &text].concat())
                }
                _ => to_repr(room, &raised.args),
            };
        }
        other => return to_repr(room, other),
    };
    room.charge(bytes.len())?;
    Ok(bytes)
}

/// An error inside an error is written flat, so that a chain of them does not recurse.
fn to_text_of_argument(room: &mut Room, value: &Value) -> Result<Vec<u8>, Fault> {
    if matches!(value, Value::Error(_)) { to_repr(room, value) } else { to_text(room, value) }
}

/// `repr(value)`.
pub(in super::super) fn to_repr(room: &mut Room, value: &Value) -> Result<Vec<u8>, Fault> {
    let mut writer = Writer { room, out: Vec::new(), charged: 0, inside: Vec::new() };
    writer.value(value)?;
    Ok(writer.out)
}

struct Writer<'a> {
    room: &'a mut Room,
    out: Vec<u8>,
    charged: usize,
    /// The containers that are being written, by their addresses.
    inside: Vec<*const ()>,
}

impl Writer<'_> {
    fn push(&mut self, text: impl AsRef<[u8]>) {
        self.out.extend_from_slice(text.as_ref());
    }

    fn value(&mut self, value: &Value) -> Result<(), Fault> {
        self.room.step()?;
        self.room.charge(self.out.len() - self.charged)?;
        self.charged = self.out.len();
        match value {
            Value::None => self.push("None"),
            Value::Bool(b) => self.push(if *b { "True" } else { "False" }),
            Value::Int(n) => self.push(n.to_string()),
            Value::Long(n) => self.push(format!("{n}L")),
            Value::Float(n) => self.push(python::float_repr(*n)),
            Value::Text(text) => {
                self.room.charge(text.len())?;
                self.push(repr_bytes(text));
            }
            Value::Unicode(text) => {
                self.room.charge(text.len())?;
                self.push(repr_unicode(text));
            }
            Value::List(items) => {
                self.within(Rc::as_ptr(items).cast(), "[...]", |writer| {
                    writer.all(("[", "]"), &items.borrow())
                })?;
            }
            Value::Tuple(items) => self.within(Rc::as_ptr(items).cast(), "(...)", |writer| {
                let close = if items.borrow().len() == 1 { ",)" } else { ")" };
                writer.all(("(", close), &items.borrow())
            })?,
            Value::Dict(pairs) => {
                self.within(Rc::as_ptr(pairs).cast(), "{...}", |writer| writer.pairs(&pairs.borrow()))?;
            }
            Value::Set(pairs) => {
                self.within(Rc::as_ptr(pairs).cast(), "set(...)", |writer| {
                    writer.all(("set([", "])"), &pairs.borrow().keys())
                })?;
            }
            Value::Error(raised) => {
                self.within(Rc::as_ptr(raised).cast(), "...", |writer| {
                    writer.push(raised.class.name());
                    writer.value(&raised.args)?;
                    if writer.out.ends_with(b",)") {
                        writer.out.truncate(writer.out.len() - 2);
                        writer.push(")");
                    }
                    Ok(())
                })?;
            }
            Value::Function(function) => self.push(format!("<function {}>", function.def.name)),
            Value::Builtin(builtin) => self.push(format!("<built-in function {}>", builtin.name)),
            Value::Method(method) => self.push(format!("<built-in method {}>", method.builtin.name)),
            Value::Module(module) => self.push(format!("<module '{}'>", module.name())),
            Value::Type(kind) => self.push(kind.written()),
            Value::Range(range) if range.start == 0 && range.step == 1 => {
                self.push(format!("xrange({})", range.len));
            }
            other => self.push(format!("<{} object>", other.type_name())),
        }
        Ok(())
    }

    fn within(
        &mut self,
        address: *const (),
        again: &str,
        write: impl FnOnce(&mut Self) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if self.inside.contains(&address) {
            self.push(again);
            return Ok(());
        }
        if self.inside.len() > MAX_DEPTH {
            return Err(self.room.limit(format!("values nested deeper than {MAX_DEPTH} are not written")));
        }
        self.inside.push(address);
        write(self)?;
        self.inside.pop();
        Ok(())
    }

    fn all(&mut self, (open, close): (&str, &str), items: &[Value]) -> Result<(), Fault> {
        self.push(open);
        for (at, item) in items.iter().enumerate() {
            self.push(if at == 0 { "" } else { ", " });
            self.value(item)?;
        }
        self.push(close);
        Ok(())
    }

    fn pairs(&mut self, pairs: &Dict) -> Result<(), Fault> {
        self.push("{");
        for (at, (key, value)) in pairs.iter().enumerate() {
            self.push(if at == 0 { "" } else { ", " });
            self.value(key)?;
            self.push(": ");
            self.value(value)?;
        }
        self.push("}");
        Ok(())
    }
}

/// `repr` of a `str`.
pub(in super::super) fn repr_bytes(bytes: &[u8]) -> String {
    repr_codes(bytes.iter().map(|byte| u32::from(*byte)))
}

fn repr_unicode(text: &str) -> String {
    format!("u{}", repr_codes(text.chars().map(u32::from)))
}

fn repr_codes(codes: impl Iterator<Item = u32> + Clone) -> String {
    let has = |c: char| codes.clone().any(|code| code == u32::from(c));
    let quote = if has('\'') && !has('"') { '"' } else { '\'' };
    let mut out = String::from(quote);
    for code in codes {
        match char::from_u32(code).unwrap_or('?') {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\'' if quote == '\'' => out.push_str("\\'"),
            c @ ' '..='~' => out.push(c),
            _ if code > 0xffff => out.push_str(&format!("\\U{code:08x}")),
            _ if code > 0xff => out.push_str(&format!("\\u{code:04x}")),
            _ => out.push_str(&format!("\\x{code:02x}")),
        }
    }
    out.push(quote);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_python_2_does() {
        let list = Value::list(vec![Value::Int(1), Value::text("it's"), Value::Float(0.1), Value::Long(5)]);
        assert_eq!(list.to_text(), "[1, \"it's\", 0.1, 5L]");
        assert_eq!(Value::tuple(vec![Value::None]).to_text(), "(None,)");
        assert_eq!(Value::Float(100.0).to_text(), "100.0");
        assert_eq!(Value::text("\u{e9}\n\\").to_repr(), r"'\xc3\xa9\n\\'");
        assert_eq!(Value::Unicode("\u{e9}\u{20ac}".into()).to_repr(), r"u'\xe9\u20ac'");
    }

    #[test]
    fn a_list_that_holds_itself_is_written_as_such() {
        let list = Value::list(vec![]);
        if let Value::List(items) = &list {
            items.borrow_mut().push(list.clone());
        }
        assert_eq!(list.to_repr(), "[[...]]");
        if let Value::List(items) = &list {
            items.borrow_mut().clear();
        }
    }
}
