//! The contents of one page, small where they can be: without the zeros at their end, and with the p2m and most page
//! tables, whose entries differ by the same step, as two numbers.

use std::borrow::Cow;

use crate::PAGE_SIZE;

/// A page without contents.
pub(super) const ZEROS: [u8; PAGE_SIZE] = [0; PAGE_SIZE];

/// What is written in a page.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Page {
    /// Its first bytes; zeros follow.
    Bytes(Vec<u8>),
    /// Its words: `first`, `first + step`, `first + 2 * step`, …
    Steps { first: u64, step: u64 },
}

impl Page {
    /// A page into which nothing but this was written.
    pub(super) fn new(offset: usize, bytes: &[u8]) -> Self {
        if let Some(steps) = Self::steps(bytes) {
            return steps;
        }
        let end = offset + bytes.len();
        let mut page = Vec::with_capacity(capacity_for(end));
        page.resize(offset, 0);
        page.extend_from_slice(bytes);
        Self::Bytes(page)
    }

    /// A whole page whose words differ by the same step.
    fn steps(bytes: &[u8]) -> Option<Self> {
        if bytes.len() != PAGE_SIZE {
            return None;
        }
        let (words, _) = bytes.as_chunks::<8>();
        let mut words = words.iter().copied().map(u64::from_le_bytes);
        let first = words.next()?;
        let second = words.next()?;
        let step = second.wrapping_sub(first);
        let mut last = second;
        for word in words {
            if word.wrapping_sub(last) != step {
                return None;
            }
            last = word;
        }
        Some(Self::Steps { first, step })
    }

    /// Its contents; zeros at the end may be left out.
    pub(super) fn bytes(&self) -> Cow<'_, [u8]> {
        match self {
            Self::Bytes(bytes) => Cow::Borrowed(bytes),
            Self::Steps { first, step } => Cow::Owned(spell_out(*first, *step)),
        }
    }

    /// Copies out.
    pub(super) fn read(&self, offset: usize, into: &mut [u8]) {
        match self {
            // Entries of tables are what is read most.
            Self::Steps { first, step } if into.len().is_multiple_of(8) && offset.is_multiple_of(8) => {
                fill(first.wrapping_add(step.wrapping_mul(offset as u64 / 8)), *step, into);
            }
            _ => {
                let bytes = self.bytes();
                let known = bytes.len().saturating_sub(offset).min(into.len());
                if known > 0 {
                    into[..known].copy_from_slice(&bytes[offset..offset + known]);
                }
                into[known..].fill(0);
            }
        }
    }

    /// Copies in.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        if let Some(steps) = Self::steps(bytes) {
            *self = steps;
            return;
        }
        let end = offset + bytes.len();
        let page = self.plain();
        if page.len() < end {
            // In few steps, however small the writes are.
            page.reserve_exact(capacity_for(end).saturating_sub(page.len()));
            page.resize(end, 0);
        }
        page[offset..end].copy_from_slice(bytes);
    }

    /// Fills a part with zeros; `false` when nothing is left.
    pub(super) fn zero(&mut self, offset: usize, len: usize) -> bool {
        let page = self.plain();
        if offset == 0 && len >= page.len() {
            return false;
        }
        if offset + len >= page.len() {
            page.truncate(offset);
        } else {
            page[offset..offset + len].fill(0);
        }
        true
    }

    /// Gives memory back.
    pub(super) fn shrink(&mut self) {
        if let Self::Bytes(bytes) = self {
            let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            bytes.truncate(used);
            bytes.shrink_to_fit();
        }
    }

    /// Bytes of host memory, roughly.
    pub(super) fn host_bytes(&self) -> usize {
        match self {
            Self::Bytes(bytes) => bytes.capacity() + 48,
            Self::Steps { .. } => 48,
        }
    }

    fn plain(&mut self) -> &mut Vec<u8> {
        if let Self::Steps { first, step } = self {
            *self = Self::Bytes(spell_out(*first, *step));
        }
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Steps { .. } => unreachable!("was spelled out just now"),
        }
    }
}

fn spell_out(first: u64, step: u64) -> Vec<u8> {
    let mut page = vec![0; PAGE_SIZE];
    fill(first, step, &mut page);
    page
}

/// Fills whole words.
fn fill(first: u64, step: u64, into: &mut [u8]) {
    let mut word = first;
    for place in into.as_chunks_mut::<8>().0 {
        *place = word.to_le_bytes();
        word = word.wrapping_add(step);
    }
}

/// Powers of two, but no more than a whole page, and exactly a console ring where it is one.
fn capacity_for(end: usize) -> usize {
    const RING: usize = 3088;
    if (2049..=RING).contains(&end) { RING } else { end.next_power_of_two().min(PAGE_SIZE) }
}

#[cfg(test)]
mod tests {
    use super::{PAGE_SIZE, Page};

    fn table(first: u64, step: u64) -> Vec<u8> {
        (0..512).flat_map(|slot| (first + slot * step).to_le_bytes()).collect()
    }

    #[test]
    fn a_regular_table_is_two_numbers_and_reads_like_any_other() {
        let bytes = table(0x1234_5023, 0x1000);
        let page = Page::new(0, &bytes);
        assert_eq!(page, Page::Steps { first: 0x1234_5023, step: 0x1000 });
        for (offset, len) in [(0, 4096), (8, 8), (4088, 8), (3, 8), (100, 1000)] {
            let mut read = vec![0xff; len];
            page.read(offset, &mut read);
            assert_eq!(read, bytes[offset..offset + len], "{len} bytes at {offset}");
        }
    }

    #[test]
    fn a_change_of_a_regular_table_keeps_the_rest() {
        let mut bytes = table(5, 1);
        let mut page = Page::new(0, &bytes);
        page.write(80, &[9; 8]);
        bytes[80..88].fill(9);
        assert_eq!(page.bytes().as_ref(), bytes);
        assert!(page.zero(4000, 96));
        bytes[4000..].fill(0);
        let mut read = vec![1; PAGE_SIZE];
        page.read(0, &mut read);
        assert_eq!(read, bytes);
        assert!(!page.zero(0, PAGE_SIZE));
    }

    #[test]
    fn an_irregular_page_is_kept_as_it_is_up_to_its_end() {
        let mut page = Page::new(10, &[1, 2, 3]);
        let mut read = [9; 6];
        page.read(9, &mut read);
        assert_eq!(read, [0, 1, 2, 3, 0, 0]);
        page.write(3000, &[7]);
        page.shrink();
        assert_eq!(page.bytes().len(), 3001);
    }
}
