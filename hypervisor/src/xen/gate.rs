//! The narrow place between what this program wants and how the kernel passes it on.
//!
//! [`super::device::Device`] is the way to a real Xen. The tests of this module put a small byte-level stand-in here, one
//! for each release, so that translation is tested against every dialect without any of those machines.

use std::io;

use crate::abi::{Reply, Request};
use crate::{Access, DomId, Mapping, Mfn};

/// Passes requests to a hypervisor.
pub(super) trait Gate: Send + Sync {
    /// Makes a hypercall; a negative answer is an error with that number.
    fn hypercall(&self, request: &Request) -> io::Result<Reply>;
    /// Maps frames of a domain, all or none.
    fn map_frames(&self, domid: DomId, access: Access, frames: &[Mfn]) -> io::Result<Box<dyn Mapping>>;
    /// Maps the first frame of a domain's grant table by name.
    fn map_grant_table(&self, domid: DomId) -> io::Result<Box<dyn Mapping>>;
}
