//! [`GuestMemory`] and [`EventChannels`] on the running hypervisor.

use super::connection::Xen;
use crate::abi::{domctl, event_channel, grant_table, memory};
use crate::{Access, DomId, Domains, EventChannels, GuestMemory, HypervisorError, Mapping, Mfn, Pfn, Port};

type Result<T> = std::result::Result<T, HypervisorError>;

/// Extents in one call: half a MiB of buffer.
const MAX_EXTENTS: usize = 1 << 16;

impl GuestMemory for Xen {
    fn populate(&self, domid: DomId, order: u32, pfns: &[Pfn]) -> Result<Vec<Mfn>> {
        const CALL: &str = "allocate memory";
        self.dialect(CALL)?;
        let mut frames = Vec::with_capacity(pfns.len());
        for piece in pfns.chunks(MAX_EXTENTS) {
            let request = memory::populate(domid, order, piece);
            let reply = self.on_domain(CALL, domid, &request)?;
            let done = memory::populate_answer(&request, &reply);
            let short = done.len() < piece.len();
            frames.extend(done);
            if short {
                break;
            }
        }
        // Xen answers "none done" also for a domain that isn't there.
        if frames.is_empty() && !pfns.is_empty() && self.info(domid)?.is_none() {
            let source = std::io::Error::from_raw_os_error(libc::ESRCH);
            return Err(HypervisorError::Call { call: CALL, domid: Some(domid), source });
        }
        Ok(frames)
    }

    fn claim_pages(&self, domid: DomId, nr_pages: u64) -> Result<()> {
        const CALL: &str = "claim memory";
        self.dialect(CALL)?;
        self.on_domain(CALL, domid, &memory::claim_pages(domid, nr_pages)).map(|_| ())
    }

    fn set_memory_map(&self, domid: DomId, bytes: u64) -> Result<()> {
        const CALL: &str = "set the memory map";
        self.dialect(CALL)?;
        self.on_domain(CALL, domid, &memory::set_memory_map(domid, bytes)).map(|_| ())
    }

    fn map(&self, domid: DomId, access: Access, frames: &[Mfn]) -> Result<Box<dyn Mapping>> {
        const CALL: &str = "map memory";
        let mapped = self.gate().map_frames(domid, access, frames);
        mapped.map_err(|source| self.refusal(CALL, domid, source))
    }

    fn map_grant_table(&self, domid: DomId) -> Result<Box<dyn Mapping>> {
        const CALL: &str = "map the grant table";
        match self.gate().map_grant_table(domid) {
            Ok(mapping) => Ok(mapping),
            // Kernels or releases that can't map it by name.
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::ENOTTY | libc::EINVAL | libc::ENOSYS | libc::EOPNOTSUPP)
                ) =>
            {
                tracing::debug!(%domid, %error, "mapping the grant table by its frame");
                self.map_grant_frame(domid)
            }
            Err(source) => Err(self.refusal(CALL, domid, source)),
        }
    }

    fn init_hypercall_page(&self, domid: DomId, mfn: Mfn) -> Result<()> {
        const CALL: &str = "fill the hypercall page";
        let request = domctl::hypercall_init(self.dialect(CALL)?, domid, mfn);
        self.on_domain(CALL, domid, &request).map(|_| ())
    }

    fn pin_l4_table(&self, domid: DomId, mfn: Mfn) -> Result<()> {
        const CALL: &str = "pin the page tables";
        self.dialect(CALL)?;
        self.on_domain(CALL, domid, &memory::pin_l4_table(domid, mfn)).map(|_| ())
    }
}

impl EventChannels for Xen {
    fn alloc_unbound(&self, domid: DomId, remote: DomId) -> Result<Port> {
        const CALL: &str = "make an event channel";
        self.dialect(CALL)?;
        let reply = self.on_domain(CALL, domid, &event_channel::alloc_unbound(domid, remote))?;
        Ok(event_channel::alloc_unbound_answer(&reply))
    }
}

impl Xen {
    fn map_grant_frame(&self, domid: DomId) -> Result<Box<dyn Mapping>> {
        const CALL: &str = "set up the grant table";
        let request = grant_table::setup_table(domid);
        let reply = self.on_domain(CALL, domid, &request)?;
        let frame = grant_table::setup_table_answer(&request, &reply).map_err(|status| {
            tracing::debug!(%domid, status, "grant table not set up");
            self.refusal(CALL, domid, std::io::Error::from_raw_os_error(libc::EINVAL))
        })?;
        self.map(domid, Access::Write, &[frame])
    }
}
