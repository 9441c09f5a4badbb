//! Validation of a PV guest's page tables when they are pinned: a tree of four levels whose every entry points to a
//! frame of the domain, and in which no page table can be written, neither by the guest nor by a toolstack's mapping.
//!
//! Stricter than Xen in one point: an entry in the part of the address space that belongs to the hypervisor is refused
//! where Xen would overwrite it in silence, since no builder means it.

use std::collections::BTreeMap;

use super::memory::{Extent, Frame, Memory};
use crate::Mfn;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const PAGE_SIZE_BIT: u64 = 1 << 7;
const GLOBAL: u64 = 1 << 8;
/// Slots of an L4 that the hypervisor keeps for itself.
const HYPERVISOR_SLOTS: std::ops::Range<usize> = 256..272;

/// Why a page table was not pinned, in the words of the hypervisor's console.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum PinError {
    /// The frame isn't RAM of the domain.
    #[error("L{level} table at mfn {mfn:#x} is not a page of this domain")]
    ForeignTable { mfn: Mfn, level: u8 },
    /// Somebody could change the table behind the hypervisor's back.
    #[error("L{level} table at mfn {mfn:#x} is mapped writable by a toolstack")]
    MappedWritable { mfn: Mfn, level: u8 },
    /// The page is in use as a table already.
    #[error("mfn {mfn:#x} is wanted as L{level} table and is an L{used_as} table")]
    TwoLevels { mfn: Mfn, level: u8, used_as: u8 },
    /// Bits that no entry of this level may have.
    #[error("entry {slot} of the L{level} table at mfn {mfn:#x} is {entry:#x}, which has forbidden bits")]
    ForbiddenBits { mfn: Mfn, level: u8, slot: usize, entry: u64 },
    /// The hypervisor's own part of the address space.
    #[error("entry {slot} of the L4 table at mfn {mfn:#x} belongs to the hypervisor")]
    HypervisorSlot { mfn: Mfn, slot: usize },
    /// An L1 entry to somebody else's page.
    #[error("entry {slot} of the L1 table at mfn {mfn:#x} maps mfn {target:#x}, not a page of this domain")]
    ForeignPage { mfn: Mfn, slot: usize, target: Mfn },
    /// An L1 entry that would let the guest write to a table.
    #[error(
        "entry {slot} of the L1 table at mfn {mfn:#x} maps the L{used_as} table at mfn {target:#x} writable"
    )]
    WritableTable { mfn: Mfn, slot: usize, target: Mfn, used_as: u8 },
}

/// The frame that an entry points to.
pub(super) fn target(entry: u64) -> Mfn {
    entry >> 12 & 0xff_ffff_ffff
}

/// True for an entry that points anywhere.
pub(super) fn is_present(entry: u64) -> bool {
    entry & PRESENT != 0
}

/// True for an entry that allows writing.
pub(super) fn is_writable(entry: u64) -> bool {
    entry & WRITABLE != 0
}

/// One entry of a table.
pub(super) fn entry(memory: &Memory, table: Mfn, slot: usize) -> u64 {
    let mut bytes = [0; 8];
    memory.read(table, slot * 8, &mut bytes);
    u64::from_le_bytes(bytes)
}

/// Entries of a table that are present, with their slots.
fn present(contents: &[u8]) -> impl Iterator<Item = (usize, u64)> {
    let (entries, rest) = contents.as_chunks::<8>();
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    let entries = entries.iter().copied().chain(std::iter::once(last)).map(u64::from_le_bytes);
    entries.enumerate().filter(|(_, entry)| is_present(*entry))
}

/// Checks the tree below an L4 and returns all its tables with their levels.
pub(super) fn validate(memory: &Memory, l4: Mfn) -> Result<BTreeMap<Mfn, u8>, PinError> {
    let mut tables = BTreeMap::new();
    add_table(memory, &mut tables, l4, 4)?;
    let mut current = vec![l4];
    for level in [4, 3, 2] {
        let mut below = Vec::new();
        for &table in &current {
            for (slot, entry) in present(&memory.contents(table)) {
                if level == 4 && HYPERVISOR_SLOTS.contains(&slot) {
                    return Err(PinError::HypervisorSlot { mfn: table, slot });
                }
                if entry & (PAGE_SIZE_BIT | GLOBAL) != 0 {
                    return Err(PinError::ForbiddenBits { mfn: table, level, slot, entry });
                }
                if add_table(memory, &mut tables, target(entry), level - 1)? {
                    below.push(target(entry));
                }
            }
        }
        current = below;
    }
    for &table in &current {
        check_leaves(memory, &tables, table)?;
    }
    Ok(tables)
}

/// Takes a page in as a table of this level; `false` when it is one already.
fn add_table(memory: &Memory, tables: &mut BTreeMap<Mfn, u8>, mfn: Mfn, level: u8) -> Result<bool, PinError> {
    if let Some(&used_as) = tables.get(&mfn) {
        return if used_as == level { Ok(false) } else { Err(PinError::TwoLevels { mfn, level, used_as }) };
    }
    if let Some(used_as) = memory.table_level(mfn) {
        return Err(PinError::TwoLevels { mfn, level, used_as });
    }
    if !matches!(memory.frame(mfn), Frame::Ram(_)) {
        return Err(PinError::ForeignTable { mfn, level });
    }
    if memory.is_mapped_writable(mfn) {
        return Err(PinError::MappedWritable { mfn, level });
    }
    tables.insert(mfn, level);
    Ok(true)
}

