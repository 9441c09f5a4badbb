//! The names that need no import: functions, types, and what is refused with a word on what to do instead.

mod construct;
mod functions;
mod numbers;
mod objects;
mod sequences;

use std::fmt;

use super::class::Class;
use super::eval::{Args, Interp, Outcome};
use super::value::Value;

pub(super) use construct::construct;
pub(super) use sequences::sort;

/// A function of ours.
pub struct Builtin {
    /// Its name in Python.
    pub(super) name: &'static str,
    /// Fewest arguments; of a method, the value that it belongs to is the first.
    pub(super) least: usize,
    /// Most arguments.
    pub(super) most: usize,
    /// The names of its arguments, where they may be given by name.
    pub(super) keywords: &'static [&'static str],
    /// Is it a method?
    pub(super) is_method: bool,
    /// What it does.
    pub(super) call: fn(&mut Interp<'_>, Args) -> Outcome,
}

impl fmt::Debug for Builtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A function of so many arguments.
pub(super) const fn function(
    name: &'static str,
    (least, most): (usize, usize),
    call: fn(&mut Interp<'_>, Args) -> Outcome,
) -> Builtin {
    Builtin { name, least, most, keywords: &[], is_method: false, call }
}

/// A method of so many arguments.
pub(super) const fn method(
    name: &'static str,
    (least, most): (usize, usize),
    call: fn(&mut Interp<'_>, Args) -> Outcome,
) -> Builtin {
    Builtin { name, least: least + 1, most: most + 1, keywords: &[], is_method: true, call }
}

impl Builtin {
    /// The same, with names for its arguments.
    pub(super) const fn named(mut self, keywords: &'static [&'static str]) -> Self {
        self.keywords = keywords;
        self
    }
}

/// Arguments of any name, which the function looks through itself.
pub(super) const ANY: &[&str] = &["*"];

/// A type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `object`.
    Object,
    /// `NoneType`.
    None,
    /// `bool`.
    Bool,
    /// `int`.
    Int,
    /// `long`.
    Long,
    /// `float`.
    Float,
    /// `basestring`.
    AnyText,
    /// `str`.
    Text,
    /// `unicode`.
    Unicode,
    /// `list`.
    List,
    /// `tuple`.
    Tuple,
    /// `dict`.
    Dict,
    /// `set`.
    Set,
    /// `function`.
    Function,
    /// `module`.
    Module,
    /// `type`.
    Type,
    /// `xrange`.
    Range,
    /// A class of errors.
    Error(Class),
    /// Whatever else there is.
    Other,
}

const KINDS: [(&str, Kind); 17] = [
    ("object", Kind::Object),
    ("bool", Kind::Bool),
    ("int", Kind::Int),
    ("long", Kind::Long),
    ("float", Kind::Float),
    ("basestring", Kind::AnyText),
    ("str", Kind::Text),
    ("bytes", Kind::Text),
    ("unicode", Kind::Unicode),
    ("list", Kind::List),
    ("tuple", Kind::Tuple),
    ("dict", Kind::Dict),
    ("set", Kind::Set),
    ("frozenset", Kind::Set),
    ("xrange", Kind::Range),
    ("type", Kind::Type),
    ("NoneType", Kind::None),
];

impl Kind {
    /// The type of a value.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::None => Self::None,
            Value::Bool(_) => Self::Bool,
            Value::Int(_) => Self::Int,
            Value::Long(_) => Self::Long,
            Value::Float(_) => Self::Float,
            Value::Text(_) => Self::Text,
            Value::Unicode(_) => Self::Unicode,
            Value::List(_) => Self::List,
            Value::Tuple(_) => Self::Tuple,
            Value::Dict(_) => Self::Dict,
            Value::Set(_) => Self::Set,
            Value::Function(_) | Value::Builtin(_) | Value::Method(_) => Self::Function,
            Value::Module(_) => Self::Module,
            Value::Type(_) => Self::Type,
            Value::Range(_) => Self::Range,
            Value::Error(raised) => Self::Error(raised.class),
            Value::Pattern(_) | Value::Match(_) | Value::Iter(_) => Self::Other,
        }
    }

    /// Is it that type, or a kind of it?
    pub(super) fn is(self, other: Self) -> bool {
        match (self, other) {
            (_, Self::Object) | (Self::Bool, Self::Int) | (Self::Text | Self::Unicode, Self::AnyText) => true,
            (Self::Error(class), Self::Error(wanted)) => class.is(wanted),
            _ => self == other,
        }
    }

    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Error(class) => class.name(),
            Self::Function => "function",
            Self::Module => "module",
            Self::Other => "instance",
            _ => KINDS.iter().find(|(_, kind)| *kind == self).map_or("object", |(name, _)| name),
        }
    }

    /// As Python writes it.
    pub(super) fn written(self) -> String {
        match self {
            Self::Error(class) => format!("<type 'exceptions.{}'>", class.name()),
            other => format!("<type '{}'>", other.name()),
        }
    }
}

/// The built-in value of that name.
pub(super) fn find(name: &str) -> Option<Value> {
    match name {
        "None" => return Some(Value::None),
        "True" => return Some(Value::Bool(true)),
        "False" => return Some(Value::Bool(false)),
        "__name__" => return Some(Value::text("__builtin__")),
        _ => {}
    }
    let tables = [functions::TABLE, numbers::TABLE, objects::TABLE, sequences::TABLE];
    let found = tables.into_iter().flatten().find(|builtin| builtin.name == name);
    if let Some(builtin) = found {
        return Some(Value::Builtin(builtin));
    }
    if let Some((_, kind)) = KINDS.iter().find(|(known, kind)| *known == name && *kind != Kind::None) {
        return Some(Value::Type(*kind));
    }
    Class::of(name).map(|class| Value::Type(Kind::Error(class)))
}

/// Why a name that Python knows is not there, and what to do instead.
pub(super) fn refusal(name: &str) -> Option<String> {
    let files = "opens files, which a domain file may not do; write the value into the file or give it on the \
                 command line (xm create FILE name=value)";
    let programs =
        "runs text as a program, which a domain file may not do; write the statements into the file";
    let input = "waits for input; give the value on the command line instead (xm create FILE name=value)";
    let inner = "looks into Python itself, which is not there; write the names out";
    let sentence = match name {
        "open" | "file" => files,
        "execfile" | "eval" | "compile" | "__import__" | "reload" => programs,
        "raw_input" | "input" => input,
        "globals" | "vars" | "dir" | "setattr" | "delattr" | "super" | "property" | "classmethod"
        | "staticmethod" | "memoryview" | "buffer" | "intern" | "id" | "apply" | "complex" | "bytearray"
        | "help" | "Vars" => inner,
        _ => return None,
    };
    Some(format!("{name} {sentence}"))
}
