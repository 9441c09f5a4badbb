//! Functions of lists and of whatever can be walked through.

use std::cmp::Ordering;

use super::super::ast::BinaryOp;
use super::super::class::Class;
use super::super::eval::{Args, Interp, Outcome};
use super::super::ops;
use super::super::source::Fault;
use super::super::value::Value;
use super::construct::range_of;
use super::{ANY, Builtin, function};

pub(super) const TABLE: &[Builtin] = &[
    function("len", (1, 1), len),
    function("range", (1, 3), range),
    function("sum", (1, 2), sum),
    function("min", (1, usize::MAX), min).named(ANY),
    function("max", (1, usize::MAX), max).named(ANY),
    function("any", (1, 1), any),
    function("all", (1, 1), all),
    function("sorted", (1, 4), sorted).named(&["iterable", "cmp", "key", "reverse"]),
    function("reversed", (1, 1), reversed),
    function("enumerate", (1, 2), enumerate).named(&["sequence", "start"]),
    function("zip", (0, usize::MAX), zip),
    function("map", (2, usize::MAX), map),
    function("filter", (2, 2), filter),
    function("reduce", (2, 3), reduce),
    function("iter", (1, 1), iter),
    function("next", (1, 2), next),
    function("slice", (1, 3), no_slice),
];

fn no_slice(interp: &mut Interp<'_>, _: Args) -> Outcome {
    Err(interp.room.unsupported("slice() is not provided; write x[1:2]").into())
}

fn len(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let len = match args.at(0) {
        Value::Text(text) => text.len(),
        Value::Unicode(text) => {
            interp.room.work(text.len())?;
            text.chars().count()
        }
        Value::List(items) | Value::Tuple(items) => items.borrow().len(),
        Value::Dict(pairs) | Value::Set(pairs) => pairs.borrow().len(),
        Value::Range(range) => range.len,
        other => {
            let what = format!("object of type '{}' has no len()", other.type_name());
            return Err(interp.room.type_error(what).into());
        }
    };
    Ok(Value::count(len))
}

fn range(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let range = range_of(interp, &args)?;
    interp.room.charge_items(range.len)?;
    Ok(interp.room.list((0..range.len).map(|at| range.at(at)).collect())?)
}

fn sum(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let mut total = args.get(1).cloned().unwrap_or(Value::Int(0));
    if total.as_bytes().is_some() {
        return Err(interp.room.type_error("sum() can't sum strings [use ''.join(seq) instead]").into());
    }
    for item in interp.collect(args.at(0))? {
        interp.room.step()?;
        total = ops::binary(&mut interp.room, BinaryOp::Add, &total, &item)?;
    }
    Ok(total)
}

fn min(interp: &mut Interp<'_>, args: Args) -> Outcome {
    extreme(interp, args, "min", Ordering::Less)
}

fn max(interp: &mut Interp<'_>, args: Args) -> Outcome {
    extreme(interp, args, "max", Ordering::Greater)
}

fn extreme(interp: &mut Interp<'_>, args: Args, name: &str, wanted: Ordering) -> Outcome {
    let key = match args.named.as_slice() {
        [] => None,
        [(known, key)] if &**known == "key" => Some(key.clone()),
        _ => return Err(interp.room.type_error(format!("{name}() knows only the keyword key")).into()),
    };
    let items = match args.values.as_slice() {
        [only] => interp.collect(only)?,
        several => several.to_vec(),
    };
    let mut best: Option<(Value, Value)> = None;
    for item in items {
        let by = match &key {
            Some(key) => interp.call(key, Args::of(vec![item.clone()]))?,
            None => item.clone(),
        };
        let better = match &best {
            Some((known, _)) => ops::order(&mut interp.room, &by, known)? == wanted,
            None => true,
        };
        if better {
            best = Some((by, item));
        }
    }
    let empty = || interp.room.value_error(format!("{name}() arg is an empty sequence")).into();
    best.map(|(_, item)| item).ok_or_else(empty)
}

fn any(interp: &mut Interp<'_>, args: Args) -> Outcome {
    Ok(Value::Bool(interp.collect(args.at(0))?.iter().any(Value::truth)))
}

fn all(interp: &mut Interp<'_>, args: Args) -> Outcome {
    Ok(Value::Bool(interp.collect(args.at(0))?.iter().all(Value::truth)))
}

fn sorted(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let items = interp.collect(args.at(0))?;
    let items = sort(interp, items, &args)?;
    Ok(interp.room.list(items)?)
}

/// Sorts by `cmp`, `key` and `reverse`, which are the second to the fourth argument.
pub(in super::super) fn sort(
    interp: &mut Interp<'_>,
    mut items: Vec<Value>,
    args: &Args,
) -> Outcome<Vec<Value>> {
    let mut keyed = Vec::with_capacity(items.len());
    let reverse = args.get(3).is_some_and(Value::truth);
    if reverse {
        items.reverse();
    }
    for item in items {
        let key = match args.get(2) {
            Some(key) => interp.call(key, Args::of(vec![item.clone()]))?,
            None => item.clone(),
        };
        keyed.push((key, item));
    }
    let mut keyed = merge_sort(interp, keyed, args.get(1))?;
    if reverse {
        keyed.reverse();
    }
    Ok(keyed.into_iter().map(|(_, item)| item).collect())
}

