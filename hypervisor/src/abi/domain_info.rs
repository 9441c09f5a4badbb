//! `getdomaininfo` and the entries of `getdomaininfolist` (`hypervisor-interface` §2.4).
//!
//! Three layouts exist, yet everything that this program reads lies before the first difference; what differs for us
//! is the size, which is the stride of the list. A wrong stride gives silently wrong domains.

use super::bytes::View;
use super::dialect::Dialect;
use crate::{DomId, DomainFlags, DomainInfo, ShutdownCode};
use uuid::Uuid;

const DOMAIN: usize = 0;
const FLAGS: usize = 4;
const TOT_PAGES: usize = 8;
const MAX_PAGES: usize = 16;
const SHARED_INFO_FRAME: usize = 48;
const CPU_TIME: usize = 56;
const NR_ONLINE_VCPUS: usize = 64;
const MAX_VCPU_ID: usize = 68;
const HANDLE: usize = 76;
const CPUPOOL: usize = 92;

const DYING: u32 = 1 << 0;
const HVM_GUEST: u32 = 1 << 1;
const SHUTDOWN: u32 = 1 << 2;
const PAUSED: u32 = 1 << 3;
const BLOCKED: u32 = 1 << 4;
const RUNNING: u32 = 1 << 5;

/// Stands for "no vcpus yet" and "no pool".
const NONE: u32 = u32::MAX;

/// Bytes of an entry.
pub fn size(dialect: Dialect) -> usize {
    match dialect {
        Dialect::Xen4_14 | Dialect::Xen4_15 => 104,
        Dialect::Xen4_16
        | Dialect::Xen4_17
        | Dialect::Xen4_18
        | Dialect::Xen4_19
        | Dialect::Xen4_21
        | Dialect::Xen4_22 => 112,
    }
}

/// Reads the entry at offset `at` of an image.
pub fn decode(image: &[u8], at: usize) -> DomainInfo {
    let view = View::new(image, at);
    let word = view.u32(FLAGS);
    let flags = DomainFlags {
        dying: word & DYING != 0,
        hvm: word & HVM_GUEST != 0,
        shutdown: word & SHUTDOWN != 0,
        paused: word & PAUSED != 0,
        blocked: word & BLOCKED != 0,
        running: word & RUNNING != 0,
    };
    let [_, _, code, _] = word.to_le_bytes();
    DomainInfo {
        domid: DomId(view.u16(DOMAIN)),
        uuid: Uuid::from_bytes(view.handle(HANDLE)),
        flags,
        shutdown: flags.shutdown.then(|| ShutdownCode::from_raw(code)),
        tot_pages: view.u64(TOT_PAGES),
        max_pages: view.u64(MAX_PAGES),
        shared_info_frame: view.u64(SHARED_INFO_FRAME),
        cpu_time_ns: view.u64(CPU_TIME),
        nr_online_vcpus: view.u32(NR_ONLINE_VCPUS),
        max_vcpu_id: some(view.u32(MAX_VCPU_ID)),
        cpupool: some(view.u32(CPUPOOL)),
    }
}

fn some(value: u32) -> Option<u32> {
    (value != NONE).then_some(value)
}
