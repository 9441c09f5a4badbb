//! `createdomain`: one request, six layouts (`hypervisor-interface` §2.3).
//!
//! The first 44 bytes never changed; the rest moves each time a field is put in before `arch`.

use super::bytes::Record;
use super::dialect::Dialect;
use crate::CreateDomain;

/// Bytes of the biggest layout.
const MAX_SIZE: usize = 68;

const HANDLE: usize = 4;
const FLAGS: usize = 20;
const MAX_VCPUS: usize = 28;
const MAX_EVTCHN_PORT: usize = 32;
const MAX_GRANT_FRAMES: usize = 36;
const MAX_MAPTRACK_FRAMES: usize = 40;

const FLAG_HVM: u32 = 1 << 0;
const FLAG_HAP: u32 = 1 << 1;

/// Highest grant-table version that a domain may switch to; every table starts as version 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantVersion {
    /// Only the 8-byte entries.
    V1,
    /// The 16-byte entries too.
    V2,
}

/// Offsets behind the fixed part; `None` where the release has no such field. Fields that this program always leaves
/// zero (altp2m, vmtrace, misc flags) need no offset.
struct Tail {
    grant_opts: Option<usize>,
    cpupool: Option<usize>,
    emulation_flags: usize,
    size: usize,
}

fn tail(dialect: Dialect) -> Tail {
    match dialect {
        Dialect::Xen4_14 => Tail { grant_opts: None, cpupool: None, emulation_flags: 44, size: 48 },
        Dialect::Xen4_15 => Tail { grant_opts: None, cpupool: None, emulation_flags: 48, size: 56 },
        Dialect::Xen4_16 => Tail { grant_opts: Some(44), cpupool: None, emulation_flags: 52, size: 60 },
        Dialect::Xen4_17 | Dialect::Xen4_18 => {
            Tail { grant_opts: Some(44), cpupool: Some(52), emulation_flags: 56, size: 64 }
        }
        Dialect::Xen4_19 | Dialect::Xen4_21 | Dialect::Xen4_22 => {
            Tail { grant_opts: Some(44), cpupool: Some(56), emulation_flags: 60, size: 68 }
        }
    }
}

/// Bytes of the structure in a release.
pub fn size(dialect: Dialect) -> usize {
    tail(dialect).size
}

/// The payload of the domctl, zero beyond `size`.
pub fn encode(dialect: Dialect, request: &CreateDomain, grants: GrantVersion) -> [u8; MAX_SIZE] {
    let tail = tail(dialect);
    let mut flags = 0;
    if request.hvm {
        flags |= FLAG_HVM;
    }
    if request.hap {
        flags |= FLAG_HAP;
    }
    let mut record = Record::new()
        .bytes(HANDLE, request.uuid.as_bytes())
        .u32(FLAGS, flags)
        .u32(MAX_VCPUS, request.max_vcpus)
        .u32(MAX_EVTCHN_PORT, request.max_evtchn_port)
        .bytes(MAX_GRANT_FRAMES, &request.max_grant_frames.to_le_bytes())
        .bytes(MAX_MAPTRACK_FRAMES, &request.max_maptrack_frames.to_le_bytes())
        .u32(tail.emulation_flags, request.emulation_flags);
    if let Some(at) = tail.grant_opts {
        let version = match grants {
            GrantVersion::V1 => 1,
            GrantVersion::V2 => 2,
        };
        record = record.u32(at, version);
    }
    if let Some(at) = tail.cpupool {
        record = record.u32(at, request.cpupool);
    }
    record.done()
}
