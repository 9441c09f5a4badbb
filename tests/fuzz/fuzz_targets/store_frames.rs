//! Store frames and what stands in them: both decoders, in pieces of any length, paths and permissions.
#![no_main]

use fuzz::Choices;
use libfuzzer_sys::fuzz_target;
use xenstore::Permissions;
use xenstore::paths::{parse_backend, parse_domain, parse_frontend, parse_vm, parse_vm_device};
use xenstore::wire::{ANSWER_MAX, Decoder, PAYLOAD_MAX, check_path};

fuzz_target!(|data: &[u8]| {
    let mut choices = Choices::new(data);
    let cut = usize::from(choices.byte()) + 1;
    let bytes = choices.rest();
    for (mut decoder, limit) in [(Decoder::for_requests(), PAYLOAD_MAX), (Decoder::for_answers(), ANSWER_MAX)]
    {
        let mut again = Vec::new();
        'stream: for piece in bytes.chunks(cut) {
            decoder.push(piece);
            loop {
                match decoder.next_frame() {
                    Ok(Some(frame)) => {
                        assert!(frame.payload.len() <= limit);
                        frame.encode(&mut again);
                    }
                    Ok(None) => break,
                    Err(_) => break 'stream,
                }
            }
        }
        assert!(bytes.starts_with(&again), "frames are written as they were read");
    }
    if let Some(permissions) = Permissions::from_wire(bytes) {
        assert_eq!(Permissions::from_wire(&permissions.to_wire()), Some(permissions));
    }
    let is_path = check_path(bytes).is_ok();
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = (parse_domain(text), parse_vm(text), parse_frontend(text), parse_vm_device(text));
        let _ = parse_backend(text);
        assert!(!is_path || text.is_ascii());
    }
});
