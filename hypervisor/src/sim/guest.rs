//! What a simulated guest can see and do: its start info, its memory by its own numbering and through its own page
//! tables, its console, its event channels, its end.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::boot::{self, BootError, BootReport};
use super::domain::BootPages;
use super::memory::Memory;
use super::walk::{WalkError, Walker};
use super::{ConsoleRing, Machine, Side, lock};
use crate::abi::guest::start_info as layout;
use crate::{DomId, Mfn, PAGE_SIZE, Pfn, Port, ShutdownCode, VcpuContext};

/// Something that a guest, or a simulated daemon on the other end of its rings, can't do.
#[derive(Debug, thiserror::Error)]
pub enum GuestError {
    /// The domain ended.
    #[error("cannot find domain {domid}")]
    NoDomain {
        /// Its number.
        domid: DomId,
    },
    /// `verify_boot` has not been called, or failed.
    #[error("cannot use the console of domain {domid} before it has booted")]
    NotBooted {
        /// Its number.
        domid: DomId,
    },
    /// The frame isn't a page that could be a ring.
    #[error(
        "cannot use mfn {mfn:#x} of domain {domid} as console ring: it is no ordinary page of the domain"
    )]
    NoRing {
        /// The domain.
        domid: DomId,
        /// The frame.
        mfn: Mfn,
    },
    /// Nothing is there, or the range leaves the page.
    #[error("cannot reach {len} bytes at {offset} of pfn {pfn:#x} of domain {domid}")]
    NoPage {
        /// The domain.
        domid: DomId,
        /// The page.
        pfn: Pfn,
        /// Within the page.
        offset: usize,
        /// How much.
        len: usize,
    },
    /// An address that the page tables don't map.
    #[error("cannot read the memory of domain {domid}")]
    Walk {
        /// The domain.
        domid: DomId,
        /// Which address, and why.
        source: WalkError,
    },
    /// Closed, bound otherwise, or none left.
    #[error("cannot use port {port} of domain {domid}")]
    Port {
        /// Whose port.
        domid: DomId,
        /// Its number; 0 when a new one was wanted.
        port: Port,
        /// Xen's answer.
        source: io::Error,
    },
    /// The domain is ending already.
    #[error("cannot shut domain {domid} down")]
    Shutdown {
        /// The domain.
        domid: DomId,
        /// Xen's answer.
        source: io::Error,
    },
}

pub(super) fn port_error(domid: DomId, port: Port, errno: i32) -> GuestError {
    GuestError::Port { domid, port, source: io::Error::from_raw_os_error(errno) }
}

/// The page whose address a guest finds in `rsi`, decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartInfo {
    /// `xen-3.0-x86_64`
    pub magic: Vec<u8>,
    /// Pages it starts with.
    pub nr_pages: u64,
    /// Machine address of the shared info page.
    pub shared_info: u64,
    /// Flags.
    pub flags: u32,
    /// Frame of the store ring.
    pub store_mfn: Mfn,
    /// Port to xenstored.
    pub store_port: Port,
    /// Frame of the console ring.
    pub console_mfn: Mfn,
    /// Port to xenconsoled.
    pub console_port: Port,
    /// Address of the L4.
    pub pt_base: u64,
    /// Tables of the main mapping.
    pub nr_pt_frames: u64,
    /// Address of the p2m.
    pub mfn_list: u64,
    /// Address or pfn of the ramdisk.
    pub mod_start: u64,
    /// Bytes of the ramdisk.
    pub mod_len: u64,
    /// The kernel's command line, without its NUL; not text for certain.
    pub cmd_line: Vec<u8>,
    /// The command line's NUL was there.
    pub cmd_line_ends: bool,
    /// First page of the p2m area.
    pub first_p2m_pfn: Pfn,
    /// Pages of the p2m area.
    pub nr_p2m_frames: u64,
}

