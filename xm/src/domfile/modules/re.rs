//! `re`, by an engine whose time grows with the length of the text and not with the malice of the pattern. Patterns and
//! texts are bytes, as they were to Python 2. Look-around and back-references are refused.

use std::rc::Rc;

use regex::bytes::{Captures, Regex, RegexBuilder};

use super::super::builtins::{Builtin, Kind, function};
use super::super::class::Class;
use super::super::eval::{Args, Interp, Outcome};
use super::super::value::{Match, Pattern, Value};

/// Memory of a compiled pattern.
const MAX_COMPILED: usize = 256 << 10;
/// Longest pattern.
const MAX_PATTERN: usize = 4096;
/// Longest text that is searched.
const MAX_TEXT: usize = 64 << 10;

const IGNORECASE: i128 = 2;
const MULTILINE: i128 = 8;
const DOTALL: i128 = 16;
const VERBOSE: i128 = 64;

pub(super) const TABLE: &[Builtin] = &[
    function("compile", (1, 2), |interp, args| {
        let flags = args.get(1).cloned();
        Ok(Value::Pattern(compiled(interp, args.at(0), flags.as_ref())?))
    }),
    function("search", (2, 3), |interp, args| with_pattern(interp, args, 2, search)),
    function("match", (2, 3), |interp, args| with_pattern(interp, args, 2, match_start)),
    function("findall", (2, 3), |interp, args| with_pattern(interp, args, 2, findall)),
    function("finditer", (2, 3), |interp, args| with_pattern(interp, args, 2, finditer)),
    function("split", (2, 4), |interp, args| with_pattern(interp, args, 3, split)),
    function("sub", (3, 5), |interp, args| {
        with_pattern(interp, args, 4, |interp, args| sub(interp, args).map(|(text, _)| text))
    })
    .named(&["pattern", "repl", "string", "count", "flags"]),
    function("escape", (1, 1), escape),
];

pub(super) const CONSTANTS: &[&str] =
    &["I", "M", "S", "X", "IGNORECASE", "MULTILINE", "DOTALL", "VERBOSE", "error"];

pub(super) fn constant(name: &str) -> Option<Value> {
    let flag = match name {
        "I" | "IGNORECASE" => IGNORECASE,
        "M" | "MULTILINE" => MULTILINE,
        "S" | "DOTALL" => DOTALL,
        "X" | "VERBOSE" => VERBOSE,
        "L" | "LOCALE" | "U" | "UNICODE" => 0,
        "error" => return Some(Value::Type(Kind::Error(Class::Regex))),
        _ => return None,
    };
    Some(Value::whole(flag))
}

/// Calls the method of a pattern that the first argument is or becomes; the flags stand at that position.
fn with_pattern(
    interp: &mut Interp<'_>,
    mut args: Args,
    flags_at: usize,
    method: fn(&mut Interp<'_>, Args) -> Outcome,
) -> Outcome {
    let flags = if args.values.len() > flags_at { Some(args.values.remove(flags_at)) } else { None };
    let pattern = compiled(interp, args.at(0), flags.as_ref())?;
    args.values[0] = Value::Pattern(pattern);
    method(interp, args)
}

fn compiled(interp: &mut Interp<'_>, value: &Value, flags: Option<&Value>) -> Outcome<Rc<Pattern>> {
    if let Value::Pattern(pattern) = value {
        return Ok(Rc::clone(pattern));
    }
    let Some(text) = value.as_bytes() else {
        return Err(interp.room.type_error("first argument must be string or compiled pattern").into());
    };
    if text.len() > MAX_PATTERN {
        let what = format!("regular expressions of more than {MAX_PATTERN} characters are not compiled");
        return Err(interp.room.limit(what).into());
    }
    // Compiling takes far longer than a step, and two programs are kept.
    interp.room.steps(100 + text.len())?;
    interp.room.charge(16 << 10)?;
    let source = translated(text);
    let flags = flags.and_then(Value::as_whole).unwrap_or(0);
    let build = |source: &str| {
        RegexBuilder::new(source)
            .unicode(false)
            .case_insensitive(flags & IGNORECASE != 0)
            .multi_line(flags & MULTILINE != 0)
            .dot_matches_new_line(flags & DOTALL != 0)
            .ignore_whitespace(flags & VERBOSE != 0)
            .size_limit(MAX_COMPILED)
            .dfa_size_limit(MAX_COMPILED)
            .build()
    };
    let end = if flags & VERBOSE != 0 { "\n" } else { "" };
    let both = build(&source).and_then(|regex| Ok((regex, build(&format!("\\A(?:{source}{end})"))?)));
    let (regex, anchored) = both.map_err(|error| refused(interp, &source, &error))?;
    interp.room.clock()?;
    Ok(Rc::new(Pattern { text: value.clone(), regex, anchored }))
}

/// Look-around and back-references are not there; everything else that is wrong is an error of the pattern.
fn refused(interp: &Interp<'_>, source: &str, error: &regex::Error) -> super::super::source::Fault {
    let has = |part: &str| source.contains(part);
    let back = (b'1'..=b'9').any(|digit| has(&format!("\\{}", char::from(digit))));
    if matches!(error, regex::Error::CompiledTooBig(_)) {
        return interp.room.limit(format!("this regular expression needs more than {MAX_COMPILED} bytes"));
    }
    if back || ["(?=", "(?!", "(?<=", "(?<!", "(?P="].iter().any(|part| has(part)) {
        return interp.room.unsupported(
            "look-around and back-references of regular expressions are not provided; compare parts instead",
        );
    }
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
    interp.room.raise(Class::Regex, format!("bad regular expression: {last}"))
}

/// Python's spelling of what the engine spells differently: `\Z`, and bytes beyond ASCII.
fn translated(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(b'Z') => out.push_str("\\z"),
                Some(next) if next.is_ascii() => out.extend(['\\', char::from(next)]),
                Some(next) => out.push_str(&format!("\\x{next:02x}")),
                None => out.push('\\'),
            },
            byte if byte.is_ascii() => out.push(char::from(byte)),
            byte => out.push_str(&format!("(?-u:\\x{byte:02x})")),
        }
    }
    out
}

