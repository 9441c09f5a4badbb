//! The host that is simulated: its release and with it the interface numbers, its size, its clock.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::{PAGE_SIZE, PhysInfo, XenVersion};

/// Time since some fixed instant; never goes backwards.
pub type Clock = Arc<dyn Fn() -> Duration + Send + Sync>;

/// The host to simulate. Memory costs nothing until it is written to.
#[derive(Clone)]
pub struct HostConfig {
    /// Second half of the release number, 14 … 22.
    pub minor: u32,
    /// What `domctl` answers to; a number of no release makes the machine read-only.
    pub domctl: u32,
    /// What `sysctl` answers to.
    pub sysctl: u32,
    /// All of the host's memory.
    pub memory_mib: u64,
    /// The part that dom0 has.
    pub dom0_memory_mib: u64,
    /// Processors, one thread and one core a socket.
    pub nr_cpus: u32,
    /// Source of time.
    pub clock: Clock,
    /// Decides where the free memory starts; the same seed gives the same frames.
    pub seed: u64,
}

impl fmt::Debug for HostConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostConfig")
            .field("minor", &self.minor)
            .field("domctl", &self.domctl)
            .field("sysctl", &self.sysctl)
            .field("memory_mib", &self.memory_mib)
            .field("dom0_memory_mib", &self.dom0_memory_mib)
            .field("nr_cpus", &self.nr_cpus)
            .field("seed", &self.seed)
            .finish_non_exhaustive()
    }
}

impl Default for HostConfig {
    /// Xen 4.17 with 128 GiB and 8 processors, on the machine's own clock.
    fn default() -> Self {
        let start = Instant::now();
        Self {
            minor: 17,
            domctl: 0x15,
            sysctl: 0x15,
            memory_mib: 128 * 1024,
            dom0_memory_mib: 1024,
            nr_cpus: 8,
            clock: Arc::new(move || start.elapsed()),
            seed: 1,
        }
    }
}

impl HostConfig {
    /// The same host with another release of Xen, 4.14 … 4.22 (others get numbers that no release has).
    pub fn release(minor: u32) -> Self {
        let (domctl, sysctl) = match minor {
            14 => (0x12, 0x13),
            15 => (0x13, 0x13),
            16 => (0x14, 0x14),
            17 => (0x15, 0x15),
            18 => (0x16, 0x15),
            19 | 20 => (0x17, 0x15),
            21 => (0x17, 0x16),
            22 => (0x18, 0x16),
            _ => (0xff, 0xff),
        };
        Self { minor, domctl, sysctl, ..Self::default() }
    }

    /// The domctl number, where a release has it.
    pub(super) fn known_domctl(&self) -> Option<u32> {
        (0x12..=0x18).contains(&self.domctl).then_some(self.domctl)
    }

    /// What `Host::version` answers.
    pub(super) fn version(&self) -> XenVersion {
        XenVersion {
            major: 4,
            minor: self.minor,
            extra: ".0-sim".to_owned(),
            capabilities: "xen-3.0-x86_64".to_owned(),
            changeset: "unavailable".to_owned(),
            command_line: "placeholder dom0_mem=1024M".replace("1024", &self.dom0_memory_mib.to_string()),
            compiler: "rustc".to_owned(),
            compile_by: "xend".to_owned(),
            compile_domain: "simulator".to_owned(),
            compile_date: "Thu Jan  1 00:00:00 UTC 1970".to_owned(),
            page_size: PAGE_SIZE as u64,
            virt_start: 0xffff_8000_0000_0000,
            domctl: self.known_domctl(),
            sysctl: (0x13..=0x16).contains(&self.sysctl).then_some(self.sysctl),
        }
    }

    /// Pages of the host.
    pub(super) fn total_pages(&self) -> u64 {
        self.memory_mib * (1024 * 1024 / PAGE_SIZE as u64)
    }

    /// Pages of dom0.
    pub(super) fn dom0_pages(&self) -> u64 {
        self.dom0_memory_mib.min(self.memory_mib) * (1024 * 1024 / PAGE_SIZE as u64)
    }

    /// `physinfo` but for what changes.
    pub(super) fn phys_info(&self) -> PhysInfo {
        PhysInfo {
            threads_per_core: 1,
            cores_per_socket: 1,
            nr_cpus: self.nr_cpus,
            max_cpu_id: self.nr_cpus.saturating_sub(1),
            nr_nodes: 1,
            cpu_khz: 2_400_000,
            // pv, grant tables of version 1 and 2; no hardware paging, no shadow.
            capabilities: 1 << 1 | 1 << 8 | 1 << 9,
            total_pages: self.total_pages(),
            hw_cap: [0x178b_fbff, 0x8000_2001, 0x2c10_0800, 0x0000_0001, 0, 0, 0, 0],
            ..PhysInfo::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::HostConfig;

    #[test]
    fn each_release_answers_with_its_own_interface_numbers() {
        assert_eq!(HostConfig::release(17).version().domctl, Some(0x15));
        assert_eq!(HostConfig::release(20).version().domctl, Some(0x17));
        assert_eq!(HostConfig::release(23).version().domctl, None);
    }
}
