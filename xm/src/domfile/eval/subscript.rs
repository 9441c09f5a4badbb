//! `x[1]` and `x[1:2]`, read and written.

use super::super::ast::{Expr, Index};
use super::super::class::Class;
use super::super::source::{Fault, Place};
use super::super::value::{Items, Value};
use super::{Interp, Outcome};

/// The bounds of a slice, as written.
pub(super) struct Bounds {
    from: Option<i128>,
    to: Option<i128>,
    step: Option<i128>,
}

impl Bounds {
    /// First position, step, and number of positions in a sequence of that length.
    fn positions(&self, len: usize) -> (i128, i128, usize) {
        let len = i128::try_from(len).unwrap_or(i128::MAX);
        let step = self.step.unwrap_or(1).clamp(-len - 1, len + 1);
        let (low, high) = if step < 0 { (-1, len - 1) } else { (0, len) };
        let place = |bound: Option<i128>, default: i128| {
            bound.map_or(default, |n| (if n < 0 { n.saturating_add(len) } else { n }).clamp(low, high))
        };
        let (from, to) = if step < 0 {
            (place(self.from, high), place(self.to, low))
        } else {
            (place(self.from, low), place(self.to, high))
        };
        let span = if step < 0 { from - to } else { to - from };
        let count = if span <= 0 { 0 } else { (span - 1) / step.abs() + 1 };
        (from, step, usize::try_from(count).unwrap_or(0))
    }

    fn chosen<T: Clone>(&self, all: &[T]) -> Vec<T> {
        let (from, step, count) = self.positions(all.len());
        let at = |n: usize| usize::try_from(from + step * i128::try_from(n).unwrap_or(0)).ok();
        (0..count).filter_map(|n| all.get(at(n)?).cloned()).collect()
    }
}

