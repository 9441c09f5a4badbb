//! S-expressions: every printed form reads back as the tree that was printed; reading with places finds the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xend_api::sxp::{Located, MAX_BYTES, Source, Sxp, parse_bytes, parse_one};

fuzz_target!(|data: &[u8]| {
    let source = Source::read(data);
    places(data, &source);
    let forms = match parse_bytes(data) {
        Ok(forms) => forms,
        Err(fault) => {
            assert!(!source.faults().is_empty());
            assert!(!fault.to_string().is_empty() && !fault.classic().is_empty());
            return;
        }
    };
    assert_eq!(source.trees(), forms);
    assert!(source.faults().is_empty());
    for tree in forms {
        let texts = [tree.to_string(), tree.to_pretty(78), tree.to_pretty(4)];
        // Quotes and indentation may make it too long to be read.
        for text in texts.iter().filter(|text| text.len() <= MAX_BYTES) {
            assert_eq!(parse_one(text).as_ref(), Ok(&tree), "{text}");
        }
    }
});

/// A list stands where a bracket is, anything else elsewhere.
fn places(data: &[u8], source: &Source) {
    let lines: Vec<&[u8]> = data.split(|byte| *byte == b'\n').collect();
    let mut waiting: Vec<Located<'_>> = source.forms().collect();
    while let Some(item) = waiting.pop() {
        let place = item.place();
        let first = lines[place.line - 1][place.column - 1];
        assert_eq!(first == b'(', matches!(item.tree(), Sxp::List(_)), "{place:?}");
        waiting.extend(item.items());
    }
}
