//! The console ring in a guest's memory, from both sides. Indexes come from a page that the other side writes, so they
//! are believed only as far as the ring is long.

use super::memory::Memory;
use crate::Mfn;
use crate::abi::guest::console_ring as layout;

/// Whose end of a ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The guest: puts into `out`, gets from `in`.
    Guest,
    /// The daemon that serves it.
    Backend,
}

/// One direction: where its bytes and indexes are.
struct Direction {
    data: usize,
    size: usize,
    cons: usize,
    prod: usize,
}

const IN: Direction =
    Direction { data: layout::IN, size: layout::IN_SIZE, cons: layout::IN_CONS, prod: layout::IN_PROD };
const OUT: Direction =
    Direction { data: layout::OUT, size: layout::OUT_SIZE, cons: layout::OUT_CONS, prod: layout::OUT_PROD };

/// Puts what fits and says how much that was.
pub(super) fn put(memory: &mut Memory, ring: Mfn, side: Side, bytes: &[u8]) -> usize {
    let way = match side {
        Side::Guest => OUT,
        Side::Backend => IN,
    };
    let (cons, prod) = (index(memory, ring, way.cons), index(memory, ring, way.prod));
    let used = (prod.wrapping_sub(cons) as usize).min(way.size);
    let fits = bytes.len().min(way.size - used);
    let at = prod as usize % way.size;
    let first = fits.min(way.size - at);
    memory.write(ring, way.data + at, &bytes[..first]);
    memory.write(ring, way.data, &bytes[first..fits]);
    memory.write(ring, way.prod, &prod.wrapping_add(fits as u32).to_le_bytes());
    fits
}

/// Takes up to `limit` bytes.
pub(super) fn get(memory: &mut Memory, ring: Mfn, side: Side, limit: usize) -> Vec<u8> {
    let way = match side {
        Side::Guest => IN,
        Side::Backend => OUT,
    };
    let (cons, prod) = (index(memory, ring, way.cons), index(memory, ring, way.prod));
    let used = (prod.wrapping_sub(cons) as usize).min(way.size);
    let mut bytes = vec![0; used.min(limit)];
    let at = cons as usize % way.size;
    let first = bytes.len().min(way.size - at);
    let (head, tail) = bytes.split_at_mut(first);
    memory.read(ring, way.data + at, head);
    memory.read(ring, way.data, tail);
    memory.write(ring, way.cons, &cons.wrapping_add(bytes.len() as u32).to_le_bytes());
    bytes
}

fn index(memory: &Memory, ring: Mfn, offset: usize) -> u32 {
    let mut bytes = [0; 4];
    memory.read(ring, offset, &mut bytes);
    u32::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::{Side, get, layout, put};
    use crate::sim::memory::{Extent, Memory};

    const RING: u64 = 7;

    fn memory() -> Memory {
        let mut memory = Memory::new([1, 2]);
        assert!(memory.add(Extent { mfn: RING, pfn: 0, len: 1 }));
        memory
    }

    #[test]
    fn bytes_come_out_in_order_across_the_end_of_the_ring() {
        let mut memory = memory();
        let long: Vec<u8> = (0..=255).cycle().take(1500).collect();
        for _ in 0..5 {
            assert_eq!(put(&mut memory, RING, Side::Guest, &long), 1500);
            assert_eq!(put(&mut memory, RING, Side::Guest, &long), 548);
            assert_eq!(get(&mut memory, RING, Side::Backend, 1500), long);
            assert_eq!(get(&mut memory, RING, Side::Backend, 9999), long[..548]);
        }
        assert_eq!(put(&mut memory, RING, Side::Backend, &long), 1024);
        assert_eq!(get(&mut memory, RING, Side::Guest, 4), [0, 1, 2, 3]);
    }

    #[test]
    fn wild_indexes_yield_at_most_a_ring_of_bytes() {
        let mut memory = memory();
        memory.write(RING, layout::OUT_PROD, &0xffff_fff0_u32.to_le_bytes());
        assert_eq!(get(&mut memory, RING, Side::Backend, usize::MAX).len(), 2048);
        memory.write(RING, layout::IN_CONS, &5_u32.to_le_bytes());
        assert_eq!(put(&mut memory, RING, Side::Backend, &[1; 10]), 0);
    }
}