impl Interp<'_> {
    /// What `value[index]` is.
    pub(super) fn index(&mut self, place: Place, value: &Value, index: &Index) -> Outcome {
        match index {
            Index::One(key) => {
                let key = self.expr(key)?;
                self.room.place = place;
                self.item(value, &key)
            }
            Index::Range(bounds) => {
                let bounds = self.bounds(bounds)?;
                self.room.place = place;
                Ok(self.slice(value, &bounds)?)
            }
        }
    }

    /// The bounds of a slice, worked out.
    pub(super) fn bounds(&mut self, exprs: &[Option<Expr>; 3]) -> Outcome<Bounds> {
        let mut bounds = [None; 3];
        for (bound, expr) in bounds.iter_mut().zip(exprs) {
            let Some(expr) = expr else { continue };
            let value = self.expr(expr)?;
            if matches!(value, Value::None) {
                continue;
            }
            let n = value.as_whole().ok_or_else(|| {
                self.room.type_error("slice indices must be integers or None or have an __index__ method")
            })?;
            *bound = Some(n);
        }
        let [from, to, step] = bounds;
        if step == Some(0) {
            return Err(self.room.value_error("slice step cannot be zero").into());
        }
        Ok(Bounds { from, to, step })
    }

    /// `value[key]`.
    pub(in super::super) fn item(&mut self, value: &Value, key: &Value) -> Outcome {
        match value {
            Value::Dict(pairs) => {
                let found = pairs.borrow().get(&mut self.room, key)?;
                found.ok_or_else(|| self.key_error(key.clone()))
            }
            Value::Text(text) => {
                let at = self.position(value, key, text.len())?;
                Ok(Value::text([text[at]]))
            }
            Value::Unicode(text) => {
                self.room.work(text.len() * 4)?;
                let at = self.position(value, key, text.chars().count())?;
                Ok(Value::Unicode(text.chars().skip(at).take(1).collect::<String>().into()))
            }
            Value::List(items) | Value::Tuple(items) => {
                let items = items.borrow();
                Ok(items[self.position(value, key, items.len())?].clone())
            }
            Value::Range(range) => Ok(range.at(self.position(value, key, range.len)?)),
            other => Err(self.no_index(other).into()),
        }
    }

    fn slice(&mut self, value: &Value, bounds: &Bounds) -> Result<Value, Fault> {
        match value {
            Value::Text(text) => {
                self.room.charge(bounds.positions(text.len()).2)?;
                Ok(Value::text(bounds.chosen(text)))
            }
            Value::Unicode(text) => {
                self.room.charge(text.len() * 4)?;
                let chars: Vec<char> = text.chars().collect();
                Ok(Value::Unicode(bounds.chosen(&chars).into_iter().collect::<String>().into()))
            }
            Value::List(items) => {
                let chosen = bounds.chosen(&items.borrow());
                self.room.list(chosen)
            }
            Value::Tuple(items) => {
                let chosen = bounds.chosen(&items.borrow());
                self.room.tuple(chosen)
            }
            other => Err(self.no_index(other)),
        }
    }

    /// `base[key] = value`.
    pub(super) fn set_item(&mut self, base: &Value, key: Value, value: Value) -> Outcome<()> {
        match base {
            Value::Dict(pairs) => Ok(pairs.borrow_mut().set(&mut self.room, key, value)?),
            Value::List(items) => {
                let len = items.borrow().len();
                let at = self.position(base, &key, len).map_err(|fault| Fault {
                    what: fault.what.replace("list index", "list assignment index"),
                    ..fault
                })?;
                items.borrow_mut()[at] = value;
                Ok(())
            }
            other => {
                let what = format!("'{}' object does not support item assignment", other.type_name());
                Err(self.room.type_error(what).into())
            }
        }
    }

    /// `base[from:to] = value`.
    pub(super) fn set_slice(&mut self, base: &Value, bounds: &Bounds, value: &Value) -> Outcome<()> {
        let Value::List(items) = base else {
            let what = format!("'{}' object does not support slice assignment", base.type_name());
            return Err(self.room.type_error(what).into());
        };
        let new = self.collect(value)?;
        let (from, step, count) = bounds.positions(items.borrow().len());
        if step != 1 {
            return Err(self.room.unsupported("a slice with a step cannot be set").into());
        }
        let from = usize::try_from(from).unwrap_or(0);
        items.borrow_mut().splice(from..from + count, new);
        Ok(())
    }

    /// `del base[key]`.
    pub(super) fn delete_item(&mut self, base: &Value, key: &Value) -> Outcome<()> {
        match base {
            Value::Dict(pairs) => {
                let removed = pairs.borrow_mut().remove(&mut self.room, key)?;
                removed.map(drop).ok_or_else(|| self.key_error(key.clone()))
            }
            Value::List(items) => {
                let len = items.borrow().len();
                let at = self.position(base, key, len)?;
                self.room.work(len * 32)?;
                items.borrow_mut().remove(at);
                Ok(())
            }
            other => {
                let what = format!("'{}' object does not support item deletion", other.type_name());
                Err(self.room.type_error(what).into())
            }
        }
    }

    /// The position that a key means in a sequence of that length.
    fn position(&self, value: &Value, key: &Value, len: usize) -> Result<usize, Fault> {
        let kind = value.type_name().replace("str", "string");
        let n = key.as_whole().ok_or_else(|| {
            self.room.type_error(format!("{kind} indices must be integers, not {}", key.type_name()))
        })?;
        let n = if n < 0 { n.saturating_add(i128::try_from(len).unwrap_or(0)) } else { n };
        usize::try_from(n)
            .ok()
            .filter(|n| *n < len)
            .ok_or_else(|| self.room.raise(Class::Index, format!("{kind} index out of range")))
    }

    fn no_index(&self, value: &Value) -> Fault {
        self.room.type_error(format!("'{}' object has no attribute '__getitem__'", value.type_name()))
    }

    /// The position that a whole number means for `list.pop` and `list.insert`.
    pub(in super::super) fn list_position(&self, items: &Items, key: &Value) -> Result<usize, Fault> {
        self.position(&Value::List(items.clone()), key, items.borrow().len())
    }
}
