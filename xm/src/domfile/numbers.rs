//! Numbers as they are written in a file: `0755`, `0o17`, `0x1f`, `0b1`, `10L`, `1e3`.

use super::lexer::TokenKind;

/// Reads a number at the start of the text; also tells how many bytes it used.
pub(super) fn read(text: &[u8]) -> Result<(TokenKind, usize), String> {
    let lower = extent(text).to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0o", 8), ("0b", 2)] {
        if let Some(digits) = lower.strip_prefix(prefix) {
            let used = digits.find(|c: char| !c.is_digit(radix)).unwrap_or(digits.len());
            return whole(&lower, 2, used, radix);
        }
    }
    let used = lower.find(|c: char| !c.is_ascii_digit()).unwrap_or(lower.len());
    if matches!(lower.as_bytes().get(used), Some(b'.' | b'e')) {
        return fraction(&lower);
    }
    let octal = used > 1 && lower.starts_with('0') && lower[..used].bytes().any(|b| b != b'0');
    if octal { whole(&lower, 1, used - 1, 8) } else { whole(&lower, 0, used, 10) }
}

/// The bytes that can belong to the number.
fn extent(text: &[u8]) -> String {
    let mut previous = b' ';
    let mut based = false;
    let end = text.iter().enumerate().position(|(at, byte)| {
        based |= at == 1 && matches!(byte, b'x' | b'X');
        let exponent_sign = !based && matches!(byte, b'+' | b'-') && matches!(previous, b'e' | b'E');
        previous = *byte;
        !(byte.is_ascii_alphanumeric() || *byte == b'.' || exponent_sign)
    });
    String::from_utf8_lossy(&text[..end.unwrap_or(text.len()).min(400)]).into_owned()
}

fn whole(lower: &str, skip: usize, digits: usize, radix: u32) -> Result<(TokenKind, usize), String> {
    let text = &lower[skip..skip + digits];
    let value =
        i128::from_str_radix(text, radix).map_err(|_| format!("cannot read the number {lower:.40}"))?;
    if lower[skip + digits..].starts_with('l') {
        return Ok((TokenKind::Long(Box::new(value)), skip + digits + 1));
    }
    let kind = i64::try_from(value).map_or_else(|_| TokenKind::Long(Box::new(value)), TokenKind::Int);
    Ok((kind, skip + digits))
}

fn fraction(lower: &str) -> Result<(TokenKind, usize), String> {
    let digits = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let mut used = digits(lower);
    if lower[used..].starts_with('.') {
        used += 1 + digits(&lower[used + 1..]);
    }
    if lower[used..].starts_with('e') {
        let sign = usize::from(lower[used + 1..].starts_with(['+', '-']));
        let exponent = digits(&lower[used + 1 + sign..]);
        if exponent > 0 {
            used += 1 + sign + exponent;
        }
    }
    let value = lower[..used].parse().map_err(|_| format!("cannot read the number {lower:.40}"))?;
    Ok((TokenKind::Float(value), used))
}

#[cfg(test)]
mod tests {
    use super::super::lexer::tokens;
    use super::*;

    #[test]
    fn numbers_of_python_2_and_3_are_read() {
        let text = "1 0 00 0755 0o17 0x1F 0b11 10L 99999999999999999999 1.5 .5 1e3 2.e-1 0x1e+1";
        let long = |n: i128| TokenKind::Long(Box::new(n));
        let mut expected: Vec<_> = [1, 0, 0, 493, 15, 31, 3].into_iter().map(TokenKind::Int).collect();
        expected.extend([long(10), long(99_999_999_999_999_999_999)]);
        expected.extend([1.5, 0.5, 1000.0, 0.2].into_iter().map(TokenKind::Float));
        expected.extend([TokenKind::Int(30), TokenKind::Op("+"), TokenKind::Int(1)]);
        expected.extend([TokenKind::Newline, TokenKind::End]);
        let found: Vec<_> = tokens(text.as_bytes()).0.into_iter().map(|token| token.kind).collect();
        assert_eq!(found, expected);
        let fault = |text: &str| tokens(text.as_bytes()).1[0].what.clone();
        assert_eq!(fault("a = 12abc"), "a number runs into a word");
        assert_eq!(fault("a = 089"), "cannot read the number 089");
    }
}
