//! [`Host`] on the running hypervisor.

use super::connection::Xen;
use crate::abi::{sysctl, topology};
use crate::{ConsoleRead, CpuPlace, Host, HypervisorError, NumaNode, PhysInfo, Scheduler, XenVersion};

type Result<T> = std::result::Result<T, HypervisorError>;

/// Bytes of the message ring asked for at once.
const CONSOLE_PIECE: u32 = 32 << 10;
/// Pieces read at most: a ring that fills faster than it is read must not hold the caller for ever.
const MAX_CONSOLE_PIECES: usize = 512;

impl Host for Xen {
    fn version(&self) -> &XenVersion {
        self.known_version()
    }

    fn read_only_reason(&self) -> Option<&str> {
        self.reason()
    }

    fn phys_info(&self) -> Result<PhysInfo> {
        const CALL: &str = "read processors and memory of the host";
        let number = self.sysctl(CALL)?;
        let reply = self.on_host(CALL, &sysctl::phys_info(number))?;
        Ok(sysctl::phys_info_answer(number, &reply))
    }

    fn scheduler(&self) -> Result<Scheduler> {
        const CALL: &str = "read the scheduler";
        let reply = self.on_host(CALL, &sysctl::scheduler(self.sysctl(CALL)?))?;
        Ok(sysctl::scheduler_answer(&reply))
    }

    fn cpu_places(&self) -> Result<Vec<Option<CpuPlace>>> {
        const CALL: &str = "read the places of the processors";
        let number = self.sysctl(CALL)?;
        let count = topology::count_answer(&self.on_host(CALL, &topology::count_cpus(number))?);
        let request = topology::cpus(number, u16::try_from(count).unwrap_or(u16::MAX));
        let reply = self.on_host(CALL, &request)?;
        Ok(topology::cpus_answer(&request, &reply))
    }

    fn numa_nodes(&self) -> Result<Vec<NumaNode>> {
        const CALL: &str = "read the NUMA nodes";
        let number = self.sysctl(CALL)?;
        let count = topology::count_answer(&self.on_host(CALL, &topology::count_nodes(number))?);
        let request = topology::nodes(number, u8::try_from(count).unwrap_or(u8::MAX));
        let reply = self.on_host(CALL, &request)?;
        Ok(topology::nodes_answer(&request, &reply))
    }

    fn read_console(&self, how: ConsoleRead) -> Result<Vec<u8>> {
        const CALL: &str = "read Xen's messages";
        let number = self.sysctl(CALL)?;
        let (mut text, mut index) = (Vec::new(), 0);
        for _ in 0..MAX_CONSOLE_PIECES {
            let request = sysctl::read_console(number, how, index, CONSOLE_PIECE);
            let reply = self.on_host(CALL, &request)?;
            let (piece, next) = sysctl::read_console_answer(&request, &reply);
            text.extend_from_slice(piece);
            index = next;
            if piece.len() < CONSOLE_PIECE as usize {
                break;
            }
        }
        Ok(text)
    }

    fn send_debug_keys(&self, keys: &str) -> Result<()> {
        const CALL: &str = "send debug keys";
        let request = sysctl::debug_keys(self.sysctl(CALL)?, keys.as_bytes());
        self.on_host(CALL, &request).map(|_| ())
    }
}
