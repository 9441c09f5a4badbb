//! Python's `%` on strings: `'%-8s %(name)s %04x' % …`.

use super::budget::Budget;
use super::floats::{self, Zeros};
use super::ops;
use super::source::{Fault, Place};
use super::value::Value;

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
pub(super) fn interpolate(
    budget: &mut Budget,
    place: Place,
    pattern: &str,
    values: &Value,
) -> Result<String, Fault> {
    let mut writer = Writer { place, values, used: 0, out: String::new(), by_key: false };
    let mut rest = pattern;
    while let Some(at) = rest.find('%') {
        writer.out.push_str(&rest[..at]);
        rest = writer.conversion(budget, &rest[at + 1..])?;
    }
    writer.out.push_str(rest);
    budget.charge(place, writer.out.len())?;
    writer.all_used()?;
    Ok(writer.out)
}

struct Writer<'a> {
    place: Place,
    values: &'a Value,
    used: usize,
    out: String,
    by_key: bool,
}

impl Writer<'_> {
    fn raised(&self, what: impl Into<String>) -> Fault {
        Fault::raised(self.place, what)
    }

    /// The next positional value.
    fn next(&mut self) -> Result<Value, Fault> {
        let value = match self.values {
            Value::Tuple(fixed) => fixed.items.get(self.used).cloned(),
            other if self.used == 0 => Some(other.clone()),
            _ => None,
        };
        self.used += 1;
        value.ok_or_else(|| self.raised("not enough arguments for format string"))
    }

    fn all_used(&self) -> Result<(), Fault> {
        let given = match self.values {
            Value::Tuple(fixed) => fixed.items.len(),
            Value::Dict(_) | Value::List(_) => 0,
            _ => 1,
        };
        if self.by_key || self.used >= given {
            return Ok(());
        }
        Err(self.raised("not all arguments converted during string formatting"))
    }

    /// One conversion, the text after its `%`; returns what follows it.
    fn conversion<'p>(&mut self, budget: &mut Budget, text: &'p str) -> Result<&'p str, Fault> {
        let mut rest = text;
        let mut keyed = None;
        if let Some(inner) = rest.strip_prefix('(') {
            let (key, after) = inner.split_once(')').ok_or_else(|| self.raised("incomplete format key"))?;
            keyed = Some(self.by_name(budget, key)?);
            rest = after;
        }
        let mut spec = Spec::default();
        rest = flags(&mut spec, rest);
        rest = self.width(&mut spec, rest)?;
        if let Some(after) = rest.strip_prefix('.') {
            let mut precision = Spec::default();
            rest = self.width(&mut precision, after)?;
            spec.precision = Some(precision.width);
        }
        rest = rest.trim_start_matches(['h', 'l', 'L']);
        let letter = rest.chars().next().ok_or_else(|| self.raised("incomplete format"))?;
        if letter == '%' {
            self.out.push('%');
        } else {
            let value = match keyed {
                Some(value) => value,
                None => self.next()?,
            };
            let body = self.converted(letter, &spec, &value)?;
            budget.charge(self.place, spec.width.max(body.len()))?;
            pad(&mut self.out, &spec, letter, &body);
        }
        Ok(&rest[letter.len_utf8()..])
    }

    fn by_name(&mut self, budget: &mut Budget, key: &str) -> Result<Value, Fault> {
        self.by_key = true;
        let Value::Dict(fixed) = self.values else { return Err(self.raised("format requires a mapping")) };
        let wanted = Value::text(key);
        for (name, value) in &fixed.items {
            if ops::equal(budget, self.place, name, &wanted)? {
                return Ok(value.clone());
            }
        }
        Err(self.raised(xend_api::python::repr(key)))
    }

    fn width<'p>(&mut self, spec: &mut Spec, text: &'p str) -> Result<&'p str, Fault> {
        if let Some(after) = text.strip_prefix('*') {
            let value = self.next()?;
            let n = value.as_whole().ok_or_else(|| self.raised("* wants int"))?;
            spec.left |= n < 0;
            spec.width = usize::try_from(n.unsigned_abs()).unwrap_or(usize::MAX);
            return if spec.width > MAX_WIDTH { Err(self.too_wide()) } else { Ok(after) };
        }
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits > 0 {
            spec.width = text[..digits].parse().unwrap_or(usize::MAX);
        }
        if spec.width > MAX_WIDTH { Err(self.too_wide()) } else { Ok(&text[digits..]) }
    }

    fn too_wide(&self) -> Fault {
        Fault::limit(self.place, format!("a width of more than {MAX_WIDTH} characters"))
    }

    fn converted(&self, letter: char, spec: &Spec, value: &Value) -> Result<String, Fault> {
        match letter {
            's' => Ok(cut(value.to_text(), spec)),
            'r' => Ok(cut(value.to_repr(), spec)),
            'c' => self.character(value),
            'd' | 'i' | 'u' => {
                let n = value.as_float().ok_or_else(|| self.number_wanted(letter, value))?;
                Ok(signed(spec, value.as_whole().unwrap_or(n as i128), |n| n.to_string(), ""))
            }
            'o' | 'x' | 'X' => {
                let n = value.as_whole().ok_or_else(|| self.number_wanted(letter, value))?;
                Ok(match letter {
                    'o' => signed(spec, n, |n| format!("{n:o}"), "0"),
                    'x' => signed(spec, n, |n| format!("{n:x}"), "0x"),
                    _ => signed(spec, n, |n| format!("{n:X}"), "0X"),
                })
            }
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' => {
                let n = value.as_float().ok_or_else(|| self.raised("a float is required"))?;
                Ok(self.fraction(letter, spec, n))
            }
            other => {
                let code = u32::from(other);
                Err(self.raised(format!("unsupported format character '{other}' ({code:#x})")))
            }
        }
    }

    fn number_wanted(&self, letter: char, value: &Value) -> Fault {
        self.raised(format!("%{letter} format: a number is required, not {}", value.type_name()))
    }

    fn character(&self, value: &Value) -> Result<String, Fault> {
        let mut chars = value.as_text().unwrap_or_default().chars();
        match (chars.next(), chars.next(), value.as_whole()) {
            (Some(only), None, _) => Ok(only.to_string()),
            (_, _, Some(n)) => u8::try_from(n)
                .map(|byte| char::from(byte).to_string())
                .map_err(|_| self.raised("unsigned byte integer is greater than maximum")),
            _ => Err(self.raised("%c requires int or char")),
        }
    }

    fn fraction(&self, letter: char, spec: &Spec, n: f64) -> String {
        let precision = spec.precision.unwrap_or(6);
        let zeros = if spec.alternate { Zeros::Keep } else { Zeros::Cut };
        let text = match letter {
            'e' | 'E' => floats::exponential(n, precision),
            'f' | 'F' if n.is_finite() => format!("{n:.precision$}"),
            _ => floats::general(n, precision, zeros),
        };
        let text = if letter.is_ascii_uppercase() { text.to_uppercase() } else { text };
        if text.starts_with('-') { text } else { format!("{}{text}", lead(spec)) }
    }
}

