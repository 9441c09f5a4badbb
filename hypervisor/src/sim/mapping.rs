//! Memory of simulated guests: allocated in extents, mapped without copying, freed when the last mapping goes.

use std::sync::{Arc, Mutex};

use super::faults::refused;
use super::frames::Run;
use super::memory::{Extent, Frame, Memory};
use super::{Call, Faults, Inner, Machine, lock, tables};
use crate::{Access, DomId, GuestMemory, HypervisorError, Mapping, Mfn, PAGE_SIZE, Pfn};

type Result<T> = std::result::Result<T, HypervisorError>;

/// Larger orders than 1 GiB don't exist.
const MAX_ORDER: u32 = 18;
/// Addresses have 52 bits.
const MAX_MFN: Mfn = (1 << 40) - 1;
/// First bytes of each of the 32-byte slots of a hypercall page: `mov $nr, %eax`, the number following.
const HYPERCALL_SLOT: usize = 32;

impl GuestMemory for Machine {
    fn populate(&self, domid: DomId, order: u32, pfns: &[Pfn]) -> Result<Vec<Mfn>> {
        self.inner.enter(Call::Populate, Some(domid))?;
        if order > MAX_ORDER {
            return Err(refused(Call::Populate, Some(domid), libc::EPERM));
        }
        let mut mfns = Vec::with_capacity(pfns.len());
        let mut state = lock(&self.inner.state);
        for wanted in runs_of_extents(order, pfns) {
            let asked = mfns.len() as u64 + wanted.extents;
            let done = state.populate_run(&self.inner.faults, domid, wanted, &mut mfns);
            done.map_err(|errno| refused(Call::Populate, Some(domid), errno))?;
            if (mfns.len() as u64) < asked {
                break;
            }
        }
        Ok(mfns)
    }

    fn claim_pages(&self, domid: DomId, nr_pages: u64) -> Result<()> {
        self.inner.enter(Call::ClaimPages, Some(domid))?;
        let claimed = lock(&self.inner.state).claim(domid, nr_pages);
        claimed.map_err(|errno| refused(Call::ClaimPages, Some(domid), errno))
    }

    fn set_memory_map(&self, domid: DomId, _bytes: u64) -> Result<()> {
        self.inner.with_domain(Call::SetMemoryMap, domid, |_| Ok(()))
    }

    fn map(&self, domid: DomId, access: Access, frames: &[Mfn]) -> Result<Box<dyn Mapping>> {
        if frames.is_empty() {
            return Err(refused(Call::Map, Some(domid), libc::EINVAL));
        }
        let memory = self.inner.with_domain(Call::Map, domid, |domain| Ok(domain.memory()))?;
        let mapping = SimMapping::new(&self.inner, (domid, memory), access, frames);
        let mapping = mapping.map_err(|errno| refused(Call::Map, Some(domid), errno))?;
        Ok(Box::new(mapping))
    }

    fn map_grant_table(&self, domid: DomId) -> Result<Box<dyn Mapping>> {
        let call = Call::MapGrantTable;
        let (memory, mfn) =
            self.inner.with_domain(call, domid, |domain| Ok((domain.memory(), domain.grant_table)))?;
        let mapping = SimMapping::new(&self.inner, (domid, memory), Access::Write, &[mfn]);
        Ok(Box::new(mapping.map_err(|errno| refused(call, Some(domid), errno))?))
    }

    fn init_hypercall_page(&self, domid: DomId, mfn: Mfn) -> Result<()> {
        self.inner.with_domain(Call::InitHypercallPage, domid, |domain| {
            let memory = domain.memory();
            let mut memory = lock(&memory);
            // Xen writes to the page, so it must be the domain's and no page table.
            if !matches!(memory.frame(mfn), Frame::Ram(_)) || memory.table_level(mfn).is_some() {
                return Err(libc::EACCES);
            }
            let mut page = [0xcc; PAGE_SIZE];
            for (number, slot) in (0_u32..).zip(page.chunks_exact_mut(HYPERCALL_SLOT)) {
                slot[0] = 0xb8;
                slot[1..5].copy_from_slice(&number.to_le_bytes());
            }
            memory.write(mfn, 0, &page);
            Ok(())
        })
    }

