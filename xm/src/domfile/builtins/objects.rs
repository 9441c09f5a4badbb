//! Functions that ask what a value is and has.

use super::super::class::Class;
use super::super::eval::{Args, Interp, Outcome, Stop};
use super::super::ops;
use super::super::source::FaultKind;
use super::super::value::Value;
use super::{Builtin, Kind, function};

pub(super) const TABLE: &[Builtin] = &[
    function("isinstance", (2, 2), isinstance),
    function("issubclass", (2, 2), issubclass),
    function("callable", (1, 1), callable),
    function("hasattr", (2, 2), hasattr),
    function("getattr", (2, 3), getattr),
    function("cmp", (2, 2), cmp),
];

/// Is the type one of those?
fn is_one_of(interp: &Interp<'_>, kind: Kind, wanted: &Value) -> Outcome<bool> {
    match wanted {
        Value::Type(wanted) => Ok(kind.is(*wanted)),
        Value::Tuple(items) => {
            let is = |item: &Value| matches!(item, Value::Type(wanted) if kind.is(*wanted));
            Ok(items.borrow().iter().any(is))
        }
        _ => {
            let what = "isinstance() arg 2 must be a class, type, or tuple of classes and types";
            Err(interp.room.type_error(what).into())
        }
    }
}

fn isinstance(interp: &mut Interp<'_>, args: Args) -> Outcome {
    Ok(Value::Bool(is_one_of(interp, Kind::of(args.at(0)), args.at(1))?))
}

fn issubclass(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let Value::Type(kind) = args.at(0) else {
        return Err(interp.room.type_error("issubclass() arg 1 must be a class").into());
    };
    Ok(Value::Bool(is_one_of(interp, *kind, args.at(1))?))
}

fn callable(_: &mut Interp<'_>, args: Args) -> Outcome {
    let kind = Kind::of(args.at(0));
    Ok(Value::Bool(matches!(kind, Kind::Function | Kind::Type)))
}

fn attribute_name(interp: &Interp<'_>, value: &Value) -> Outcome<String> {
    let wrong = || interp.room.type_error("attribute name must be string").into();
    value.as_string().ok_or_else(wrong)
}

/// Is it the error of an attribute that is not there? What a module does not provide counts, too.
fn is_missing(stop: &Stop) -> bool {
    match stop {
        Stop::Fault(fault) => {
            matches!(fault.kind, FaultKind::Raised(Class::Attribute) | FaultKind::Unsupported)
        }
        Stop::Raised(..) => false,
    }
}

fn hasattr(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let name = attribute_name(interp, args.at(1))?;
    match interp.attribute(args.at(0), &name) {
        Ok(_) => Ok(Value::Bool(true)),
        Err(stop) if is_missing(&stop) => Ok(Value::Bool(false)),
        Err(stop) => Err(stop),
    }
}

fn getattr(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let name = attribute_name(interp, args.at(1))?;
    match interp.attribute(args.at(0), &name) {
        Err(stop) if is_missing(&stop) && args.values.len() > 2 => Ok(args.at(2).clone()),
        other => other,
    }
}

fn cmp(interp: &mut Interp<'_>, args: Args) -> Outcome {
    Ok(Value::Int(ops::order(&mut interp.room, args.at(0), args.at(1))? as i64))
}
