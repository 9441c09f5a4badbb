//! S-expressions: every printed form reads back as the tree that was printed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xend_api::sxp::{parse_bytes, parse_one};

fuzz_target!(|data: &[u8]| {
    let forms = match parse_bytes(data) {
        Ok(forms) => forms,
        Err(fault) => {
            assert!(!fault.to_string().is_empty() && !fault.classic().is_empty());
            return;
        }
    };
    for tree in forms {
        for text in [tree.to_string(), tree.to_pretty(78), tree.to_pretty(4)] {
            assert_eq!(parse_one(&text).as_ref(), Ok(&tree), "{text}");
        }
    }
});