    fn pin_l4_table(&self, domid: DomId, mfn: Mfn) -> Result<()> {
        let memory = self.inner.with_domain(Call::PinL4Table, domid, |domain| Ok(domain.memory()))?;
        let mut memory = lock(&memory);
        match tables::validate(&memory, mfn) {
            Ok(tables) => {
                memory.set_tables(tables);
                Ok(())
            }
            Err(why) => {
                drop(memory);
                self.print(&format!("d{domid} cannot pin mfn {mfn:#x} as L4: {why}"));
                Err(refused(Call::PinL4Table, Some(domid), libc::EINVAL))
            }
        }
    }
}

/// Extents of 2^`order` pages whose pfns follow each other.
#[derive(Clone, Copy)]
struct Wanted {
    order: u32,
    pfn: Pfn,
    extents: u64,
}

/// Joins extents whose pfns follow each other.
fn runs_of_extents(order: u32, pfns: &[Pfn]) -> impl Iterator<Item = Wanted> {
    let size = 1_u64 << order;
    pfns.chunk_by(move |before, after| before.checked_add(size) == Some(*after)).map(move |chunk| Wanted {
        order,
        pfn: chunk[0],
        extents: chunk.len() as u64,
    })
}

impl super::State {
    /// Allocates extents for pfns that follow each other, as many as limit, memory and faults allow.
    fn populate_run(
        &mut self,
        faults: &Faults,
        domid: DomId,
        Wanted { order, pfn, extents }: Wanted,
        mfns: &mut Vec<Mfn>,
    ) -> std::result::Result<(), i32> {
        let size = 1_u64 << order;
        let domain = self.domains.get_mut(&domid).filter(|domain| !domain.dying).ok_or(libc::ESRCH)?;
        let spare = (self.frames.nr_free() + domain.claim).saturating_sub(self.claimed);
        let allowed = extents.min(domain.room() / size).min(spare / size);
        let mut wanted = faults.ration(allowed, size);
        let memory = domain.memory();
        let mut memory = lock(&memory);
        if pfn.checked_add(extents * size).is_none() || memory.overlaps(pfn, extents * size) {
            // What was done before is told by a short answer.
            return if mfns.is_empty() { Err(libc::EINVAL) } else { Ok(()) };
        }
        let mut pfn = pfn;
        while wanted > 0 {
            let Some(run) = self.frames.take(order, wanted) else { break };
            mfns.extend((run.start..run.start + run.len).step_by(1 << order));
            memory.add(Extent { mfn: run.start, pfn, len: run.len });
            let claim = domain.claim.min(run.len);
            domain.claim -= claim;
            self.claimed -= claim;
            pfn += run.len;
            wanted -= run.len / size;
        }
        domain.tot_pages = memory.tot_pages();
        Ok(())
    }

    /// Promises pages; the number includes those that the domain has, and replaces nothing: drop the old claim first.
    fn claim(&mut self, domid: DomId, nr_pages: u64) -> std::result::Result<(), i32> {
        let domain = self.domains.get_mut(&domid).filter(|domain| !domain.dying).ok_or(libc::ESRCH)?;
        if nr_pages == 0 {
            self.claimed -= std::mem::take(&mut domain.claim);
            return Ok(());
        }
        let has = domain.tot_pages;
        if domain.claim > 0 || nr_pages <= has || nr_pages > domain.max_pages {
            return Err(libc::EINVAL);
        }
        let claim = nr_pages - has;
        if claim > self.frames.nr_free().saturating_sub(self.claimed) {
            return Err(libc::ENOMEM);
        }
        domain.claim = claim;
        self.claimed += claim;
        Ok(())
    }
}

