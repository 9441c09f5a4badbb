//! Making, running and ending simulated domains, with the checks and errors of the real hypervisor.

use super::domain::Domain;
use super::faults::refused;
use super::{Call, DOMID_FIRST_RESERVED, Event, Machine, State, lock};
use crate::{
    CreateDomain, DomId, DomainInfo, Domains, EventChannels, HypervisorError, PAGE_SIZE, Port, ShutdownCode,
    VcpuContext, VcpuInfo,
};

type Result<T> = std::result::Result<T, HypervisorError>;

/// `MAX_VIRT_CPUS`: what Xen allows a PV domain.
const MAX_PV_VCPUS: u32 = 8192;
/// The only emulated device that a PV domain may have, the timer chip.
const EMULATION_PIT: u32 = 0x100;

impl Domains for Machine {
    fn create(&self, request: &CreateDomain) -> Result<DomId> {
        self.inner.enter(Call::Create, None)?;
        let domid = {
            let mut state = lock(&self.inner.state);
            state.create(request).map_err(|errno| refused(Call::Create, None, errno))?
        };
        self.inner.channels.add_domain(domid, request.max_evtchn_port);
        self.inner.emit(Event::Created(domid));
        Ok(domid)
    }

    fn destroy(&self, domid: DomId) -> Result<()> {
        self.inner.enter(Call::Destroy, Some(domid))?;
        let (first, gone) = {
            let mut state = lock(&self.inner.state);
            let refused = |errno| refused(Call::Destroy, Some(domid), errno);
            if domid == DomId::DOM0 {
                return Err(refused(libc::EINVAL));
            }
            let domain = state.domains.get(&domid).ok_or_else(|| refused(libc::ESRCH))?;
            (!domain.dying, state.release(domid))
        };
        if first {
            self.inner.emit(Event::Dying(domid));
        }
        if gone {
            self.inner.channels.remove_domain(domid);
            self.inner.emit(Event::Gone(domid));
        }
        Ok(())
    }

    fn pause(&self, domid: DomId) -> Result<()> {
        let now = self.inner.now();
        let stopped = self.inner.with_domain(Call::Pause, domid, |domain| {
            if domid == DomId::DOM0 { Err(libc::EINVAL) } else { domain.pause(now) }
        })?;
        if stopped {
            self.inner.emit(Event::Paused(domid));
        }
        Ok(())
    }

    fn unpause(&self, domid: DomId) -> Result<()> {
        let now = self.inner.now();
        let started = self.inner.with_domain(Call::Unpause, domid, |domain| {
            if domid == DomId::DOM0 { Err(libc::EINVAL) } else { domain.unpause(now) }
        })?;
        if started {
            self.inner.emit(Event::Unpaused(domid));
        }
        Ok(())
    }

    fn info(&self, domid: DomId) -> Result<Option<DomainInfo>> {
        self.inner.enter(Call::Info, Some(domid))?;
        let state = lock(&self.inner.state);
        Ok(state.domains.get(&domid).map(|domain| domain.info(domid, self.inner.now())))
    }

    fn list(&self) -> Result<Vec<DomainInfo>> {
        self.inner.enter(Call::List, None)?;
        let now = self.inner.now();
        let state = lock(&self.inner.state);
        Ok(state.domains.iter().map(|(domid, domain)| domain.info(*domid, now)).collect())
    }

    fn set_max_vcpus(&self, domid: DomId, count: u32) -> Result<()> {
        self.inner.with_domain(Call::SetMaxVcpus, domid, |domain| domain.set_max_vcpus(count))
    }

    fn set_max_mem_kib(&self, domid: DomId, kib: u64) -> Result<()> {
        self.inner.with_domain(Call::SetMaxMem, domid, |domain| {
            // Below what it has is allowed: it gets no more, and keeps what it has.
            domain.max_pages = kib / (PAGE_SIZE as u64 / 1024);
            Ok(())
        })
    }

    fn set_vcpu_context(&self, domid: DomId, vcpu: u32, context: &VcpuContext) -> Result<()> {
        self.inner.with_domain(Call::SetVcpuContext, domid, |domain| domain.set_context(vcpu, *context))
    }

    fn vcpu_info(&self, domid: DomId, vcpu: u32) -> Result<Option<VcpuInfo>> {
        let (now, cpus) = (self.inner.now(), self.inner.config.nr_cpus);
        self.inner.with_domain(Call::VcpuInfo, domid, |domain| Ok(domain.vcpu_info(vcpu, cpus, now)))
    }

    fn force_shutdown(&self, domid: DomId, code: ShutdownCode) -> Result<()> {
        self.inner.enter(Call::ForceShutdown, Some(domid))?;
        let refused = |errno| refused(Call::ForceShutdown, Some(domid), errno);
        if domid == DomId::DOM0 {
            return Err(refused(libc::EINVAL));
        }
        self.inner.shut_down(domid, code).map_err(refused)
    }

    fn set_address_size(&self, domid: DomId, bits: u32) -> Result<()> {
        self.inner.with_domain(Call::SetAddressSize, domid, |domain| match bits {
            64 => Ok(()),
            32 if domain.tot_pages > 0 => Err(libc::EACCES),
            // As in current builds, which have no 32-bit PV.
            32 => Err(libc::EOPNOTSUPP),
            _ => Err(libc::EINVAL),
        })
    }
}

impl EventChannels for Machine {
    fn alloc_unbound(&self, domid: DomId, remote: DomId) -> Result<Port> {
        self.inner.enter(Call::AllocUnbound, Some(domid))?;
        let port = self.inner.channels.alloc_unbound(domid, remote);
        port.map_err(|errno| refused(Call::AllocUnbound, Some(domid), errno))
    }
}

impl State {
    fn create(&mut self, request: &CreateDomain) -> std::result::Result<DomId, i32> {
        if let Err(errno) = check(request) {
            self.print(&format!("cannot create domain {}: error {errno}", request.uuid));
            return Err(errno);
        }
        let domid = self.next_domid().ok_or(libc::ENOMEM)?;
        if self.frames.nr_free() < self.claimed + 2 {
            return Err(libc::ENOMEM);
        }
        let shared_info = self.frames.take_top().ok_or(libc::ENOMEM)?;
        let grant_table = self.frames.take_top().ok_or(libc::ENOMEM)?;
        self.domains.insert(domid, Domain::new(request, shared_info, grant_table));
        self.last_domid = domid.0;
        Ok(domid)
    }

    /// The number after the last one given, back to 1 at the end, past those in use.
    fn next_domid(&self) -> Option<DomId> {
        let after = self.last_domid + 1..DOMID_FIRST_RESERVED;
        let before = 1..=self.last_domid;
        after.chain(before).map(DomId).find(|domid| !self.domains.contains_key(domid))
    }
}

/// The rules that Xen applies to a request (`hypervisor-interface` §2.3), for a host without hardware paging.
fn check(request: &CreateDomain) -> std::result::Result<(), i32> {
    if request.hap && !request.hvm || request.max_vcpus < 1 {
        return Err(libc::EINVAL);
    }
    if request.hvm {
        return Err(libc::EOPNOTSUPP);
    }
    if request.max_vcpus > MAX_PV_VCPUS || request.max_grant_frames == 0 || request.max_grant_frames < -1 {
        return Err(libc::EINVAL);
    }
    if request.emulation_flags & !EMULATION_PIT != 0 {
        return Err(libc::EOPNOTSUPP);
    }
    if request.cpupool == 0 { Ok(()) } else { Err(libc::ENOENT) }
}
