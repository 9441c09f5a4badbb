//! Linux' own structures for `/dev/xen/privcmd` (`hypervisor-interface` §1.1), as bytes.

use super::bytes::Record;
use crate::DomId;

/// `ioctl` request: make a hypercall.
pub const HYPERCALL: u32 = 0x0030_5000;
/// `ioctl` request: map frames of a domain.
pub const MMAPBATCH_V2: u32 = 0x0020_5004;
/// `ioctl` request: map a resource of a domain, such as its grant table.
pub const MMAP_RESOURCE: u32 = 0x0020_5007;

/// Type of [`MMAP_RESOURCE`]: the grant table; its id 0 are the entries.
const RESOURCE_GRANT_TABLE: u32 = 1;
const GRANT_TABLE_SHARED: u32 = 0;

/// Argument of [`HYPERCALL`].
pub fn hypercall(number: u32, arguments: &[u64; 5]) -> [u8; 48] {
    let record = Record::new().u64(0, number.into());
    arguments.iter().enumerate().fold(record, |record, (n, value)| record.u64(8 + n * 8, *value)).done()
}

/// Memory that [`MMAPBATCH_V2`] is told about, as addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Pages to map.
    pub count: u32,
    /// Where the first appears.
    pub address: u64,
    /// `count` frame numbers, 64 bits each.
    pub frames: u64,
    /// `count` results, 32 bits each.
    pub errors: u64,
}

/// Argument of [`MMAPBATCH_V2`].
pub fn mmap_batch(domid: DomId, batch: &Batch) -> [u8; 32] {
    Record::new()
        .u32(0, batch.count)
        .u16(4, domid.0)
        .u64(8, batch.address)
        .u64(16, batch.frames)
        .u64(24, batch.errors)
        .done()
}

/// Argument of [`MMAP_RESOURCE`] for the first frame of a grant table.
pub fn mmap_grant_table(domid: DomId, address: u64) -> [u8; 32] {
    Record::new()
        .u16(0, domid.0)
        .u32(4, RESOURCE_GRANT_TABLE)
        .u32(8, GRANT_TABLE_SHARED)
        .u32(12, 0)
        .u64(16, 1)
        .u64(24, address)
        .done()
}
