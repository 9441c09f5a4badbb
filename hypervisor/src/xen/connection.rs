//! The connection: opening it, finding the dialect, and turning refusals into errors that say which call and domain.

use std::io;

use super::device::Device;
use super::gate::Gate;
use crate::abi::create_domain::GrantVersion;
use crate::abi::version::{self, Text};
use crate::abi::{DOMCTL_NUMBERS, Dialect, Probed, Reply, Request, SYSCTL_NUMBERS, domctl, sysctl};
use crate::{DomId, Domains, HypervisorError, XenVersion};

/// Bit of `PhysInfo::capabilities`: domains may switch to version 2 of the grant table.
const CAPABILITY_GRANTS_V2: u32 = 1 << 9;

/// A connection to the running hypervisor; all traits of this crate, from any thread.
pub struct Xen {
    gate: Box<dyn Gate>,
    version: XenVersion,
    /// The layouts, or why there are none.
    dialect: Result<Dialect, String>,
    grants: GrantVersion,
}

impl Xen {
    /// Connects to the hypervisor of this host and finds out how it is spoken to. On a hypervisor whose interface is not
    /// known this succeeds too: see [`crate::Host::read_only_reason`].
    pub fn open() -> Result<Self, HypervisorError> {
        Self::over(Box::new(Device::open()?), None)
    }

    /// As [`Xen::open`], but believes the caller about the layouts: for developers on a build between two releases. The
    /// hypervisor still refuses every call if the interface number differs.
    pub fn open_as(dialect: Dialect) -> Result<Self, HypervisorError> {
        Self::over(Box::new(Device::open()?), Some(dialect))
    }

    pub(super) fn over(gate: Box<dyn Gate>, forced: Option<Dialect>) -> Result<Self, HypervisorError> {
        let refused = |source| HypervisorError::Call { call: "read Xen's version", domid: None, source };
        let numbers = Numbers::find(gate.as_ref());
        let version = read_version(gate.as_ref(), &numbers).map_err(refused)?;
        let dialect = match forced {
            Some(dialect) => Ok(dialect),
            None => choose(&version, &numbers),
        };
        let mut xen = Self { gate, version, dialect, grants: GrantVersion::V1 };
        xen.grants = xen.grant_version()?;
        Ok(xen)
    }

    /// Highest version that `createdomain` may name; asked only where it must.
    fn grant_version(&self) -> Result<GrantVersion, HypervisorError> {
        use crate::Host;
        let Ok(dialect) = self.dialect else { return Ok(GrantVersion::V1) };
        if dialect.names_grant_version() && self.phys_info()?.capabilities & CAPABILITY_GRANTS_V2 != 0 {
            return Ok(GrantVersion::V2);
        }
        Ok(GrantVersion::V1)
    }

    pub(super) fn gate(&self) -> &dyn Gate {
        self.gate.as_ref()
    }

    pub(super) fn known_version(&self) -> &XenVersion {
        &self.version
    }

    pub(super) fn grants(&self) -> GrantVersion {
        self.grants
    }

    pub(super) fn reason(&self) -> Option<&str> {
        self.dialect.as_ref().err().map(String::as_str)
    }

    /// The layouts, for a call that can't do without.
    pub(super) fn dialect(&self, call: &'static str) -> Result<Dialect, HypervisorError> {
        self.dialect.clone().map_err(|reason| HypervisorError::ReadOnly { call, reason })
    }

    /// The number for calls whose layout has never changed with it.
    pub(super) fn sysctl(&self, call: &'static str) -> Result<u32, HypervisorError> {
        let reason = || self.reason().unwrap_or(NOT_PRIVILEGED).to_owned();
        self.version.sysctl.ok_or_else(|| HypervisorError::ReadOnly { call, reason: reason() })
    }

    /// A call about the host.
    pub(super) fn on_host(&self, call: &'static str, request: &Request) -> Result<Reply, HypervisorError> {
        self.gate.hypercall(request).map_err(|source| HypervisorError::Call { call, domid: None, source })
    }

    /// A call about a domain.
    pub(super) fn on_domain(
        &self,
        call: &'static str,
        domid: DomId,
        request: &Request,
    ) -> Result<Reply, HypervisorError> {
        self.gate.hypercall(request).map_err(|source| self.refusal(call, domid, source))
    }

    /// Which error to report: releases differ in what they say about a domain that isn't there, so look.
    pub(super) fn refusal(&self, call: &'static str, domid: DomId, source: io::Error) -> HypervisorError {
        let source = match self.info(domid) {
            Ok(None) => io::Error::from_raw_os_error(libc::ESRCH),
            Ok(Some(_)) | Err(_) => source,
        };
        HypervisorError::Call { call, domid: Some(domid), source }
    }
}

const NOT_PRIVILEGED: &str = "this domain is not the privileged one (Xen answered EPERM)";

/// What trying interface numbers came to.
struct Numbers {
    domctl: Accepted,
    sysctl: Accepted,
}

impl Numbers {
    fn find(gate: &dyn Gate) -> Self {
        Self {
            domctl: accepted(DOMCTL_NUMBERS, |number| gate.hypercall(&domctl::probe(number))),
            sysctl: accepted(SYSCTL_NUMBERS, |number| gate.hypercall(&sysctl::scheduler(number))),
        }
    }
}

fn choose(version: &XenVersion, numbers: &Numbers) -> Result<Dialect, String> {
    if [&numbers.domctl, &numbers.sysctl].contains(&&Accepted::NotPrivileged) {
        return Err(NOT_PRIVILEGED.to_owned());
    }
    let release = (version.major, version.minor);
    Dialect::choose(Probed { release, domctl: version.domctl, sysctl: version.sysctl })
        .map_err(|error| error.to_string())
}

fn read_version(gate: &dyn Gate, numbers: &Numbers) -> io::Result<XenVersion> {
    let (major, minor) = version::release_answer(&gate.hypercall(&version::release())?);
    let text = |which| gate.hypercall(&version::text(which)).map(|reply| version::text_answer(&reply));
    let build = version::build_answer(&gate.hypercall(&version::build())?);
    Ok(XenVersion {
        major,
        minor,
        extra: text(Text::Extra)?,
        capabilities: text(Text::Capabilities)?,
        changeset: text(Text::Changeset)?,
        command_line: text(Text::CommandLine)?,
        compiler: build.compiler,
        compile_by: build.by,
        compile_domain: build.domain,
        compile_date: build.date,
        page_size: gate.hypercall(&version::page_size())?.value,
        virt_start: version::virt_start_answer(&gate.hypercall(&version::virt_start())?),
        domctl: numbers.domctl.number(),
        sysctl: numbers.sysctl.number(),
    })
}

/// What trying the numbers of one call came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Accepted {
    Number(u32),
    None,
    NotPrivileged,
}

impl Accepted {
    fn number(self) -> Option<u32> {
        match self {
            Self::Number(number) => Some(number),
            Self::None | Self::NotPrivileged => None,
        }
    }
}

/// The first number that is not turned away. A wrong one is `EACCES`; a right one from a caller without rights `EPERM`.
fn accepted(
    numbers: impl IntoIterator<Item = u32>,
    mut attempt: impl FnMut(u32) -> io::Result<Reply>,
) -> Accepted {
    for number in numbers {
        match attempt(number) {
            Ok(_) => return Accepted::Number(number),
            Err(error) if error.raw_os_error() == Some(libc::EPERM) => return Accepted::NotPrivileged,
            Err(error) => tracing::trace!(number, %error, "interface number refused"),
        }
    }
    Accepted::None
}
