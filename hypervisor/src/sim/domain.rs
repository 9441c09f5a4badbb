//! One domain as the hypervisor sees it: limits, pause count, vcpus, how it ended.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use uuid::Uuid;

use super::memory::Memory;
use crate::{CreateDomain, DomId, DomainFlags, DomainInfo, Mfn, ShutdownCode, VcpuContext, VcpuInfo};

/// A running simulated guest is charged this part of the time that passes: it mostly sleeps.
const IDLE_DIVISOR: u128 = 100;

/// The pages that a guest goes on using whatever else it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct BootPages {
    pub(super) start_info: Mfn,
    pub(super) console: Mfn,
    pub(super) store: Mfn,
}

/// A domain.
pub(super) struct Domain {
    uuid: Uuid,
    /// What `create` asked for.
    pub(super) wanted_vcpus: u32,
    /// Set by `set_max_vcpus`.
    pub(super) nr_vcpus: u32,
    /// Registers that vcpu 0 … will start with.
    contexts: Vec<Option<VcpuContext>>,
    pause_count: u8,
    shutdown: Option<ShutdownCode>,
    /// Being torn down.
    pub(super) dying: bool,
    /// Waits for events, as an idle guest does.
    pub(super) blocked: bool,
    /// Has run at least once.
    pub(super) started: bool,
    /// Upper limit of its RAM.
    pub(super) max_pages: u64,
    /// Pages promised and not allocated yet.
    pub(super) claim: u64,
    memory: Arc<Mutex<Memory>>,
    /// The shared info page.
    pub(super) shared_info: Mfn,
    /// First page of the grant table.
    pub(super) grant_table: Mfn,
    /// Known once the guest has looked at its start info.
    pub(super) boot_pages: Option<BootPages>,
    running_since: Option<Duration>,
    ran: Duration,
    cpupool: u32,
    /// Pages of RAM. Kept here too, so that a list of domains need not wait for their memory's locks.
    pub(super) tot_pages: u64,
}

impl Domain {
    /// A fresh one: paused once, no memory, no vcpus.
    pub(super) fn new(request: &CreateDomain, shared_info: Mfn, grant_table: Mfn) -> Self {
        Self {
            uuid: request.uuid,
            wanted_vcpus: request.max_vcpus,
            nr_vcpus: 0,
            contexts: Vec::new(),
            pause_count: 1,
            shutdown: None,
            dying: false,
            blocked: false,
            started: false,
            max_pages: 0,
            claim: 0,
            memory: Arc::new(Mutex::new(Memory::new([shared_info, grant_table]))),
            shared_info,
            grant_table,
            boot_pages: None,
            running_since: None,
            ran: Duration::ZERO,
            cpupool: request.cpupool,
            tot_pages: 0,
        }
    }

    /// The privileged domain, running since the host booted.
    pub(super) fn dom0(pages: u64, nr_cpus: u32, now: Duration) -> Self {
        let request = CreateDomain::pv(Uuid::nil(), nr_cpus);
        Self {
            nr_vcpus: nr_cpus,
            pause_count: 0,
            started: true,
            max_pages: u64::from(u32::MAX),
            running_since: Some(now),
            tot_pages: pages,
            ..Self::new(&request, 0, 0)
        }
    }

    /// Its memory.
    pub(super) fn memory(&self) -> Arc<Mutex<Memory>> {
        Arc::clone(&self.memory)
    }

    /// True when `memory` is this domain's, and not that of an earlier one of the same number.
    pub(super) fn is_held_by(&self, memory: &Arc<Mutex<Memory>>) -> bool {
        Arc::ptr_eq(&self.memory, memory)
    }

    /// Adds one to the pause count; `true` when it ran until now.
    pub(super) fn pause(&mut self, now: Duration) -> Result<bool, i32> {
        self.pause_count = self.pause_count.checked_add(1).ok_or(libc::EUSERS)?;
        self.stop_clock(now);
        Ok(self.pause_count == 1)
    }

