//! Types called as functions: `int('5')`, `str(x)`, `list(x)`, `ValueError('text')`.

use std::rc::Rc;

use super::super::eval::{Args, Interp, Outcome};
use super::super::ops::too_big;
use super::super::source::{Fault, text_of};
use super::super::value::{Dict, Raised, Range, Value, repr_bytes, to_text};
use super::Kind;

/// A value of the type.
pub(in super::super) fn construct(interp: &mut Interp<'_>, kind: Kind, args: Args) -> Outcome {
    let most = match kind {
        Kind::Error(_) | Kind::Dict => usize::MAX,
        Kind::Int | Kind::Long => 2,
        Kind::Text | Kind::Unicode | Kind::Range => 3,
        _ => 1,
    };
    let named = !args.named.is_empty() && kind != Kind::Dict;
    if args.values.len() > most || named {
        let given = args.values.len() + args.named.len();
        let what = format!("{}() takes at most {most} arguments ({given} given)", kind.name());
        return Err(interp.room.type_error(what).into());
    }
    let first = args.values.first().cloned();
    match kind {
        Kind::Bool => Ok(Value::Bool(first.is_some_and(|value| value.truth()))),
        Kind::Int | Kind::Long => {
            let n = whole(interp, &args)?;
            Ok(if kind == Kind::Long { Value::Long(n) } else { Value::whole(n) })
        }
        Kind::Float => Ok(Value::Float(first.map_or(Ok(0.0), |value| float(interp, &value))?)),
        Kind::Text => {
            let text = first.map_or(Ok(Vec::new()), |value| to_text(&mut interp.room, &value))?;
            Ok(interp.room.text(text)?)
        }
        Kind::Unicode => {
            let text = first.map_or(Ok(Vec::new()), |value| to_text(&mut interp.room, &value))?;
            Ok(interp.room.text_like(&Value::Unicode("".into()), text)?)
        }
        Kind::List | Kind::Tuple => {
            if let (Kind::Tuple, Some(Value::Tuple(_))) = (kind, &first) {
                return Ok(args.at(0).clone());
            }
            let items = first.map_or(Ok(Vec::new()), |value| interp.collect(&value))?;
            Ok(if kind == Kind::List { interp.room.list(items)? } else { interp.room.tuple(items)? })
        }
        Kind::Set => {
            let items = first.map_or(Ok(Vec::new()), |value| interp.collect(&value))?;
            let mut set = Dict::default();
            for item in items {
                set.set(&mut interp.room, item, Value::None)?;
            }
            Ok(interp.room.set(set)?)
        }
        Kind::Dict => dict(interp, args),
        Kind::Range => range(interp, &args),
        Kind::Error(class) => {
            let args = interp.room.tuple(args.values)?;
            Ok(Value::Error(Rc::new(Raised { class, args })))
        }
        Kind::Type => Ok(Value::Type(first.map_or(Kind::Type, |value| Kind::of(&value)))),
        other => {
            let what = format!("objects of type {} cannot be made in a domain file", other.name());
            Err(interp.room.unsupported(what).into())
        }
    }
}

/// `int(value, base)`.
fn whole(interp: &Interp<'_>, args: &Args) -> Result<i128, Fault> {
    let room = &interp.room;
    let Some(value) = args.values.first() else { return Ok(0) };
    if let Some(text) = value.as_bytes() {
        let base = match args.get(1) {
            None => 10,
            Some(base) => base
                .as_whole()
                .and_then(|base| u32::try_from(base).ok())
                .filter(|base| *base == 0 || (2..=36).contains(base))
                .ok_or_else(|| room.value_error("int() base must be >= 2 and <= 36"))?,
        };
        let what = || {
            let shown = repr_bytes(&text[..text.len().min(80)]);
            room.value_error(format!("invalid literal for int() with base {base}: {shown}"))
        };
        return parse(&text_of(text), base).map_err(|long| if long { too_big(room) } else { what() });
    }
    if args.values.len() > 1 {
        return Err(room.type_error("int() can't convert non-string with explicit base"));
    }
    match value {
        Value::Float(n) if n.is_nan() => Err(room.value_error("cannot convert float NaN to integer")),
        Value::Float(n) if n.is_infinite() => {
            Err(room.raise(super::Class::Overflow, "cannot convert float infinity to integer"))
        }
        Value::Float(n) if n.abs() > 1e38 => Err(too_big(room)),
        Value::Float(n) => Ok(*n as i128),
        other => other.as_whole().ok_or_else(|| {
            let found = other.type_name();
            room.type_error(format!("int() argument must be a string or a number, not '{found}'"))
        }),
    }
}

