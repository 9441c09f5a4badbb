//! What an NBD server says during the handshake.
#![no_main]

use hotplug::nbd;
use libfuzzer_sys::fuzz_target;
use std::io::{Cursor, Read, Result, Write};

struct Server<'a>(Cursor<&'a [u8]>);

impl Read for Server<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        self.0.read(buffer)
    }
}

impl Write for Server<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        Ok(bytes.len())
    }
    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

fuzz_target!(|data: &[u8]| {
    match nbd::negotiate(&mut Server(Cursor::new(data)), "disk") {
        Ok(export) => assert!(export.bytes > 0 && export.bytes % 512 == 0 && export.read_only().is_read_only()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
