//! The decoder against another one and its encoder, on data of every kind, whole and broken.

use proptest::prelude::*;

use super::*;

const WINDOW: u64 = 128 << 20;
const LIMIT: usize = 4 << 20;

fn unpack(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    let mut put = |piece: &[u8]| {
        out.extend_from_slice(piece);
        if out.len() > LIMIT { Err("limit") } else { Ok(()) }
    };
    match decode(&mut &bytes[..], WINDOW, &mut put) {
        Ok(()) => Ok(out),
        Err(Error::Input(error)) => Err(error.to_string()),
        Err(Error::Output(text)) => Err(text.to_owned()),
    }
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

/// What another decoder makes of it.
fn reference(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let reader = ruzstd::decoding::StreamingDecoder::new(bytes).ok()?;
    reader.take(LIMIT as u64).read_to_end(&mut out).ok()?;
    Some(out)
}

/// Text, code, zeros and noise, as in a kernel.
fn mixture(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let mut out = Vec::with_capacity(len);
    while out.len() < len {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let size = (state >> 40) as usize % 3000;
        match state >> 61 {
            0 => out.resize(out.len() + size, 0),
            1 => out.extend((0..size as u64).map(|index| (state.rotate_left(index as u32 % 64) >> 7) as u8)),
            2 if out.len() > 100 => {
                let from = (state >> 20) as usize % (out.len() - 50);
                let piece = out[from..(from + size).min(out.len())].to_vec();
                out.extend(piece);
            }
            _ => out.extend((0..size).map(|index| b"etaoin shrdlu"[(index * index + size) % 13])),
        }
    }
    out.truncate(len);
    out
}

#[test]
fn what_an_encoder_packs_comes_out_again_at_every_size() {
    for len in [0, 1, 2, 255, 256, 257, 1000, 65_535, 65_536, 131_071, 131_072, 131_073, 400_000, 3_000_000] {
        let bytes = mixture(len as u64, len);
        assert!(unpack(&pack(&bytes)).as_ref() == Ok(&bytes), "{len} bytes");
    }
    let zeros = vec![0; 1_000_000];
    assert!(unpack(&pack(&zeros)) == Ok(zeros));
}

#[test]
fn repetitions_of_every_distance_and_length_come_out_right() {
    for back in 1..40 {
        for count in [1, 2, 15, 16, 17, 63, 64, 65, 300] {
            let mut output = Output::new(1 << 10);
            let start: Vec<u8> = (0..64).collect();
            output.take(64).copy_from_slice(&start);
            output.repeat(back, count);
            let mut wanted = start;
            for _ in 0..count {
                wanted.push(wanted[wanted.len() - back]);
            }
            assert_eq!(output.buffer[..output.len], wanted, "{count} from {back} back");
        }
    }
}

#[test]
fn a_small_window_is_kept_while_the_output_moves_on() {
    // Blocks of one repeated byte, far more of them than the buffer holds, under the smallest window.
    let mut stream = MAGIC.to_le_bytes().to_vec();
    stream.extend([0, 0]);
    let mut wanted = Vec::new();
    for index in 0..4000_u32 {
        let header = 1000 << 3 | 1 << 1 | u32::from(index == 3999);
        stream.extend(&header.to_le_bytes()[..3]);
        stream.push(index as u8);
        wanted.resize(wanted.len() + 1000, index as u8);
    }
    assert!(unpack(&stream) == Ok(wanted));
}

#[test]
fn the_head_of_a_frame_is_checked() {
    let head = |rest: &[u8]| unpack(&[&MAGIC.to_le_bytes(), rest].concat()).unwrap_err();
    assert_eq!(unpack(b"\x28\xb5\x2f\xfe").unwrap_err(), "no frame begins here");
    assert_eq!(head(&[0x08, 0]), "a reserved bit of the frame is set");
    assert_eq!(head(&[0x01, 0, 7]), "a dictionary is needed");
    assert_eq!(head(&[0x00, 18 << 3]), "the window is larger than allowed");
    // A single segment is its own window.
    assert_eq!(head(&[0xa0, 0, 0, 0, 0x10]), "the window is larger than allowed");
    assert_eq!(head(&[0x00, 0, 0x07, 0, 0]), "a block has a reserved type");
    assert_eq!(head(&[0x00, 0, 0x01, 0xff, 0xff]), "a block is larger than allowed");
    assert_eq!(head(&[0x20, 5, 0x09, 0, 0, 1]), "the content has another size than announced");
}

#[test]
fn a_wrong_checksum_is_noticed() {
    let bytes = mixture(5, 10_000);
    let mut packed = pack(&bytes);
    assert!(packed[4] & 0x04 != 0, "the encoder adds a checksum");
    let last = packed.len() - 1;
    packed[last] ^= 1;
    assert_eq!(unpack(&packed).unwrap_err(), "checksum of the content does not match");
}

#[test]
fn output_stops_when_nobody_wants_it() {
    // 40 MB of repeated bytes in a few hundred bytes of stream.
    let mut stream = MAGIC.to_le_bytes().to_vec();
    stream.extend([0, 10 << 3]);
    for _ in 0..320 {
        stream.extend(&(131_072_u32 << 3 | 1 << 1).to_le_bytes()[..3]);
        stream.push(7);
    }
    assert_eq!(unpack(&stream).unwrap_err(), "limit");
}

/// `XEND_TEST_ZSTD=FILE.zst:…`: streams of other encoders, which must come out as another decoder says.
#[test]
fn streams_named_in_the_environment_come_out_as_elsewhere() {
    let Some(paths) = std::env::var_os("XEND_TEST_ZSTD") else { return };
    for path in std::env::split_paths(&paths) {
        let bytes = std::fs::read(&path).unwrap();
        let mut wanted = Vec::new();
        ruzstd::decoding::StreamingDecoder::new(&bytes[..]).unwrap().read_to_end(&mut wanted).unwrap();
        let mut out = Vec::new();
        let put = &mut |piece: &[u8]| {
            out.extend_from_slice(piece);
            Ok::<(), ()>(())
        };
        decode(&mut &bytes[..], WINDOW, put).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
        assert!(out == wanted, "{} differs", path.display());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn packed_bytes_come_out_again(seed in any::<u64>(), len in 0_usize..300_000) {
        let bytes = mixture(seed, len);
        prop_assert!(unpack(&pack(&bytes)) == Ok(bytes));
    }

    #[test]
    fn a_damaged_stream_is_refused_or_gives_what_another_decoder_gives(
        seed in any::<u64>(),
        len in 0_usize..40_000,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut packed = pack(&mixture(seed, len));
        // Without checksum, so that damage goes deep.
        packed[4] &= !0x04;
        for (at, value) in changes {
            let at = at.index(packed.len());
            packed[at] = value;
        }
        if let (Ok(out), Some(wanted)) = (unpack(&packed), reference(&packed)) {
            prop_assert!(out == wanted);
        }
    }
}
