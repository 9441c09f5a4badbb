//! The dialect's corners, hostile texts, and the cases that the original answered (where the corpus is present).

use std::path::{Path, PathBuf};

use super::*;

/// The folder of the original's answers; absent outside the project's own machines.
fn corpus() -> Option<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder =
        manifest.ancestors().map(|folder| folder.join("shared/corpus")).find(|folder| folder.is_dir());
    if folder.is_none() {
        eprintln!("corpus not present: comparison with the original skipped");
    }
    folder
}

fn text(form: &str) -> Sxp {
    Sxp::from(form)
}

#[test]
fn every_atom_is_text_as_written() {
    let forms = parse("(a 007 1e10 infinity 10.0.0.1 00:16:3e:00:00:01 0x10 -3)");
    let wanted = ["a", "007", "1e10", "infinity", "10.0.0.1", "00:16:3e:00:00:01", "0x10", "-3"].map(text);
    assert_eq!(forms, Ok(vec![Sxp::from(wanted.to_vec())]));
}

#[test]
fn comments_end_atoms_and_separators_begin_them() {
    assert_eq!(parse("a#b\nc;d{e a'b"), Ok(["a", "c", ";d", "{e", "a'b"].map(text).to_vec()));
    assert_eq!(parse("# only a comment"), Ok(vec![]));
}

#[test]
fn control_d_ends_the_text() {
    assert_eq!(parse("a \u{4} b)"), Ok(vec![text("a")]));
    assert_eq!(parse("(a \u{4})"), Err(SxpError::UnexpectedEnd { line: 1, column: 1 }));
}

#[test]
fn escapes_are_read_and_unknown_ones_leave_a_backslash() {
    assert_eq!(parse(r"'\a\b\t\n\v\f\r\\\'\'' "), Ok(vec![text("\u{7}\u{8}\t\n\u{b}\u{c}\r\\''")]));
    assert_eq!(parse(r"'\x41\101\0418\.x'"), Ok(vec![text("AA!8\\x")]));
    assert_eq!(parse(r"'\xc3\xa9'"), Ok(vec![text("é")]));
}

#[test]
fn faults_name_line_and_column() {
    for (given, wanted) in [
        ("a\n  )", SxpError::StrayBracket { line: 2, column: 3 }),
        ("x\n (a (b)", SxpError::UnexpectedEnd { line: 2, column: 2 }),
        ("(a 'bc", SxpError::UnexpectedEnd { line: 1, column: 4 }),
        ("'a\\", SxpError::UnexpectedEnd { line: 1, column: 1 }),
        ("(a \u{1})", SxpError::InvalidCharacter { code: 1, line: 1, column: 4 }),
        ("'\\400'", SxpError::OctalRange { digits: "400".to_owned(), line: 1, column: 2 }),
        ("'\\xg0'", SxpError::HexDigits { line: 1, column: 2 }),
        ("'\\x4", SxpError::HexDigits { line: 1, column: 2 }),
    ] {
        assert_eq!(parse(given), Err(wanted));
    }
}

#[test]
fn depth_is_bounded_and_deep_nesting_costs_no_stack() {
    let nested = |depth: usize| format!("{}{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(parse(&nested(MAX_DEPTH + 1)), Err(SxpError::TooDeep { line: 1, column: MAX_DEPTH + 1 }));
    assert!(parse(&"(".repeat(MAX_BYTES)).is_err());
    assert_eq!(parse(&"a".repeat(MAX_BYTES + 1)), Err(SxpError::TooLong { bytes: MAX_BYTES + 1 }));
}

#[test]
fn bytes_of_any_kind_never_panic() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..20_000 {
        let mut bytes = Vec::new();
        for _ in 0..24 {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            const LIKELY: &[u8] = b"()'\"\\#x0 7\n;ab\x04\xff\xc3";
            bytes.push(LIKELY[(seed >> 33) as usize % LIKELY.len()]);
        }
        if let Ok(forms) = parse_bytes(&bytes) {
            for form in forms {
                let again = parse_one(&form.to_string());
                assert_eq!(again, Ok(form), "{bytes:?}");
            }
        }
    }
}

#[test]
fn only_one_form_is_one_form() {
    assert_eq!(parse_one("(a)"), Ok(Sxp::from(vec![text("a")])));
    assert_eq!(parse_one(""), Err(SxpError::NotOne { found: 0 }));
    assert_eq!(parse_one("a b"), Err(SxpError::NotOne { found: 2 }));
}

/// The inside of a Python string literal, as `INPUTS.txt` writes them.
fn python_literal(literal: &str) -> String {
    crate::python::unescape(&literal[1..literal.len() - 1])
}

#[test]
fn the_25_cases_of_the_original_parse_and_print_alike() {
    let Some(folder) = corpus().map(|corpus| corpus.join("sxp")) else { return };
    let inputs = std::fs::read_to_string(folder.join("INPUTS.txt")).expect("the corpus holds its inputs");
    let mut seen = 0;
    for line in inputs.lines() {
        let (number, literal) = line.split_once('\t').expect("number, tab, literal");
        let given = python_literal(literal);
        let wanted = std::fs::read_to_string(folder.join(format!("case{number}.out")))
            .expect("each case has an answer");
        let answer = match parse(&given) {
            Ok(forms) if forms.is_empty() => "NONE (parser not complete)\n".to_owned(),
            Ok(forms) => {
                let form = &forms[0];
                let (count, repr, pretty) = (forms.len(), crate::sxp::print::repr(form), form.to_pretty(80));
                format!("# {count} value(s)\nrepr\t{repr}\nshow\t{form}\npretty\n{pretty}\n")
            }
            Err(error) => format!("PARSE-ERROR ParseError: {}\n", error.classic()),
        };
        // That parser was asked before it had been told that nothing follows.
        let unfinished_list = wanted.starts_with("NONE") && answer.contains("unexpected EOF");
        assert!(unfinished_list || wanted == answer, "case {number}: {given:?}\n{wanted}\n{answer}");
        seen += 1;
    }
    assert_eq!(seen, 25);
}

#[test]
fn what_the_original_client_printed_is_printed_again_byte_for_byte() {
    let Some(folder) = corpus().map(|corpus| corpus.join("expected")) else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).expect("the corpus holds expected answers") {
        let path = entry.expect("the folder can be read").path();
        if !path.extension().is_some_and(|extension| extension == "sxp" || extension == "new-long") {
            continue;
        }
        let printed = std::fs::read_to_string(&path).expect("the answer can be read");
        // The real paths and numbers had the widths that decided about line breaks.
        let start = printed.find('(').unwrap_or(printed.len());
        let forms = parse(&printed[start..]).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        if printed[start..].contains('@') {
            continue;
        }
        let again: String = forms.iter().map(|form| form.to_pretty(80) + "\n").collect();
        assert_eq!(again, printed[start..], "{}", path.display());
        seen += 1;
    }
    assert!(seen > 50, "only {seen} trees compared");
}
