//! Methods of lists, tuples, dictionaries and sets.

use std::cell::RefCell;
use std::rc::Rc;

use super::super::ast::BinaryOp;
use super::super::builtins::{self, Builtin, method};
use super::super::eval::{Args, Interp, Outcome};
use super::super::ops;
use super::super::source::Fault;
use super::super::value::{Dict, Items, Value};

pub(super) const LIST: &[Builtin] = &[
    method("append", (1, 1), append),
    method("extend", (1, 1), extend),
    method("insert", (2, 2), insert),
    method("pop", (0, 1), pop),
    method("remove", (1, 1), remove),
    method("reverse", (0, 0), reverse),
    method("sort", (0, 3), sort).named(&["", "cmp", "key", "reverse"]),
    method("index", (1, 1), index),
    method("count", (1, 1), count),
    method("copy", (0, 0), copy),
];

pub(super) const TUPLE: &[Builtin] = &[method("index", (1, 1), index), method("count", (1, 1), count)];

pub(super) const ITERATOR: &[Builtin] = &[method("next", (0, 0), next)];

pub(super) const DICT: &[Builtin] = &[
    method("keys", (0, 0), keys),
    method("iterkeys", (0, 0), keys),
    method("values", (0, 0), values),
    method("itervalues", (0, 0), values),
    method("items", (0, 0), items),
    method("iteritems", (0, 0), items),
    method("get", (1, 2), get),
    method("has_key", (1, 1), has_key),
    method("setdefault", (1, 2), setdefault),
    method("update", (0, 1), update).named(builtins::ANY),
    method("pop", (1, 2), dict_pop),
    method("clear", (0, 0), clear),
    method("copy", (0, 0), dict_copy),
    method("fromkeys", (0, 1), fromkeys),
];

pub(super) const SET: &[Builtin] = &[
    method("add", (1, 1), add),
    method("discard", (1, 1), discard),
    method("remove", (1, 1), set_remove),
    method("union", (1, 1), |interp, args| combined(interp, &args, BinaryOp::BitOr)),
    method("intersection", (1, 1), |interp, args| combined(interp, &args, BinaryOp::BitAnd)),
    method("difference", (1, 1), |interp, args| combined(interp, &args, BinaryOp::Sub)),
    method("symmetric_difference", (1, 1), |interp, args| combined(interp, &args, BinaryOp::BitXor)),
    method("update", (1, 1), set_update),
    method("clear", (0, 0), clear),
    method("copy", (0, 0), dict_copy),
];

/// The list that a method belongs to.
fn list<'a>(interp: &Interp<'_>, args: &'a Args) -> Result<&'a Items, Fault> {
    match args.at(0) {
        Value::List(items) | Value::Tuple(items) => Ok(items),
        _ => Err(interp.room.type_error("this method belongs to lists")),
    }
}

/// The entries that a method belongs to.
fn pairs<'a>(interp: &Interp<'_>, args: &'a Args) -> Result<&'a Rc<RefCell<Dict>>, Fault> {
    match args.at(0) {
        Value::Dict(pairs) | Value::Set(pairs) => Ok(pairs),
        _ => Err(interp.room.type_error("this method belongs to dictionaries and sets")),
    }
}

fn append(interp: &mut Interp<'_>, args: Args) -> Outcome {
    interp.room.charge_items(1)?;
    list(interp, &args)?.borrow_mut().push(args.at(1).clone());
    Ok(Value::None)
}

fn extend(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let more = interp.collect(args.at(1))?;
    list(interp, &args)?.borrow_mut().extend(more);
    Ok(Value::None)
}

fn insert(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let items = list(interp, &args)?;
    let len = i128::try_from(items.borrow().len()).unwrap_or(0);
    let n = args.at(1).as_whole().ok_or_else(|| interp.room.type_error("an integer is required"))?;
    let at = (if n < 0 { n.saturating_add(len) } else { n }).clamp(0, len);
    interp.room.charge_items(1)?;
    interp.room.work(items.borrow().len().saturating_mul(32))?;
    items.borrow_mut().insert(usize::try_from(at).unwrap_or(0), args.at(2).clone());
    Ok(Value::None)
}

fn pop(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let items = list(interp, &args)?;
    if items.borrow().is_empty() {
        return Err(interp.room.raise(super::Class::Index, "pop from empty list").into());
    }
    let at = match args.get(1) {
        Some(key) => interp
            .list_position(items, key)
            .map_err(|fault| Fault { what: fault.what.replace("list index", "pop index"), ..fault })?,
        None => items.borrow().len() - 1,
    };
    interp.room.work((items.borrow().len() - at).saturating_mul(32))?;
    Ok(items.borrow_mut().remove(at))
}

/// Where an item of the list is.
fn position(interp: &mut Interp<'_>, args: &Args) -> Outcome<Option<usize>> {
    let items = list(interp, args)?;
    for (at, item) in items.borrow().iter().enumerate() {
        if ops::equal(&mut interp.room, item, args.at(1))? {
            return Ok(Some(at));
        }
    }
    Ok(None)
}

fn remove(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let Some(at) = position(interp, &args)? else {
        return Err(interp.room.value_error("list.remove(x): x not in list").into());
    };
    drop(list(interp, &args)?.borrow_mut().remove(at));
    Ok(Value::None)
}

