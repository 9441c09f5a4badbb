//! `value.name`: methods of strings, lists, dictionaries and sets, and what errors and matches tell.

mod containers;
mod find;
mod matches;
mod text;

use std::rc::Rc;

use super::builtins::{Builtin, Kind};
use super::class::Class;
use super::eval::{Interp, Outcome};
use super::modules;
use super::value::{Method, Raised, Value};

impl Interp<'_> {
    /// What `value.name` is.
    pub(super) fn attribute(&mut self, value: &Value, name: &str) -> Outcome {
        match value {
            Value::Module(module) => return modules::member(self, *module, name),
            Value::Error(raised) => {
                if let Some(part) = self.of_error(raised, name)? {
                    return Ok(part);
                }
            }
            Value::Match(found) => {
                if let Some(part) = matches::attribute(found, name) {
                    return Ok(part);
                }
            }
            Value::Pattern(pattern) if name == "pattern" => return Ok(pattern.text.clone()),
            Value::Type(kind) if name == "__name__" => return Ok(Value::text(kind.name())),
            Value::Function(function) if matches!(name, "__name__" | "func_name") => {
                return Ok(Value::text(function.def.name.as_bytes()));
            }
            Value::Type(kind) => {
                if let Some(builtin) = of_kind(*kind, name) {
                    return Ok(Value::Builtin(builtin));
                }
            }
            _ => {}
        }
        if name == "__class__" {
            return Ok(Value::Type(Kind::of(value)));
        }
        if let Some(builtin) = of_kind(Kind::of(value), name).or_else(|| of_object(value, name)) {
            let receiver = value.clone();
            return Ok(Value::Method(Rc::new(Method { receiver, builtin })));
        }
        let (kind, missing) = (value.type_name(), format!("{name:.80}"));
        let what = match value {
            Value::Type(kind) => format!("type object '{}' has no attribute '{missing}'", kind.name()),
            _ => format!("'{kind}' object has no attribute '{missing}'"),
        };
        Err(self.room.raise(Class::Attribute, what).into())
    }

    fn of_error(&mut self, raised: &Rc<Raised>, name: &str) -> Outcome<Option<Value>> {
        let args = raised.args.items().unwrap_or_default();
        Ok(match name {
            "args" => Some(raised.args.clone()),
            "message" => Some(match args.as_slice() {
                [only] => only.clone(),
                _ => Value::text(""),
            }),
            "code" => Some(args.first().cloned().unwrap_or(Value::None)),
            "errno" | "strerror" if raised.class.is(Class::Environment) => {
                let at = usize::from(name == "strerror");
                Some(if args.len() == 2 { args[at].clone() } else { Value::None })
            }
            _ => None,
        })
    }
}

fn of_kind(kind: Kind, name: &str) -> Option<&'static Builtin> {
    let tables: &[&'static [Builtin]] = match kind {
        Kind::Text | Kind::Unicode | Kind::AnyText => &[text::TABLE, find::TABLE],
        Kind::List => &[containers::LIST],
        Kind::Tuple => &[containers::TUPLE],
        Kind::Dict => &[containers::DICT],
        Kind::Set => &[containers::SET],
        _ => &[],
    };
    tables.iter().copied().flatten().find(|builtin| builtin.name == name)
}

fn of_object(value: &Value, name: &str) -> Option<&'static Builtin> {
    let table = match value {
        Value::Pattern(_) => matches::PATTERN,
        Value::Match(_) => matches::MATCH,
        Value::Iter(_) => containers::ITERATOR,
        _ => return None,
    };
    table.iter().find(|builtin| builtin.name == name)
}
