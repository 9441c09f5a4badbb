//! `string`: the methods of strings as functions, and sets of characters.

use super::super::builtins::{Builtin, function};
use super::super::eval::{Args, Interp, Outcome};
use super::super::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    function("upper", (1, 1), |interp, args| as_method(interp, "upper", args)),
    function("lower", (1, 1), |interp, args| as_method(interp, "lower", args)),
    function("capitalize", (1, 1), |interp, args| as_method(interp, "capitalize", args)),
    function("strip", (1, 2), |interp, args| as_method(interp, "strip", args)),
    function("lstrip", (1, 2), |interp, args| as_method(interp, "lstrip", args)),
    function("rstrip", (1, 2), |interp, args| as_method(interp, "rstrip", args)),
    function("split", (1, 3), |interp, args| as_method(interp, "split", args)),
    function("replace", (3, 4), |interp, args| as_method(interp, "replace", args)),
    function("find", (2, 4), |interp, args| as_method(interp, "find", args)),
    function("rfind", (2, 4), |interp, args| as_method(interp, "rfind", args)),
    function("index", (2, 4), |interp, args| as_method(interp, "index", args)),
    function("count", (2, 4), |interp, args| as_method(interp, "count", args)),
    function("ljust", (2, 3), |interp, args| as_method(interp, "ljust", args)),
    function("rjust", (2, 3), |interp, args| as_method(interp, "rjust", args)),
    function("center", (2, 3), |interp, args| as_method(interp, "center", args)),
    function("zfill", (2, 2), zfill),
    function("join", (1, 2), join),
    function("joinfields", (1, 2), join),
    function("atoi", (1, 2), |interp, args| made(interp, "int", args)),
    function("atol", (1, 2), |interp, args| made(interp, "long", args)),
    function("atof", (1, 1), |interp, args| made(interp, "float", args)),
    function("maketrans", (2, 2), maketrans),
];

pub(super) const CONSTANTS: &[&str] = &[
    "letters",
    "ascii_letters",
    "lowercase",
    "ascii_lowercase",
    "uppercase",
    "ascii_uppercase",
    "digits",
    "hexdigits",
    "octdigits",
    "punctuation",
    "whitespace",
];

pub(super) fn constant(name: &str) -> Option<Value> {
    let text = match name {
        "letters" | "ascii_letters" => "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "lowercase" | "ascii_lowercase" => "abcdefghijklmnopqrstuvwxyz",
        "uppercase" | "ascii_uppercase" => "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        "digits" => "0123456789",
        "hexdigits" => "0123456789abcdefABCDEF",
        "octdigits" => "01234567",
        "punctuation" => "!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~",
        "whitespace" => "\t\n\x0b\x0c\r ",
        _ => return None,
    };
    Some(Value::text(text))
}

fn as_method(interp: &mut Interp<'_>, name: &str, mut args: Args) -> Outcome {
    let receiver = args.values.remove(0);
    let method = interp.attribute(&receiver, name)?;
    interp.call(&method, args)
}

fn made(interp: &mut Interp<'_>, name: &str, args: Args) -> Outcome {
    let kind = interp.name(name)?;
    interp.call(&kind, args)
}

fn zfill(interp: &mut Interp<'_>, mut args: Args) -> Outcome {
    if args.at(0).as_bytes().is_none() {
        let text = super::super::value::to_text(&mut interp.room, args.at(0))?;
        args.values[0] = interp.room.text(text)?;
    }
    as_method(interp, "zfill", args)
}

fn join(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let between = args.get(1).cloned().unwrap_or_else(|| Value::text(" "));
    as_method(interp, "join", Args::of(vec![between, args.at(0).clone()]))
}

fn maketrans(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let (Some(from), Some(to)) = (args.at(0).as_bytes(), args.at(1).as_bytes()) else {
        return Err(interp.room.type_error("maketrans() needs two strings").into());
    };
    if from.len() != to.len() {
        return Err(interp.room.value_error("maketrans arguments must have same length").into());
    }
    let mut table: Vec<u8> = (0..=u8::MAX).collect();
    for (from, to) in from.iter().zip(to) {
        table[usize::from(*from)] = *to;
    }
    Ok(interp.room.text(table)?)
}