/// Checks what one L1 maps.
fn check_leaves(memory: &Memory, tables: &BTreeMap<Mfn, u8>, table: Mfn) -> Result<(), PinError> {
    let mut near: Option<Extent> = None;
    for (slot, entry) in present(&memory.contents(table)) {
        if entry & GLOBAL != 0 {
            return Err(PinError::ForbiddenBits { mfn: table, level: 1, slot, entry });
        }
        let target = target(entry);
        let in_near = near.is_some_and(|extent| target >= extent.mfn && target - extent.mfn < extent.len);
        if !in_near {
            near = memory.extent_of(target);
            if near.is_none() && memory.frame(target) == Frame::Foreign {
                return Err(PinError::ForeignPage { mfn: table, slot, target });
            }
        }
        if is_writable(entry)
            && let Some(&used_as) = tables.get(&target)
        {
            return Err(PinError::WritableTable { mfn: table, slot, target, used_as });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{PinError, validate};
    use crate::Access;
    use crate::sim::frames::Run;
    use crate::sim::memory::{Extent, Memory};

    const L4: u64 = 100;

    /// Four tables at 100 … 103, which map pages 200, 201 writable and the L1 itself read-only.
    fn tree() -> Memory {
        let mut memory = Memory::new([9000, 9001]);
        assert!(memory.add(Extent { mfn: 100, pfn: 0, len: 200 }));
        for (table, entry) in [(100, 101 << 12 | 0x67), (101, 102 << 12 | 0x67), (102, 103 << 12 | 0x67)] {
            put(&mut memory, table, 3, entry);
        }
        put(&mut memory, 103, 0, 200 << 12 | 0x23);
        put(&mut memory, 103, 1, 201 << 12 | 0x23);
        put(&mut memory, 103, 2, 103 << 12 | 0x21);
        put(&mut memory, 103, 3, 9000 << 12 | 0x23);
        memory
    }

    fn put(memory: &mut Memory, table: u64, slot: usize, entry: u64) {
        memory.write(table, slot * 8, &entry.to_le_bytes());
    }

    #[test]
    fn a_proper_tree_is_accepted_and_its_tables_are_counted() {
        let tables = validate(&tree(), L4).unwrap();
        assert_eq!(tables.into_iter().collect::<Vec<_>>(), [(100, 4), (101, 3), (102, 2), (103, 1)]);
    }

    #[test]
    fn a_table_that_somebody_maps_writable_is_refused_until_it_is_unmapped() {
        let mut memory = tree();
        let runs: Arc<[Run]> = [Run { start: 103, len: 1 }].into();
        let id = memory.map(&runs, Access::Write).unwrap();
        assert_eq!(validate(&memory, L4), Err(PinError::MappedWritable { mfn: 103, level: 1 }));
        memory.unmap(id);
        memory.map(&runs, Access::Read).unwrap();
        assert!(validate(&memory, L4).is_ok());
    }

    #[test]
    fn each_way_to_break_the_tree_is_named() {
        let broken = |table, slot, entry| {
            let mut memory = tree();
            put(&mut memory, table, slot, entry);
            validate(&memory, L4).unwrap_err()
        };
        assert_eq!(broken(100, 4, 999 << 12 | 0x67), PinError::ForeignTable { mfn: 999, level: 3 });
        assert_eq!(broken(100, 4, 100 << 12 | 0x67), PinError::TwoLevels { mfn: 100, level: 3, used_as: 4 });
        assert_eq!(broken(100, 256, 101 << 12 | 0x67), PinError::HypervisorSlot { mfn: 100, slot: 256 });
        let entry = 103 << 12 | 0xe7;
        assert_eq!(broken(102, 4, entry), PinError::ForbiddenBits { mfn: 102, level: 2, slot: 4, entry });
        let entry = 200 << 12 | 0x123;
        assert_eq!(broken(103, 4, entry), PinError::ForbiddenBits { mfn: 103, level: 1, slot: 4, entry });
        assert_eq!(broken(103, 4, 5 << 12 | 0x23), PinError::ForeignPage { mfn: 103, slot: 4, target: 5 });
        let writable = PinError::WritableTable { mfn: 103, slot: 4, target: 102, used_as: 2 };
        assert_eq!(broken(103, 4, 102 << 12 | 0x23), writable);
        assert_eq!(
            broken(103, 511, 5 << 12 | 0x23),
            PinError::ForeignPage { mfn: 103, slot: 511, target: 5 }
        );
    }

    #[test]
    fn an_l4_is_pinned_once() {
        let mut memory = tree();
        let tables = validate(&memory, L4).unwrap();
        memory.set_tables(tables);
        assert!(validate(&memory, L4).is_err());
    }
}
