//! The settings file of the daemon and the two files about PCI devices beside it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use xend::settings::{Findings, Permissive, Quirks, Reading};

fuzz_target!(|data: &[u8]| {
    let Reading { settings, findings, given } = Reading::of(data);
    judge(data, &findings);
    assert!(given.values().all(|place| place.line > 0 && place.column > 0));
    let now = std::time::Instant::now();
    assert!(now.checked_add(settings.device_create_timeout).is_some(), "it is added to a clock later");
    assert!(now.checked_add(settings.device_destroy_timeout).is_some(), "it is added to a clock later");
    assert!(settings.console_limit_kib.checked_mul(1024).is_some(), "it becomes bytes later");
    assert!(!settings.vif_script.trim().is_empty(), "it is looked for in folders later");
    judge(data, &Quirks::read(data).findings);
    judge(data, &Permissive::read(data).findings);
});

/// Each finding has a text of one line and a place in the file.
fn judge(data: &[u8], findings: &Findings) {
    let lines = 1 + data.iter().filter(|byte| **byte == b'\n').count();
    for finding in findings.iter() {
        assert!(!finding.text.is_empty() && !finding.text.contains(['\n', '\u{1b}']), "{finding:?}");
        assert!(finding.place.is_none_or(|place| (1..=lines).contains(&place.line)), "{finding:?}");
    }
}
