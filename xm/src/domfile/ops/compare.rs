//! Comparisons. In Python 2 everything can be ordered: `None` first, then numbers, then by the names of the types.

use std::cmp::Ordering;
use std::rc::Rc;

use super::super::ast::CompareOp;
use super::super::room::Room;
use super::super::source::Fault;
use super::super::value::{Dict, Value};

/// Nesting beyond which values are not compared.
const MAX_COMPARED: usize = 60;

/// A comparison of two values.
pub(in super::super) fn compare(
    room: &mut Room,
    op: CompareOp,
    left: &Value,
    right: &Value,
) -> Result<bool, Fault> {
    let mut compared = Compared { room };
    let wanted: fn(Ordering) -> bool = match op {
        CompareOp::Equal => return compared.equal(left, right, 0),
        CompareOp::Unequal => return compared.equal(left, right, 0).map(|equal| !equal),
        CompareOp::In => return compared.contains(left, right),
        CompareOp::NotIn => return compared.contains(left, right).map(|found| !found),
        CompareOp::Is => return compared.same(left, right),
        CompareOp::IsNot => return compared.same(left, right).map(|same| !same),
        CompareOp::Less => Ordering::is_lt,
        CompareOp::LessEqual => Ordering::is_le,
        CompareOp::Greater => Ordering::is_gt,
        CompareOp::GreaterEqual => Ordering::is_ge,
    };
    if let (Some(a), Some(b)) = (left.as_float(), right.as_float())
        && (a.is_nan() || b.is_nan())
    {
        return Ok(false);
    }
    compared.order(left, right, 0).map(wanted)
}

/// Are the values equal?
pub(in super::super) fn equal(room: &mut Room, left: &Value, right: &Value) -> Result<bool, Fault> {
    Compared { room }.equal(left, right, 0)
}

/// Which comes first?
pub(in super::super) fn order(room: &mut Room, left: &Value, right: &Value) -> Result<Ordering, Fault> {
    Compared { room }.order(left, right, 0)
}

/// A comparison under way; each pair of values looked at is a step.
struct Compared<'a> {
    room: &'a mut Room,
}

