//! Methods of strings that look for something, cut, or ask what characters there are.

use super::super::builtins::{Builtin, method};
use super::super::bytes;
use super::super::eval::{Args, Interp, Outcome};
use super::super::source::Fault;
use super::super::value::Value;
use super::text::{own, text, whole};

pub(super) const TABLE: &[Builtin] = &[
    method("find", (1, 3), |interp, args| find(interp, &args, From::Left)),
    method("rfind", (1, 3), |interp, args| find(interp, &args, From::Right)),
    method("index", (1, 3), |interp, args| index(interp, &args, From::Left)),
    method("rindex", (1, 3), |interp, args| index(interp, &args, From::Right)),
    method("count", (1, 3), count),
    method("startswith", (1, 3), |interp, args| begins(interp, &args, From::Left)),
    method("endswith", (1, 3), |interp, args| begins(interp, &args, From::Right)),
    method("split", (0, 2), split),
    method("rsplit", (0, 2), rsplit),
    method("splitlines", (0, 1), splitlines),
    method("partition", (1, 1), |interp, args| partition(interp, &args, From::Left)),
    method("rpartition", (1, 1), |interp, args| partition(interp, &args, From::Right)),
    method("isdigit", (0, 0), |interp, args| ask(interp, &args, |byte| byte.is_ascii_digit())),
    method("isalpha", (0, 0), |interp, args| ask(interp, &args, |byte| byte.is_ascii_alphabetic())),
    method("isalnum", (0, 0), |interp, args| ask(interp, &args, |byte| byte.is_ascii_alphanumeric())),
    method("isspace", (0, 0), |interp, args| ask(interp, &args, bytes::is_blank)),
    method("isupper", (0, 0), |interp, args| cased(interp, &args, |byte| byte.is_ascii_lowercase())),
    method("islower", (0, 0), |interp, args| cased(interp, &args, |byte| byte.is_ascii_uppercase())),
];

/// From which end is looked.
#[derive(Clone, Copy, PartialEq)]
enum From {
    Left,
    Right,
}

/// The part of the string that the second and third argument leave, and where it begins.
fn window<'a>(interp: &Interp<'_>, args: &'a Args) -> Result<(&'a [u8], usize), Fault> {
    let own = own(interp, args)?;
    let len = i128::try_from(own.len()).unwrap_or(i128::MAX);
    let bound = |at: usize, default: i128| -> Result<usize, Fault> {
        let n = if args.get(at).is_some() { whole(interp, args, at)? } else { default };
        let n = if n < 0 { n.saturating_add(len) } else { n };
        Ok(usize::try_from(n.clamp(0, len)).unwrap_or(0))
    };
    let from = bound(2, 0)?;
    let to = bound(3, len)?.max(from);
    Ok((&own[from..to], from))
}

fn place(interp: &mut Interp<'_>, args: &Args, from: From) -> Outcome<Option<usize>> {
    let (window, start) = window(interp, args)?;
    let part = text(interp, args, 1)?;
    let found = match from {
        From::Left => bytes::find(&mut interp.room, window, part)?,
        From::Right => bytes::find_last(&mut interp.room, window, part)?,
    };
    Ok(found.map(|at| at + start))
}

fn find(interp: &mut Interp<'_>, args: &Args, from: From) -> Outcome {
    Ok(place(interp, args, from)?.map_or(Value::Int(-1), Value::count))
}

fn index(interp: &mut Interp<'_>, args: &Args, from: From) -> Outcome {
    let found = place(interp, args, from)?;
    found.map(Value::count).ok_or_else(|| interp.room.value_error("substring not found").into())
}

fn count(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let (window, _) = window(interp, &args)?;
    let part = text(interp, &args, 1)?;
    Ok(Value::count(bytes::all(&mut interp.room, window, part, usize::MAX)?.len()))
}

fn begins(interp: &mut Interp<'_>, args: &Args, from: From) -> Outcome {
    let (window, _) = window(interp, args)?;
    let parts = match args.at(1) {
        Value::Tuple(items) => items.borrow().clone(),
        one => vec![one.clone()],
    };
    for part in parts {
        let part = part.as_bytes().ok_or_else(|| {
            interp.room.type_error(format!("expected a string or a tuple of them, not {}", part.type_name()))
        })?;
        interp.room.work(part.len())?;
        if if from == From::Left { window.starts_with(part) } else { window.ends_with(part) } {
            return Ok(Value::Bool(true));
        }
    }
    Ok(Value::Bool(false))
}

/// The largest number of cuts that the second argument allows.
fn most_cuts(interp: &Interp<'_>, args: &Args) -> Result<usize, Fault> {
    match args.get(2) {
        Some(_) => Ok(usize::try_from(whole(interp, args, 2)?).unwrap_or(usize::MAX)),
        None => Ok(usize::MAX),
    }
}

