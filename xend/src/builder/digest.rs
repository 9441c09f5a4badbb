//! A quick checksum of 64 bits against accidents: four lanes of multiply and rotate, in the manner of xxHash. Kernels are
//! digested in emulated and in small hosts too, where a CRC without its processor instruction takes half a second.
//!
//! It is no protection against somebody who makes files to collide. Whoever can write to a kernel file or to the folder
//! of kept kernels owns the guests anyway.

const PRIMES: [u64; 3] = [0x9e37_79b1_85eb_ca87, 0xc2b2_ae3d_27d4_eb4f, 0x1656_67b1_9e37_79f9];
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
        let [a, b, c] = PRIMES;
        Self { lanes: [a.wrapping_add(b), b, c, a.wrapping_neg()], rest: [0; BLOCK], len: 0 }
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

    pub(super) fn finish(mut self) -> u64 {
        let filled = (self.len % BLOCK as u64) as usize;
        if filled > 0 {
            self.rest[filled..].fill(0);
            absorb(&mut self.lanes, &self.rest);
        }
        // The length tells a tail of zeros from none.
        let mut sum = self.len.wrapping_mul(PRIMES[0]);
        for lane in self.lanes {
            sum = (sum ^ lane).rotate_left(27).wrapping_mul(PRIMES[0]).wrapping_add(PRIMES[2]);
        }
        for prime in [PRIMES[1], PRIMES[2]] {
            sum = (sum ^ sum >> 32).wrapping_mul(prime);
        }
        sum ^ sum >> 29
    }
}

fn absorb(lanes: &mut [u64; LANES], block: &[u8; BLOCK]) {
    for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
        let word = u64::from_le_bytes(*word);
        *lane = lane.wrapping_add(word.wrapping_mul(PRIMES[1])).rotate_left(31).wrapping_mul(PRIMES[0]);
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
    fn every_single_bit_and_every_length_counts() {
        let mut seen = HashSet::new();
        for len in 0..200 {
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
