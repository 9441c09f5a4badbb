//! `/dev/xen/privcmd`: the one place where hypercalls are made and guests' memory is mapped.
#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::bounce::Pool;
use super::gate::Gate;
use super::region::Region;
use crate::abi::privcmd::{self, Batch};
use crate::abi::{Argument, Reply, Request};
use crate::{Access, DomId, HypervisorError, Mapping, Mfn, PAGE_SIZE};

const PRIVCMD: &str = "/dev/xen/privcmd";
/// Where kernels without the device node have it.
const PRIVCMD_OLD: &str = "/proc/xen/privcmd";
const HYPERCALL: &str = "/dev/xen/hypercall";

/// Pause before a page that Xen has paged out is asked for again, and how long to go on asking.
const PAGING_PAUSE: Duration = Duration::from_micros(100);
const PAGING_PATIENCE: Duration = Duration::from_secs(10);

/// The open devices.
#[derive(Debug)]
pub(super) struct Device {
    privcmd: File,
    pool: Pool,
}

impl Device {
    /// Opens the devices of this host.
    pub(super) fn open() -> Result<Self, HypervisorError> {
        let path = if Path::new(PRIVCMD).exists() || !Path::new(PRIVCMD_OLD).exists() {
            PRIVCMD
        } else {
            PRIVCMD_OLD
        };
        let privcmd =
            open(path).map_err(|source| HypervisorError::NoXen { path: path.to_owned(), source })?;
        let hypercall = open(HYPERCALL)
            .inspect_err(|error| tracing::debug!(path = HYPERCALL, %error, "locking our own memory instead"))
            .ok();
        Ok(Self { privcmd, pool: Pool::new(hypercall) })
    }

    fn ioctl(&self, number: u32, argument: &[u8]) -> io::Result<u64> {
        // SAFETY: the callers pass the structure that belongs to `number`, made by `abi::privcmd`; the kernel copies it in
        // before it acts. Addresses inside it are those of live memory of the size announced: see each caller.
        let value = unsafe { libc::ioctl(self.privcmd.as_raw_fd(), number.into(), argument.as_ptr()) };
        u64::try_from(value).map_err(|_| io::Error::last_os_error())
    }

    /// One ioctl over a run of frames; a result for each in `errors`.
    fn map_run(&self, domid: DomId, region: &Region, run: Run<'_>) -> io::Result<()> {
        debug_assert_eq!(run.frames.len(), run.errors.len());
        let batch = Batch {
            count: u32::try_from(run.frames.len()).map_err(|_| errno(libc::E2BIG))?,
            address: region.address() + (run.first * PAGE_SIZE) as u64,
            frames: run.frames.as_ptr() as u64,
            errors: run.errors.as_mut_ptr() as u64,
        };
        // `count` entries are behind each of the two pointers, borrowed until the call is over; the pages at `address` are
        // inside `region`, which nobody else uses yet.
        self.ioctl(privcmd::MMAPBATCH_V2, &privcmd::mmap_batch(domid, &batch)).map(|_| ())
    }
}

/// Frames to map, what became of each, and the page of the region where the first goes.
struct Run<'a> {
    first: usize,
    frames: &'a [Mfn],
    errors: &'a mut [i32],
}

impl Gate for Device {
    fn pass(&self, request: &Request) -> io::Result<Reply> {
        let mut bounce = self.pool.take(request.image().len())?;
        bounce.write(0, request.image());
        let base = bounce.address();
        for link in request.links() {
            bounce.write(link.at, &(base + link.target as u64).to_le_bytes());
        }
        let mut arguments = [0; 5];
        for (slot, argument) in arguments.iter_mut().zip(request.arguments()) {
            *slot = match *argument {
                Argument::Value(value) => value,
                Argument::Address(offset) => base + offset as u64,
            };
        }
        // Every address that Xen gets lies in `bounce`, and the encoders of `abi` reserve in the image all the room that
        // they announce; `bounce` goes back to the pool after the answer, at the end of this function.
        let value = self.ioctl(privcmd::HYPERCALL, &privcmd::hypercall(request.hypercall(), &arguments))?;
        let mut image = vec![0; request.image().len()];
        bounce.read(0, &mut image);
        Ok(Reply { value, image })
    }

