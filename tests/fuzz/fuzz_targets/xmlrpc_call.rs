//! A request to the daemon: what is read is written so that it reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xend_api::xmlrpc::{MAX_BYTES, parse_call, write_call};

fuzz_target!(|data: &[u8]| {
    let Ok(call) = parse_call(data) else { return };
    // Not everything that is read can be written: the original's numbers are narrower.
    let Ok(text) = write_call(&call.method, &call.params) else { return };
    // Spelled out, it may be too long to be read. What XML can't hold becomes U+FFFD, and then two names of a struct may
    // be one.
    if text.len() > MAX_BYTES || text.contains('\u{fffd}') {
        return;
    }
    let again = parse_call(text.as_bytes()).expect("what we wrote is readable");
    let twice = write_call(&again.method, &again.params).expect("what we wrote once can be written again");
    assert_eq!(text, twice);
});
