//! Faults on demand: calls that fail, memory that runs out half-way, a daemon that is dead from some point on.
//!
//! The gate stands for the daemon's life: it is asked before every call that changes something, and once it answers
//! `false` such a call fails with `EIO` and does nothing, as if the daemon had been killed just before it. Writes through
//! a mapping that exists already aren't asked: nobody but a finished build looks at them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::lock;
use crate::HypervisorError;

/// The calls that can be made to fail, one for each method of the traits that can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Call {
    /// `Host::phys_info`
    PhysInfo,
    /// `Host::scheduler`
    Scheduler,
    /// `Host::cpu_places`
    CpuPlaces,
    /// `Host::numa_nodes`
    NumaNodes,
    /// `Host::read_console`
    ReadConsole,
    /// `Host::send_debug_keys`
    SendDebugKeys,
    /// `Domains::create`
    Create,
    /// `Domains::destroy`
    Destroy,
    /// `Domains::pause`
    Pause,
    /// `Domains::unpause`
    Unpause,
    /// `Domains::info`
    Info,
    /// `Domains::list`
    List,
    /// `Domains::set_max_vcpus`
    SetMaxVcpus,
    /// `Domains::set_max_mem_kib`
    SetMaxMem,
    /// `Domains::set_vcpu_context`
    SetVcpuContext,
    /// `Domains::vcpu_info`
    VcpuInfo,
    /// `Domains::force_shutdown`
    ForceShutdown,
    /// `Domains::set_address_size`
    SetAddressSize,
    /// `GuestMemory::populate`
    Populate,
    /// `GuestMemory::claim_pages`
    ClaimPages,
    /// `GuestMemory::set_memory_map`
    SetMemoryMap,
    /// `GuestMemory::map`
    Map,
    /// `GuestMemory::map_grant_table`
    MapGrantTable,
    /// `GuestMemory::init_hypercall_page`
    InitHypercallPage,
    /// `GuestMemory::pin_l4_table`
    PinL4Table,
    /// `EventChannels::alloc_unbound`
    AllocUnbound,
}

impl Call {
    /// Verb and object, for error texts.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::PhysInfo => "read the host's processors and memory",
            Self::Scheduler => "read the scheduler",
            Self::CpuPlaces => "read the processors' places",
            Self::NumaNodes => "read the memory nodes",
            Self::ReadConsole => "read the hypervisor's console",
            Self::SendDebugKeys => "send debug keys",
            Self::Create => "create a domain",
            Self::Destroy => "destroy",
            Self::Pause => "pause",
            Self::Unpause => "unpause",
            Self::Info => "read information",
            Self::List => "list the domains",
            Self::SetMaxVcpus => "allocate vcpus",
            Self::SetMaxMem => "set the memory limit",
            Self::SetVcpuContext => "set the registers of a vcpu",
            Self::VcpuInfo => "read a vcpu",
            Self::ForceShutdown => "force a shutdown",
            Self::SetAddressSize => "set the address size",
            Self::Populate => "populate memory",
            Self::ClaimPages => "claim memory",
            Self::SetMemoryMap => "set the memory map",
            Self::Map => "map memory",
            Self::MapGrantTable => "map the grant table",
            Self::InitHypercallPage => "fill the hypercall page",
            Self::PinL4Table => "pin the page tables",
            Self::AllocUnbound => "allocate an event channel",
        }
    }

    /// True for calls that only look.
    pub fn only_reads(self) -> bool {
        match self {
            Self::PhysInfo
            | Self::Scheduler
            | Self::CpuPlaces
            | Self::NumaNodes
            | Self::ReadConsole
            | Self::Info
            | Self::List
            | Self::VcpuInfo => true,
            Self::SendDebugKeys
            | Self::Create
            | Self::Destroy
            | Self::Pause
            | Self::Unpause
            | Self::SetMaxVcpus
            | Self::SetMaxMem
            | Self::SetVcpuContext
            | Self::ForceShutdown
            | Self::SetAddressSize
            | Self::Populate
            | Self::ClaimPages
            | Self::SetMemoryMap
            | Self::Map
            | Self::MapGrantTable
            | Self::InitHypercallPage
            | Self::PinL4Table
            | Self::AllocUnbound => false,
        }
    }
}

