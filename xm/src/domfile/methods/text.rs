//! Methods of strings that make other strings.

use super::super::builtins::{ANY, Builtin, method};
use super::super::bytes;
use super::super::class::Class;
use super::super::eval::{Args, Interp, Outcome};
use super::super::source::Fault;
use super::super::template;
use super::super::value::Value;

pub(super) const TABLE: &[Builtin] = &[
    method("upper", (0, 0), |interp, args| mapped(interp, &args, |byte, _| byte.to_ascii_uppercase())),
    method("lower", (0, 0), |interp, args| mapped(interp, &args, |byte, _| byte.to_ascii_lowercase())),
    method("swapcase", (0, 0), |interp, args| mapped(interp, &args, |byte, _| swapped(byte))),
    method("capitalize", (0, 0), |interp, args| {
        mapped(interp, &args, |byte, before| {
            if before.is_none() { byte.to_ascii_uppercase() } else { byte.to_ascii_lowercase() }
        })
    }),
    method("title", (0, 0), |interp, args| mapped(interp, &args, titled)),
    method("strip", (0, 1), |interp, args| strip(interp, &args, Sides::Both)),
    method("lstrip", (0, 1), |interp, args| strip(interp, &args, Sides::Left)),
    method("rstrip", (0, 1), |interp, args| strip(interp, &args, Sides::Right)),
    method("ljust", (1, 2), |interp, args| justify(interp, &args, Sides::Left)),
    method("rjust", (1, 2), |interp, args| justify(interp, &args, Sides::Right)),
    method("center", (1, 2), |interp, args| justify(interp, &args, Sides::Both)),
    method("zfill", (1, 1), zfill),
    method("expandtabs", (0, 1), expandtabs),
    method("join", (1, 1), join),
    method("replace", (2, 3), replace),
    method("translate", (1, 2), translate),
    method("format", (0, usize::MAX - 1), format).named(ANY),
    method("encode", (0, 2), encode).named(&["", "encoding", "errors"]),
    method("decode", (0, 2), decode).named(&["", "encoding", "errors"]),
];

/// Which ends of a string.
#[derive(Clone, Copy, PartialEq)]
enum Sides {
    Left,
    Right,
    Both,
}

/// The bytes of the string that a method belongs to.
pub(super) fn own<'a>(interp: &Interp<'_>, args: &'a Args) -> Result<&'a [u8], Fault> {
    args.at(0).as_bytes().ok_or_else(|| interp.room.type_error("this method belongs to strings"))
}

/// The bytes of an argument.
pub(super) fn text<'a>(interp: &Interp<'_>, args: &'a Args, at: usize) -> Result<&'a [u8], Fault> {
    let value = args.at(at);
    value.as_bytes().ok_or_else(|| {
        interp.room.type_error(format!("expected a character buffer object, not {}", value.type_name()))
    })
}

/// A whole number as an argument.
pub(super) fn whole(interp: &Interp<'_>, args: &Args, at: usize) -> Result<i128, Fault> {
    let value = args.at(at);
    let found = value.type_name();
    value.as_whole().ok_or_else(|| interp.room.type_error(format!("an integer is required, not {found}")))
}

fn mapped(interp: &mut Interp<'_>, args: &Args, map: fn(u8, Option<u8>) -> u8) -> Outcome {
    let text = own(interp, args)?;
    interp.room.charge(text.len())?;
    let mut before = None;
    let mut out = Vec::with_capacity(text.len());
    for byte in text {
        out.push(map(*byte, before));
        before = Some(*byte);
    }
    Ok(interp.room.text_like(args.at(0), out)?)
}

fn swapped(byte: u8) -> u8 {
    if byte.is_ascii_uppercase() { byte.to_ascii_lowercase() } else { byte.to_ascii_uppercase() }
}

fn titled(byte: u8, before: Option<u8>) -> u8 {
    let inside = before.is_some_and(|before| before.is_ascii_alphabetic());
    if inside { byte.to_ascii_lowercase() } else { byte.to_ascii_uppercase() }
}

fn strip(interp: &mut Interp<'_>, args: &Args, sides: Sides) -> Outcome {
    let mut own = own(interp, args)?;
    let chars = match args.get(1) {
        Some(_) => Some(text(interp, args, 1)?),
        None => None,
    };
    interp.room.steps(own.len().saturating_mul(chars.map_or(1, <[u8]>::len)) / 4096)?;
    let drop = |byte: &u8| chars.map_or_else(|| bytes::is_blank(byte), |chars| chars.contains(byte));
    if sides != Sides::Right {
        own = bytes::trim_start(own, &drop);
    }
    if sides != Sides::Left {
        own = bytes::trim_end(own, &drop);
    }
    Ok(interp.room.text_like(args.at(0), own)?)
}

fn justify(interp: &mut Interp<'_>, args: &Args, sides: Sides) -> Outcome {
    let own = own(interp, args)?;
    let width = usize::try_from(whole(interp, args, 1)?.max(0)).unwrap_or(usize::MAX);
    let fill = match args.get(2) {
        Some(_) => match text(interp, args, 2)? {
            [fill] => *fill,
            _ => {
                return Err(interp
                    .room
                    .type_error("the fill character must be exactly one character")
                    .into());
            }
        },
        None => b' ',
    };
    let missing = width.saturating_sub(own.len());
    interp.room.charge(missing)?;
    let before = match sides {
        Sides::Left => 0,
        Sides::Right => missing,
        // As CPython divides what cannot be divided evenly.
        Sides::Both => missing / 2 + (missing & width & 1),
    };
    let mut out = vec![fill; before];
    out.extend_from_slice(own);
    out.resize(own.len() + missing, fill);
    Ok(interp.room.text_like(args.at(0), out)?)
}

