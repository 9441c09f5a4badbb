//! The simulated host's processors, memory and messages.

use super::{Call, Machine, lock};
use crate::{
    ConsoleRead, CpuPlace, Host, HypervisorError, NumaNode, PAGE_SIZE, PhysInfo, Scheduler, XenVersion,
};

impl Host for Machine {
    fn version(&self) -> &XenVersion {
        &self.inner.version
    }

    fn read_only_reason(&self) -> Option<&str> {
        self.inner.read_only.as_deref()
    }

    fn phys_info(&self) -> Result<PhysInfo, HypervisorError> {
        self.inner.enter(Call::PhysInfo, None)?;
        let mut info = self.inner.config.phys_info();
        lock(&self.inner.state).fill_memory(&mut info);
        Ok(info)
    }

    fn scheduler(&self) -> Result<Scheduler, HypervisorError> {
        self.inner.enter(Call::Scheduler, None)?;
        Ok(Scheduler::Credit2)
    }

    fn cpu_places(&self) -> Result<Vec<Option<CpuPlace>>, HypervisorError> {
        self.inner.enter(Call::CpuPlaces, None)?;
        let place = |cpu| Some(CpuPlace { core: 0, socket: cpu, node: 0 });
        Ok((0..self.inner.config.nr_cpus).map(place).collect())
    }

    fn numa_nodes(&self) -> Result<Vec<NumaNode>, HypervisorError> {
        self.inner.enter(Call::NumaNodes, None)?;
        let free = lock(&self.inner.state).frames.nr_free();
        let bytes = |pages| pages * PAGE_SIZE as u64;
        let size = bytes(self.inner.config.total_pages());
        Ok(vec![NumaNode { size, free: bytes(free), distances: vec![10] }])
    }

    fn read_console(&self, how: ConsoleRead) -> Result<Vec<u8>, HypervisorError> {
        self.inner.enter(Call::ReadConsole, None)?;
        let console = &mut lock(&self.inner.state).console;
        Ok(match how {
            ConsoleRead::Keep => console.clone(),
            ConsoleRead::Clear => std::mem::take(console),
        })
    }

    fn send_debug_keys(&self, keys: &str) -> Result<(), HypervisorError> {
        self.inner.enter(Call::SendDebugKeys, None)?;
        for key in keys.chars() {
            self.print(&format!("'{key}' pressed -> nothing to show in a simulation"));
        }
        Ok(())
    }
}
