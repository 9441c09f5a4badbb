//! Hostile streams, straight into the decoders.

use proptest::prelude::*;

use super::*;
use crate::builder::fixtures::{PACKED, TinyKernel, file_of};

const FORMATS: [Format; 6] =
    [Format::Gzip, Format::Bzip2, Format::Xz, Format::Zstd, Format::Lzma, Format::Lz4];
const LIMIT: u64 = 1 << 20;

fn run(format: Format, bytes: &[u8]) -> (Result<(), Failure>, u64) {
    let (input, output) = (file_of(bytes), file_of(b""));
    let payload = Payload { format, offset: 0, len: bytes.len() as u64, announced: None };
    let mut source = Source::new(&input, &payload).unwrap();
    let mut sink = Sink::new(&output, 0, LIMIT);
    let result = unpack(&payload, &mut source, &mut sink);
    (result, sink.written())
}

#[test]
fn the_digest_covers_the_whole_file_whatever_the_payload_is() {
    let file = file_of(b"head payload tail");
    let whole = digest_of(&file).unwrap();
    let payload = Payload { format: Format::Elf, offset: 5, len: 7, announced: None };
    let mut source = Source::new(&file, &payload).unwrap();
    let mut seen = String::new();
    source.read_to_string(&mut seen).unwrap();
    assert_eq!(seen, "payload");
    assert_eq!(source.digest().unwrap(), whole);
    assert_ne!(digest_of(&file_of(b"head payload tale")).unwrap(), whole);
}

#[test]
fn bytes_behind_the_stream_do_no_harm() {
    for ((_, packed), format) in PACKED.into_iter().zip(FORMATS).take(5) {
        let mut longer = packed.to_vec();
        longer.extend(2624_u32.to_le_bytes());
        let (result, written) = run(format, &longer);
        result.unwrap();
        assert_eq!(written, TinyKernel::modern().elf().len() as u64, "{format}");
    }
}

#[test]
fn a_zstd_stream_with_a_wrong_checksum_is_damaged() {
    let mut packed = PACKED[3].1.to_vec();
    let last = packed.len() - 1;
    packed[last] ^= 1;
    assert!(matches!(run(Format::Zstd, &packed).0, Err(Failure::Corrupt(_))));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_damage_to_a_stream_panics_or_passes_the_limit(
        which in 0_usize..6,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = PACKED[which].1.to_vec();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        let (_, written) = run(FORMATS[which], &bytes);
        prop_assert!(written <= LIMIT);
    }

    #[test]
    fn no_bytes_behind_a_magic_panic(
        which in 0_usize..6,
        bytes in prop::collection::vec(any::<u8>(), 0..600),
    ) {
        let mut stream = PACKED[which].1[..6].to_vec();
        stream.extend(bytes);
        let (_, written) = run(FORMATS[which], &stream);
        prop_assert!(written <= LIMIT);
    }
}
