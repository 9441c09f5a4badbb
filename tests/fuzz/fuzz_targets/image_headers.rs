//! Headers of images, as a guest or a stranger may have written them.
#![no_main]

use hotplug::image::{self, Format};
use libfuzzer_sys::fuzz_target;

const FORMATS: [Format; 5] = [Format::Raw, Format::Qcow, Format::Qcow2, Format::Vhd, Format::Vmdk];

fuzz_target!(|data: &[u8]| {
    for format in FORMATS {
        match image::inspect(format, &data) {
            Ok(Some(backing)) => {
                let name = backing.name.as_os_str().as_encoded_bytes();
                assert!(!name.is_empty() && name.len() < 1024 && !name.contains(&0));
            }
            Ok(None) => {}
            Err(flaw) => assert!(!flaw.to_string().is_empty()),
        }
    }
    let _ = image::recognise(&data);
});