/// The pattern that a method belongs to, and the text at a position.
fn own<'a>(interp: &mut Interp<'_>, args: &'a Args, at: usize) -> Outcome<(&'a Rc<Pattern>, &'a [u8])> {
    let Value::Pattern(pattern) = args.at(0) else {
        return Err(interp.room.type_error("this method belongs to regular expressions").into());
    };
    let Some(text) = args.at(at).as_bytes() else {
        return Err(interp.room.type_error("expected string or buffer").into());
    };
    if text.len() > MAX_TEXT {
        let what = format!("regular expressions search at most {MAX_TEXT} bytes");
        return Err(interp.room.limit(what).into());
    }
    interp.room.steps(1 + text.len() / 64)?;
    interp.room.clock()?;
    Ok((pattern, text))
}

fn found(interp: &mut Interp<'_>, pattern: &Rc<Pattern>, text: &Value, captures: &Captures<'_>) -> Outcome {
    interp.room.charge_items(captures.len() + 4)?;
    let groups = captures.iter().map(|group| group.map(|group| (group.start(), group.end()))).collect();
    let pattern = Rc::clone(pattern);
    Ok(Value::Match(Rc::new(Match { pattern, text: text.clone(), groups })))
}

fn first(interp: &mut Interp<'_>, args: &Args, which: fn(&Pattern) -> &Regex) -> Outcome {
    let (pattern, text) = own(interp, args, 1)?;
    match which(pattern).captures(text) {
        Some(captures) => found(interp, pattern, args.at(1), &captures),
        None => Ok(Value::None),
    }
}

/// `pattern.search(text)`.
pub(in super::super) fn search(interp: &mut Interp<'_>, args: Args) -> Outcome {
    first(interp, &args, |pattern| &pattern.regex)
}

/// `pattern.match(text)`.
pub(in super::super) fn match_start(interp: &mut Interp<'_>, args: Args) -> Outcome {
    first(interp, &args, |pattern| &pattern.anchored)
}

/// `pattern.findall(text)`.
pub(in super::super) fn findall(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let (pattern, text) = own(interp, &args, 1)?;
    let mut out = Vec::new();
    for captures in pattern.regex.captures_iter(text) {
        interp.room.step()?;
        interp.room.clock()?;
        let mut parts = Vec::new();
        let skip = usize::from(captures.len() > 1);
        for group in captures.iter().skip(skip) {
            let group = group.map_or(&b""[..], |group| group.as_bytes());
            parts.push(interp.room.text_like(args.at(1), group)?);
        }
        out.push(if parts.len() == 1 { parts.remove(0) } else { interp.room.tuple(parts)? });
    }
    Ok(interp.room.list(out)?)
}

