//! The narrow place between what this program wants and how the kernel passes it on.
//!
//! [`super::device::Device`] is the way to a real Xen. The tests of this module put a small byte-level stand-in here, one
//! for each release, so that translation is tested against every dialect without any of those machines.

use std::io;

use crate::abi::{Reply, Request};
use crate::{Access, DomId, Mapping, Mfn};

/// How often a call is made that fails with `EFAULT`.
pub(super) const FAULT_ATTEMPTS: usize = 4;

/// Passes requests to a hypervisor.
pub(super) trait Gate: Send + Sync {
    /// Makes a hypercall, once; a negative answer is an error with that number.
    fn pass(&self, request: &Request) -> io::Result<Reply>;

    /// Makes a hypercall that may be made twice. Where the kernel has no memory for us that stays in place, a page may be
    /// on the move at the very instant when Xen wants it (seen once in 8000 rounds amid memory compaction): `EFAULT`.
    /// A call that brings nothing back has then not been done, nor has an allocation of memory, which counts what it has
    /// done; reading twice does no harm, and neither does an event channel too many. Only a domain must not be made twice.
    fn hypercall(&self, request: &Request) -> io::Result<Reply> {
        let mut outcome = self.pass(request);
        for _ in 1..FAULT_ATTEMPTS {
            match &outcome {
                Err(error) if error.raw_os_error() == Some(libc::EFAULT) => outcome = self.pass(request),
                Ok(_) | Err(_) => break,
            }
        }
        outcome
    }

    /// Maps frames of a domain, all or none.
    fn map_frames(&self, domid: DomId, access: Access, frames: &[Mfn]) -> io::Result<Box<dyn Mapping>>;
    /// Maps the first frame of a domain's grant table by name.
    fn map_grant_table(&self, domid: DomId) -> io::Result<Box<dyn Mapping>>;
}
