//! Python's `%` on strings: `'%-8s %(name)s %04x' % …`.

use super::class::Class;
use super::floats::{self, Zeros};
use super::room::Room;
use super::source::Fault;
use super::value::{Value, repr_bytes, to_repr, to_text};

/// Widths and precisions beyond this are refused.
const MAX_WIDTH: usize = 1 << 16;

/// What stands between `%` and the letter.
#[derive(Debug, Default)]
struct Spec {
    left: bool,
    plus: bool,
    blank: bool,
    zero: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

/// Replaces the conversions of the pattern.
pub(super) fn interpolate(room: &mut Room, pattern: &Value, values: &Value) -> Result<Value, Fault> {
    let text = pattern.as_bytes().unwrap_or_default();
    let mut writer = Writer { room, values, used: 0, out: Vec::new(), by_key: false, unicode: false };
    let mut rest = text;
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        writer.out.extend_from_slice(&rest[..at]);
        rest = writer.conversion(&rest[at + 1..])?;
    }
    writer.out.extend_from_slice(rest);
    writer.all_used()?;
    let Writer { out, unicode, .. } = writer;
    if unicode { room.text_like(&Value::Unicode("".into()), out) } else { room.text_like(pattern, out) }
}

struct Writer<'a> {
    room: &'a mut Room,
    values: &'a Value,
    used: usize,
    out: Vec<u8>,
    by_key: bool,
    /// Was a `unicode` put in? Then all of it is one.
    unicode: bool,
}

impl Writer<'_> {
    /// The next positional value.
    fn next(&mut self) -> Result<Value, Fault> {
        let value = match self.values {
            Value::Tuple(items) => items.borrow().get(self.used).cloned(),
            other if self.used == 0 => Some(other.clone()),
            _ => None,
        };
        self.used += 1;
        value.ok_or_else(|| self.room.type_error("not enough arguments for format string"))
    }

    fn all_used(&self) -> Result<(), Fault> {
        let given = match self.values {
            Value::Tuple(items) => items.borrow().len(),
            Value::Dict(_) | Value::List(_) => 0,
            _ => 1,
        };
        if self.by_key || self.used >= given {
            return Ok(());
        }
        Err(self.room.type_error("not all arguments converted during string formatting"))
    }

    /// One conversion, the text after its `%`; returns what follows it.
    fn conversion<'p>(&mut self, text: &'p [u8]) -> Result<&'p [u8], Fault> {
        self.room.step()?;
        let mut rest = text;
        let mut keyed = None;
        if let Some(inner) = rest.strip_prefix(b"(") {
            let end = closing(inner).ok_or_else(|| self.room.value_error("incomplete format key"))?;
            keyed = Some(self.by_name(&inner[..end])?);
            rest = &inner[end + 1..];
        }
        let mut spec = Spec::default();
        rest = flags(&mut spec, rest);
        rest = self.width(&mut spec, rest)?;
        if let Some(after) = rest.strip_prefix(b".") {
            let mut precision = Spec::default();
            rest = self.width(&mut precision, after)?;
            spec.precision = Some(if precision.left { 0 } else { precision.width });
        }
        while let [b'h' | b'l' | b'L', after @ ..] = rest {
            rest = after;
        }
        let (letter, rest) = rest.split_first().ok_or_else(|| self.room.value_error("incomplete format"))?;
        if *letter == b'%' {
            self.out.push(b'%');
        } else {
            let value = match keyed {
                Some(value) => value,
                None => self.next()?,
            };
            self.room.charge(spec.width.max(spec.precision.unwrap_or(0)))?;
            let body = self.converted(*letter, &spec, &value)?;
            self.room.charge(body.len())?;
            pad(&mut self.out, &spec, *letter, &body);
        }
        Ok(rest)
    }

    fn by_name(&mut self, key: &[u8]) -> Result<Value, Fault> {
        self.by_key = true;
        let Value::Dict(pairs) = self.values else {
            return Err(self.room.type_error("format requires a mapping"));
        };
        let wanted = self.room.text(key)?;
        let found = pairs.borrow().get(self.room, &wanted)?;
        found.ok_or_else(|| self.room.raise(Class::Key, repr_bytes(key)))
    }

    fn width<'p>(&mut self, spec: &mut Spec, text: &'p [u8]) -> Result<&'p [u8], Fault> {
        if let Some(after) = text.strip_prefix(b"*") {
            let value = self.next()?;
            let n = value.as_whole().ok_or_else(|| self.room.type_error("* wants int"))?;
            spec.left |= n < 0;
            spec.width = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
            return if spec.width > MAX_WIDTH { Err(self.too_wide()) } else { Ok(after) };
        }
        let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 {
            let written = String::from_utf8_lossy(&text[..digits]);
            spec.width = written.parse().unwrap_or(usize::MAX);
        }
        if spec.width > MAX_WIDTH { Err(self.too_wide()) } else { Ok(&text[digits..]) }
    }

    fn too_wide(&self) -> Fault {
        self.room.limit(format!("a width of more than {MAX_WIDTH} characters"))
    }

    fn converted(&mut self, letter: u8, spec: &Spec, value: &Value) -> Result<Vec<u8>, Fault> {
        match letter {
            b's' => {
                self.unicode |= matches!(value, Value::Unicode(_));
                Ok(cut(to_text(self.room, value)?, spec))
            }
            b'r' => Ok(cut(to_repr(self.room, value)?, spec)),
            b'c' => self.character(value),
            b'd' | b'i' | b'u' => {
                let n = value.as_float().ok_or_else(|| self.number_wanted(letter, value))?;
                Ok(signed(spec, value.as_whole().unwrap_or(n as i128), |n| n.to_string(), ""))
            }
            b'o' | b'x' | b'X' => {
                let n = match value {
                    Value::Float(n) => Some(*n as i128),
                    other => other.as_whole(),
                };
                let n = n.ok_or_else(|| self.number_wanted(letter, value))?;
                Ok(match letter {
                    b'o' => signed(spec, n, |n| format!("{n:o}"), "0"),
                    b'x' => signed(spec, n, |n| format!("{n:x}"), "0x"),
                    _ => signed(spec, n, |n| format!("{n:X}"), "0X"),
                })
            }
            b'e' | b'E' | b'f' | b'F' | b'g' | b'G' => {
                let n = value.as_float().ok_or_else(|| self.room.type_error("float argument required"))?;
                Ok(fraction(letter, spec, n).into_bytes())
            }
            other => {
                let shown = char::from(other);
                let what = format!("unsupported format character '{shown}' ({other:#x})");
                Err(self.room.value_error(what))
            }
        }
    }

    fn number_wanted(&self, letter: u8, value: &Value) -> Fault {
        let letter = char::from(letter);
        let found = value.type_name();
        self.room.type_error(format!("%{letter} format: a number is required, not {found}"))
    }

    fn character(&self, value: &Value) -> Result<Vec<u8>, Fault> {
        match (value.as_bytes(), value.as_whole()) {
            (Some([only]), _) => Ok(vec![*only]),
            (None, Some(n)) => u8::try_from(n).map(|byte| vec![byte]).map_err(|_| {
                let what = "unsigned byte integer is greater than maximum";
                self.room.raise(Class::Overflow, what)
            }),
            _ => Err(self.room.type_error("%c requires int or char")),
        }
    }
}

