//! Arguments and environment of a hotplug script, and the words in them that become paths, devices and modes.
#![no_main]

use fuzz::Choices;
use hotplug::invocation::Invocation;
use hotplug::{vbd, vif};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let mut words = Vec::new();
    while !choices.is_empty() {
        words.push(String::from_utf8_lossy(choices.piece()).into_owned());
    }
    let (arguments, environment) = words.split_at(words.len() / 2);
    let environment = environment.iter().filter_map(|word| word.split_once('='));
    let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let call = Invocation::new("vif-bridge", arguments.iter().cloned(), environment);
    let _ = (call.variable("vif"), call.backend(), vif::Side::of(&call));
    assert!(call.environment().keys().all(|name| !name.starts_with("LC_")));
    for word in &words {
        if let Some(command) = vbd::Command::parse(word) {
            assert_eq!(command.word(), word);
        }
        let _ = (vif::Command::parse(word), vbd::Mode::parse(word), vbd::DeviceNumber::parse(word));
        if let Some(backend) = vif::backend_of(word) {
            assert!(xenstore::paths::parse_backend(&backend).is_some(), "{word} -> {backend}");
        }
    }
});
