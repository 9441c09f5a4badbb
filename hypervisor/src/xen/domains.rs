//! [`Domains`] on the running hypervisor.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::connection::Xen;
use super::gate::FAULT_ATTEMPTS;
use crate::abi::{Request, domctl, sched, sysctl};
use crate::{CreateDomain, DomId, DomainInfo, Domains, HypervisorError, ShutdownCode, VcpuContext, VcpuInfo};

type Result<T> = std::result::Result<T, HypervisorError>;

const CREATE: &str = "create a domain";

/// Domains asked for at once; a host with more takes more calls.
const LIST_PIECE: u16 = 128;
/// First number that can't be a guest's.
const FIRST_RESERVED: u16 = 0x7ff0;
/// Pause before a destruction that Xen has put off is asked for again, and how long to go on asking.
const DESTROY_PAUSE: Duration = Duration::from_millis(1);
const DESTROY_PATIENCE: Duration = Duration::from_secs(30);

impl Domains for Xen {
    fn create(&self, request: &CreateDomain) -> Result<DomId> {
        let dialect = self.dialect(CREATE)?;
        let domid = self.create_shell(&domctl::create(dialect, request, self.grants()), request.uuid)?;
        if request.cpupool != 0 && !dialect.creates_in_cpupool() {
            self.move_or_destroy(domid, request.cpupool)?;
        }
        Ok(domid)
    }

    fn destroy(&self, domid: DomId) -> Result<()> {
        const CALL: &str = "finish the destruction";
        let request = domctl::destroy(self.dialect(CALL)?, domid);
        let deadline = Instant::now() + DESTROY_PATIENCE;
        loop {
            match self.on_domain(CALL, domid, &request) {
                Err(error) if error.errno() == Some(libc::EAGAIN) && Instant::now() < deadline => {
                    std::thread::sleep(DESTROY_PAUSE);
                }
                outcome => return outcome.map(|_| ()),
            }
        }
    }

    fn pause(&self, domid: DomId) -> Result<()> {
        const CALL: &str = "raise the pause count";
        let request = domctl::pause(self.dialect(CALL)?, domid);
        self.on_domain(CALL, domid, &request).map(|_| ())
    }

    fn unpause(&self, domid: DomId) -> Result<()> {
        const CALL: &str = "lower the pause count";
        let request = domctl::unpause(self.dialect(CALL)?, domid);
        self.on_domain(CALL, domid, &request).map(|_| ())
    }

    fn info(&self, domid: DomId) -> Result<Option<DomainInfo>> {
        const CALL: &str = "read the state";
        let dialect = self.dialect(CALL)?;
        match self.gate().hypercall(&domctl::info(dialect, domid)) {
            // Up to 4.17 Xen answers with the next domain when there is none with this number.
            Ok(reply) => Ok(Some(domctl::info_answer(&reply)).filter(|info| info.domid == domid)),
            Err(error) if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
            Err(error) if dialect.hides_absent_domains() && error.raw_os_error() == Some(libc::EPERM) => {
                Ok(None)
            }
            Err(source) => Err(HypervisorError::Call { call: CALL, domid: Some(domid), source }),
        }
    }

    fn list(&self) -> Result<Vec<DomainInfo>> {
        const CALL: &str = "list the domains";
        let dialect = self.dialect(CALL)?;
        let (mut all, mut first) = (Vec::new(), DomId(0));
        loop {
            let request = sysctl::domain_list(dialect, first, LIST_PIECE);
            let reply = self.on_host(CALL, &request)?;
            let piece = sysctl::domain_list_answer(dialect, &request, &reply);
            let full = piece.len() == usize::from(LIST_PIECE);
            let last = piece.last().map(|info: &DomainInfo| info.domid.0);
            all.extend(piece);
            match last {
                Some(last) if full && last >= first.0 && last < FIRST_RESERVED => first = DomId(last + 1),
                Some(_) | None => return Ok(all),
            }
        }
    }

    fn set_max_vcpus(&self, domid: DomId, count: u32) -> Result<()> {
        const CALL: &str = "allocate the vcpus";
        let request = domctl::max_vcpus(self.dialect(CALL)?, domid, count);
        self.on_domain(CALL, domid, &request).map(|_| ())
    }

