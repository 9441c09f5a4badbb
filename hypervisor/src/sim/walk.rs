//! A guest's virtual addresses, resolved through its own page tables as the processor does it in ring 3, where 64-bit
//! PV kernels run.

use super::memory::{Frame, Memory};
use super::tables::{entry, is_present, is_writable, target};
use crate::{Mfn, PAGE_SIZE, Pfn};

const USER: u64 = 1 << 2;

/// An address that the guest can't use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WalkError {
    /// Nothing is mapped there.
    #[error("cannot translate address {va:#x}: its L{level} entry is not present")]
    NotPresent {
        /// The address.
        va: u64,
        /// Where the walk ended.
        level: u8,
    },
    /// Ring 3 may not use what lies below.
    #[error("cannot translate address {va:#x}: its L{level} entry {entry:#x} lacks the user bit")]
    NotUser {
        /// The address.
        va: u64,
        /// Where the walk ended.
        level: u8,
        /// What is there.
        entry: u64,
    },
    /// The address isn't one: bits 47 to 63 differ.
    #[error("cannot translate address {va:#x}: it is not canonical")]
    NotCanonical {
        /// The address.
        va: u64,
    },
}

/// Where an address leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) mfn: Mfn,
    /// Within the domain's RAM; `None` for the hypervisor's pages.
    pub(super) pfn: Option<Pfn>,
    pub(super) writable: bool,
}

/// Resolves addresses; remembers the last L1, since neighbours are asked for mostly.
pub(super) struct Walker<'a> {
    memory: &'a Memory,
    l4: Mfn,
    last: Option<(u64, Mfn, bool)>,
}

impl<'a> Walker<'a> {
    /// Through the tree below `l4`.
    pub(super) fn new(memory: &'a Memory, l4: Mfn) -> Self {
        Self { memory, l4, last: None }
    }

    /// The memory it walks.
    pub(super) fn memory(&self) -> &'a Memory {
        self.memory
    }

    /// Where `va` leads.
    pub(super) fn translate(&mut self, va: u64) -> Result<Leaf, WalkError> {
        let (l1, upper_writable) = match self.last {
            Some((block, l1, writable)) if block == va >> 21 => (l1, writable),
            _ => self.descend(va)?,
        };
        self.last = Some((va >> 21, l1, upper_writable));
        let leaf = entry(self.memory, l1, slot(va, 1));
        if !is_present(leaf) {
            return Err(WalkError::NotPresent { va, level: 1 });
        }
        let mfn = target(leaf);
        let pfn = match self.memory.frame(mfn) {
            Frame::Ram(pfn) => Some(pfn),
            Frame::Special | Frame::Foreign => None,
        };
        Ok(Leaf { mfn, pfn, writable: upper_writable && is_writable(leaf) })
    }

    fn descend(&self, va: u64) -> Result<(Mfn, bool), WalkError> {
        if !matches!(va >> 47, 0 | 0x1_ffff) {
            return Err(WalkError::NotCanonical { va });
        }
        let mut table = self.l4;
        let mut writable = true;
        for level in [4, 3, 2] {
            let entry = entry(self.memory, table, slot(va, level));
            if !is_present(entry) {
                return Err(WalkError::NotPresent { va, level });
            }
            if entry & USER == 0 {
                return Err(WalkError::NotUser { va, level, entry });
            }
            writable &= is_writable(entry);
            table = target(entry);
        }
        Ok((table, writable))
    }

    /// Copies out from an address on, over as many pages as it takes.
    pub(super) fn read(&mut self, va: u64, into: &mut [u8]) -> Result<(), WalkError> {
        let mut at = va;
        let mut rest = into;
        while !rest.is_empty() {
            let leaf = self.translate(at)?;
            let within = (at % PAGE_SIZE as u64) as usize;
            let bytes = (PAGE_SIZE - within).min(rest.len());
            let (chunk, behind) = rest.split_at_mut(bytes);
            self.memory.read(leaf.mfn, within, chunk);
            rest = behind;
            at = at.wrapping_add(bytes as u64);
        }
        Ok(())
    }
}

/// Slot of an address in a table of this level.
fn slot(va: u64, level: u8) -> usize {
    (va >> (12 + 9 * (u32::from(level) - 1)) & 0x1ff) as usize
}
