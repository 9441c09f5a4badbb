//! What regular expressions and their matches can do. The functions of `re` are in [`super::super::modules`].

use std::rc::Rc;

use super::super::builtins::{Builtin, method};
use super::super::class::Class;
use super::super::eval::{Args, Interp, Outcome};
use super::super::modules::re;
use super::super::value::{Dict, Match, Value};

pub(super) const PATTERN: &[Builtin] = &[
    method("search", (1, 1), re::search),
    method("match", (1, 1), re::match_start),
    method("findall", (1, 1), re::findall),
    method("finditer", (1, 1), re::finditer),
    method("split", (1, 2), re::split),
    method("sub", (2, 3), |interp, args| re::sub(interp, args).map(|(text, _)| text)),
    method("subn", (2, 3), |interp, args| {
        let (text, count) = re::sub(interp, args)?;
        Ok(interp.room.tuple(vec![text, Value::count(count)])?)
    }),
];

pub(super) const MATCH: &[Builtin] = &[
    method("group", (0, 32), group),
    method("groups", (0, 1), groups),
    method("groupdict", (0, 0), groupdict),
    method("start", (0, 1), |interp, args| bound(interp, &args, |(start, _)| start)),
    method("end", (0, 1), |interp, args| bound(interp, &args, |(_, end)| end)),
    method("span", (0, 1), span),
];

/// What a match tells without a call.
pub(super) fn attribute(found: &Match, name: &str) -> Option<Value> {
    match name {
        "string" => Some(found.text.clone()),
        "re" => Some(Value::Pattern(Rc::clone(&found.pattern))),
        "lastindex" => {
            let last = found.groups.iter().rposition(Option::is_some).filter(|at| *at > 0);
            Some(last.map_or(Value::None, Value::count))
        }
        _ => None,
    }
}

fn own<'a>(interp: &Interp<'_>, args: &'a Args) -> Outcome<&'a Rc<Match>> {
    match args.at(0) {
        Value::Match(found) => Ok(found),
        _ => Err(interp.room.type_error("this method belongs to matches").into()),
    }
}

/// The group that a number or a name means.
fn number(interp: &Interp<'_>, found: &Match, key: &Value) -> Outcome<usize> {
    let position = match key.as_string() {
        Some(name) => found.pattern.regex.capture_names().position(|known| known == Some(name.as_str())),
        None => key.as_whole().and_then(|n| usize::try_from(n).ok()),
    };
    let known = position.filter(|at| *at < found.groups.len());
    known.ok_or_else(|| interp.room.raise(Class::Index, "no such group").into())
}

fn text_of_group(interp: &mut Interp<'_>, found: &Match, at: usize, absent: &Value) -> Outcome {
    let Some((start, end)) = found.groups[at] else { return Ok(absent.clone()) };
    let text = found.text.as_bytes().unwrap_or_default();
    Ok(interp.room.text_like(&found.text, &text[start..end])?)
}

fn group(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let found = own(interp, &args)?;
    let mut out = Vec::new();
    for key in &args.values[1..] {
        let at = number(interp, found, key)?;
        out.push(text_of_group(interp, found, at, &Value::None)?);
    }
    match out.len() {
        0 => text_of_group(interp, found, 0, &Value::None),
        1 => Ok(out.remove(0)),
        _ => Ok(interp.room.tuple(out)?),
    }
}

fn groups(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let found = own(interp, &args)?;
    let mut out = Vec::new();
    for at in 1..found.groups.len() {
        out.push(text_of_group(interp, found, at, args.at(1))?);
    }
    Ok(interp.room.tuple(out)?)
}

fn groupdict(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let found = own(interp, &args)?;
    let mut dict = Dict::default();
    for (at, name) in found.pattern.regex.capture_names().enumerate() {
        let Some(name) = name else { continue };
        let value = text_of_group(interp, found, at, &Value::None)?;
        let key = interp.room.text(name)?;
        dict.set(&mut interp.room, key, value)?;
    }
    Ok(interp.room.dict(dict)?)
}

fn of_bound(interp: &Interp<'_>, args: &Args) -> Outcome<Option<(usize, usize)>> {
    let found = own(interp, args)?;
    let at = match args.get(1) {
        Some(key) => number(interp, found, key)?,
        None => 0,
    };
    Ok(found.groups[at])
}

fn bound(interp: &mut Interp<'_>, args: &Args, which: fn((usize, usize)) -> usize) -> Outcome {
    Ok(of_bound(interp, args)?.map_or(Value::Int(-1), |span| Value::count(which(span))))
}

fn span(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let span = of_bound(interp, &args)?;
    let pair = span.map_or([Value::Int(-1), Value::Int(-1)], |(a, b)| [Value::count(a), Value::count(b)]);
    Ok(interp.room.tuple(pair.to_vec())?)
}
