//! Memory that Xen may write to (`hypervisor-interface` §1.2): never moved by the kernel, never copied by a fork.
//!
//! Best is `/dev/xen/hypercall`, whose pages belong to the kernel; without it, locked memory of our own. Buffers of
//! ordinary size are kept for the next call, since mapping and unmapping costs more than most calls do.

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::sync::{Mutex, PoisonError};

use super::region::Region;
use crate::{Access, PAGE_SIZE};

/// Buffers kept; more calls than this at once are rare.
const MAX_IDLE: usize = 8;
/// Pages of the biggest buffer that is kept.
const MAX_IDLE_PAGES: usize = 16;

/// Hands out bounce buffers.
#[derive(Debug)]
pub(super) struct Pool {
    device: Option<File>,
    idle: Mutex<Vec<Region>>,
}

/// A buffer for one call; goes back to the pool when dropped.
#[derive(Debug)]
pub(super) struct Bounce<'pool> {
    pool: &'pool Pool,
    /// `None` only while `drop` runs.
    region: Option<Region>,
}

impl Pool {
    /// `device` is `/dev/xen/hypercall`, where there is one.
    pub(super) fn new(device: Option<File>) -> Self {
        Self { device, idle: Mutex::new(Vec::new()) }
    }

    /// A buffer of at least `len` bytes, with anything in it.
    pub(super) fn take(&self, len: usize) -> io::Result<Bounce<'_>> {
        let region = match self.take_idle(len) {
            Some(region) => region,
            None => self.map(len)?,
        };
        Ok(Bounce { pool: self, region: Some(region) })
    }

    fn take_idle(&self, len: usize) -> Option<Region> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = idle.iter().position(|region| region.len() >= len)?;
        Some(idle.swap_remove(fits))
    }

    fn map(&self, len: usize) -> io::Result<Region> {
        let pages = NonZeroUsize::new(len.div_ceil(PAGE_SIZE)).unwrap_or(NonZeroUsize::MIN);
        if let Some(device) = &self.device {
            // Some kernels give each opening of the device 64 pages and no more; locked memory takes over then.
            match Region::of_device(device, pages, Access::Write) {
                Ok(region) => return Ok(region),
                Err(error) => {
                    tracing::debug!(%pages, %error, "no pages of the hypercall device, locking our own")
                }
            }
        }
        Region::locked(pages)
    }

    fn put_back(&self, region: Region) {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < MAX_IDLE && region.len() <= MAX_IDLE_PAGES * PAGE_SIZE {
            idle.push(region);
        }
    }
}

impl Bounce<'_> {
    fn region(&self) -> &Region {
        self.region.as_ref().expect("only drop takes the region")
    }

    /// Address of the first byte.
    pub(super) fn address(&self) -> u64 {
        self.region().address()
    }

    /// Copies out.
    pub(super) fn read(&self, offset: usize, into: &mut [u8]) {
        self.region().read(offset, into);
    }

    /// Copies in.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.region.as_mut().expect("only drop takes the region").write(offset, bytes);
    }
}

impl Drop for Bounce<'_> {
    fn drop(&mut self) {
        if let Some(region) = self.region.take() {
            self.pool.put_back(region);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An ordinary file maps like the device does.
    fn file_of(pages: usize) -> File {
        use std::sync::atomic::{AtomicU32, Ordering};
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("xend-bounce-{}-{serial}", std::process::id()));
        let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.set_len((pages * PAGE_SIZE) as u64).unwrap();
        file
    }

    fn idle(pool: &Pool) -> usize {
        pool.idle.lock().unwrap().len()
    }

    #[test]
    fn a_buffer_is_memory_of_the_device() {
        use std::os::unix::fs::FileExt;
        let file = file_of(1);
        let pool = Pool::new(Some(file.try_clone().unwrap()));
        pool.take(100).unwrap().write(5, b"abc");
        let mut seen = [0; 3];
        file.read_exact_at(&mut seen, 5).unwrap();
        assert_eq!(&seen, b"abc");
    }

    #[test]
    fn a_buffer_is_used_again_and_two_at_once_are_different() {
        let pool = Pool::new(None);
        let first = pool.take(144).unwrap().address();
        let (one, two) = (pool.take(144).unwrap(), pool.take(144).unwrap());
        assert_eq!(one.address(), first);
        assert_ne!(one.address(), two.address());
        drop((one, two));
        assert_eq!(idle(&pool), 2);
    }

    #[test]
    fn a_small_idle_buffer_is_not_given_for_a_big_call() {
        let pool = Pool::new(None);
        drop(pool.take(1).unwrap());
        let mut big = pool.take(3 * PAGE_SIZE).unwrap();
        big.write(3 * PAGE_SIZE - 1, &[1]);
        assert_eq!(idle(&pool), 1);
    }

    #[test]
    fn neither_big_buffers_nor_too_many_are_kept() {
        let pool = Pool::new(None);
        drop(pool.take((MAX_IDLE_PAGES + 1) * PAGE_SIZE).unwrap());
        assert_eq!(idle(&pool), 0);
        let many: Vec<_> = (0..=MAX_IDLE).map(|_| pool.take(1).unwrap()).collect();
        drop(many);
        assert_eq!(idle(&pool), MAX_IDLE);
    }

    #[test]
    fn locked_memory_takes_over_when_the_device_refuses() {
        let directory = File::open(std::env::temp_dir()).unwrap();
        let pool = Pool::new(Some(directory));
        let mut buffer = pool.take(10).unwrap();
        buffer.write(0, &[7]);
        let mut out = [0];
        buffer.read(0, &mut out);
        assert_eq!(out, [7]);
    }
}
