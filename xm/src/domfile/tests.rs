//! Whole files in, variables or errors out.

use super::source::FaultKind;
use super::*;

fn run_text(text: &str) -> Result<Scope, FileError> {
    let mut scope = Scope::default();
    run(&Source::new("./a.cfg", text.as_bytes()), &mut scope)?;
    Ok(scope)
}

/// What a file makes of `x`, as Python would print it.
fn x(text: &str) -> String {
    run_text(text).unwrap_or_else(|error| panic!("{error}")).get("x").unwrap().to_repr()
}

fn error(text: &str) -> String {
    run_text(text).unwrap_err().to_string()
}

#[test]
fn values_are_worked_out_as_in_python_2() {
    let cases = [
        ("x = 'a' 'b' \"c\"", "'abc'"),
        ("x = ('a'\n  'b')", "'ab'"),
        ("x = 'a' + \\\n 'b'", "'ab'"),
        ("x = 7 / 2, -7 / 2, 7 // -2, -7 % 3, 7 % -3", "(3, -4, -4, 2, -2)"),
        ("x = 7 / 2.0, 7.5 // 2, 2 ** 10, -2 ** 2", "(3.5, 3.0, 1024, -4)"),
        ("x = 1 + 2 * 3 - 4", "3"),
        ("x = [1, 'a',\n 2.5, # comment\n]", "[1, 'a', 2.5]"),
        ("x = ('a',)", "('a',)"),
        ("x = ('a')", "'a'"),
        ("x = {'a': 1, 'b': [2], 'a': 3}", "{'a': 3, 'b': [2]}"),
        ("x = 'ab' * 2 + '-' * 3", "'abab---'"),
        ("x = [1] * 2 + [2]", "[1, 1, 2]"),
        ("a, b = 1, 2; x = b, a", "(2, 1)"),
        ("a = b = []; a += [1]; x = b", "[1]"),
        ("x = 1; x += 2; x *= 3", "9"),
        ("x = 'abc'[1] + 'abc'[-1] + 'abcd'[1:3] + 'abc'[:-1]", "'bcbcab'"),
        ("x = [1, 2, 3][1:], (1, 2)[0], {'k': 5}['k']", "([2, 3], 1, 5)"),
        ("x = 1 < 2 <= 2 != 3 and 'a' in 'cat' and not 3 in [1]", "True"),
        ("x = 'yes' if 1 > 2 else 'no'", "'no'"),
        ("x = 0 or '' or 'd'", "'d'"),
        ("x = 0755, 0x1f, 5L, 9223372036854775807 + 1", "(493, 31, 5L, 9223372036854775808L)"),
        ("x = 1 | 6 & 3 ^ 8, 1 << 4, -16 >> 2, ~5", "(11, 16, -4, -6)"),
        ("x = True, None, u'a'", "(True, None, u'a')"),
    ];
    for (text, expected) in cases {
        assert_eq!(x(text), expected, "{text}");
    }
}

#[test]
fn percent_formats_as_in_python() {
    let cases = [
        ("'VM%d' % 5", "'VM5'"),
        ("'%s-%s' % ('a', 1)", "'a-1'"),
        ("'%s' % ['a']", "\"['a']\""),
        ("'%(n)s:%(m)02d' % {'n': 'x', 'm': 7}", "'x:07'"),
        ("'%02x:%X:%#o' % (10, 255, 8)", "'0a:FF:010'"),
        ("'[%5s|%-5s|%05d|%+d]' % ('a', 'b', -42, 3)", "'[    a|b    |-0042|+3]'"),
        ("'%.2f %e %g' % (3.14159, 1234.5, 0.0001)", "'3.14 1.234500e+03 0.0001'"),
        ("'%5.1f%%' % 99.44", "' 99.4%'"),
        ("'%r %c %c' % ('a', 65, 'z')", "\"'a' A z\""),
        ("'%*d' % (4, 7)", "'   7'"),
        ("'%.3s' % 'abcdef'", "'abc'"),
        ("'100%%' % ()", "'100%'"),
    ];
    for (text, expected) in cases {
        assert_eq!(x(&format!("x = {text}")), expected, "{text}");
    }
}

#[test]
fn errors_of_python_keep_their_text_and_gain_a_place() {
    let cases = [
        ("x = y", "name 'y' is not defined"),
        ("x = 'a' + 1", "cannot concatenate 'str' and 'int' objects"),
        ("x = 1 + 'a'", "unsupported operand type(s) for +: 'int' and 'str'"),
        ("x = 1 / 0", "integer division or modulo by zero"),
        ("x = '%d' % 'a'", "%d format: a number is required, not str"),
        ("x = '%s %s' % 'a'", "not enough arguments for format string"),
        ("x = '%s' % (1, 2)", "not all arguments converted during string formatting"),
        ("x = [1][3]", "list index out of range"),
        ("a, b = 1, 2, 3", "too many values to unpack"),
        ("x = 5[0]", "'int' object has no attribute '__getitem__'"),
    ];
    for (text, expected) in cases {
        let full = error(text);
        assert_eq!(full.lines().next(), Some(expected));
        assert!(full.contains(" ./a.cfg:1:"), "{full}");
    }
}

#[test]
fn bounds_hold_whatever_the_file_says() {
    let bombs = [
        "x = 'a' * 10**9",
        "x = '%1000000000d' % 1",
        "x = '%*d' % (10**9, 1)",
        "x = 10**10**10",
        "x = 1 << 10**10",
        "x = 2**100000",
        "x = [0] * 10**9",
        &format!("x = 'a' * 1000\n{}", "x = x + x\n".repeat(40)),
        &format!("x = ['a']\n{}y = '%s' % x", "x = [x, x]\n".repeat(40)),
        &format!("x = ['a']\ny = ['a']\n{}z = x == y", "x = [x, x]; y = [y, y]\n".repeat(40)),
        &format!("x = ()\n{}", "x = (x, x)\n".repeat(60)),
        &format!("x = 0\n{}", "x = x + 1\n".repeat(60_000)),
    ];
    for text in bombs {
        let fault = run_text(text).unwrap_err().fault;
        assert_eq!(fault.kind, FaultKind::Limit, "{fault:?} for {:.60}", text);
    }
    // Deep lists are legal; dropping them must not overflow the stack.
    assert!(run_text(&format!("x = []\n{}", "x = [x]\n".repeat(20_000))).is_ok());
    let chain: String = (1..4_000).map(|n| format!("a{n} = []; a{} += [a{n}]\n", n - 1)).collect();
    assert!(run_text(&format!("a0 = []\n{chain}")).is_ok());
}

#[test]
fn rubbish_is_refused_without_a_panic() {
    let pieces = [
        "a", "=", "(", ")", "[", "]", "{", "}", "'", "\"", "'''", "\\", "\n", " ", "\t", "%", "1", "0x",
        "1e", ".", ",", ":", "not", "in", "if", "else", "#", ";", "\u{e9}", "\0", "**", "lambda", "u'\\u",
        "==",
    ];
    let mut seed = 12345u64;
    for _ in 0..20_000 {
        let mut text = String::new();
        for _ in 0..12 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            text.push_str(pieces[(seed >> 33) as usize % pieces.len()]);
        }
        let _ = run_text(&text);
    }
}