    fn set_max_mem_kib(&self, domid: DomId, kib: u64) -> Result<()> {
        const CALL: &str = "set the memory limit";
        let request = domctl::max_mem(self.dialect(CALL)?, domid, kib);
        self.on_domain(CALL, domid, &request).map(|_| ())
    }

    fn set_vcpu_context(&self, domid: DomId, vcpu: u32, context: &VcpuContext) -> Result<()> {
        const CALL: &str = "set the registers of a vcpu";
        let request = domctl::set_vcpu_context(self.dialect(CALL)?, domid, vcpu, context);
        self.on_domain(CALL, domid, &request).map(|_| ())
    }

    fn vcpu_info(&self, domid: DomId, vcpu: u32) -> Result<Option<VcpuInfo>> {
        const CALL: &str = "read the state of a vcpu";
        let request = domctl::vcpu_info(self.dialect(CALL)?, domid, vcpu);
        match self.gate().hypercall(&request) {
            Ok(reply) => Ok(Some(domctl::vcpu_info_answer(&reply))),
            Err(source) => match self.refusal(CALL, domid, source) {
                // The domain is there, so it is the vcpu that is not. Out of range and never allocated are told apart
                // differently from release to release; to us they are the same.
                error if self.has_no_vcpu(&error, domid) => Ok(None),
                error => Err(error),
            },
        }
    }

    fn force_shutdown(&self, domid: DomId, code: ShutdownCode) -> Result<()> {
        const CALL: &str = "force a shutdown";
        self.dialect(CALL)?;
        self.on_domain(CALL, domid, &sched::remote_shutdown(domid, code)).map(|_| ())
    }

    fn set_address_size(&self, domid: DomId, bits: u32) -> Result<()> {
        const CALL: &str = "set the address size";
        let request = domctl::set_address_size(self.dialect(CALL)?, domid, bits);
        self.on_domain(CALL, domid, &request).map(|_| ())
    }
}

impl Xen {
    /// Makes the domain, which must not happen twice: when Xen could not tell the number (see [`Gate::hypercall`]), the
    /// domain may be there or not. It is recognised by its handle, and by having neither vcpus nor memory yet, which sets
    /// it apart from an older domain with the same handle.
    ///
    /// [`Gate::hypercall`]: super::gate::Gate::hypercall
    fn create_shell(&self, request: &Request, uuid: Uuid) -> Result<DomId> {
        let mut attempts = 1..FAULT_ATTEMPTS;
        loop {
            match self.gate().pass(request) {
                Ok(reply) => return Ok(domctl::created(&reply)),
                Err(error) if error.raw_os_error() == Some(libc::EFAULT) && attempts.next().is_some() => {
                    let untouched = |info: &DomainInfo| {
                        info.uuid == uuid && info.max_vcpu_id.is_none() && info.tot_pages == 0
                    };
                    if let Some(made) = self.list()?.into_iter().find(untouched) {
                        return Ok(made.domid);
                    }
                }
                Err(source) => return Err(HypervisorError::Call { call: CREATE, domid: None, source }),
            }
        }
    }

    /// Before 4.17 a domain starts in pool 0. One that can't be moved is of no use to the caller, who doesn't know its
    /// number either.
    fn move_or_destroy(&self, domid: DomId, pool: u32) -> Result<()> {
        const CALL: &str = "choose the CPU pool";
        let moved = self
            .sysctl(CALL)
            .and_then(|number| self.on_domain(CALL, domid, &sysctl::move_to_cpupool(number, domid, pool)));
        if let Err(error) = moved {
            if let Err(left) = self.destroy(domid) {
                tracing::error!(%domid, error = %left, "a domain without its CPU pool is left behind");
            }
            return Err(error);
        }
        Ok(())
    }

    fn has_no_vcpu(&self, error: &HypervisorError, domid: DomId) -> bool {
        let absent = matches!(error.errno(), Some(libc::EINVAL | libc::ENOENT | libc::ESRCH));
        absent && matches!(self.info(domid), Ok(Some(_)))
    }
}
