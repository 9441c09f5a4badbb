//! The host's free memory: ranges of machine frames, handed out from the bottom for guests and from the top for
//! what the hypervisor keeps for itself. A range costs the same whatever its length.

use std::collections::BTreeMap;

use crate::Mfn;

/// Frames one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// First frame.
    pub(super) start: Mfn,
    /// How many.
    pub(super) len: u64,
}

/// The free frames of the host.
#[derive(Debug)]
pub(super) struct Frames {
    free: BTreeMap<Mfn, u64>,
    nr_free: u64,
}

impl Frames {
    /// `len` free frames from `start` on.
    pub(super) fn new(start: Mfn, len: u64) -> Self {
        let free = if len == 0 { BTreeMap::new() } else { BTreeMap::from([(start, len)]) };
        Self { free, nr_free: len }
    }

    /// How many are free.
    pub(super) fn nr_free(&self) -> u64 {
        self.nr_free
    }

    /// Up to `extents` aligned extents of 2^`order` frames, one behind the other: as many as the lowest free range that
    /// holds one can give. `None` when no free range holds even one.
    pub(super) fn take(&mut self, order: u32, extents: u64) -> Option<Run> {
        let size = 1_u64 << order;
        let (range_start, range_len, start) = self.free.iter().find_map(|(&start, &len)| {
            let aligned = start.next_multiple_of(size);
            (aligned + size <= start + len).then_some((start, len, aligned))
        })?;
        let room = (range_start + range_len - start) / size;
        let run = Run { start, len: room.min(extents.max(1)) * size };
        self.carve(range_start, range_len, run);
        Some(run)
    }

    /// One frame from the top, away from the guests' superpages.
    pub(super) fn take_top(&mut self) -> Option<Mfn> {
        let (&start, &len) = self.free.last_key_value()?;
        let mfn = start + len - 1;
        self.carve(start, len, Run { start: mfn, len: 1 });
        Some(mfn)
    }

    /// Gives frames back.
    pub(super) fn give(&mut self, run: Run) {
        if run.len == 0 {
            return;
        }
        self.nr_free += run.len;
        let mut start = run.start;
        let mut len = run.len;
        if let Some((&before, &before_len)) = self.free.range(..start).next_back()
            && before + before_len == start
        {
            self.free.remove(&before);
            start = before;
            len += before_len;
        }
        if let Some(after_len) = self.free.remove(&(run.start + run.len)) {
            len += after_len;
        }
        self.free.insert(start, len);
    }

    /// Takes `run` out of the free range that holds it.
    fn carve(&mut self, range_start: Mfn, range_len: u64, run: Run) {
        self.free.remove(&range_start);
        if run.start > range_start {
            self.free.insert(range_start, run.start - range_start);
        }
        let (run_end, range_end) = (run.start + run.len, range_start + range_len);
        if run_end < range_end {
            self.free.insert(run_end, range_end - run_end);
        }
        self.nr_free -= run.len;
    }
}

#[cfg(test)]
mod tests {
    use super::{Frames, Run};

    #[test]
    fn superpages_are_aligned_and_come_one_behind_the_other() {
        let mut frames = Frames::new(5, 4096);
        assert_eq!(frames.take(9, 3), Some(Run { start: 512, len: 1536 }));
        assert_eq!(frames.nr_free(), 4096 - 1536);
    }

    #[test]
    fn single_frames_fill_the_holes_that_superpages_leave() {
        let mut frames = Frames::new(5, 4096);
        frames.take(9, 1);
        assert_eq!(frames.take(0, 10_000), Some(Run { start: 5, len: 507 }));
        assert_eq!(frames.take(0, 1), Some(Run { start: 1024, len: 1 }));
    }

    #[test]
    fn what_is_given_back_in_any_order_becomes_one_range_again() {
        let mut frames = Frames::new(0, 1024);
        let low = frames.take(0, 100).unwrap();
        let high = frames.take(0, 100).unwrap();
        let top = frames.take_top().unwrap();
        assert_eq!(top, 1023);
        frames.give(low);
        frames.give(Run { start: top, len: 1 });
        frames.give(high);
        assert_eq!(frames.take(10, 1), Some(Run { start: 0, len: 1024 }));
        assert_eq!((frames.take(0, 1), frames.take_top()), (None, None));
    }
}
