//! Floating-point numbers as C's `%g` and `%e` write them.

/// Are trailing zeros cut (`%g`) or kept (`%#g`)?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zeros {
    /// Cut, and the point with them.
    Cut,
    /// Kept.
    Keep,
}

/// C's `%.<precision>g`.
pub(super) fn general(n: f64, precision: usize, zeros: Zeros) -> String {
    if !n.is_finite() {
        return special(n);
    }
    let precision = precision.max(1);
    let (mut digits, exponent) = split(n, precision);
    if zeros == Zeros::Cut {
        digits.truncate(digits.trim_end_matches('0').len().max(1));
    }
    let sign = if n.is_sign_negative() { "-" } else { "" };
    let small = exponent < -4 || usize::try_from(exponent).is_ok_and(|exponent| exponent >= precision);
    let body = if small { scientific(&digits, exponent) } else { positional(&digits, exponent) };
    format!("{sign}{body}")
}

/// C's `%.<precision>e`.
pub(super) fn exponential(n: f64, precision: usize) -> String {
    if !n.is_finite() {
        return special(n);
    }
    let (digits, exponent) = split(n, precision + 1);
    let sign = if n.is_sign_negative() { "-" } else { "" };
    format!("{sign}{}", scientific(&digits, exponent))
}

fn special(n: f64) -> String {
    let text = if n.is_nan() {
        "nan"
    } else if n > 0.0 {
        "inf"
    } else {
        "-inf"
    };
    text.to_owned()
}

/// The significant digits and the power of ten of the first one.
fn split(n: f64, precision: usize) -> (String, i32) {
    let text = format!("{:.*e}", precision - 1, n.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (mantissa.replace('.', ""), exponent.parse().unwrap_or(0))
}

fn scientific(digits: &str, exponent: i32) -> String {
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}e{sign}{:02}", exponent.abs())
}

fn positional(digits: &str, exponent: i32) -> String {
    let Ok(exponent) = usize::try_from(exponent) else {
        let zeros = usize::try_from(-exponent - 1).unwrap_or(0);
        return format!("0.{}{digits}", "0".repeat(zeros));
    };
    let whole = exponent + 1;
    if digits.len() <= whole {
        return format!("{digits}{}", "0".repeat(whole - digits.len()));
    }
    let (before, after) = digits.split_at(whole);
    format!("{before}.{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn general_and_exponential_follow_c() {
        assert_eq!(general(100_000.0, 6, Zeros::Cut), "100000");
        assert_eq!(general(1_000_000.0, 6, Zeros::Cut), "1e+06");
        assert_eq!(general(0.5, 3, Zeros::Keep), "0.500");
        assert_eq!(exponential(1234.5, 2), "1.23e+03");
    }
}
