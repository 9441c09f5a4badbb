//! The values of the language.
//!
//! A `str` is bytes, as in Python 2. Lists, tuples, dictionaries and frames are shared and made by [`super::room::Room`]
//! only, which keeps them until the end; the constructors here that need no room are for small values from outside.

mod dict;
mod write;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::ast::{FunctionDef, Name};
use super::builtins::{Builtin, Kind};
use super::class::Class;
use super::modules::Module;
use super::room::Room;

pub(super) use dict::{Dict, hash_of};
pub(super) use write::{repr_bytes, to_repr, to_text};

/// Items that several names may share.
pub type Items = Rc<RefCell<Vec<Value>>>;

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    /// `None`.
    None,
    /// `True`, `False`.
    Bool(bool),
    /// A whole number of type `int`.
    Int(i64),
    /// A whole number of type `long`.
    Long(i128),
    /// A `float`.
    Float(f64),
    /// A `str`.
    Text(Rc<[u8]>),
    /// A `unicode`.
    Unicode(Rc<str>),
    /// A `list`.
    List(Items),
    /// A `tuple`; its items never change.
    Tuple(Items),
    /// A `dict`.
    Dict(Rc<RefCell<Dict>>),
    /// A `set`: the keys of a dictionary.
    Set(Rc<RefCell<Dict>>),
    /// A function of the file.
    Function(Rc<Function>),
    /// A function of the language or of a module.
    Builtin(&'static Builtin),
    /// A method of a value.
    Method(Rc<Method>),
    /// A module.
    Module(Module),
    /// A type.
    Type(Kind),
    /// A raised or raisable error.
    Error(Rc<Raised>),
    /// A compiled regular expression.
    Pattern(Rc<Pattern>),
    /// Where a regular expression matched.
    Match(Rc<Match>),
    /// An iterator.
    Iter(Rc<Iter>),
    /// An `xrange`.
    Range(Rc<Range>),
}

/// A function of the file, and the frame in which it was made.
#[derive(Debug)]
pub struct Function {
    pub(super) def: Rc<FunctionDef>,
    /// Values of its parameters, as a tuple; those of the last parameters.
    pub(super) defaults: Value,
    pub(super) frame: Option<Rc<Env>>,
}

/// A method and the value that it works on.
#[derive(Debug)]
pub struct Method {
    pub(super) receiver: Value,
    pub(super) builtin: &'static Builtin,
}

/// An error with its arguments (a tuple).
#[derive(Debug)]
pub struct Raised {
    pub(super) class: Class,
    pub(super) args: Value,
}

/// A compiled regular expression.
#[derive(Debug)]
pub struct Pattern {
    pub(super) text: Value,
    pub(super) regex: regex::bytes::Regex,
    /// The same, tied to the beginning of the text.
    pub(super) anchored: regex::bytes::Regex,
}

/// A match: the text, and where the groups begin and end.
#[derive(Debug)]
pub struct Match {
    pub(super) pattern: Rc<Pattern>,
    pub(super) text: Value,
    pub(super) groups: Vec<Option<(usize, usize)>>,
}

/// Items and the next one's position.
#[derive(Debug)]
pub struct Iter {
    pub(super) items: Items,
    pub(super) at: Cell<usize>,
}

/// Whole numbers from `start`, `len` of them, `step` apart.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    pub(super) start: i64,
    pub(super) step: i64,
    pub(super) len: usize,
}

impl Range {
    /// The number at a position.
    pub(super) fn at(&self, position: usize) -> Value {
        let n = i128::from(self.start) + i128::from(self.step) * i128::try_from(position).unwrap_or(0);
        Value::whole(n)
    }
}

/// The names of a function's call, or of a comprehension.
#[derive(Debug, Default)]
pub struct Env {
    pub(super) names: RefCell<HashMap<Name, Value>>,
    /// Names that mean those of the file's globals.
    pub(super) global: RefCell<Vec<Name>>,
    /// The frame around it.
    pub(super) parent: Option<Rc<Env>>,
}

