//! The settings file of the daemon.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xend::settings::Settings;
use xend_api::sxp::parse_bytes;

fuzz_target!(|data: &[u8]| {
    let Ok(forms) = parse_bytes(data) else { return };
    let (settings, complaints) = Settings::from_forms(&forms);
    assert!(complaints.iter().all(|complaint| !complaint.is_empty()));
    let now = std::time::Instant::now();
    assert!(now.checked_add(settings.device_create_timeout).is_some(), "it is added to a clock later");
    assert!(now.checked_add(settings.device_destroy_timeout).is_some(), "it is added to a clock later");
    assert!(settings.console_limit_kib.checked_mul(1024).is_some(), "it becomes bytes later");
});
