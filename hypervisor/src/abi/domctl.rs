//! `domctl`: what a toolstack does to a domain (`hypervisor-interface` §2.5). Offsets named here are inside the union.

use super::bytes::{Record, View};
use super::create_domain::{self, GrantVersion};
use super::dialect::Dialect;
use super::request::{Reply, Request, hypercall};
use super::{domain_info, vcpu_context};
use crate::{CreateDomain, DomId, DomainInfo, Mfn, VcpuContext, VcpuInfo};

/// Bytes of the structure.
pub const SIZE: usize = 144;
/// Where the union begins.
pub const UNION: usize = 16;
const COMMAND: usize = 0;
const VERSION: usize = 4;
const DOMAIN: usize = 8;

const CREATEDOMAIN: u32 = 1;
const DESTROYDOMAIN: u32 = 2;
const PAUSEDOMAIN: u32 = 3;
const UNPAUSEDOMAIN: u32 = 4;
const GETDOMAININFO: u32 = 5;
const MAX_MEM: u32 = 11;
const SETVCPUCONTEXT: u32 = 12;
const GETVCPUINFO: u32 = 14;
const MAX_VCPUS: u32 = 15;
const IRQ_PERMISSION: u32 = 19;
const HYPERCALL_INIT: u32 = 22;
const SET_ADDRESS_SIZE: u32 = 35;

/// "Choose a number": 0 meant that too until 4.21, and is refused from 4.22 on.
const DOMID_ANY: DomId = DomId(0x7ff5);

fn record(version: u32, command: u32, domid: DomId) -> Record<SIZE> {
    Record::new().u32(COMMAND, command).u32(VERSION, version).u16(DOMAIN, domid.0)
}

fn request(record: Record<SIZE>) -> Request {
    Request::new(hypercall::DOMCTL).structure(&record.done())
}

fn plain(dialect: Dialect, command: u32, domid: DomId) -> Request {
    request(record(dialect.domctl(), command, domid))
}

/// Asks for domain 0 with an interface number that may be wrong: then nothing happens but an `EACCES`.
pub fn probe(version: u32) -> Request {
    request(record(version, GETDOMAININFO, DomId::DOM0))
}

/// Makes a domain.
pub fn create(dialect: Dialect, what: &CreateDomain, grants: GrantVersion) -> Request {
    let payload = create_domain::encode(dialect, what, grants);
    request(record(dialect.domctl(), CREATEDOMAIN, DOMID_ANY).bytes(UNION, &payload))
}

/// The number that Xen chose.
pub fn created(reply: &Reply) -> DomId {
    DomId(View::new(&reply.image, 0).u16(DOMAIN))
}

/// Ends a domain.
pub fn destroy(dialect: Dialect, domid: DomId) -> Request {
    plain(dialect, DESTROYDOMAIN, domid)
}

/// Adds one to the pause count.
pub fn pause(dialect: Dialect, domid: DomId) -> Request {
    plain(dialect, PAUSEDOMAIN, domid)
}

/// Takes one from the pause count.
pub fn unpause(dialect: Dialect, domid: DomId) -> Request {
    plain(dialect, UNPAUSEDOMAIN, domid)
}

/// Looks at one domain.
pub fn info(dialect: Dialect, domid: DomId) -> Request {
    plain(dialect, GETDOMAININFO, domid)
}

/// What [`info`] has shown; up to 4.17 that may be another domain than the one asked for.
pub fn info_answer(reply: &Reply) -> DomainInfo {
    domain_info::decode(&reply.image, UNION)
}

/// Upper limit of memory.
pub fn max_mem(dialect: Dialect, domid: DomId, kib: u64) -> Request {
    request(record(dialect.domctl(), MAX_MEM, domid).u64(UNION, kib))
}

/// Allocates vcpus.
pub fn max_vcpus(dialect: Dialect, domid: DomId, count: u32) -> Request {
    request(record(dialect.domctl(), MAX_VCPUS, domid).u32(UNION, count))
}

const VCPUCONTEXT_VCPU: usize = UNION;
const VCPUCONTEXT_CTXT: usize = UNION + 8;

/// Sets the registers of a vcpu.
pub fn set_vcpu_context(dialect: Dialect, domid: DomId, vcpu: u32, context: &VcpuContext) -> Request {
    request(record(dialect.domctl(), SETVCPUCONTEXT, domid).u32(VCPUCONTEXT_VCPU, vcpu))
        .payload(VCPUCONTEXT_CTXT, &vcpu_context::encode(context))
}

const VCPUINFO_VCPU: usize = 0;
const VCPUINFO_ONLINE: usize = 4;
const VCPUINFO_BLOCKED: usize = 5;
const VCPUINFO_RUNNING: usize = 6;
const VCPUINFO_CPU_TIME: usize = 8;
const VCPUINFO_CPU: usize = 16;

/// Looks at a vcpu.
pub fn vcpu_info(dialect: Dialect, domid: DomId, vcpu: u32) -> Request {
    request(record(dialect.domctl(), GETVCPUINFO, domid).u32(UNION + VCPUINFO_VCPU, vcpu))
}

/// What [`vcpu_info`] has shown.
pub fn vcpu_info_answer(reply: &Reply) -> VcpuInfo {
    let view = View::new(&reply.image, UNION);
    VcpuInfo {
        online: view.u8(VCPUINFO_ONLINE) != 0,
        blocked: view.u8(VCPUINFO_BLOCKED) != 0,
        running: view.u8(VCPUINFO_RUNNING) != 0,
        cpu_time_ns: view.u64(VCPUINFO_CPU_TIME),
        cpu: view.u32(VCPUINFO_CPU),
    }
}

/// Whether a guest may use something of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Not any more.
    Revoke,
    /// From now on.
    Grant,
}

/// Lets a domain bind a physical interrupt. Up to 4.15 the number has eight bits: `None` for a bigger one.
pub fn irq_permission(dialect: Dialect, domid: DomId, pirq: u32, permission: Permission) -> Option<Request> {
    let allow = u8::from(permission == Permission::Grant);
    let record = record(dialect.domctl(), IRQ_PERMISSION, domid);
    let record = match dialect {
        Dialect::Xen4_14 | Dialect::Xen4_15 => {
            record.u8(UNION, u8::try_from(pirq).ok()?).u8(UNION + 1, allow)
        }
        Dialect::Xen4_16
        | Dialect::Xen4_17
        | Dialect::Xen4_18
        | Dialect::Xen4_19
        | Dialect::Xen4_21
        | Dialect::Xen4_22 => record.u32(UNION, pirq).u8(UNION + 4, allow),
    };
    Some(request(record))
}

/// Fills a guest's page with the hypercall entry points.
pub fn hypercall_init(dialect: Dialect, domid: DomId, mfn: Mfn) -> Request {
    request(record(dialect.domctl(), HYPERCALL_INIT, domid).u64(UNION, mfn))
}

/// 32 or 64 bits.
pub fn set_address_size(dialect: Dialect, domid: DomId, bits: u32) -> Request {
    request(record(dialect.domctl(), SET_ADDRESS_SIZE, domid).u32(UNION, bits))
}