impl Value {
    /// A `str`.
    pub fn text(text: impl AsRef<[u8]>) -> Self {
        Self::Text(text.as_ref().into())
    }

    /// A new `list`.
    pub fn list(items: Vec<Value>) -> Self {
        Self::List(Rc::new(RefCell::new(items)))
    }

    /// A `tuple`.
    pub fn tuple(items: Vec<Value>) -> Self {
        Self::Tuple(Rc::new(RefCell::new(items)))
    }

    /// The number as `int`, or `long` if it is too big.
    pub fn whole(n: i128) -> Self {
        i64::try_from(n).map_or(Self::Long(n), Self::Int)
    }

    /// A length as `int`.
    pub fn count(n: usize) -> Self {
        Self::Int(i64::try_from(n).unwrap_or(i64::MAX))
    }

    /// What Python calls the type.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::None => "NoneType",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Long(_) => "long",
            Self::Float(_) => "float",
            Self::Text(_) => "str",
            Self::Unicode(_) => "unicode",
            Self::List(_) => "list",
            Self::Tuple(_) => "tuple",
            Self::Dict(_) => "dict",
            Self::Set(_) => "set",
            Self::Function(_) => "function",
            Self::Builtin(_) | Self::Method(_) => "builtin_function_or_method",
            Self::Module(_) => "module",
            Self::Type(_) => "type",
            Self::Error(raised) => raised.class.name(),
            Self::Pattern(_) => "_sre.SRE_Pattern",
            Self::Match(_) => "_sre.SRE_Match",
            Self::Iter(_) => "iterator",
            Self::Range(_) => "xrange",
        }
    }

    /// Does it count as true?
    pub fn truth(&self) -> bool {
        match self {
            Self::None => false,
            Self::Bool(b) => *b,
            Self::Int(n) => *n != 0,
            Self::Long(n) => *n != 0,
            Self::Float(n) => *n != 0.0,
            Self::Text(text) => !text.is_empty(),
            Self::Unicode(text) => !text.is_empty(),
            Self::List(items) | Self::Tuple(items) => !items.borrow().is_empty(),
            Self::Dict(pairs) | Self::Set(pairs) => pairs.borrow().len() > 0,
            Self::Range(range) => range.len > 0,
            _ => true,
        }
    }

    /// A whole number of any type; bools count.
    pub fn as_whole(&self) -> Option<i128> {
        match self {
            Self::Bool(b) => Some(i128::from(*b)),
            Self::Int(n) => Some(i128::from(*n)),
            Self::Long(n) => Some(*n),
            _ => None,
        }
    }

    /// Any number as a float.
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(n) => Some(*n),
            other => other.as_whole().map(|n| n as f64),
        }
    }

    /// The bytes of a `str` or `unicode`.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Text(text) => Some(text),
            Self::Unicode(text) => Some(text.as_bytes()),
            _ => None,
        }
    }

    /// The characters of a `str` or `unicode`; a `str` that is not UTF-8 counts as ISO 8859-1.
    pub fn as_string(&self) -> Option<String> {
        self.as_bytes().map(super::source::text_of)
    }

    /// The items of a list or tuple, copied.
    pub fn items(&self) -> Option<Vec<Value>> {
        match self {
            Self::List(items) | Self::Tuple(items) => Some(items.borrow().clone()),
            _ => None,
        }
    }

    /// The entries of a dictionary, copied.
    pub fn entries(&self) -> Option<Vec<(Value, Value)>> {
        let Self::Dict(pairs) = self else { return None };
        Some(pairs.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect())
    }

    /// `repr(value)`, or `...` for a value that is too long.
    pub fn to_repr(&self) -> String {
        let written = to_repr(&mut Room::default(), self);
        written.map_or_else(|_| "...".to_owned(), |bytes| String::from_utf8_lossy(&bytes).into_owned())
    }

    /// `str(value)`, or `...` for a value that is too long.
    pub fn to_text(&self) -> String {
        self.as_string().unwrap_or_else(|| match self {
            Self::Float(n) => xend_api::python::float_str(*n),
            Self::Long(n) => n.to_string(),
            other => other.to_repr(),
        })
    }
}