fn flags<'p>(spec: &mut Spec, text: &'p str) -> &'p str {
    let rest = text.trim_start_matches(['-', '+', ' ', '0', '#']);
    for flag in text[..text.len() - rest.len()].chars() {
        match flag {
            '-' => spec.left = true,
            '+' => spec.plus = true,
            ' ' => spec.blank = true,
            '0' => spec.zero = true,
            _ => spec.alternate = true,
        }
    }
    rest
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

fn cut(text: String, spec: &Spec) -> String {
    match spec.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text,
    }
}

fn signed(spec: &Spec, n: i128, digits: impl Fn(u128) -> String, base: &str) -> String {
    let sign = if n < 0 { "-" } else { lead(spec) };
    let digits = digits(n.unsigned_abs());
    let missing = spec.precision.unwrap_or(0).saturating_sub(digits.len());
    let base = if spec.alternate { base } else { "" };
    format!("{sign}{base}{}{digits}", "0".repeat(missing))
}

/// Pads to the width; zeros go between the sign and the digits.
fn pad(out: &mut String, spec: &Spec, letter: char, body: &str) {
    let missing = spec.width.saturating_sub(body.chars().count());
    let numeric = !matches!(letter, 's' | 'r' | 'c');
    if spec.left {
        out.push_str(body);
        out.extend(std::iter::repeat_n(' ', missing));
    } else if spec.zero && numeric {
        let sign = usize::from(body.starts_with(['-', '+', ' ']));
        let base = if body[sign..].starts_with("0x") || body[sign..].starts_with("0X") { 2 } else { 0 };
        out.push_str(&body[..sign + base]);
        out.extend(std::iter::repeat_n('0', missing));
        out.push_str(&body[sign + base..]);
    } else {
        out.extend(std::iter::repeat_n(' ', missing));
        out.push_str(body);
    }
}
