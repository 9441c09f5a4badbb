//! Names that people and files give: the daemon's address, a disk's name inside the guest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xend::domain::VbdNumber;
use xend_api::client::Address;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = Address::parse(text) {
        assert!(!error.to_string().is_empty());
    }
    let _ = VbdNumber::from_name(text);
});
