//! S-expressions: every printed form reads back as the tree that was printed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xend_api::sxp::{MAX_BYTES, parse_bytes, parse_one};

fuzz_target!(|data: &[u8]| {
    let forms = match parse_bytes(data) {
        Ok(forms) => forms,
        Err(fault) => {
            assert!(!fault.to_string().is_empty() && !fault.classic().is_empty());
            return;
        }
    };
    for tree in forms {
        let texts = [tree.to_string(), tree.to_pretty(78), tree.to_pretty(4)];
        // Quotes and indentation may make it too long to be read.
        for text in texts.iter().filter(|text| text.len() <= MAX_BYTES) {
            assert_eq!(parse_one(text).as_ref(), Ok(&tree), "{text}");
        }
    }
});
