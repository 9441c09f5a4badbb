//! What the operators do to values, with Python 2's rules and the texts of its errors.

use std::cmp::Ordering;
use std::rc::Rc;

use super::ast::{BinaryOp, CompareOp, UnaryOp};
use super::budget::Budget;
use super::format;
use super::source::{Fault, Place};
use super::value::Value;

/// Nesting beyond which values are not compared.
const MAX_COMPARED: usize = 60;

/// An operator before a value.
pub(super) fn unary(place: Place, op: UnaryOp, value: &Value) -> Result<Value, Fault> {
    if op == UnaryOp::Not {
        return Ok(Value::Bool(!value.truth()));
    }
    let sign = match op {
        UnaryOp::Plus | UnaryOp::Not => "+",
        UnaryOp::Minus => "-",
        UnaryOp::Invert => "~",
    };
    let wrong =
        || Fault::raised(place, format!("bad operand type for unary {sign}: '{}'", value.type_name()));
    match (op, value.as_whole(), value) {
        (UnaryOp::Minus, Some(n), _) => {
            n.checked_neg().map(|n| same_width(value, n)).ok_or_else(|| too_big(place))
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

fn too_big(place: Place) -> Fault {
    Fault::limit(place, "this number is longer than 127 bits")
}

/// An operator between two values.
pub(super) fn binary(
    budget: &mut Budget,
    place: Place,
    op: BinaryOp,
    (left, right): (&Value, &Value),
) -> Result<Value, Fault> {
    match (op, left, right) {
        (BinaryOp::Mod, Value::Text(pattern), _) => {
            Ok(Value::text(format::interpolate(budget, place, pattern, right)?))
        }
        (BinaryOp::Mod, Value::Unicode(pattern), _) => {
            Ok(Value::Unicode(format::interpolate(budget, place, pattern, right)?.into()))
        }
        (BinaryOp::Add, ..) => add(budget, place, left, right),
        (BinaryOp::Mul, ..) => multiply(budget, place, left, right),
        _ => arithmetic(place, op, left, right),
    }
}

fn unsupported(place: Place, op: BinaryOp, left: &Value, right: &Value) -> Fault {
    let sign = if op == BinaryOp::Power { "** or pow()" } else { op.sign() };
    let (left, right) = (left.type_name(), right.type_name());
    Fault::raised(place, format!("unsupported operand type(s) for {sign}: '{left}' and '{right}'"))
}

fn add(budget: &mut Budget, place: Place, left: &Value, right: &Value) -> Result<Value, Fault> {
    match (left, right) {
        (Value::Text(a), Value::Text(b)) => {
            budget.charge(place, a.len() + b.len())?;
            Ok(Value::text(format!("{a}{b}")))
        }
        (Value::Text(a) | Value::Unicode(a), Value::Text(b) | Value::Unicode(b)) => {
            budget.charge(place, a.len() + b.len())?;
            Ok(Value::Unicode(format!("{a}{b}").into()))
        }
        (Value::Text(_), _) => {
            Err(Fault::raised(place, format!("cannot concatenate 'str' and '{}' objects", right.type_name())))
        }
        (Value::List(a), Value::List(b)) => {
            let (a, b) = (a.borrow(), b.borrow());
            budget.charge_items(place, a.len() + b.len())?;
            Ok(Value::list([a.as_slice(), b.as_slice()].concat()))
        }
        (Value::Tuple(a), Value::Tuple(b)) => {
            budget.charge_items(place, a.items.len() + b.items.len())?;
            Ok(Value::tuple([a.items.as_slice(), b.items.as_slice()].concat()))
        }
        _ => arithmetic(place, BinaryOp::Add, left, right),
    }
}

fn multiply(budget: &mut Budget, place: Place, left: &Value, right: &Value) -> Result<Value, Fault> {
    let (sequence, times) = match (left.as_whole(), right.as_whole()) {
        (None, Some(n)) => (left, n),
        (Some(n), None) => (right, n),
        _ => return arithmetic(place, BinaryOp::Mul, left, right),
    };
    let times = usize::try_from(times.max(0)).unwrap_or(usize::MAX);
    match sequence {
        Value::Text(text) | Value::Unicode(text) => {
            budget.charge(place, text.len().saturating_mul(times))?;
            let repeated = text.repeat(if text.is_empty() { 0 } else { times });
            let unicode = matches!(sequence, Value::Unicode(_));
            Ok(if unicode { Value::Unicode(repeated.into()) } else { Value::text(repeated) })
        }
        Value::List(items) => Ok(Value::list(repeat(budget, place, &items.borrow(), times)?)),
        Value::Tuple(fixed) => Ok(Value::tuple(repeat(budget, place, &fixed.items, times)?)),
        _ => arithmetic(place, BinaryOp::Mul, left, right),
    }
}

fn repeat(budget: &mut Budget, place: Place, items: &[Value], times: usize) -> Result<Vec<Value>, Fault> {
    budget.charge_items(place, items.len().saturating_mul(times))?;
    let total = items.len().saturating_mul(times);
    Ok(items.iter().cycle().take(total).cloned().collect())
}

fn arithmetic(place: Place, op: BinaryOp, left: &Value, right: &Value) -> Result<Value, Fault> {
    if let (Some(a), Some(b)) = (left.as_whole(), right.as_whole()) {
        let long = matches!(left, Value::Long(_)) || matches!(right, Value::Long(_));
        let n = whole(place, op, a, b)?;
        return Ok(match n {
            Value::Int(n) if long => Value::Long(i128::from(n)),
            n => n,
        });
    }
    match (left.as_float(), right.as_float()) {
        (Some(a), Some(b)) => {
            fraction(place, op, a, b).unwrap_or_else(|| Err(unsupported(place, op, left, right)))
        }
        _ => Err(unsupported(place, op, left, right)),
    }
}

fn whole(place: Place, op: BinaryOp, a: i128, b: i128) -> Result<Value, Fault> {
    let by_zero = || Fault::raised(place, "integer division or modulo by zero");
    let shift = |b: i128| {
        if b < 0 {
            Err(Fault::raised(place, "negative shift count"))
        } else {
            Ok(u32::try_from(b).unwrap_or(u32::MAX))
        }
    };
    let n = match op {
        BinaryOp::Add => a.checked_add(b),
        BinaryOp::Sub => a.checked_sub(b),
        BinaryOp::Mul => a.checked_mul(b),
        BinaryOp::Div | BinaryOp::FloorDiv | BinaryOp::Mod if b == 0 => return Err(by_zero()),
        BinaryOp::Div | BinaryOp::FloorDiv => a.checked_div_euclid(b).map(|q| floor(a, b, q)),
        BinaryOp::Mod => a.checked_rem(b).map(|r| if r != 0 && (r < 0) != (b < 0) { r + b } else { r }),
        BinaryOp::Power if b < 0 => return Ok(Value::Float((a as f64).powf(b as f64))),
        BinaryOp::Power => u32::try_from(b).ok().and_then(|b| a.checked_pow(b)),
        BinaryOp::ShiftLeft => {
            let by = shift(b)?;
            if by > 126 && a != 0 { None } else { a.checked_mul(1i128.checked_shl(by).unwrap_or(0)) }
        }
        BinaryOp::ShiftRight => Some(a >> shift(b)?.min(127)),
        BinaryOp::BitAnd => Some(a & b),
        BinaryOp::BitOr => Some(a | b),
        BinaryOp::BitXor => Some(a ^ b),
    };
    n.map(Value::whole).ok_or_else(|| too_big(place))
}

/// The Euclidean quotient made one that rounds down.
fn floor(a: i128, b: i128, quotient: i128) -> i128 {
    if b < 0 && a.rem_euclid(b) != 0 { quotient - 1 } else { quotient }
}

fn fraction(place: Place, op: BinaryOp, a: f64, b: f64) -> Option<Result<Value, Fault>> {
    let by_zero = |text: &str| Some(Err(Fault::raised(place, text)));
    let n = match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div if b == 0.0 => return by_zero("float division by zero"),
        BinaryOp::Div => a / b,
        BinaryOp::FloorDiv if b == 0.0 => return by_zero("float divmod()"),
        BinaryOp::FloorDiv => (a / b).floor(),
        BinaryOp::Mod if b == 0.0 => return by_zero("float modulo"),
        BinaryOp::Mod => a - b * (a / b).floor(),
        BinaryOp::Power => a.powf(b),
        BinaryOp::ShiftLeft
        | BinaryOp::ShiftRight
        | BinaryOp::BitAnd
        | BinaryOp::BitOr
        | BinaryOp::BitXor => return None,
    };
    Some(Ok(Value::Float(n)))
}

/// A comparison of two values.
pub(super) fn compare(
    budget: &mut Budget,
    place: Place,
    op: CompareOp,
    (left, right): (&Value, &Value),
) -> Result<bool, Fault> {
    let mut compared = Compared { budget, place };
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
    let order = compared.order(left, right, 0)?.ok_or_else(|| {
        let (left, right) = (left.type_name(), right.type_name());
        Fault::unsupported(place, format!("cannot tell the order of a {left} and a {right}"))
    })?;
    Ok(wanted(order))
}

/// Are the values equal?
pub(super) fn equal(budget: &mut Budget, place: Place, left: &Value, right: &Value) -> Result<bool, Fault> {
    Compared { budget, place }.equal(left, right, 0)
}

/// A comparison under way; each pair of values looked at is a step.
struct Compared<'a> {
    budget: &'a mut Budget,
    place: Place,
}

impl Compared<'_> {
    fn same(&mut self, left: &Value, right: &Value) -> Result<bool, Fault> {
        match (left, right) {
            (Value::List(a), Value::List(b)) => Ok(Rc::ptr_eq(a, b)),
            _ => Ok(left.type_name() == right.type_name() && self.equal(left, right, 0)?),
        }
    }

    fn deeper(&mut self, depth: usize) -> Result<(), Fault> {
        self.budget.step(self.place)?;
        if depth > MAX_COMPARED {
            return Err(Fault::limit(
                self.place,
                format!("values nested deeper than {MAX_COMPARED} are not compared"),
            ));
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
        match (left, right) {
            (Value::None, Value::None) => Ok(true),
            (Value::List(a), Value::List(b)) if Rc::ptr_eq(a, b) => Ok(true),
            (Value::List(a), Value::List(b)) => self.equal_all(&a.borrow(), &b.borrow(), depth),
            (Value::Tuple(a), Value::Tuple(b)) => self.equal_all(&a.items, &b.items, depth),
            (Value::Dict(a), Value::Dict(b)) => self.equal_pairs(&a.items, &b.items, depth),
            _ => Ok(matches!((left.as_text(), right.as_text()), (Some(a), Some(b)) if a == b)),
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

    fn equal_pairs(
        &mut self,
        a: &[(Value, Value)],
        b: &[(Value, Value)],
        depth: usize,
    ) -> Result<bool, Fault> {
        if a.len() != b.len() {
            return Ok(false);
        }
        for (key, value) in a {
            let mut found = false;
            for (other_key, other) in b {
                found = found
                    || (self.equal(key, other_key, depth + 1)? && self.equal(value, other, depth + 1)?);
            }
            if !found {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn order(&mut self, left: &Value, right: &Value, depth: usize) -> Result<Option<Ordering>, Fault> {
        self.deeper(depth)?;
        if let (Some(a), Some(b)) = (left.as_whole(), right.as_whole()) {
            return Ok(Some(a.cmp(&b)));
        }
        if let (Some(a), Some(b)) = (left.as_float(), right.as_float()) {
            return Ok(a.partial_cmp(&b));
        }
        if let (Some(a), Some(b)) = (left.as_text(), right.as_text()) {
            return Ok(Some(a.cmp(b)));
        }
        if left.type_name() != right.type_name() {
            return Ok(None);
        }
        let (Some(a), Some(b)) = (left.items(), right.items()) else { return Ok(None) };
        for (a, b) in a.iter().zip(&b) {
            match self.order(a, b, depth + 1)? {
                Some(Ordering::Equal) => {}
                other => return Ok(other),
            }
        }
        Ok(Some(a.len().cmp(&b.len())))
    }

    fn contains(&mut self, wanted: &Value, holder: &Value) -> Result<bool, Fault> {
        if let Some(text) = holder.as_text() {
            self.budget.charge(self.place, text.len() / 8)?;
            return wanted.as_text().map(|wanted| text.contains(wanted)).ok_or_else(|| {
                let found = wanted.type_name();
                Fault::raised(
                    self.place,
                    format!("'in <string>' requires string as left operand, not {found}"),
                )
            });
        }
        let items = match holder {
            Value::Dict(fixed) => fixed.items.iter().map(|(key, _)| key.clone()).collect(),
            other => other.items().ok_or_else(|| {
                Fault::raised(self.place, format!("argument of type '{}' is not iterable", other.type_name()))
            })?,
        };
        for item in &items {
            if self.equal(item, wanted, 0)? {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
