//! Arithmetic. Whole numbers have up to 127 bits; longer ones are refused, not rounded.

use super::super::ast::BinaryOp;
use super::super::class::Class;
use super::super::room::Room;
use super::super::source::Fault;
use super::super::value::Value;
use super::unsupported;

/// A number that is not kept.
pub(in super::super) fn too_big(room: &Room) -> Fault {
    room.limit("this number is longer than 127 bits")
}

pub(super) fn arithmetic(room: &Room, op: BinaryOp, left: &Value, right: &Value) -> Result<Value, Fault> {
    if let (Some(a), Some(b), true) = (left.as_whole(), right.as_whole(), op != BinaryOp::TrueDiv) {
        let bools = matches!((left, right), (Value::Bool(_), Value::Bool(_)));
        if bools && matches!(op, BinaryOp::BitAnd | BinaryOp::BitOr | BinaryOp::BitXor) {
            return Ok(Value::Bool(whole(room, op, a, b)?.truth()));
        }
        let long = matches!(left, Value::Long(_)) || matches!(right, Value::Long(_));
        let n = whole(room, op, a, b)?;
        return Ok(match n {
            Value::Int(n) if long => Value::Long(i128::from(n)),
            n => n,
        });
    }
    match (left.as_float(), right.as_float()) {
        (Some(a), Some(b)) => match fraction(room, op, a, b)? {
            Some(n) => Ok(Value::Float(n)),
            None => Err(unsupported(room, op, left, right)),
        },
        _ => Err(unsupported(room, op, left, right)),
    }
}

fn whole(room: &Room, op: BinaryOp, a: i128, b: i128) -> Result<Value, Fault> {
    let by_zero = || room.raise(Class::ZeroDivision, "integer division or modulo by zero");
    let n = match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Sub => a.checked_sub(b),
        BinaryOp::Mul => a.checked_mul(b),
        BinaryOp::Div | BinaryOp::TrueDiv | BinaryOp::FloorDiv | BinaryOp::Mod if b == 0 => {
            return Err(by_zero());
        }
        BinaryOp::Div | BinaryOp::TrueDiv | BinaryOp::FloorDiv => {
            a.checked_div_euclid(b).map(|q| floor(a, b, q))
        }
        BinaryOp::Mod => a.checked_rem(b).map(|r| if r != 0 && (r < 0) != (b < 0) { r + b } else { r }),
        BinaryOp::Power => return power(room, a, b),
        BinaryOp::ShiftLeft | BinaryOp::ShiftRight if b < 0 => {
            return Err(room.value_error("negative shift count"));
        }
        BinaryOp::ShiftLeft => match u32::try_from(b) {
            _ if a == 0 => Some(0),
            Ok(by) if by < 127 => a.checked_mul(1 << by),
            _ => None,
        },
        BinaryOp::ShiftRight => Some(a >> u32::try_from(b).unwrap_or(u32::MAX).min(127)),
        BinaryOp::BitAnd => Some(a & b),
        BinaryOp::BitOr => Some(a | b),
        BinaryOp::BitXor => Some(a ^ b),
    };
    n.map(Value::whole).ok_or_else(|| too_big(room))
}

/// `a ** b` of whole numbers.
fn power(room: &Room, a: i128, b: i128) -> Result<Value, Fault> {
    if b < 0 {
        if a == 0 {
            return Err(room.raise(Class::ZeroDivision, "0.0 cannot be raised to a negative power"));
        }
        return Ok(Value::Float((a as f64).powf(b as f64)));
    }
    let small = match a {
        0 => Some(i128::from(b == 0)),
        1 => Some(1),
        -1 => Some(if b % 2 == 0 { 1 } else { -1 }),
        _ => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
    };
    small.map(Value::whole).ok_or_else(|| too_big(room))
}

/// The Euclidean quotient made one that rounds down.
fn floor(a: i128, b: i128, quotient: i128) -> i128 {
    if b < 0 && a.rem_euclid(b) != 0 { quotient - 1 } else { quotient }
}

fn fraction(room: &Room, op: BinaryOp, a: f64, b: f64) -> Result<Option<f64>, Fault> {
    let by_zero = |text: &str| Err(room.raise(Class::ZeroDivision, text));
    Ok(Some(match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div | BinaryOp::TrueDiv if b == 0.0 => return by_zero("float division by zero"),
        BinaryOp::Div | BinaryOp::TrueDiv => a / b,
        BinaryOp::FloorDiv if b == 0.0 => return by_zero("float divmod()"),
        BinaryOp::FloorDiv => (a / b).floor(),
        BinaryOp::Mod if b == 0.0 => return by_zero("float modulo"),
        BinaryOp::Mod => a - b * (a / b).floor(),
        BinaryOp::Power if a == 0.0 && b < 0.0 => {
            return by_zero("0.0 cannot be raised to a negative power");
        }
        BinaryOp::Power if a < 0.0 && b.fract() != 0.0 => {
            let text = "negative number cannot be raised to a fractional power";
            return Err(room.value_error(text));
        }
        BinaryOp::Power => {
            let n = a.powf(b);
            if n.is_infinite() && a.is_finite() && b.is_finite() {
                return Err(room.raise(Class::Overflow, "(34, 'Numerical result out of range')"));
            }
            n
        }
        BinaryOp::ShiftLeft
        | BinaryOp::ShiftRight
        | BinaryOp::BitAnd
        | BinaryOp::BitOr
        | BinaryOp::BitXor => return Ok(None),
    }))
}
