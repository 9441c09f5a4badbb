//! XXH64: the checksum inside Zstandard streams, and a quick one of our own against accidents. Kernels are unpacked in
//! emulated and in small hosts too, where a CRC without its processor instruction takes half a second.
//!
//! It is no protection against somebody who makes files to collide. Whoever can write to a kernel file or to the folder
//! of kept kernels owns the guests anyway.

const P1: u64 = 0x9e37_79b1_85eb_ca87;
const P2: u64 = 0xc2b2_ae3d_27d4_eb4f;
const P3: u64 = 0x1656_67b1_9e37_79f9;
const P4: u64 = 0x85eb_ca77_c2b2_ae63;
const P5: u64 = 0x27d4_eb2f_1656_67c5;
const LANES: usize = 4;
const BLOCK: usize = 8 * LANES;

/// A checksum that is being taken. Independent of the pieces in which the bytes come.
#[derive(Clone, Debug)]
pub(super) struct Digest {
    lanes: [u64; LANES],
    /// Bytes that do not fill a block yet.
    rest: [u8; BLOCK],
    len: u64,
}

impl Digest {
    pub(super) fn new() -> Self {
        Self { lanes: [P1.wrapping_add(P2), P2, 0, P1.wrapping_neg()], rest: [0; BLOCK], len: 0 }
    }

    pub(super) fn update(&mut self, mut bytes: &[u8]) {
        let filled = (self.len % BLOCK as u64) as usize;
        self.len += bytes.len() as u64;
        if filled > 0 {
            let (head, tail) = bytes.split_at(bytes.len().min(BLOCK - filled));
            self.rest[filled..filled + head.len()].copy_from_slice(head);
            if filled + head.len() < BLOCK {
                return;
            }
            bytes = tail;
            absorb(&mut self.lanes, &self.rest);
        }
        let (blocks, tail) = bytes.as_chunks::<BLOCK>();
        let mut lanes = self.lanes;
        for block in blocks {
            absorb(&mut lanes, block);
        }
        self.lanes = lanes;
        self.rest[..tail.len()].copy_from_slice(tail);
    }

    pub(super) fn finish(&self) -> u64 {
        let mut sum = P5;
        if self.len >= BLOCK as u64 {
            sum = self
                .lanes
                .iter()
                .zip([1, 7, 12, 18])
                .fold(0, |sum: u64, (lane, bits)| sum.wrapping_add(lane.rotate_left(bits)));
            for lane in self.lanes {
                sum = (sum ^ round(0, lane)).wrapping_mul(P1).wrapping_add(P4);
            }
        }
        sum = sum.wrapping_add(self.len);
        let (words, mut tail) = self.rest[..(self.len % BLOCK as u64) as usize].as_chunks::<8>();
        for word in words {
            sum ^= round(0, u64::from_le_bytes(*word));
            sum = sum.rotate_left(27).wrapping_mul(P1).wrapping_add(P4);
        }
        if let Some((half, rest)) = tail.split_first_chunk::<4>() {
            sum ^= u64::from(u32::from_le_bytes(*half)).wrapping_mul(P1);
            sum = sum.rotate_left(23).wrapping_mul(P2).wrapping_add(P3);
            tail = rest;
        }
        for byte in tail {
            sum = (sum ^ u64::from(*byte).wrapping_mul(P5)).rotate_left(11).wrapping_mul(P1);
        }
        sum = (sum ^ sum >> 33).wrapping_mul(P2);
        sum = (sum ^ sum >> 29).wrapping_mul(P3);
        sum ^ sum >> 32
    }
}

fn round(lane: u64, word: u64) -> u64 {
    lane.wrapping_add(word.wrapping_mul(P2)).rotate_left(31).wrapping_mul(P1)
}

fn absorb(lanes: &mut [u64; LANES], block: &[u8; BLOCK]) {
    for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
        *lane = round(*lane, u64::from_le_bytes(*word));
    }
}

/// Checksum of some bytes.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    let mut digest = Digest::new();
    digest.update(bytes);
    digest.finish()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_inputs_give_the_published_sums() {
        assert_eq!(digest(b""), 0xef46_db37_51d8_e999);
        assert_eq!(digest(b"a"), 0xd24e_c4f1_a98c_6e5b);
        assert_eq!(digest(b"abc"), 0x44bc_2cf5_ad77_0999);
        assert_eq!(digest(b"The quick brown fox jumps over the lazy dog"), 0x0b24_2d36_1fda_71bc);
    }

    #[test]
    fn every_single_bit_and_every_length_counts() {
        let mut seen = HashSet::new();
        for len in 0..100 {
            assert!(seen.insert(digest(&vec![0; len])), "{len} zeros");
            for bit in 0..len * 8 {
                let mut bytes = vec![0; len];
                bytes[bit / 8] |= 1 << (bit % 8);
                assert!(seen.insert(digest(&bytes)), "bit {bit} of {len} bytes");
            }
        }
    }

    proptest! {
        #[test]
        fn the_pieces_do_not_matter(
            bytes in prop::collection::vec(any::<u8>(), 0..500),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let mut pieces = Digest::new();
            let mut from = 0;
            for cut in cuts {
                pieces.update(&bytes[from..cut]);
                from = cut;
            }
            prop_assert_eq!(pieces.finish(), digest(&bytes));
        }

        #[test]
        fn swapped_words_give_another_sum(
            mut bytes in prop::collection::vec(any::<u8>(), 64..300),
            first in any::<prop::sample::Index>(),
            second in any::<prop::sample::Index>(),
        ) {
            let before = digest(&bytes);
            let words = bytes.len() / 8;
            let (first, second) = (first.index(words) * 8, second.index(words) * 8);
            let same = bytes[first..first + 8] == bytes[second..second + 8];
            for index in 0..8 {
                bytes.swap(first + index, second + index);
            }
            prop_assert_eq!(digest(&bytes) == before, same);
        }
    }
}
