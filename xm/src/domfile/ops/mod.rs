//! What the operators do to values, with Python 2's rules and the texts of its errors.

mod compare;
mod numbers;

use super::ast::{BinaryOp, UnaryOp};
use super::format;
use super::room::Room;
use super::source::Fault;
use super::value::{Dict, Value};

pub(super) use compare::{compare, equal, order};
pub(super) use numbers::too_big;

/// An operator before a value.
pub(super) fn unary(room: &Room, op: UnaryOp, value: &Value) -> Result<Value, Fault> {
    if op == UnaryOp::Not {
        return Ok(Value::Bool(!value.truth()));
    }
    let sign = match op {
        UnaryOp::Plus | UnaryOp::Not => "+",
        UnaryOp::Minus => "-",
        UnaryOp::Invert => "~",
    };
    let wrong = || room.type_error(format!("bad operand type for unary {sign}: '{}'", value.type_name()));
    match (op, value.as_whole(), value) {
        (UnaryOp::Minus, Some(n), _) => {
            n.checked_neg().map(|n| same_width(value, n)).ok_or_else(|| too_big(room))
        }
        (UnaryOp::Invert, Some(n), _) => Ok(same_width(value, !n)),
        (_, Some(n), _) => Ok(same_width(value, n)),
        (UnaryOp::Minus, None, Value::Float(n)) => Ok(Value::Float(-n)),
        (UnaryOp::Plus, None, Value::Float(n)) => Ok(Value::Float(*n)),
        _ => Err(wrong()),
    }
}

/// A `long` stays a `long`.
fn same_width(like: &Value, n: i128) -> Value {
    if matches!(like, Value::Long(_)) { Value::Long(n) } else { Value::whole(n) }
}

/// An operator between two values.
pub(super) fn binary(room: &mut Room, op: BinaryOp, left: &Value, right: &Value) -> Result<Value, Fault> {
    match (op, left, right) {
        (BinaryOp::Mod, Value::Text(_) | Value::Unicode(_), _) => format::interpolate(room, left, right),
        (BinaryOp::Add, ..) => add(room, left, right),
        (BinaryOp::Mul, ..) => multiply(room, left, right),
        (_, Value::Set(a), Value::Set(b)) => {
            if let Some(set) = sets(room, op, &a.borrow(), &b.borrow())? {
                return room.set(set);
            }
            Err(unsupported(room, op, left, right))
        }
        _ => numbers::arithmetic(room, op, left, right),
    }
}

fn unsupported(room: &Room, op: BinaryOp, left: &Value, right: &Value) -> Fault {
    let sign = if op == BinaryOp::Power { "** or pow()" } else { op.sign() };
    let (left, right) = (left.type_name(), right.type_name());
    room.type_error(format!("unsupported operand type(s) for {sign}: '{left}' and '{right}'"))
}

fn add(room: &mut Room, left: &Value, right: &Value) -> Result<Value, Fault> {
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => {
            room.charge(a.len() + b.len())?;
            Ok(Value::Text([a.as_ref(), b.as_ref()].concat().into()))
        }
        (Value::Text(_) | Value::Unicode(_), Value::Text(_) | Value::Unicode(_)) => {
            let (a, b) = (left.as_string().unwrap_or_default(), right.as_string().unwrap_or_default());
            room.charge(a.len() + b.len())?;
            Ok(Value::Unicode((a + &b).into()))
        }
        (Value::Text(_), _) => {
            Err(room.type_error(format!("cannot concatenate 'str' and '{}' objects", right.type_name())))
        }
        (Value::Unicode(_), _) => Err(room
            .type_error(format!("coercing to Unicode: need string or buffer, {} found", right.type_name()))),
        (Value::List(a), Value::List(b)) => {
            let both = [a.borrow().as_slice(), b.borrow().as_slice()].concat();
            room.list(both)
        }
        (Value::Tuple(a), Value::Tuple(b)) => {
            let both = [a.borrow().as_slice(), b.borrow().as_slice()].concat();
            room.tuple(both)
        }
        (Value::List(_), _) => {
            Err(room.type_error(format!("can only concatenate list (not \"{}\") to list", right.type_name())))
        }
        (Value::Tuple(_), _) => {
            Err(room
                .type_error(format!("can only concatenate tuple (not \"{}\") to tuple", right.type_name())))
        }
        _ => numbers::arithmetic(room, BinaryOp::Add, left, right),
    }
}

fn multiply(room: &mut Room, left: &Value, right: &Value) -> Result<Value, Fault> {
    let (sequence, times) = match (left.as_whole(), right.as_whole()) {
        (None, Some(n)) => (left, n),
        (Some(n), None) => (right, n),
        _ => return numbers::arithmetic(room, BinaryOp::Mul, left, right),
    };
    let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
    if let Some(text) = sequence.as_bytes() {
        room.charge(text.len().saturating_mul(times))?;
        let repeated = text.repeat(if text.is_empty() { 0 } else { times });
        return Ok(match sequence {
            Value::Unicode(_) => Value::Unicode(super::source::text_of(&repeated).into()),
            _ => Value::text(repeated),
        });
    }
    match sequence {
        Value::List(items) => {
            let items = repeat(room, &items.borrow(), times)?;
            room.list(items)
        }
        Value::Tuple(items) => {
            let items = repeat(room, &items.borrow(), times)?;
            room.tuple(items)
        }
        Value::Float(_) => numbers::arithmetic(room, BinaryOp::Mul, left, right),
        _ => Err(unsupported(room, BinaryOp::Mul, left, right)),
    }
}

fn repeat(room: &mut Room, items: &[Value], times: usize) -> Result<Vec<Value>, Fault> {
    let total = items.len().saturating_mul(times);
    room.charge_items(total)?;
    Ok(items.iter().cycle().take(total).cloned().collect())
}

/// `|`, `&`, `-` and `^` of sets.
fn sets(room: &mut Room, op: BinaryOp, a: &Dict, b: &Dict) -> Result<Option<Dict>, Fault> {
    let mut made = Dict::default();
    for key in a.keys() {
        let wanted = match op {
            BinaryOp::BitOr => true,
            BinaryOp::BitAnd => b.get(room, &key)?.is_some(),
            BinaryOp::Sub | BinaryOp::BitXor => b.get(room, &key)?.is_none(),
            _ => return Ok(None),
        };
        if wanted {
            made.set(room, key, Value::None)?;
        }
    }
    if matches!(op, BinaryOp::BitOr | BinaryOp::BitXor) {
        for key in b.keys() {
            if op == BinaryOp::BitOr || a.get(room, &key)?.is_none() {
                made.set(room, key, Value::None)?;
            }
        }
    }
    Ok(Some(made))
}