    /// Takes one from the pause count; `true` when it runs from now on.
    pub(super) fn unpause(&mut self, now: Duration) -> Result<bool, i32> {
        self.pause_count = self.pause_count.checked_sub(1).ok_or(libc::EINVAL)?;
        if self.pause_count > 0 {
            return Ok(false);
        }
        self.started = true;
        if self.shutdown.is_none() && !self.dying {
            self.running_since = Some(now);
        }
        Ok(true)
    }

    /// Notes that the domain has shut down; `false` when it had already.
    pub(super) fn shut_down(&mut self, code: ShutdownCode, now: Duration) -> bool {
        if self.shutdown.is_some() || self.dying {
            return false;
        }
        self.shutdown = Some(code);
        self.stop_clock(now);
        true
    }

    /// Its guest may act: not paused, not shut down, not dying.
    pub(super) fn is_live(&self) -> bool {
        self.pause_count == 0 && self.shutdown.is_none() && !self.dying
    }

    fn stop_clock(&mut self, now: Duration) {
        if let Some(since) = self.running_since.take() {
            self.ran += now.saturating_sub(since);
        }
    }

    fn cpu_time_ns(&self, now: Duration) -> u64 {
        let ran = self.ran + self.running_since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
        u64::try_from(ran.as_nanos() / IDLE_DIVISOR).unwrap_or(u64::MAX)
    }

    /// Allocates the vcpus.
    pub(super) fn set_max_vcpus(&mut self, count: u32) -> Result<(), i32> {
        if count != self.wanted_vcpus {
            return Err(libc::EINVAL);
        }
        self.nr_vcpus = count;
        self.contexts.resize(count as usize, None);
        Ok(())
    }

    /// Sets first registers. Refused for a vcpu that has run: no builder has business there.
    pub(super) fn set_context(&mut self, vcpu: u32, context: VcpuContext) -> Result<(), i32> {
        if self.started {
            return Err(libc::EBUSY);
        }
        let place = self.contexts.get_mut(vcpu as usize).ok_or(libc::EINVAL)?;
        *place = Some(context);
        Ok(())
    }

    /// First registers of a vcpu.
    pub(super) fn context(&self, vcpu: u32) -> Option<VcpuContext> {
        self.contexts.get(vcpu as usize).copied().flatten()
    }

    /// The list entry.
    pub(super) fn info(&self, domid: DomId, now: Duration) -> DomainInfo {
        let live = self.is_live();
        let idle = self.blocked && domid != DomId::DOM0;
        DomainInfo {
            domid,
            uuid: self.uuid,
            flags: DomainFlags {
                dying: self.dying,
                hvm: false,
                shutdown: self.shutdown.is_some(),
                paused: self.pause_count > 0,
                blocked: live && idle,
                running: live && !idle,
            },
            shutdown: self.shutdown,
            tot_pages: self.tot_pages,
            max_pages: self.max_pages,
            shared_info_frame: self.shared_info,
            cpu_time_ns: self.cpu_time_ns(now),
            nr_online_vcpus: self.online_vcpus(),
            max_vcpu_id: self.nr_vcpus.checked_sub(1),
            cpupool: Some(self.cpupool),
        }
    }

    /// Before the guest runs, the vcpus that have registers; a running guest has brought up all.
    fn online_vcpus(&self) -> u32 {
        if self.started {
            return self.nr_vcpus;
        }
        self.contexts.iter().flatten().count() as u32
    }

    /// One vcpu.
    pub(super) fn vcpu_info(&self, vcpu: u32, nr_cpus: u32, now: Duration) -> Option<VcpuInfo> {
        if vcpu >= self.nr_vcpus {
            return None;
        }
        let online = self.started || self.context(vcpu).is_some();
        let busy = self.is_live() && vcpu == 0 && !self.blocked;
        Some(VcpuInfo {
            online,
            blocked: online && self.is_live() && !busy,
            running: busy,
            cpu_time_ns: if vcpu == 0 { self.cpu_time_ns(now) } else { 0 },
            cpu: vcpu % nr_cpus.max(1),
        })
    }

    /// How many pages more its limit allows.
    pub(super) fn room(&self) -> u64 {
        self.max_pages.saturating_sub(self.tot_pages)
    }
}
