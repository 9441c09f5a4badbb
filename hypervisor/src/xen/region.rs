//! Pages mapped into this process by number, not by reference: bounce buffers and guests' memory.
//!
//! Nobody holds a Rust reference into a region. Xen or a guest may write to it at any moment, so bytes are copied in and
//! out through raw pointers, and decisions are taken on the copy only.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, MmapAdvise, ProtFlags, madvise, mmap, mmap_anonymous, munmap};

use crate::{Access, PAGE_SIZE};

/// A mapping that this value owns; unmapped when dropped.
#[derive(Debug)]
pub(super) struct Region {
    start: NonNull<libc::c_void>,
    len: usize,
}

// SAFETY: the address is valid in the whole process until `drop`, and the value is its only owner.
unsafe impl Send for Region {}

impl Region {
    /// Maps pages of a device. What the pages are is the device's affair; touching them may wait for a later `ioctl`.
    pub(super) fn of_device(device: &File, pages: NonZeroUsize, access: Access) -> io::Result<Self> {
        let len = bytes_of(pages)?;
        let protection = match access {
            Access::Read => ProtFlags::PROT_READ,
            Access::Write => ProtFlags::PROT_READ | ProtFlags::PROT_WRITE,
        };
        // SAFETY: the kernel chooses an unused address, so no memory in use changes; `Region` is the only owner.
        let start = unsafe { mmap(None, len, protection, MapFlags::MAP_SHARED, device, 0) }?;
        Ok(Self { start, len: len.get() })
    }

    /// Memory of our own that is never swapped and not shared with a child after `fork`: every page is touched now, since
    /// Xen can't wait for it later.
    pub(super) fn locked(pages: NonZeroUsize) -> io::Result<Self> {
        let len = bytes_of(pages)?;
        let flags = MapFlags::MAP_PRIVATE | MapFlags::MAP_LOCKED | MapFlags::MAP_POPULATE;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: the kernel chooses an unused address, so no memory in use changes; `Region` is the only owner.
        let start = unsafe { mmap_anonymous(None, len, protection, flags) }?;
        let region = Self { start, len: len.get() };
        // SAFETY: the range is exactly the mapping just made; the advice changes only what a later fork copies.
        unsafe { madvise(region.start, region.len, MmapAdvise::MADV_DONTFORK) }?;
        Ok(region)
    }

    /// Bytes, a multiple of the page size.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Address of the first byte, as the kernel and Xen take it.
    pub(super) fn address(&self) -> u64 {
        self.start.as_ptr() as u64
    }

    /// Copies out. Panics beyond the end.
    pub(super) fn read(&self, offset: usize, into: &mut [u8]) {
        let from = self.at(offset, into.len());
        // SAFETY: `at` has checked that the range lies in this mapping, which lives as long as `self`; `into` is ordinary
        // memory and can't overlap it. Another writer may change the bytes meanwhile: then the copy holds some of both
        // versions, which is all that such memory ever promises; the copy itself is not shared with anybody.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), into.as_mut_ptr(), into.len()) }
    }

    /// Copies in. Panics beyond the end.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let to = self.at(offset, bytes.len());
        // SAFETY: as in `read`; the callers map with `Access::Write` wherever they write.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), bytes.len()) }
    }

    /// Fills with zeros. Panics beyond the end.
    pub(super) fn zero(&mut self, offset: usize, len: usize) {
        let to = self.at(offset, len);
        // SAFETY: as in `write`.
        unsafe { std::ptr::write_bytes(to.as_ptr(), 0, len) }
    }

    fn at(&self, offset: usize, len: usize) -> NonNull<u8> {
        let end = offset.checked_add(len).filter(|end| *end <= self.len);
        assert!(end.is_some(), "{len} bytes at {offset} of a mapping of {} bytes", self.len);
        // SAFETY: `offset <= self.len`, so the result is inside the mapping or one past its end.
        unsafe { self.start.cast::<u8>().add(offset) }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the range is exactly the mapping this value owns, and nobody holds a reference into it.
        if let Err(errno) = unsafe { munmap(self.start, self.len) } {
            tracing::error!(%errno, len = self.len, "cannot unmap pages");
        }
    }
}

fn bytes_of(pages: NonZeroUsize) -> io::Result<NonZeroUsize> {
    let page = NonZeroUsize::new(PAGE_SIZE).expect("a page has bytes");
    pages.checked_mul(page).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(n: usize) -> NonZeroUsize {
        NonZeroUsize::new(n).unwrap()
    }

    #[test]
    fn bytes_come_out_as_they_went_in_and_the_rest_is_zero() {
        let mut region = Region::locked(pages(2)).unwrap();
        region.write(PAGE_SIZE - 2, &[1, 2, 3, 4]);
        region.zero(PAGE_SIZE, 1);
        let mut out = [9; 6];
        region.read(PAGE_SIZE - 3, &mut out);
        assert_eq!(out, [0, 1, 2, 0, 4, 0]);
    }

    #[test]
    #[should_panic(expected = "2 bytes at 4095 of a mapping of 4096 bytes")]
    fn reading_beyond_the_end_panics_before_it_touches_memory() {
        Region::locked(pages(1)).unwrap().read(PAGE_SIZE - 1, &mut [0; 2]);
    }

    #[test]
    #[should_panic(expected = "of a mapping of 4096 bytes")]
    fn an_offset_that_overflows_is_beyond_the_end() {
        Region::locked(pages(1)).unwrap().zero(usize::MAX, 2);
    }

    #[test]
    fn more_pages_than_there_are_addresses_is_an_error() {
        let refused = Region::locked(NonZeroUsize::MAX).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::ENOMEM));
    }
}
