//! `'{0:>8}'.format(…)`, `format(value, spec)` and the fields of `f''` strings.

use super::class::Class;
use super::eval::{Args, Interp, Outcome};
use super::floats::{self, Zeros};
use super::room::Room;
use super::source::{Fault, text_of};
use super::value::{Value, repr_bytes, to_repr, to_text};

/// Widths and precisions beyond this are refused.
const MAX_WIDTH: usize = 1 << 16;

/// What stands behind the `:`.
#[derive(Debug)]
struct Spec {
    fill: char,
    align: Option<char>,
    sign: char,
    alternate: bool,
    comma: bool,
    width: usize,
    precision: Option<usize>,
    letter: Option<char>,
}

/// A value as the specification wants it.
pub(super) fn written(room: &mut Room, value: &Value, spec: &[u8]) -> Result<Vec<u8>, Fault> {
    if spec.is_empty() {
        return to_text(room, value);
    }
    let spec = parse(room, &text_of(spec))?;
    room.charge(spec.width.max(spec.precision.unwrap_or(0)))?;
    let numeric = value.as_float().is_some() && !matches!((value, spec.letter), (Value::Bool(_), None));
    let body = match (numeric, spec.letter) {
        (true, _) => number(room, value, &spec)?,
        (false, None | Some('s')) => {
            let text = text_of(&to_text(room, value)?);
            spec.precision.map_or(text.clone(), |most| text.chars().take(most).collect())
        }
        (false, Some(letter)) => return Err(unknown(room, letter, value)),
    };
    Ok(pad(&body, &spec, if numeric { '>' } else { '<' }).into_bytes())
}

fn unknown(room: &Room, letter: char, value: &Value) -> Fault {
    room.value_error(format!("Unknown format code '{letter}' for object of type '{}'", value.type_name()))
}

fn parse(room: &Room, text: &str) -> Result<Spec, Fault> {
    let mut spec = Spec {
        fill: ' ',
        align: None,
        sign: '-',
        alternate: false,
        comma: false,
        width: 0,
        precision: None,
        letter: None,
    };
    let is_align = |c: &char| matches!(c, '<' | '>' | '^' | '=');
    let chars: Vec<char> = text.chars().collect();
    let mut at = 0;
    if chars.get(1).is_some_and(is_align) {
        (spec.fill, spec.align, at) = (chars[0], Some(chars[1]), 2);
    } else if chars.first().is_some_and(is_align) {
        (spec.align, at) = (Some(chars[0]), 1);
    }
    if let Some(c @ ('+' | '-' | ' ')) = chars.get(at) {
        spec.sign = *c;
        at += 1;
    }
    if chars.get(at) == Some(&'#') {
        spec.alternate = true;
        at += 1;
    }
    if chars.get(at) == Some(&'0') && spec.align.is_none() {
        (spec.fill, spec.align) = ('0', Some('='));
        at += 1;
    }
    let number = |at: &mut usize| {
        let digits: String = chars[*at..].iter().take_while(|c| c.is_ascii_digit()).collect();
        *at += digits.len();
        let n = if digits.is_empty() { None } else { Some(digits.parse().unwrap_or(usize::MAX)) };
        match n {
            Some(n) if n > MAX_WIDTH => {
                Err(room.limit(format!("a width of more than {MAX_WIDTH} characters")))
            }
            other => Ok(other),
        }
    };
    spec.width = number(&mut at)?.unwrap_or(0);
    if chars.get(at) == Some(&',') {
        spec.comma = true;
        at += 1;
    }
    if chars.get(at) == Some(&'.') {
        at += 1;
        spec.precision = number(&mut at)?;
    }
    spec.letter = chars.get(at).copied();
    if at + usize::from(spec.letter.is_some()) < chars.len() {
        return Err(room.value_error("Invalid conversion specification"));
    }
    Ok(spec)
}

fn number(room: &Room, value: &Value, spec: &Spec) -> Result<String, Fault> {
    let as_float = value.as_float().unwrap_or(0.0);
    let precision = spec.precision.unwrap_or(6);
    let (digits, base) = match (value.as_whole(), spec.letter) {
        (Some(n), None | Some('d' | 'n')) => (n.unsigned_abs().to_string(), ""),
        (Some(n), Some('x')) => (format!("{:x}", n.unsigned_abs()), "0x"),
        (Some(n), Some('X')) => (format!("{:X}", n.unsigned_abs()), "0X"),
        (Some(n), Some('o')) => (format!("{:o}", n.unsigned_abs()), "0o"),
        (Some(n), Some('b')) => (format!("{:b}", n.unsigned_abs()), "0b"),
        (Some(n), Some('c')) => {
            let c = u32::try_from(n).ok().and_then(char::from_u32);
            return Ok(c.map_or_else(String::new, String::from));
        }
        (_, Some('f' | 'F')) => (format!("{:.precision$}", as_float.abs()), ""),
        (_, Some('%')) => (format!("{:.precision$}%", as_float.abs() * 100.0), ""),
        (_, Some('e')) => (floats::exponential(as_float.abs(), precision), ""),
        (_, Some('E')) => (floats::exponential(as_float.abs(), precision).to_uppercase(), ""),
        (_, Some('g')) => (floats::general(as_float.abs(), precision, Zeros::Cut), ""),
        (_, Some('G')) => (floats::general(as_float.abs(), precision, Zeros::Cut).to_uppercase(), ""),
        (None, None) => {
            let text = match spec.precision {
                Some(precision) => floats::general(as_float.abs(), precision, Zeros::Cut),
                None => xend_api::python::float_str(as_float.abs()),
            };
            (text, "")
        }
        (_, Some(letter)) => return Err(unknown(room, letter, value)),
    };
    let digits = if spec.comma { with_commas(&digits) } else { digits };
    let sign = match (as_float.is_sign_negative() && as_float != 0.0, spec.sign) {
        (true, _) => "-",
        (false, '+') => "+",
        (false, ' ') => " ",
        _ => "",
    };
    let base = if spec.alternate { base } else { "" };
    let missing = spec.width.saturating_sub(sign.len() + base.len() + digits.len());
    let zeros = if spec.align == Some('=') { spec.fill.to_string().repeat(missing) } else { String::new() };
    Ok(format!("{sign}{base}{zeros}{digits}"))
}

