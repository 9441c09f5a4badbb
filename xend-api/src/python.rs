//! How Python 2 writes values, because files, tables and the wire show its hand: `repr` of a string, `str` and
//! `repr` of a float, and the way back from an escaped string.

use std::fmt::Write as _;

/// The significant digits of `str` of a float.
const STR_DIGITS: usize = 12;

/// `repr` of a byte string: single quotes, double ones when the text has `'` and no `"`; what isn't printable
/// ASCII becomes `\n`, `\t`, `\r` or `\xNN` for each byte.
pub fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut out = String::with_capacity(text.len() + 2);
    out.push(quote);
    for byte in text.bytes() {
        match byte {
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            b'\'' if quote == '\'' => out.push_str("\\'"),
            0x20..=0x7e => out.push(char::from(byte)),
            _ => {
                let _ = write!(out, "\\x{byte:02x}");
            }
        }
    }
    out.push(quote);
    out
}

/// `repr` without its quotes: the form in which a string travels when it is the whole result of a call.
pub fn escape(text: &str) -> String {
    let mut out = repr(text);
    out.pop();
    out.remove(0);
    out
}

/// Undoes `escape`: `\n \t \r \\ \' \"`, `\xNN` and octal; an escape that isn't one stays as it is. Bytes that are
/// not UTF-8 afterwards become replacement characters.
pub fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let (value, used) = if byte == b'\\' { one_escape(&bytes[at + 1..]) } else { (byte, 0) };
        out.push(value);
        at += 1 + used;
    }
    String::from_utf8(out).unwrap_or_else(|err| String::from_utf8_lossy(err.as_bytes()).into_owned())
}

/// The byte that the text after a backslash stands for, and how much of the text that is; an unknown escape is the
/// backslash alone.
fn one_escape(rest: &[u8]) -> (u8, usize) {
    match rest.first() {
        Some(b'n') => (b'\n', 1),
        Some(b't') => (b'\t', 1),
        Some(b'r') => (b'\r', 1),
        Some(b'a') => (0x07, 1),
        Some(b'b') => (0x08, 1),
        Some(b'f') => (0x0c, 1),
        Some(b'v') => (0x0b, 1),
        Some(&quoted @ (b'\\' | b'\'' | b'"')) => (quoted, 1),
        Some(b'x') => match (rest.get(1).copied().and_then(hex), rest.get(2).copied().and_then(hex)) {
            (Some(high), Some(low)) => (high * 16 + low, 3),
            _ => (b'\\', 0),
        },
        Some(b'0'..=b'7') => octal(rest),
        _ => (b'\\', 0),
    }
}

/// Up to three octal digits, cut to a byte.
fn octal(rest: &[u8]) -> (u8, usize) {
    let digits = rest.iter().take(3).take_while(|digit| (b'0'..=b'7').contains(digit));
    let (value, used) =
        digits.fold((0u16, 0), |(value, used), digit| (value * 8 + u16::from(digit - b'0'), used + 1));
    ((value & 0xff) as u8, used)
}

/// The value of a hexadecimal digit.
pub(crate) fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

/// `str` of a float: 12 significant digits, no needless zeros, but always a sign of being a float.
pub fn float_str(value: f64) -> String {
    if !value.is_finite() {
        return not_finite(value);
    }
    let scientific = format!("{value:.*e}", STR_DIGITS - 1);
    layout(&scientific, STR_DIGITS as i32)
}

/// `repr` of a float: the shortest text that reads back as the same number.
pub fn float_repr(value: f64) -> String {
    if !value.is_finite() {
        return not_finite(value);
    }
    layout(&format!("{value:e}"), 16)
}

fn not_finite(value: f64) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else if value > 0.0 {
        "inf".to_owned()
    } else {
        "-inf".to_owned()
    }
}

/// Lays out Rust's `1.25e-7` as Python would: with an exponent below 1e-4 and from 10^`limit` on, plain otherwise.
fn layout(scientific: &str, limit: i32) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = match digits.trim_end_matches('0') {
        "" => "0",
        trimmed => trimmed,
    };
    if exponent < -4 || exponent >= limit {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        let sign_of_exponent = if exponent < 0 { '-' } else { '+' };
        return format!("{sign}{first}{point}{rest}e{sign_of_exponent}{:02}", exponent.abs());
    }
    if exponent < 0 {
        let zeros = "0".repeat(exponent.unsigned_abs() as usize - 1);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        let zeros = "0".repeat(whole - digits.len());
        return format!("{sign}{digits}{zeros}.0");
    }
    let (before, after) = digits.split_at(whole);
    format!("{sign}{before}.{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_print_as_python_2_prints_them() {
        for (value, text) in [
            (12.345, "12.345"),
            (5068.6, "5068.6"),
            (1e-5, "1e-05"),
            (0.0001, "0.0001"),
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (100_000_000_000.0, "100000000000.0"),
            (1e12, "1e+12"),
            (1.0 / 3.0, "0.333333333333"),
            (2.0 / 3.0, "0.666666666667"),
            (123.4, "123.4"),
            (-2.5e-7, "-2.5e-07"),
            (1e300, "1e+300"),
            (999_999_999_999.9, "1e+12"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(float_str(value), text);
        }
    }

    #[test]
    fn repr_of_a_float_reads_back_as_the_same_number() {
        for (value, text) in
            [(123.4, "123.4"), (0.1, "0.1"), (1e16, "1e+16"), (1e15, "1000000000000000.0"), (1e-5, "1e-05")]
        {
            assert_eq!(float_repr(value), text);
        }
        for value in [1.0 / 3.0, 1e-310, 1.797e308, -7.25, 1_234_567_890.123_4] {
            assert_eq!(float_repr(value).parse::<f64>(), Ok(value));
        }
    }

    #[test]
    fn repr_chooses_quotes_and_escapes_as_python_does() {
        for (text, shown) in [
            ("", "''"),
            ("it's", "\"it's\""),
            ("a\"b", "'a\"b'"),
            ("both ' and \"", "'both \\' and \"'"),
            ("tab\t\\\n\r\u{1}", "'tab\\t\\\\\\n\\r\\x01'"),
            ("é", "'\\xc3\\xa9'"),
        ] {
            assert_eq!(repr(text), shown);
        }
    }

    #[test]
    fn unescape_undoes_escape() {
        for text in ["", "plain", "a\nb\tc\\d", "it's", "both ' and \"", "é\u{1}", "\\x41", "C:\\new\\xen"] {
            assert_eq!(unescape(&escape(text)), text);
        }
    }

    #[test]
    fn unescape_reads_octal_and_keeps_what_is_no_escape() {
        assert_eq!(unescape(r"\101\1018 \q \x4 \"), "AA8 \\q \\x4 \\");
        assert_eq!(unescape(r"\777"), "\u{fffd}");
    }
}