/// Where the bracket closes that was opened before the text.
fn closing(text: &[u8]) -> Option<usize> {
    let mut depth = 1usize;
    text.iter().position(|byte| {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            _ => {}
        }
        depth == 0
    })
}

fn fraction(letter: u8, spec: &Spec, n: f64) -> String {
    let precision = spec.precision.unwrap_or(6);
    let zeros = if spec.alternate { Zeros::Keep } else { Zeros::Cut };
    let text = match letter {
        b'e' | b'E' => floats::exponential(n, precision),
        b'f' | b'F' if n.is_finite() => format!("{n:.precision$}"),
        _ => floats::general(n, precision, zeros),
    };
    let text = if letter.is_ascii_uppercase() { text.to_uppercase() } else { text };
    if text.starts_with('-') { text } else { format!("{}{text}", lead(spec)) }
}

fn flags<'p>(spec: &mut Spec, mut text: &'p [u8]) -> &'p [u8] {
    while let Some((flag, rest)) = text.split_first() {
        match flag {
            b'-' => spec.left = true,
            b'+' => spec.plus = true,
            b' ' => spec.blank = true,
            b'0' => spec.zero = true,
            b'#' => spec.alternate = true,
            _ => break,
        }
        text = rest;
    }
    text
}

fn lead(spec: &Spec) -> &'static str {
    if spec.plus {
        "+"
    } else if spec.blank {
        " "
    } else {
        ""
    }
}

fn cut(mut text: Vec<u8>, spec: &Spec) -> Vec<u8> {
    text.truncate(spec.precision.unwrap_or(usize::MAX));
    text
}

fn signed(spec: &Spec, n: i128, digits: impl Fn(u128) -> String, base: &str) -> Vec<u8> {
    let sign = if n < 0 { "-" } else { lead(spec) };
    let digits = digits(n.unsigned_abs());
    let missing = spec.precision.unwrap_or(0).saturating_sub(digits.len());
    let base = if spec.alternate && n != 0 { base } else { "" };
    format!("{sign}{base}{}{digits}", "0".repeat(missing)).into_bytes()
}

/// Pads to the width; zeros go between the sign and the digits.
fn pad(out: &mut Vec<u8>, spec: &Spec, letter: u8, body: &[u8]) {
    let missing = spec.width.saturating_sub(body.len());
    let numeric = !matches!(letter, b's' | b'r' | b'c');
    if spec.left {
        out.extend_from_slice(body);
        out.extend(std::iter::repeat_n(b' ', missing));
    } else if spec.zero && numeric {
        let sign = usize::from(body.first().is_some_and(|byte| matches!(byte, b'-' | b'+' | b' ')));
        let base = if body[sign..].starts_with(b"0x") || body[sign..].starts_with(b"0X") { 2 } else { 0 };
        out.extend_from_slice(&body[..sign + base]);
        out.extend(std::iter::repeat_n(b'0', missing));
        out.extend_from_slice(&body[sign + base..]);
    } else {
        out.extend(std::iter::repeat_n(b' ', missing));
        out.extend_from_slice(body);
    }
}