impl StartInfo {
    /// Decodes a page; every content is a start info, whether a sensible one or not.
    pub fn decode(page: &[u8; PAGE_SIZE]) -> Self {
        let u64_at = |at: usize| page[at..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let u32_at = |at: usize| page[at..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        let magic = &page[layout::MAGIC..layout::MAGIC + layout::MAGIC_SIZE];
        let line = &page[layout::CMD_LINE..layout::CMD_LINE + layout::CMD_LINE_SIZE];
        let end = line.iter().position(|byte| *byte == 0);
        Self {
            magic: magic.split(|byte| *byte == 0).next().unwrap_or_default().to_vec(),
            nr_pages: u64_at(layout::NR_PAGES),
            shared_info: u64_at(layout::SHARED_INFO),
            flags: u32_at(layout::FLAGS),
            store_mfn: u64_at(layout::STORE_MFN),
            store_port: u32_at(layout::STORE_EVTCHN),
            console_mfn: u64_at(layout::CONSOLE_MFN),
            console_port: u32_at(layout::CONSOLE_EVTCHN),
            pt_base: u64_at(layout::PT_BASE),
            nr_pt_frames: u64_at(layout::NR_PT_FRAMES),
            mfn_list: u64_at(layout::MFN_LIST),
            mod_start: u64_at(layout::MOD_START),
            mod_len: u64_at(layout::MOD_LEN),
            cmd_line: line[..end.unwrap_or(line.len())].to_vec(),
            cmd_line_ends: end.is_some(),
            first_p2m_pfn: u64_at(layout::FIRST_P2M_PFN),
            nr_p2m_frames: u64_at(layout::NR_P2M_FRAMES),
        }
    }

    /// The command line as text.
    pub fn command_line(&self) -> String {
        String::from_utf8_lossy(&self.cmd_line).into_owned()
    }
}

/// A domain seen from inside; cheap to clone, and valid even when the domain has ended (everything fails then).
#[derive(Clone, Debug)]
pub struct GuestView {
    machine: Machine,
    domid: DomId,
}

impl GuestView {
    pub(super) fn new(machine: Machine, domid: DomId) -> Self {
        Self { machine, domid }
    }

    /// Its number.
    pub fn domid(&self) -> DomId {
        self.domid
    }

    /// True while the guest can run: not paused, not shut down, not ending.
    pub fn is_live(&self) -> bool {
        let state = lock(&self.machine.inner.state);
        state.domains.get(&self.domid).is_some_and(|domain| domain.is_live())
    }

    /// Registers that vcpu 0 started with.
    pub fn context(&self) -> Result<VcpuContext, BootError> {
        let state = lock(&self.machine.inner.state);
        let domain = state.domains.get(&self.domid).ok_or(BootError::NoDomain)?;
        domain.context(0).ok_or(BootError::NoContext)
    }

    /// The start info page, found the way a kernel finds it: through `rsi` and the page tables.
    pub fn start_info(&self) -> Result<StartInfo, BootError> {
        let context = self.context()?;
        let memory = self.memory().map_err(|_| BootError::NoDomain)?;
        let memory = lock(&memory);
        boot::read_start_info(&mut Walker::new(&memory, context.l4_mfn), context.rsi).map(|(info, _)| info)
    }

    /// Checks all that a PV kernel relies on when it starts; says what it found, or the first thing that is wrong.
    pub fn verify_boot(&self) -> Result<BootReport, BootError> {
        let context = self.context()?;
        let (memory, shared_info, grant_table) = {
            let state = lock(&self.machine.inner.state);
            let domain = state.domains.get(&self.domid).ok_or(BootError::NoDomain)?;
            (domain.memory(), domain.shared_info, domain.grant_table)
        };
        let (report, start_info) = {
            let memory = lock(&memory);
            boot::verify(&memory, &context, shared_info, grant_table)?
        };
        let info = &report.start_info;
        for port in [info.store_port, info.console_port] {
            if self.machine.port_link(self.domid, port).is_none() {
                return Err(BootError::ClosedPort { port });
            }
        }
        let pages = BootPages { start_info, console: info.console_mfn, store: info.store_mfn };
        if let Some(domain) = lock(&self.machine.inner.state).domains.get_mut(&self.domid) {
            domain.boot_pages = Some(pages);
        }
        Ok(report)
    }

    /// Drops the contents of all pages but start info, rings, shared info and grant table, and lets the guest idle. For a
    /// guest that has verified its boot: nothing reads those pages again, since no guest code runs.
    pub fn settle(&self) -> Result<(), GuestError> {
        let (memory, pages) = {
            let mut state = lock(&self.machine.inner.state);
            let domid = self.domid;
            let domain = state.domains.get_mut(&domid).ok_or(GuestError::NoDomain { domid })?;
            domain.blocked = true;
            (domain.memory(), domain.boot_pages.ok_or(GuestError::NotBooted { domid })?)
        };
        lock(&memory).settle(&[pages.start_info, pages.console, pages.store]);
        Ok(())
    }

    /// Reads within one of its own pages.
    pub fn read(&self, pfn: Pfn, offset: usize, into: &mut [u8]) -> Result<(), GuestError> {
        let memory = self.memory()?;
        let memory = lock(&memory);
        let mfn = self.page(&memory, (pfn, offset, into.len()))?;
        memory.read(mfn, offset, into);
        Ok(())
    }

    /// Writes within one of its own pages.
    pub fn write(&self, pfn: Pfn, offset: usize, bytes: &[u8]) -> Result<(), GuestError> {
        let memory = self.memory()?;
        let mut memory = lock(&memory);
        let mfn = self.page(&memory, (pfn, offset, bytes.len()))?;
        memory.write(mfn, offset, bytes);
        Ok(())
    }

    /// Reads from an address on, through its page tables.
    pub fn read_virtual(&self, va: u64, into: &mut [u8]) -> Result<(), GuestError> {
        let domid = self.domid;
        let context = self.context().map_err(|_| GuestError::NotBooted { domid })?;
        let memory = self.memory()?;
        let memory = lock(&memory);
        let read = Walker::new(&memory, context.l4_mfn).read(va, into);
        read.map_err(|source| GuestError::Walk { domid, source })
    }

    /// Prints to its console and tells the daemon; the answer is how many bytes fitted. A console that nobody serves keeps
    /// what fits of it.
    pub fn console_put(&self, bytes: &[u8]) -> Result<usize, GuestError> {
        let put = self.machine.console_put(self.console_ring()?, Side::Guest, bytes)?;
        self.kick_console();
        Ok(put)
    }

    /// What was typed at its console.
    pub fn console_get(&self) -> Result<Vec<u8>, GuestError> {
        let typed = self.machine.console_get(self.console_ring()?, Side::Guest, PAGE_SIZE)?;
        if !typed.is_empty() {
            self.kick_console();
        }
        Ok(typed)
    }

    fn kick_console(&self) {
        // A port that is closed or bound to nobody loses the event, as on real hardware.
        if let Ok(port) = self.console_port() {
            let _lost = self.machine.notify(self.domid, port);
        }
    }

    /// Its console ring.
    fn console_ring(&self) -> Result<ConsoleRing, GuestError> {
        Ok(ConsoleRing { domid: self.domid, mfn: self.boot_pages()?.1.console })
    }

    /// Its port to xenconsoled.
    pub fn console_port(&self) -> Result<Port, GuestError> {
        let (memory, pages) = self.boot_pages()?;
        let mut bytes = [0; 4];
        lock(&memory).read(pages.start_info, layout::CONSOLE_EVTCHN, &mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }

    fn boot_pages(&self) -> Result<(Arc<Mutex<Memory>>, BootPages), GuestError> {
        let domid = self.domid;
        let state = lock(&self.machine.inner.state);
        let domain = state.domains.get(&domid).ok_or(GuestError::NoDomain { domid })?;
        Ok((domain.memory(), domain.boot_pages.ok_or(GuestError::NotBooted { domid })?))
    }

    /// Sends an event through one of its ports.
    pub fn notify(&self, port: Port) -> Result<(), GuestError> {
        self.machine.notify(self.domid, port)
    }

    /// Waits for an event at one of its ports; `false` when none came in time.
    pub fn wait(&self, port: Port, limit: Duration) -> bool {
        self.machine.wait_event(self.domid, port, limit)
    }

    /// Ends itself.
    pub fn shutdown(&self, code: ShutdownCode) -> Result<(), GuestError> {
        let domid = self.domid;
        let ended = self.machine.inner.shut_down(domid, code);
        ended.map_err(|errno| GuestError::Shutdown { domid, source: io::Error::from_raw_os_error(errno) })
    }

    fn memory(&self) -> Result<Arc<Mutex<Memory>>, GuestError> {
        let state = lock(&self.machine.inner.state);
        let domain = state.domains.get(&self.domid);
        domain.map(|domain| domain.memory()).ok_or(GuestError::NoDomain { domid: self.domid })
    }

    fn page(&self, memory: &Memory, (pfn, offset, len): (Pfn, usize, usize)) -> Result<Mfn, GuestError> {
        let within = offset.checked_add(len).is_some_and(|end| end <= PAGE_SIZE);
        let mfn = memory.mfn_of(pfn).filter(|_| within);
        mfn.ok_or(GuestError::NoPage { domid: self.domid, pfn, offset, len })
    }
}