fn with_commas(digits: &str) -> String {
    let (whole, rest) = digits.split_at(digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len()));
    let mut out = String::new();
    for (at, c) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out + rest
}

fn pad(body: &str, spec: &Spec, default: char) -> String {
    let missing = spec.width.saturating_sub(body.chars().count());
    let (before, after) = match spec.align.unwrap_or(default) {
        '<' => (0, missing),
        '^' => (missing / 2, missing - missing / 2),
        _ => (missing, 0),
    };
    let fill = spec.fill.to_string();
    format!("{}{body}{}", fill.repeat(before), fill.repeat(after))
}

/// `template.format(arguments)`.
pub(super) fn format(interp: &mut Interp<'_>, template: &[u8], args: &Args) -> Outcome<Vec<u8>> {
    let mut next = 0;
    fill(interp, template, (args, &mut next), 0)
}

fn fill(
    interp: &mut Interp<'_>,
    template: &[u8],
    (args, next): (&Args, &mut usize),
    depth: usize,
) -> Outcome<Vec<u8>> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match byte {
            b'{' | b'}' if after.first() == Some(byte) => {
                out.push(*byte);
                rest = &after[1..];
            }
            b'}' => {
                return Err(interp.room.value_error("Single '}' encountered in format string").into());
            }
            b'{' => {
                interp.room.step()?;
                let end = closing(after)
                    .ok_or_else(|| interp.room.value_error("Single '{' encountered in format string"))?;
                let written = field(interp, &after[..end], (args, next), depth)?;
                interp.room.charge(written.len())?;
                out.extend(written);
                rest = &after[end + 1..];
            }
            _ => out.push(*byte),
        }
    }
    Ok(out)
}

fn closing(text: &[u8]) -> Option<usize> {
    let mut depth = 1usize;
    text.iter().position(|byte| {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

fn field(
    interp: &mut Interp<'_>,
    field: &[u8],
    (args, next): (&Args, &mut usize),
    depth: usize,
) -> Outcome<Vec<u8>> {
    let head = field.iter().position(|byte| matches!(byte, b':' | b'!')).unwrap_or(field.len());
    let (name, rest) = field.split_at(head);
    let (conversion, rest) = match rest {
        [b'!', letter, rest @ ..] => (Some(*letter), rest),
        _ => (None, rest),
    };
    let mut value = named(interp, &text_of(name), (args, next))?;
    if let Some(letter) = conversion {
        let text = if letter == b'r' {
            to_repr(&mut interp.room, &value)?
        } else {
            to_text(&mut interp.room, &value)?
        };
        value = interp.room.text(text)?;
    }
    let spec = rest.strip_prefix(b":").unwrap_or_default();
    let spec = if spec.contains(&b'{') {
        if depth > 0 {
            return Err(interp.room.value_error("Max string recursion exceeded").into());
        }
        fill(interp, spec, (args, next), depth + 1)?
    } else {
        spec.to_vec()
    };
    Ok(written(&mut interp.room, &value, &spec)?)
}

/// The value that `0`, `name`, `0.attribute` or `name[key]` means.
fn named(interp: &mut Interp<'_>, name: &str, (args, next): (&Args, &mut usize)) -> Outcome {
    let head = name.find(['.', '[']).unwrap_or(name.len());
    let (first, mut rest) = name.split_at(head);
    let position = if first.is_empty() {
        *next += 1;
        Some(*next - 1)
    } else {
        first.parse::<usize>().ok()
    };
    let mut value = match position {
        Some(at) => args
            .values
            .get(at)
            .cloned()
            .ok_or_else(|| interp.room.raise(Class::Index, "tuple index out of range"))?,
        None => {
            let found = args.named.iter().find(|(known, _)| **known == *first);
            let missing = || interp.room.raise(Class::Key, repr_bytes(first.as_bytes()));
            found.map(|(_, value)| value.clone()).ok_or_else(missing)?
        }
    };
    while !rest.is_empty() {
        let wrong = || interp.room.value_error("Empty attribute in format string");
        if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            value = interp.attribute(&value, &after[..end])?;
            rest = &after[end..];
        } else {
            let after = rest.strip_prefix('[').ok_or_else(wrong)?;
            let (key, after) = after.split_once(']').ok_or_else(wrong)?;
            let key = key.parse().map_or_else(|_| Value::text(key), Value::Int);
            value = interp.item(&value, &key)?;
            rest = after;
        }
    }
    Ok(value)
}
