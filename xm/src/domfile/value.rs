//! The values of the language and how Python 2 writes them.

use std::cell::RefCell;
use std::fmt::Write as _;
use std::rc::Rc;

use xend_api::python;

/// Nesting beyond which a value is written as `...`.
const MAX_WRITTEN: usize = 60;
/// Text beyond which writing a value stops; more than any budget allows, so nothing cut is ever used.
const MAX_TEXT: usize = super::budget::MAX_BYTES + 1;
/// Deepest nesting of tuples and dicts directly within each other. Lists are exempt: [`super::eval::Scope`] empties
/// them one by one, so that dropping a deep value does not recurse.
pub const MAX_FIXED_DEPTH: usize = 50;

/// A container that never changes, and how deep such containers nest in it.
#[derive(Debug)]
pub struct Fixed<T> {
    /// What it holds.
    pub items: Vec<T>,
    /// 1 if it holds no further `tuple` or `dict`.
    pub depth: usize,
}

/// A value. Lists are shared, as in Python: two names may mean the same list.
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
    Text(Rc<str>),
    /// A `unicode`.
    Unicode(Rc<str>),
    /// A `list`.
    List(Rc<RefCell<Vec<Value>>>),
    /// A `tuple`.
    Tuple(Rc<Fixed<Value>>),
    /// A `dict`, in the order of writing.
    Dict(Rc<Fixed<(Value, Value)>>),
}

impl Value {
    /// A `str`.
    pub fn text(text: impl AsRef<str>) -> Self {
        Self::Text(text.as_ref().into())
    }

    /// A new `list`.
    pub fn list(items: Vec<Value>) -> Self {
        Self::List(Rc::new(RefCell::new(items)))
    }

    /// A `tuple`.
    pub fn tuple(items: Vec<Value>) -> Self {
        let depth = 1 + items.iter().map(Value::fixed_depth).max().unwrap_or(0);
        Self::Tuple(Rc::new(Fixed { items, depth }))
    }

    /// A `dict`.
    pub fn dict(items: Vec<(Value, Value)>) -> Self {
        let depth_of = |(key, value): &(Value, Value)| key.fixed_depth().max(value.fixed_depth());
        let depth = 1 + items.iter().map(depth_of).max().unwrap_or(0);
        Self::Dict(Rc::new(Fixed { items, depth }))
    }

    /// How deep tuples and dicts nest here.
    pub fn fixed_depth(&self) -> usize {
        match self {
            Self::Tuple(fixed) => fixed.depth,
            Self::Dict(fixed) => fixed.depth,
            _ => 0,
        }
    }

    /// The number as `int`, or `long` if it is too big.
    pub fn whole(n: i128) -> Self {
        i64::try_from(n).map_or(Self::Long(n), Self::Int)
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
            Self::Text(text) | Self::Unicode(text) => !text.is_empty(),
            Self::List(items) => !items.borrow().is_empty(),
            Self::Tuple(fixed) => !fixed.items.is_empty(),
            Self::Dict(fixed) => !fixed.items.is_empty(),
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

    /// The characters of a `str` or `unicode`.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) | Self::Unicode(text) => Some(text),
            _ => None,
        }
    }

    /// The items of a list or tuple, copied.
    pub fn items(&self) -> Option<Vec<Value>> {
        match self {
            Self::List(items) => Some(items.borrow().clone()),
            Self::Tuple(fixed) => Some(fixed.items.clone()),
            _ => None,
        }
    }

    /// `str(value)`.
    pub fn to_text(&self) -> String {
        match self {
            Self::Text(text) | Self::Unicode(text) => text.to_string(),
            Self::Float(n) => python::float_str(*n),
            Self::Long(n) => n.to_string(),
            other => other.to_repr(),
        }
    }

    /// `repr(value)`.
    pub fn to_repr(&self) -> String {
        let mut out = String::new();
        self.write_repr(&mut out, 0);
        out
    }

    fn write_repr(&self, out: &mut String, depth: usize) {
        if depth > MAX_WRITTEN || out.len() > MAX_TEXT {
            return out.push_str("...");
        }
        match self {
            Self::None => out.push_str("None"),
            Self::Bool(b) => out.push_str(if *b { "True" } else { "False" }),
            Self::Int(n) => write!(out, "{n}").unwrap_or_default(),
            Self::Long(n) => write!(out, "{n}L").unwrap_or_default(),
            Self::Float(n) => out.push_str(&python::float_repr(*n)),
            Self::Text(text) => out.push_str(&python::repr(text)),
            Self::Unicode(text) => {
                out.push('u');
                out.push_str(&python::repr(text));
            }
            Self::List(items) => write_all(out, ('[', ']'), &items.borrow(), depth),
            Self::Tuple(fixed) if fixed.items.len() == 1 => {
                out.push('(');
                fixed.items[0].write_repr(out, depth + 1);
                out.push_str(",)");
            }
            Self::Tuple(fixed) => write_all(out, ('(', ')'), &fixed.items, depth),
            Self::Dict(fixed) => write_pairs(out, &fixed.items, depth),
        }
    }
}

fn write_all(out: &mut String, (open, close): (char, char), items: &[Value], depth: usize) {
    out.push(open);
    for (at, item) in items.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { ", " });
        item.write_repr(out, depth + 1);
    }
    out.push(close);
}

fn write_pairs(out: &mut String, pairs: &[(Value, Value)], depth: usize) {
    out.push('{');
    for (at, (key, value)) in pairs.iter().enumerate() {
        out.push_str(if at == 0 { "" } else { ", " });
        key.write_repr(out, depth + 1);
        out.push_str(": ");
        value.write_repr(out, depth + 1);
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_python_2_does() {
        let list = Value::list(vec![Value::Int(1), Value::text("it's"), Value::Float(0.1), Value::Long(5)]);
        assert_eq!(list.to_text(), "[1, \"it's\", 0.1, 5L]");
        assert_eq!(Value::tuple(vec![Value::None]).to_text(), "(None,)");
        assert_eq!(Value::dict(vec![(Value::text("a"), Value::Bool(true))]).to_text(), "{'a': True}");
        assert_eq!(Value::Float(100.0).to_text(), "100.0");
        assert_eq!(Value::text("\u{e9}\n\\").to_repr(), r"'\xc3\xa9\n\\'");
    }

    #[test]
    fn a_list_that_holds_itself_is_written_in_bounded_space() {
        let list = Value::list(vec![]);
        if let Value::List(items) = &list {
            items.borrow_mut().push(list.clone());
        }
        assert!(list.to_text().len() < 1000);
        if let Value::List(items) = &list {
            items.borrow_mut().clear();
        }
    }
}