fn parts(interp: &mut Interp<'_>, like: &Value, parts: Vec<&[u8]>) -> Outcome {
    let mut out = Vec::with_capacity(parts.len());
    for part in parts {
        out.push(interp.room.text_like(like, part)?);
    }
    Ok(interp.room.list(out)?)
}

fn split(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let own = own(interp, &args)?;
    let most = most_cuts(interp, &args)?;
    let mut out = Vec::new();
    if args.get(1).is_some() {
        let by = text(interp, &args, 1)?;
        if by.is_empty() {
            return Err(interp.room.value_error("empty separator").into());
        }
        let mut done = 0;
        for place in bytes::all(&mut interp.room, own, by, most)? {
            out.push(&own[done..place]);
            done = place + by.len();
        }
        out.push(&own[done..]);
    } else {
        let mut rest = bytes::trim_start(own, &bytes::is_blank);
        while !rest.is_empty() && out.len() < most {
            interp.room.charge_items(1)?;
            let end = rest.iter().position(bytes::is_blank).unwrap_or(rest.len());
            out.push(&rest[..end]);
            rest = bytes::trim_start(&rest[end..], &bytes::is_blank);
        }
        if !rest.is_empty() {
            // Blanks at the end stay where the cuts are counted.
            out.push(rest);
        }
    }
    parts(interp, args.at(0), out)
}

fn rsplit(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let own = own(interp, &args)?;
    let most = most_cuts(interp, &args)?;
    let mut out = Vec::new();
    if args.get(1).is_some() {
        let by = text(interp, &args, 1)?;
        if by.is_empty() {
            return Err(interp.room.value_error("empty separator").into());
        }
        let mut rest = own;
        while out.len() < most {
            interp.room.charge_items(1)?;
            let Some(place) = bytes::find_last(&mut interp.room, rest, by)? else { break };
            out.push(&rest[place + by.len()..]);
            rest = &rest[..place];
        }
        out.push(rest);
    } else {
        let mut rest = bytes::trim_end(own, &bytes::is_blank);
        while !rest.is_empty() && out.len() < most {
            interp.room.charge_items(1)?;
            let start = rest.iter().rposition(bytes::is_blank).map_or(0, |at| at + 1);
            out.push(&rest[start..]);
            rest = bytes::trim_end(&rest[..start], &bytes::is_blank);
        }
        if !rest.is_empty() {
            out.push(rest);
        }
    }
    out.reverse();
    parts(interp, args.at(0), out)
}

fn splitlines(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let own = own(interp, &args)?;
    let keep = args.get(1).is_some_and(Value::truth);
    let mut out = Vec::new();
    let mut rest = own;
    while !rest.is_empty() {
        interp.room.charge_items(1)?;
        let end = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r'));
        let (line, after) = match end {
            None => (rest.len(), rest.len()),
            Some(at) if rest[at..].starts_with(b"\r\n") => (at, at + 2),
            Some(at) => (at, at + 1),
        };
        out.push(&rest[..if keep { after } else { line }]);
        rest = &rest[after..];
    }
    parts(interp, args.at(0), out)
}

fn partition(interp: &mut Interp<'_>, args: &Args, from: From) -> Outcome {
    let (own, by) = (own(interp, args)?, text(interp, args, 1)?);
    if by.is_empty() {
        return Err(interp.room.value_error("empty separator").into());
    }
    let found = match from {
        From::Left => bytes::find(&mut interp.room, own, by)?,
        From::Right => bytes::find_last(&mut interp.room, own, by)?,
    };
    let empty: &[u8] = b"";
    let three = match (found, from) {
        (Some(at), _) => [&own[..at], by, &own[at + by.len()..]],
        (None, From::Left) => [own, empty, empty],
        (None, From::Right) => [empty, empty, own],
    };
    let mut out = Vec::new();
    for part in three {
        out.push(interp.room.text_like(args.at(0), part)?);
    }
    Ok(interp.room.tuple(out)?)
}

fn ask(interp: &mut Interp<'_>, args: &Args, is: fn(&u8) -> bool) -> Outcome {
    let own = own(interp, args)?;
    interp.room.work(own.len())?;
    Ok(Value::Bool(!own.is_empty() && own.iter().all(is)))
}

/// Letters, and none of the other case.
fn cased(interp: &mut Interp<'_>, args: &Args, other: fn(&u8) -> bool) -> Outcome {
    let own = own(interp, args)?;
    interp.room.work(own.len())?;
    Ok(Value::Bool(own.iter().any(u8::is_ascii_alphabetic) && !own.iter().any(other)))
}