impl Compared<'_> {
    fn same(&mut self, left: &Value, right: &Value) -> Result<bool, Fault> {
        Ok(match (left, right) {
            (Value::List(a), Value::List(b)) => Rc::ptr_eq(a, b),
            (Value::Dict(a), Value::Dict(b)) | (Value::Set(a), Value::Set(b)) => Rc::ptr_eq(a, b),
            _ => left.type_name() == right.type_name() && self.equal(left, right, 0)?,
        })
    }

    fn deeper(&mut self, depth: usize) -> Result<(), Fault> {
        self.room.step()?;
        if depth > MAX_COMPARED {
            let what = format!("values nested deeper than {MAX_COMPARED} are not compared");
            return Err(self.room.limit(what));
        }
        Ok(())
    }

    fn equal(&mut self, left: &Value, right: &Value, depth: usize) -> Result<bool, Fault> {
        self.deeper(depth)?;
        if let (Some(a), Some(b)) = (left.as_whole(), right.as_whole()) {
            return Ok(a == b);
        }
        if let (Some(a), Some(b)) = (left.as_float(), right.as_float()) {
            return Ok(a == b);
        }
        if let (Some(a), Some(b)) = (left.as_bytes(), right.as_bytes()) {
            self.room.work(a.len().min(b.len()))?;
            return Ok(a == b);
        }
        match (left, right) {
            (Value::None, Value::None) => Ok(true),
            (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
                Ok(Rc::ptr_eq(a, b) || self.equal_all(&a.borrow(), &b.borrow(), depth)?)
            }
            (Value::Dict(a), Value::Dict(b)) | (Value::Set(a), Value::Set(b)) => {
                Ok(Rc::ptr_eq(a, b) || self.equal_pairs(&a.borrow(), &b.borrow(), depth)?)
            }
            (Value::Function(a), Value::Function(b)) => Ok(Rc::ptr_eq(a, b)),
            (Value::Builtin(a), Value::Builtin(b)) => Ok(std::ptr::eq(*a, *b)),
            (Value::Module(a), Value::Module(b)) => Ok(a == b),
            (Value::Type(a), Value::Type(b)) => Ok(a == b),
            (Value::Error(a), Value::Error(b)) => Ok(Rc::ptr_eq(a, b)),
            (Value::Iter(a), Value::Iter(b)) => Ok(Rc::ptr_eq(a, b)),
            _ => Ok(false),
        }
    }

    fn equal_all(&mut self, a: &[Value], b: &[Value], depth: usize) -> Result<bool, Fault> {
        if a.len() != b.len() {
            return Ok(false);
        }
        for (a, b) in a.iter().zip(b) {
            if !self.equal(a, b, depth + 1)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn equal_pairs(&mut self, a: &Dict, b: &Dict, depth: usize) -> Result<bool, Fault> {
        if a.len() != b.len() {
            return Ok(false);
        }
        for (key, value) in a.iter() {
            match b.get(self.room, key)? {
                Some(other) if self.equal(value, &other, depth + 1)? => {}
                _ => return Ok(false),
            }
        }
        Ok(true)
    }

    fn order(&mut self, left: &Value, right: &Value, depth: usize) -> Result<Ordering, Fault> {
        self.deeper(depth)?;
        if let (Some(a), Some(b)) = (left.as_whole(), right.as_whole()) {
            return Ok(a.cmp(&b));
        }
        if let (Some(a), Some(b)) = (left.as_float(), right.as_float()) {
            return Ok(a.partial_cmp(&b).unwrap_or(Ordering::Equal));
        }
        if let (Some(a), Some(b)) = (left.as_bytes(), right.as_bytes()) {
            self.room.work(a.len().min(b.len()))?;
            return Ok(a.cmp(b));
        }
        match (left, right) {
            (Value::List(a), Value::List(b)) | (Value::Tuple(a), Value::Tuple(b)) => {
                return if Rc::ptr_eq(a, b) {
                    Ok(Ordering::Equal)
                } else {
                    self.order_all(&a.borrow(), &b.borrow(), depth)
                };
            }
            (Value::None, Value::None) => return Ok(Ordering::Equal),
            (Value::None, _) => return Ok(Ordering::Less),
            (_, Value::None) => return Ok(Ordering::Greater),
            _ => {}
        }
        if left.type_name() == right.type_name() {
            let what = format!("cannot tell the order of two values of type {}", left.type_name());
            return Err(self.room.unsupported(what));
        }
        let rank = |value: &Value| if value.as_float().is_some() { "" } else { value.type_name() };
        Ok(rank(left).cmp(rank(right)))
    }

    fn order_all(&mut self, a: &[Value], b: &[Value], depth: usize) -> Result<Ordering, Fault> {
        for (a, b) in a.iter().zip(b) {
            if !self.equal(a, b, depth + 1)? {
                return self.order(a, b, depth + 1);
            }
        }
        Ok(a.len().cmp(&b.len()))
    }

    fn contains(&mut self, wanted: &Value, holder: &Value) -> Result<bool, Fault> {
        if let Some(text) = holder.as_bytes() {
            let Some(part) = wanted.as_bytes() else {
                let found = wanted.type_name();
                let what = format!("'in <string>' requires string as left operand, not {found}");
                return Err(self.room.type_error(what));
            };
            return Ok(super::super::bytes::find(self.room, text, part)?.is_some());
        }
        let items = match holder {
            Value::List(items) | Value::Tuple(items) => items.borrow(),
            Value::Dict(pairs) | Value::Set(pairs) => {
                return Ok(pairs.borrow().get(self.room, wanted)?.is_some());
            }
            Value::Range(range) => {
                let Some(n) = wanted.as_whole() else { return Ok(false) };
                let (start, step) = (i128::from(range.start), i128::from(range.step));
                let at = (n - start) / step;
                let len = i128::try_from(range.len).unwrap_or(0);
                return Ok((n - start) % step == 0 && (0..len).contains(&at));
            }
            Value::Iter(iter) => iter.items.borrow(),
            other => {
                let what = format!("argument of type '{}' is not iterable", other.type_name());
                return Err(self.room.type_error(what));
            }
        };
        for item in items.iter() {
            if self.equal(item, wanted, 0)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
