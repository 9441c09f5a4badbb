//! `math`.

use super::super::builtins::{Builtin, function};
use super::super::eval::{Args, Interp, Outcome};
use super::super::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    function("floor", (1, 1), |interp, args| of(interp, &args, f64::floor)),
    function("ceil", (1, 1), |interp, args| of(interp, &args, f64::ceil)),
    function("trunc", (1, 1), |interp, args| of(interp, &args, f64::trunc)),
    function("fabs", (1, 1), |interp, args| of(interp, &args, f64::abs)),
    function("sqrt", (1, 1), |interp, args| of(interp, &args, f64::sqrt)),
    function("exp", (1, 1), |interp, args| of(interp, &args, f64::exp)),
    function("log10", (1, 1), |interp, args| of(interp, &args, f64::log10)),
    function("log", (1, 2), log),
    function("pow", (2, 2), pow),
];

fn number(interp: &Interp<'_>, args: &Args, at: usize) -> Outcome<f64> {
    args.at(at).as_float().ok_or_else(|| interp.room.type_error("a float is required").into())
}

/// A result that is a number; what has none is an error.
fn checked(interp: &Interp<'_>, n: f64) -> Outcome {
    if n.is_finite() { Ok(Value::Float(n)) } else { Err(interp.room.value_error("math domain error").into()) }
}

fn of(interp: &mut Interp<'_>, args: &Args, function: fn(f64) -> f64) -> Outcome {
    let n = number(interp, args, 0)?;
    checked(interp, function(n))
}

fn log(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let n = number(interp, &args, 0)?;
    let n = if args.values.len() > 1 { n.log(number(interp, &args, 1)?) } else { n.ln() };
    checked(interp, n)
}

fn pow(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let (base, exponent) = (number(interp, &args, 0)?, number(interp, &args, 1)?);
    checked(interp, base.powf(exponent))
}