fn index(interp: &mut Interp<'_>, args: Args) -> Outcome {
    if let Some(at) = position(interp, &args)? {
        return Ok(Value::count(at));
    }
    let shown = super::super::value::to_repr(&mut interp.room, args.at(1))?;
    let what = format!("{:.200} is not in list", super::super::source::text_of(&shown));
    Err(interp.room.value_error(what).into())
}

fn count(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let items = list(interp, &args)?;
    let mut count = 0;
    for item in items.borrow().iter() {
        count += i64::from(ops::equal(&mut interp.room, item, args.at(1))?);
    }
    Ok(Value::Int(count))
}

fn reverse(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let items = list(interp, &args)?;
    interp.room.work(items.borrow().len().saturating_mul(32))?;
    items.borrow_mut().reverse();
    Ok(Value::None)
}

fn sort(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let copy = interp.collect(args.at(0))?;
    let sorted = builtins::sort(interp, copy, &args)?;
    *list(interp, &args)?.borrow_mut() = sorted;
    Ok(Value::None)
}

fn copy(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let copy = interp.collect(args.at(0))?;
    Ok(interp.room.list(copy)?)
}

fn next(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let value = interp.cursor(args.at(0))?.next();
    value.ok_or_else(|| interp.room.raise(super::Class::StopIteration, "").into())
}

fn keys(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let keys = pairs(interp, &args)?.borrow().keys();
    Ok(interp.room.list(keys)?)
}

fn values(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let values = pairs(interp, &args)?.borrow().iter().map(|(_, value)| value.clone()).collect();
    Ok(interp.room.list(values)?)
}

fn items(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let mut out = Vec::new();
    for (key, value) in args.at(0).entries().unwrap_or_default() {
        out.push(interp.room.tuple(vec![key, value])?);
    }
    Ok(interp.room.list(out)?)
}

fn get(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let found = pairs(interp, &args)?.borrow().get(&mut interp.room, args.at(1))?;
    Ok(found.unwrap_or_else(|| args.at(2).clone()))
}

fn has_key(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let found = pairs(interp, &args)?.borrow().get(&mut interp.room, args.at(1))?;
    Ok(Value::Bool(found.is_some()))
}

fn setdefault(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let pairs = pairs(interp, &args)?;
    if let Some(found) = pairs.borrow().get(&mut interp.room, args.at(1))? {
        return Ok(found);
    }
    pairs.borrow_mut().set(&mut interp.room, args.at(1).clone(), args.at(2).clone())?;
    Ok(args.at(2).clone())
}

fn update(interp: &mut Interp<'_>, mut args: Args) -> Outcome {
    let receiver = args.values.remove(0);
    let more = builtins::construct(interp, builtins::Kind::Dict, args)?;
    let args = Args::of(vec![receiver]);
    let pairs = pairs(interp, &args)?;
    for (key, value) in more.entries().unwrap_or_default() {
        pairs.borrow_mut().set(&mut interp.room, key, value)?;
    }
    Ok(Value::None)
}

fn dict_pop(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let removed = pairs(interp, &args)?.borrow_mut().remove(&mut interp.room, args.at(1))?;
    match removed {
        Some((_, value)) => Ok(value),
        None if args.values.len() > 2 => Ok(args.at(2).clone()),
        None => Err(interp.key_error(args.at(1).clone())),
    }
}

fn clear(interp: &mut Interp<'_>, args: Args) -> Outcome {
    pairs(interp, &args)?.borrow_mut().clear();
    Ok(Value::None)
}

fn dict_copy(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let copy = pairs(interp, &args)?.borrow().clone();
    for _ in 0..copy.len() {
        interp.room.charge_entry()?;
    }
    Ok(match args.at(0) {
        Value::Set(_) => interp.room.set(copy)?,
        _ => interp.room.dict(copy)?,
    })
}

/// `dict.fromkeys(keys, value)`, which is called on the type.
fn fromkeys(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let mut dict = Dict::default();
    for key in interp.collect(args.at(0))? {
        dict.set(&mut interp.room, key, args.at(1).clone())?;
    }
    Ok(interp.room.dict(dict)?)
}

fn add(interp: &mut Interp<'_>, args: Args) -> Outcome {
    pairs(interp, &args)?.borrow_mut().set(&mut interp.room, args.at(1).clone(), Value::None)?;
    Ok(Value::None)
}

fn discard(interp: &mut Interp<'_>, args: Args) -> Outcome {
    drop(pairs(interp, &args)?.borrow_mut().remove(&mut interp.room, args.at(1))?);
    Ok(Value::None)
}

fn set_remove(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let removed = pairs(interp, &args)?.borrow_mut().remove(&mut interp.room, args.at(1))?;
    removed.map(|_| Value::None).ok_or_else(|| interp.key_error(args.at(1).clone()))
}

fn combined(interp: &mut Interp<'_>, args: &Args, op: BinaryOp) -> Outcome {
    let other = builtins::construct(interp, builtins::Kind::Set, Args::of(vec![args.at(1).clone()]))?;
    Ok(ops::binary(&mut interp.room, op, args.at(0), &other)?)
}

fn set_update(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let more = interp.collect(args.at(1))?;
    let pairs = pairs(interp, &args)?;
    for item in more {
        pairs.borrow_mut().set(&mut interp.room, item, Value::None)?;
    }
    Ok(Value::None)
}