/// Stable, and content with a comparison that may fail.
fn merge_sort(
    interp: &mut Interp<'_>,
    keyed: Vec<(Value, Value)>,
    cmp: Option<&Value>,
) -> Outcome<Vec<(Value, Value)>> {
    let mut runs: Vec<Vec<(Value, Value)>> = keyed.into_iter().map(|one| vec![one]).collect();
    while runs.len() > 1 {
        let mut merged = Vec::with_capacity(runs.len() / 2 + 1);
        let mut pairs = runs.into_iter();
        while let Some(first) = pairs.next() {
            match pairs.next() {
                Some(second) => merged.push(merge(interp, first, second, cmp)?),
                None => merged.push(first),
            }
        }
        runs = merged;
    }
    Ok(runs.pop().unwrap_or_default())
}

fn merge(
    interp: &mut Interp<'_>,
    first: Vec<(Value, Value)>,
    second: Vec<(Value, Value)>,
    cmp: Option<&Value>,
) -> Outcome<Vec<(Value, Value)>> {
    let mut out = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter().peekable(), second.into_iter().peekable());
    while let (Some(a), Some(b)) = (first.peek(), second.peek()) {
        let second_is_less = match cmp {
            None => ops::order(&mut interp.room, &b.0, &a.0)? == Ordering::Less,
            Some(cmp) => {
                let order = interp.call(cmp, Args::of(vec![b.0.clone(), a.0.clone()]))?;
                order.as_whole().is_some_and(|order| order < 0)
            }
        };
        out.extend(if second_is_less { second.next() } else { first.next() });
    }
    out.extend(first);
    out.extend(second);
    Ok(out)
}

fn reversed(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let mut items = interp.collect(args.at(0))?;
    items.reverse();
    Ok(interp.room.iterator(items)?)
}

fn enumerate(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let start = args.get(1).and_then(Value::as_whole).unwrap_or(0);
    let mut pairs = Vec::new();
    for (at, item) in interp.collect(args.at(0))?.into_iter().enumerate() {
        let n = start.saturating_add(i128::try_from(at).unwrap_or(0));
        pairs.push(interp.room.tuple(vec![Value::whole(n), item])?);
    }
    Ok(interp.room.iterator(pairs)?)
}

fn zip(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let columns: Vec<Vec<Value>> =
        args.values.iter().map(|value| interp.collect(value)).collect::<Outcome<_>>()?;
    let rows = columns.iter().map(Vec::len).min().unwrap_or(0);
    let mut out = Vec::with_capacity(rows);
    for at in 0..rows {
        let row = columns.iter().map(|column| column[at].clone()).collect();
        out.push(interp.room.tuple(row)?);
    }
    Ok(interp.room.list(out)?)
}

fn map(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let columns: Vec<Vec<Value>> =
        args.values[1..].iter().map(|value| interp.collect(value)).collect::<Outcome<_>>()?;
    let rows = columns.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = Vec::with_capacity(rows);
    for at in 0..rows {
        let row: Vec<Value> =
            columns.iter().map(|column| column.get(at).cloned().unwrap_or(Value::None)).collect();
        out.push(match args.get(0) {
            Some(function) => interp.call(function, Args::of(row))?,
            None if row.len() == 1 => row[0].clone(),
            None => interp.room.tuple(row)?,
        });
    }
    Ok(interp.room.list(out)?)
}

fn filter(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let mut out = Vec::new();
    for item in interp.collect(args.at(1))? {
        let keep = match args.get(0) {
            Some(function) => interp.call(function, Args::of(vec![item.clone()]))?.truth(),
            None => item.truth(),
        };
        if keep {
            out.push(item);
        }
    }
    match args.at(1) {
        Value::Tuple(_) => Ok(interp.room.tuple(out)?),
        like @ (Value::Text(_) | Value::Unicode(_)) => {
            let bytes: Vec<u8> = out.iter().filter_map(Value::as_bytes).flatten().copied().collect();
            Ok(interp.room.text_like(like, bytes)?)
        }
        _ => Ok(interp.room.list(out)?),
    }
}

fn reduce(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let mut items = interp.collect(args.at(1))?.into_iter();
    let first = if args.values.len() > 2 { Some(args.at(2).clone()) } else { items.next() };
    let empty = || interp.room.type_error("reduce() of empty sequence with no initial value");
    let mut total = first.ok_or_else(empty)?;
    for item in items {
        total = interp.call(args.at(0), Args::of(vec![total, item]))?;
    }
    Ok(total)
}

fn iter(interp: &mut Interp<'_>, args: Args) -> Outcome {
    if let Value::Iter(_) = args.at(0) {
        return Ok(args.at(0).clone());
    }
    let items = interp.collect(args.at(0))?;
    Ok(interp.room.iterator(items)?)
}

fn next(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let Value::Iter(_) = args.at(0) else {
        let what = format!("{} object is not an iterator", args.at(0).type_name());
        return Err(interp.room.type_error(what).into());
    };
    let value = interp.cursor(args.at(0))?.next();
    let ended = || -> Fault { interp.room.raise(Class::StopIteration, "") };
    match value {
        Some(value) => Ok(value),
        None if args.values.len() > 1 => Ok(args.at(1).clone()),
        None => Err(ended().into()),
    }
}