/// Digits with a sign and a prefix; `Err(true)` if there are too many.
fn parse(text: &str, base: u32) -> Result<i128, bool> {
    let text = text.trim().to_ascii_lowercase();
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text.strip_prefix('+').unwrap_or(&text)),
    };
    let (base, digits) = match (base, digits.get(..2)) {
        (0 | 16, Some("0x")) => (16, &digits[2..]),
        (0 | 8, Some("0o")) => (8, &digits[2..]),
        (0 | 2, Some("0b")) => (2, &digits[2..]),
        (0, _) if digits.starts_with('0') && digits.len() > 1 => (8, &digits[1..]),
        (0, _) => (10, digits),
        (base, _) => (base, digits),
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(base)) {
        return Err(false);
    }
    i128::from_str_radix(&format!("{sign}{digits}"), base).map_err(|_| true)
}

fn float(interp: &Interp<'_>, value: &Value) -> Result<f64, Fault> {
    if let Some(n) = value.as_float() {
        return Ok(n);
    }
    let Some(text) = value.as_bytes() else {
        return Err(interp.room.type_error("float() argument must be a string or a number"));
    };
    let shown = text_of(&text[..text.len().min(400)]);
    let shown = shown.trim();
    let bad = || interp.room.value_error(format!("could not convert string to float: {shown:.80}"));
    if shown.contains('_') { Err(bad()) } else { shown.parse().map_err(|_| bad()) }
}

fn dict(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let mut dict = Dict::default();
    match args.values.first() {
        None => {}
        Some(Value::Dict(pairs)) => {
            let copy: Vec<_> =
                pairs.borrow().iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            for (key, value) in copy {
                dict.set(&mut interp.room, key, value)?;
            }
        }
        Some(other) => {
            for (at, pair) in interp.collect(other)?.iter().enumerate() {
                let parts = interp.collect(pair)?;
                let [key, value] = parts.as_slice() else {
                    let what = format!(
                        "dictionary update sequence element #{at} has length {}; 2 is required",
                        parts.len()
                    );
                    return Err(interp.room.value_error(what).into());
                };
                dict.set(&mut interp.room, key.clone(), value.clone())?;
            }
        }
    }
    for (name, value) in args.named {
        let key = interp.room.text(name.as_bytes())?;
        dict.set(&mut interp.room, key, value)?;
    }
    Ok(interp.room.dict(dict)?)
}

/// `xrange(…)`.
fn range(interp: &Interp<'_>, args: &Args) -> Outcome {
    Ok(Value::Range(Rc::new(range_of(interp, args)?)))
}

/// The numbers that `range(…)` means.
pub(super) fn range_of(interp: &Interp<'_>, args: &Args) -> Result<Range, Fault> {
    let room = &interp.room;
    let number = |at: usize| -> Result<i64, Fault> {
        let value = args.at(at);
        let n = value.as_whole().ok_or_else(|| {
            room.type_error(format!("range() integer argument expected, got {}.", value.type_name()))
        })?;
        i64::try_from(n).map_err(|_| too_big(room))
    };
    let (start, stop) = match args.values.len() {
        0 => return Err(room.type_error("range expected at least 1 arguments, got 0")),
        1 => (0, number(0)?),
        _ => (number(0)?, number(1)?),
    };
    let step = if args.values.len() > 2 { number(2)? } else { 1 };
    if step == 0 {
        return Err(room.value_error("range() arg 3 must not be zero"));
    }
    let (start_wide, stop, step_wide) = (i128::from(start), i128::from(stop), i128::from(step));
    let span = if step > 0 { stop - start_wide } else { start_wide - stop };
    let len = if span <= 0 { 0 } else { (span - 1) / step_wide.abs() + 1 };
    let len = usize::try_from(len).map_err(|_| too_big(room))?;
    Ok(Range { start, step, len })
}
