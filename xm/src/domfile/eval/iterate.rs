//! Walking through values.

use std::rc::Rc;

use super::super::value::{Items, Iter, Range, Value};
use super::{Interp, Outcome};

/// A walk through a value. A list is walked as it is at each step, as Python does it.
pub(in super::super) enum Cursor {
    /// A list or tuple.
    Items(Items, usize),
    /// An iterator.
    Iter(Rc<Iter>),
    /// An `xrange`.
    Range(Range, usize),
    /// Values that nobody else has.
    Own(std::vec::IntoIter<Value>),
}

impl Cursor {
    /// The next value.
    pub(in super::super) fn next(&mut self) -> Option<Value> {
        match self {
            Self::Items(items, at) => {
                *at += 1;
                items.borrow().get(*at - 1).cloned()
            }
            Self::Iter(iter) => {
                let at = iter.at.get();
                let value = iter.items.borrow().get(at).cloned()?;
                iter.at.set(at + 1);
                Some(value)
            }
            Self::Range(range, at) => {
                *at += 1;
                (*at <= range.len).then(|| range.at(*at - 1))
            }
            Self::Own(values) => values.next(),
        }
    }
}

impl Interp<'_> {
    /// Begins a walk.
    pub(in super::super) fn cursor(&mut self, value: &Value) -> Outcome<Cursor> {
        let own = match value {
            Value::List(items) | Value::Tuple(items) => return Ok(Cursor::Items(Rc::clone(items), 0)),
            Value::Iter(iter) => return Ok(Cursor::Iter(Rc::clone(iter))),
            Value::Range(range) => return Ok(Cursor::Range(**range, 0)),
            Value::Dict(pairs) | Value::Set(pairs) => {
                let pairs = pairs.borrow();
                self.room.charge_items(pairs.len())?;
                pairs.keys()
            }
            Value::Text(text) => {
                self.room.charge_items(text.len().saturating_mul(2))?;
                text.iter().map(|byte| Value::text([*byte])).collect()
            }
            Value::Unicode(text) => {
                self.room.charge_items(text.len().saturating_mul(2))?;
                text.chars().map(|c| Value::Unicode(c.to_string().into())).collect()
            }
            other => {
                let what = format!("'{}' object is not iterable", other.type_name());
                return Err(self.room.type_error(what).into());
            }
        };
        Ok(Cursor::Own(own.into_iter()))
    }

    /// All values, copied.
    pub(in super::super) fn collect(&mut self, value: &Value) -> Outcome<Vec<Value>> {
        if let Some(items) = value.items() {
            self.room.charge_items(items.len())?;
            self.room.steps(items.len() / 16)?;
            return Ok(items);
        }
        let mut cursor = self.cursor(value)?;
        let mut values = Vec::new();
        while let Some(value) = cursor.next() {
            self.room.charge_items(1)?;
            if values.len() % 16 == 15 {
                self.room.step()?;
            }
            values.push(value);
        }
        Ok(values)
    }
}
