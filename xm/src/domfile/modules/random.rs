//! `random`: numbers that the host chooses. MAC addresses are made of them.

use super::super::builtins::{Builtin, function};
use super::super::eval::{Args, Interp, Outcome};
use super::super::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    function("random", (0, 0), |interp, _| Ok(Value::Float(unit(interp)))),
    function("uniform", (2, 2), uniform),
    function("randint", (2, 2), |interp, args| between(interp, args.at(0), args.at(1), 1)),
    function("randrange", (1, 2), |interp, args| match args.values.as_slice() {
        [to] => between(interp, &Value::Int(0), to, 0),
        _ => between(interp, args.at(0), args.at(1), 0),
    }),
    function("choice", (1, 1), choice),
    function("shuffle", (1, 1), shuffle),
    function("sample", (2, 2), sample),
    function("seed", (0, 1), |_, _| Ok(Value::None)),
];

fn unit(interp: &mut Interp<'_>) -> f64 {
    (interp.world.random() >> 11) as f64 / (1u64 << 53) as f64
}

/// A number below that one.
fn below(interp: &mut Interp<'_>, bound: usize) -> usize {
    let random = u128::from(interp.world.random());
    let bound = u128::try_from(bound).unwrap_or(u128::MAX);
    usize::try_from((random * bound) >> 64).unwrap_or(0)
}

fn uniform(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let (Some(from), Some(to)) = (args.at(0).as_float(), args.at(1).as_float()) else {
        return Err(interp.room.type_error("a float is required").into());
    };
    Ok(Value::Float(from + (to - from) * unit(interp)))
}

/// A number from one to another; `more` is 1 if the other one counts too.
fn between(interp: &mut Interp<'_>, from: &Value, to: &Value, more: i128) -> Outcome {
    let (Some(from), Some(to)) = (from.as_whole(), to.as_whole()) else {
        return Err(interp.room.type_error("an integer is required").into());
    };
    let count = to.saturating_sub(from).saturating_add(more);
    let Some(count) = usize::try_from(count).ok().filter(|count| *count > 0) else {
        return Err(interp.room.value_error("empty range for randrange()").into());
    };
    let offset = i128::try_from(below(interp, count)).unwrap_or(0);
    Ok(Value::whole(from + offset))
}

fn choice(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let items = interp.collect(args.at(0))?;
    if items.is_empty() {
        return Err(interp.room.raise(super::Class::Index, "list index out of range").into());
    }
    let at = below(interp, items.len());
    Ok(items[at].clone())
}

fn shuffled(interp: &mut Interp<'_>, mut items: Vec<Value>) -> Vec<Value> {
    for at in (1..items.len()).rev() {
        let other = below(interp, at + 1);
        items.swap(at, other);
    }
    items
}

fn shuffle(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let Value::List(list) = args.at(0) else {
        return Err(interp.room.type_error("only a list can be shuffled").into());
    };
    let copy = interp.collect(args.at(0))?;
    *list.borrow_mut() = shuffled(interp, copy);
    Ok(Value::None)
}

fn sample(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let items = interp.collect(args.at(0))?;
    let count = args.at(1).as_whole().and_then(|n| usize::try_from(n).ok());
    let Some(count) = count.filter(|count| *count <= items.len()) else {
        return Err(interp.room.value_error("sample larger than population").into());
    };
    let mut items = shuffled(interp, items);
    items.truncate(count);
    Ok(interp.room.list(items)?)
}
