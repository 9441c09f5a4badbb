//! Functions of numbers.

use super::super::ast::BinaryOp;
use super::super::eval::{Args, Interp, Outcome};
use super::super::ops;
use super::super::value::Value;
use super::{Builtin, function};

pub(super) const TABLE: &[Builtin] = &[
    function("abs", (1, 1), abs),
    function("round", (1, 2), round),
    function("divmod", (2, 2), divmod),
    function("pow", (2, 3), pow),
    function("hex", (1, 1), hex),
    function("oct", (1, 1), oct),
    function("bin", (1, 1), bin),
    function("hash", (1, 1), hash),
];

fn abs(interp: &mut Interp<'_>, args: Args) -> Outcome {
    match args.at(0) {
        Value::Float(n) => Ok(Value::Float(n.abs())),
        Value::Long(n) => Ok(Value::Long(n.checked_abs().ok_or_else(|| ops::too_big(&interp.room))?)),
        other => match other.as_whole() {
            Some(n) => Ok(Value::whole(n.abs())),
            None => {
                let what = format!("bad operand type for abs(): '{}'", other.type_name());
                Err(interp.room.type_error(what).into())
            }
        },
    }
}

/// Halves go away from zero, as in Python 2.
fn round(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let n = args.at(0).as_float().ok_or_else(|| interp.room.type_error("a float is required"))?;
    let digits = args.at(1).as_whole().unwrap_or(0).clamp(-400, 400);
    if !n.is_finite() || digits > 300 {
        return Ok(Value::Float(n));
    }
    let digits = i32::try_from(digits).unwrap_or(0);
    if digits <= 0 {
        let scale = 10f64.powi(-digits);
        return Ok(Value::Float(if scale.is_finite() { (n / scale).round() * scale } else { 0.0 }));
    }
    // The decimal nearest to the number is what Python rounds to; a half is decided by the number itself.
    let places = usize::try_from(digits).unwrap_or(0);
    let text = format!("{n:.places$}");
    Ok(Value::Float(text.parse().unwrap_or(n)))
}

fn divmod(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let quotient = ops::binary(&mut interp.room, BinaryOp::FloorDiv, args.at(0), args.at(1))?;
    let rest = ops::binary(&mut interp.room, BinaryOp::Mod, args.at(0), args.at(1))?;
    Ok(interp.room.tuple(vec![quotient, rest])?)
}

fn pow(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let Some(modulus) = args.get(2) else {
        return Ok(ops::binary(&mut interp.room, BinaryOp::Power, args.at(0), args.at(1))?);
    };
    let numbers = (args.at(0).as_whole(), args.at(1).as_whole(), modulus.as_whole());
    let (Some(base), Some(exponent), Some(modulus)) = numbers else {
        return Err(interp.room.type_error("pow() with three arguments needs whole numbers").into());
    };
    let small = |n: i128| u64::try_from(n).ok();
    let (Some(exponent), Some(modulus)) = (small(exponent), small(modulus).filter(|n| *n > 0)) else {
        return Err(interp.room.value_error("pow() needs an exponent and a modulus above 0").into());
    };
    let modulus = u128::from(modulus);
    let mut base = base.rem_euclid(i128::try_from(modulus).unwrap_or(1)).unsigned_abs();
    let (mut exponent, mut result) = (exponent, 1 % modulus);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * base % modulus;
        }
        base = base * base % modulus;
        exponent >>= 1;
    }
    Ok(Value::whole(i128::try_from(result).unwrap_or(0)))
}

fn based(interp: &mut Interp<'_>, args: &Args, name: &str) -> Outcome {
    let value = args.at(0);
    let Some(n) = value.as_whole() else {
        let what = format!("{name}() argument can't be converted to {name}");
        return Err(interp.room.type_error(what).into());
    };
    let sign = if n < 0 { "-" } else { "" };
    let n = n.unsigned_abs();
    let digits = match name {
        "hex" => format!("0x{n:x}"),
        "bin" => format!("0b{n:b}"),
        _ if n == 0 => "0".to_owned(),
        _ => format!("0{n:o}"),
    };
    let end = if matches!(value, Value::Long(_)) && name != "bin" { "L" } else { "" };
    Ok(Value::text(format!("{sign}{digits}{end}")))
}

fn hex(interp: &mut Interp<'_>, args: Args) -> Outcome {
    based(interp, &args, "hex")
}

fn oct(interp: &mut Interp<'_>, args: Args) -> Outcome {
    based(interp, &args, "oct")
}

fn bin(interp: &mut Interp<'_>, args: Args) -> Outcome {
    based(interp, &args, "bin")
}

fn hash(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let hash = super::super::value::hash_of(&mut interp.room, args.at(0))?;
    Ok(Value::Int(hash.cast_signed()))
}