/// `pattern.finditer(text)`.
pub(in super::super) fn finditer(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let (pattern, text) = own(interp, &args, 1)?;
    let mut out = Vec::new();
    for captures in pattern.regex.captures_iter(text) {
        interp.room.step()?;
        interp.room.clock()?;
        out.push(found(interp, pattern, args.at(1), &captures)?);
    }
    Ok(interp.room.iterator(out)?)
}

/// `pattern.split(text, most)`; empty matches cut nothing, as in Python 2.
pub(in super::super) fn split(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let (pattern, text) = own(interp, &args, 1)?;
    let most = args.get(2).and_then(Value::as_whole).filter(|most| *most > 0);
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let (mut out, mut done, mut cuts) = (Vec::new(), 0, 0);
    for captures in pattern.regex.captures_iter(text) {
        interp.room.step()?;
        interp.room.clock()?;
        let Some(whole) = captures.get(0).filter(|whole| !whole.is_empty() && cuts < most) else { continue };
        cuts += 1;
        out.push(interp.room.text_like(args.at(1), &text[done..whole.start()])?);
        for group in captures.iter().skip(1) {
            out.push(match group {
                Some(group) => interp.room.text_like(args.at(1), group.as_bytes())?,
                None => Value::None,
            });
        }
        done = whole.end();
    }
    out.push(interp.room.text_like(args.at(1), &text[done..])?);
    Ok(interp.room.list(out)?)
}

/// `pattern.sub(by, text, most)`, and how often it replaced.
pub(in super::super) fn sub(interp: &mut Interp<'_>, args: Args) -> Outcome<(Value, usize)> {
    let (pattern, text) = own(interp, &args, 2)?;
    let most = args.get(3).and_then(Value::as_whole).filter(|most| *most > 0);
    let most = most.and_then(|most| usize::try_from(most).ok()).unwrap_or(usize::MAX);
    let (mut out, mut done, mut count) = (Vec::new(), 0, 0);
    for captures in pattern.regex.captures_iter(text) {
        interp.room.step()?;
        interp.room.clock()?;
        let Some(whole) = captures.get(0).filter(|_| count < most) else { break };
        out.extend_from_slice(&text[done..whole.start()]);
        let replacement = match args.at(1) {
            by if by.as_bytes().is_some() => expanded(interp, by.as_bytes().unwrap_or_default(), &captures)?,
            by => {
                let one = found(interp, pattern, args.at(2), &captures)?;
                let made = interp.call(by, Args::of(vec![one]))?;
                made.as_bytes().unwrap_or_default().to_vec()
            }
        };
        interp.room.charge(replacement.len())?;
        out.extend(replacement);
        done = whole.end();
        count += 1;
    }
    out.extend_from_slice(&text[done..]);
    Ok((interp.room.text_like(args.at(2), out)?, count))
}

/// A replacement with its `\1`, `\g<name>` and escapes resolved.
fn expanded(interp: &Interp<'_>, by: &[u8], captures: &Captures<'_>) -> Outcome<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = by;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let (name, after) = match rest {
            [b'g', b'<', name @ ..] => {
                let end = name.iter().position(|byte| *byte == b'>');
                let end = end.ok_or_else(|| interp.room.raise(Class::Regex, "unterminated group name"))?;
                (String::from_utf8_lossy(&name[..end]).into_owned(), &name[end + 1..])
            }
            [digit @ b'1'..=b'9', after @ ..] => (char::from(*digit).to_string(), after),
            [b'n', after @ ..] => {
                out.push(b'\n');
                rest = after;
                continue;
            }
            [b't', after @ ..] => {
                out.push(b'\t');
                rest = after;
                continue;
            }
            [b'\\', after @ ..] => {
                out.push(b'\\');
                rest = after;
                continue;
            }
            _ => {
                out.push(b'\\');
                continue;
            }
        };
        rest = after;
        let (group, known) = match name.parse::<usize>() {
            Ok(number) => (captures.get(number), number < captures.len()),
            Err(_) => (captures.name(&name), true),
        };
        if !known {
            return Err(interp.room.raise(Class::Regex, "invalid group reference").into());
        }
        out.extend_from_slice(group.map_or(b"", |group| group.as_bytes()));
    }
    Ok(out)
}

fn escape(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let text = args.at(0).as_bytes().ok_or_else(|| interp.room.type_error("expected string or buffer"))?;
    let mut out = Vec::new();
    for byte in text {
        if !byte.is_ascii_alphanumeric() {
            out.push(b'\\');
        }
        out.push(*byte);
    }
    Ok(interp.room.text_like(args.at(0), out)?)
}
