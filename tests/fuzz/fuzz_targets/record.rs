//! A domain's record under the state folder: half written, of another version, or damaged.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xend::domain::DomainRecord;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    match DomainRecord::from_text(&text) {
        Ok(record) => {
            let text = record.to_text();
            let again = DomainRecord::from_text(&text).unwrap_or_else(|fault| panic!("{fault}\n{text}"));
            assert_eq!(again.to_text(), text);
        }
        Err(fault) => assert!(!fault.to_string().is_empty()),
    }
});
