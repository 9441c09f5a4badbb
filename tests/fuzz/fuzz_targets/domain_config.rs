//! A domain's tree at the daemon's door: refused with reasons, or stored so that it reads back the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xend::domain::{DomainConfig, DomainRecord};
use xend_api::sxp::parse_bytes;

fuzz_target!(|data: &[u8]| {
    let Ok(forms) = parse_bytes(data) else { return };
    for tree in forms {
        match DomainConfig::from_sxp(&tree) {
            Ok(config) => {
                let record = DomainRecord::creating(config);
                let text = record.to_text();
                let again = DomainRecord::from_text(&text).unwrap_or_else(|fault| panic!("{fault}\n{text}"));
                assert_eq!(again, record, "{text}");
            }
            Err(faults) => {
                assert!(faults.iter().all(|fault| !fault.to_string().is_empty()) && !faults.is_empty())
            }
        }
    }
});