/// Asked before each call that changes something; `false` means that the daemon is dead by then.
pub type Gate = Arc<dyn Fn() -> bool + Send + Sync>;

#[derive(Default)]
struct Plan {
    calls: BTreeMap<Call, u64>,
    /// The call and its number to the error it gets.
    failing: BTreeMap<(Call, u64), i32>,
    populate_left: Option<u64>,
    gate: Option<Gate>,
}

/// What is to go wrong; a handle on the machine's plan, empty at first.
#[derive(Clone, Default)]
pub struct Faults {
    plan: Arc<Mutex<Plan>>,
}

impl Faults {
    /// Makes the `nth` call of this kind from now on (1 is the next) fail with a Linux error number, once.
    pub fn fail(&self, call: Call, nth: u64, errno: i32) {
        let mut plan = lock(&self.plan);
        let at = plan.calls.get(&call).copied().unwrap_or(0) + nth.max(1);
        plan.failing.insert((call, at), errno);
    }

    /// Lets `populate` allocate this many pages more, over all domains, as if the host's memory ended there.
    pub fn populate_at_most(&self, pages: u64) {
        lock(&self.plan).populate_left = Some(pages);
    }

    /// Sets the gate.
    pub fn set_gate(&self, gate: Gate) {
        lock(&self.plan).gate = Some(gate);
    }

    /// Takes back everything that was asked for, the gate too.
    pub fn clear(&self) {
        let mut plan = lock(&self.plan);
        plan.failing.clear();
        plan.populate_left = None;
        plan.gate = None;
    }

    /// How often this call was made so far, refused ones included.
    pub fn count(&self, call: Call) -> u64 {
        lock(&self.plan).calls.get(&call).copied().unwrap_or(0)
    }

    /// Counts a call and says with which error it is to fail.
    pub(super) fn admit(&self, call: Call) -> Result<(), i32> {
        let (errno, gate) = {
            let mut plan = lock(&self.plan);
            let made = plan.calls.entry(call).or_insert(0);
            *made += 1;
            let made = *made;
            (plan.failing.remove(&(call, made)), plan.gate.clone())
        };
        // Asked without the lock: a gate may look at the machine.
        if !call.only_reads() && gate.is_some_and(|alive| !alive()) {
            return Err(libc::EIO);
        }
        errno.map_or(Ok(()), Err)
    }

    /// How many of these extents of `size` pages `populate` may allocate.
    pub(super) fn ration(&self, extents: u64, size: u64) -> u64 {
        match lock(&self.plan).populate_left.as_mut() {
            None => extents,
            Some(left) => {
                let granted = extents.min(*left / size);
                *left -= granted * size;
                granted
            }
        }
    }
}

/// A call refused with an error number.
pub(super) fn refused(call: Call, domid: Option<crate::DomId>, errno: i32) -> HypervisorError {
    HypervisorError::Call { call: call.text(), domid, source: std::io::Error::from_raw_os_error(errno) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Call, Faults};

    #[test]
    fn only_the_call_that_was_named_fails_and_only_once() {
        let faults = Faults::default();
        faults.fail(Call::Create, 2, libc::ENOMEM);
        let answers: Vec<_> = (0..3).map(|_| faults.admit(Call::Create)).collect();
        assert_eq!(answers, [Ok(()), Err(libc::ENOMEM), Ok(())]);
        assert_eq!((faults.count(Call::Create), faults.count(Call::Pause)), (3, 0));
    }

    #[test]
    fn a_shut_gate_stops_changes_and_lets_questions_pass() {
        let faults = Faults::default();
        faults.set_gate(Arc::new(|| false));
        assert_eq!(faults.admit(Call::Unpause), Err(libc::EIO));
        assert_eq!(faults.admit(Call::List), Ok(()));
        faults.clear();
        assert_eq!(faults.admit(Call::Unpause), Ok(()));
    }

    #[test]
    fn rationed_memory_runs_out() {
        let faults = Faults::default();
        faults.populate_at_most(700);
        let granted = [faults.ration(3, 512), faults.ration(200, 1), faults.ration(1, 1)];
        assert_eq!(granted, [1, 188, 0]);
    }
}