/// Pages of the mapping that lie one behind the other in the machine.
struct Piece {
    /// Number of its first page within the mapping.
    page: usize,
    mfn: Mfn,
}

struct SimMapping {
    inner: Arc<Inner>,
    domid: DomId,
    memory: Arc<Mutex<Memory>>,
    id: u64,
    access: Access,
    pieces: Vec<Piece>,
    nr_pages: usize,
}

impl SimMapping {
    fn new(
        inner: &Arc<Inner>,
        (domid, memory): (DomId, Arc<Mutex<Memory>>),
        access: Access,
        frames: &[Mfn],
    ) -> std::result::Result<Self, i32> {
        if frames.iter().any(|mfn| *mfn > MAX_MFN) {
            return Err(libc::EINVAL);
        }
        let mut runs: Vec<Run> = Vec::new();
        let mut pieces = Vec::new();
        for (page, &mfn) in frames.iter().enumerate() {
            match runs.last_mut() {
                Some(run) if run.start + run.len == mfn => run.len += 1,
                _ => {
                    runs.push(Run { start: mfn, len: 1 });
                    pieces.push(Piece { page, mfn });
                }
            }
        }
        let id = lock(&memory).map(&runs.into(), access).ok_or(libc::EINVAL)?;
        Ok(Self { inner: Arc::clone(inner), domid, memory, id, access, pieces, nr_pages: frames.len() })
    }

    /// Splits a range of the mapping into (frame, offset in the frame, bytes).
    fn split(&self, offset: usize, len: usize) -> impl Iterator<Item = (Mfn, usize, usize)> + '_ {
        let end = offset.checked_add(len).filter(|end| *end <= self.len());
        let end =
            end.unwrap_or_else(|| panic!("{len} bytes at {offset} in a mapping of {} bytes", self.len()));
        let mut at = offset;
        let mut next = self.pieces.partition_point(|piece| piece.page <= offset / PAGE_SIZE);
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let page = at / PAGE_SIZE;
            if self.pieces.get(next).is_some_and(|piece| piece.page <= page) {
                next += 1;
            }
            let piece = &self.pieces[next - 1];
            let within = at % PAGE_SIZE;
            let bytes = (PAGE_SIZE - within).min(end - at);
            at += bytes;
            Some((piece.mfn + (page - piece.page) as u64, within, bytes))
        })
    }

    fn assert_writable(&self) {
        assert!(self.access == Access::Write, "a write through a mapping for reading");
    }
}

impl Mapping for SimMapping {
    fn len(&self) -> usize {
        self.nr_pages * PAGE_SIZE
    }

    fn read(&self, offset: usize, into: &mut [u8]) {
        let memory = lock(&self.memory);
        let mut rest = into;
        for (mfn, within, bytes) in self.split(offset, rest.len()) {
            let (chunk, behind) = std::mem::take(&mut rest).split_at_mut(bytes);
            memory.read(mfn, within, chunk);
            rest = behind;
        }
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.assert_writable();
        let mut memory = lock(&self.memory);
        let mut rest = bytes;
        for (mfn, within, bytes) in self.split(offset, rest.len()) {
            let (chunk, behind) = rest.split_at(bytes);
            memory.write(mfn, within, chunk);
            rest = behind;
        }
    }

    fn zero(&mut self, offset: usize, len: usize) {
        self.assert_writable();
        let mut memory = lock(&self.memory);
        for (mfn, within, bytes) in self.split(offset, len) {
            memory.zero(mfn, within, bytes);
        }
    }
}

impl Drop for SimMapping {
    fn drop(&mut self) {
        let last = {
            let mut memory = lock(&self.memory);
            memory.unmap(self.id);
            memory.is_dying() && memory.is_unmapped()
        };
        if last {
            self.inner.reap(self.domid, &self.memory);
        }
    }
}