    fn map_frames(&self, domid: DomId, access: Access, frames: &[Mfn]) -> io::Result<Box<dyn Mapping>> {
        let pages = NonZeroUsize::new(frames.len()).ok_or_else(|| errno(libc::EINVAL))?;
        let region = Region::of_device(&self.privcmd, pages, access)?;
        let mut errors = vec![0; frames.len()];
        let mut outcome = self.map_run(domid, &region, Run { first: 0, frames, errors: &mut errors });
        let deadline = Instant::now() + PAGING_PATIENCE;
        while outcome.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ENOENT))
            && Instant::now() < deadline
        {
            std::thread::sleep(PAGING_PAUSE);
            outcome = Ok(());
            for run in paged_out(&errors) {
                let (frames, errors) = (&frames[run.clone()], &mut errors[run.clone()]);
                outcome = outcome.and(self.map_run(domid, &region, Run { first: run.start, frames, errors }));
            }
        }
        outcome?;
        if let Some(bad) = errors.iter().position(|&error| error != 0) {
            tracing::debug!(%domid, frame = frames[bad], error = errors[bad], "a frame can't be mapped");
            return Err(errno(errors[bad].saturating_abs()));
        }
        Ok(Box::new(Foreign { region, access }))
    }

    fn map_grant_table(&self, domid: DomId) -> io::Result<Box<dyn Mapping>> {
        let region = Region::of_device(&self.privcmd, NonZeroUsize::MIN, Access::Write)?;
        // The page at the address is inside `region`, which nobody else uses yet.
        self.ioctl(privcmd::MMAP_RESOURCE, &privcmd::mmap_grant_table(domid, region.address()))?;
        Ok(Box::new(Foreign { region, access: Access::Write }))
    }
}

/// Runs of neighbours that Xen has asked to wait for.
fn paged_out(errors: &[i32]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for at in (0..errors.len()).filter(|&at| errors[at] == -libc::ENOENT) {
        match runs.last_mut() {
            Some(run) if run.end == at => run.end += 1,
            _ => runs.push(at..at + 1),
        }
    }
    runs
}

/// A guest's pages, all of them present: [`Device::map_frames`] gives out no others, since touching an absent one would
/// end the process.
struct Foreign {
    region: Region,
    access: Access,
}

impl Mapping for Foreign {
    fn len(&self) -> usize {
        self.region.len()
    }

    fn read(&self, offset: usize, into: &mut [u8]) {
        self.region.read(offset, into);
    }

    fn write(&mut self, offset: usize, bytes: &[u8]) {
        assert_eq!(self.access, Access::Write, "the mapping was asked for reading");
        self.region.write(offset, bytes);
    }

    fn zero(&mut self, offset: usize, len: usize) {
        assert_eq!(self.access, Access::Write, "the mapping was asked for reading");
        self.region.zero(offset, len);
    }
}

fn open(path: &str) -> io::Result<File> {
    File::options().read(true).write(true).custom_flags(libc::O_CLOEXEC).open(path)
}

fn errno(number: i32) -> io::Error {
    io::Error::from_raw_os_error(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pages_to_wait_for_are_asked_for_again_and_neighbours_together() {
        let wait = -libc::ENOENT;
        assert_eq!(paged_out(&[0, wait, wait, -libc::EPERM, wait, libc::ENOENT]), [1..3, 4..5]);
        assert_eq!(paged_out(&[]), []);
    }

    #[test]
    fn a_failed_ioctl_is_an_error_and_gives_the_buffer_back() {
        let device = Device { privcmd: File::open("/dev/null").unwrap(), pool: Pool::new(None) };
        for _ in 0..3 {
            let refused = device.hypercall(&crate::abi::version::release()).unwrap_err();
            assert_eq!(refused.raw_os_error(), Some(libc::ENOTTY));
        }
    }

    #[test]
    #[should_panic(expected = "the mapping was asked for reading")]
    fn a_mapping_for_reading_is_not_written_to() {
        let region = Region::locked(NonZeroUsize::MIN).unwrap();
        Foreign { region, access: Access::Read }.write(0, &[1]);
    }

    #[test]
    fn no_frames_can_not_be_mapped() {
        let device = Device { privcmd: File::open("/dev/null").unwrap(), pool: Pool::new(None) };
        let refused = device.map_frames(DomId(1), Access::Read, &[]).map(|_| ()).unwrap_err();
        assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
    }
}