fn zfill(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let own = own(interp, &args)?;
    let width = usize::try_from(whole(interp, &args, 1)?.max(0)).unwrap_or(usize::MAX);
    let missing = width.saturating_sub(own.len());
    interp.room.charge(missing)?;
    let sign = usize::from(matches!(own.first(), Some(b'+' | b'-')));
    let out = [&own[..sign], &vec![b'0'; missing], &own[sign..]].concat();
    Ok(interp.room.text_like(args.at(0), out)?)
}

fn expandtabs(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let own = own(interp, &args)?;
    let width = match args.get(1) {
        Some(_) => usize::try_from(whole(interp, &args, 1)?.max(0)).unwrap_or(usize::MAX),
        None => 8,
    };
    let mut out = Vec::new();
    let mut column = 0;
    for byte in own {
        if *byte == b'\t' {
            let blanks = if width == 0 { 0 } else { width - column % width };
            interp.room.charge(blanks)?;
            out.resize(out.len() + blanks, b' ');
            column += blanks;
            continue;
        }
        column = if matches!(byte, b'\n' | b'\r') { 0 } else { column + 1 };
        out.push(*byte);
    }
    Ok(interp.room.text_like(args.at(0), out)?)
}

fn join(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let between = own(interp, &args)?;
    let items = interp.collect(args.at(1))?;
    let mut out = Vec::new();
    let mut like = args.at(0);
    for (at, item) in items.iter().enumerate() {
        let Some(text) = item.as_bytes() else {
            let what = format!("sequence item {at}: expected string, {} found", item.type_name());
            return Err(interp.room.type_error(what).into());
        };
        if matches!(item, Value::Unicode(_)) {
            like = item;
        }
        interp.room.charge(between.len() + text.len())?;
        if at > 0 {
            out.extend_from_slice(between);
        }
        out.extend_from_slice(text);
    }
    Ok(interp.room.text_like(like, out)?)
}

fn replace(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let (own, old, new) = (own(interp, &args)?, text(interp, &args, 1)?, text(interp, &args, 2)?);
    let most = match args.get(3) {
        Some(_) => usize::try_from(whole(interp, &args, 3)?).unwrap_or(usize::MAX),
        None => usize::MAX,
    };
    let places = bytes::all(&mut interp.room, own, old, most)?;
    interp.room.charge(places.len().saturating_mul(new.len()))?;
    let mut out = Vec::new();
    let mut done = 0;
    for place in places {
        out.extend_from_slice(&own[done..place]);
        out.extend_from_slice(new);
        done = place + old.len();
    }
    out.extend_from_slice(&own[done..]);
    Ok(interp.room.text_like(args.at(0), out)?)
}

fn translate(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let own = own(interp, &args)?;
    let drop = if args.values.len() > 2 { text(interp, &args, 2)? } else { b"" };
    let table = args.at(1).as_bytes();
    if table.is_some_and(|table| table.len() != 256) {
        return Err(interp.room.value_error("translation table must be 256 characters long").into());
    }
    interp.room.steps(own.len().saturating_mul(drop.len()) / 4096)?;
    let kept = own.iter().filter(|byte| !drop.contains(byte));
    let out: Vec<u8> = kept.map(|byte| table.map_or(*byte, |table| table[usize::from(*byte)])).collect();
    Ok(interp.room.text_like(args.at(0), out)?)
}

fn format(interp: &mut Interp<'_>, mut args: Args) -> Outcome {
    let own = args.values.remove(0);
    let text = template::format(interp, own.as_bytes().unwrap_or_default(), &args)?;
    Ok(interp.room.text_like(&own, text)?)
}

/// The encodings that are known; all of them leave ASCII as it is.
fn encoding(interp: &Interp<'_>, args: &Args) -> Outcome<&'static str> {
    let name = args.get(1).and_then(Value::as_string).unwrap_or_else(|| "ascii".to_owned());
    match name.to_ascii_lowercase().replace('_', "-").as_str() {
        "utf-8" | "utf8" => Ok("utf-8"),
        "ascii" | "us-ascii" => Ok("ascii"),
        "latin-1" | "latin1" | "iso-8859-1" | "iso8859-1" => Ok("latin-1"),
        _ => {
            let what = format!("the encoding {name:.40} is not provided; there are utf-8, ascii and latin-1");
            Err(interp.room.unsupported(what).into())
        }
    }
}

fn encode(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let encoding = encoding(interp, &args)?;
    let own = args.at(0).as_string().unwrap_or_default();
    let most = match encoding {
        "utf-8" => u32::MAX,
        "ascii" => 0x7f,
        _ => 0xff,
    };
    if own.chars().any(|c| u32::from(c) > most) {
        let what = format!("'{encoding}' codec can't encode a character of this string");
        return Err(interp.room.raise(Class::Unicode, what).into());
    }
    if encoding == "latin-1" {
        let bytes: Vec<u8> = own.chars().filter_map(|c| u8::try_from(u32::from(c)).ok()).collect();
        return Ok(interp.room.text(bytes)?);
    }
    Ok(interp.room.text(own)?)
}

fn decode(interp: &mut Interp<'_>, args: Args) -> Outcome {
    let encoding = encoding(interp, &args)?;
    let own = own(interp, &args)?;
    let text = match encoding {
        "latin-1" => Some(own.iter().copied().map(char::from).collect()),
        "ascii" if !own.is_ascii() => None,
        _ => std::str::from_utf8(own).ok().map(str::to_owned),
    };
    let Some(text) = text else {
        let what = format!("'{encoding}' codec can't decode a byte of this string");
        return Err(interp.room.raise(Class::Unicode, what).into());
    };
    interp.room.charge(text.len())?;
    Ok(Value::Unicode(text.into()))
}
