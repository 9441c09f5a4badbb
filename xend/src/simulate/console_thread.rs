//! The thread that moves the bytes of all consoles between rings and ptys. It waits in one `epoll`, on the ptys and on a
//! queue of commands, so that a thousand silent consoles cost descriptors and nothing else.

use std::collections::{HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::{io, thread};

use hypervisor::DomId;
use hypervisor::sim::{ConsoleRing, Machine, Side};
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};
use nix::sys::stat::Mode;
use nix::sys::termios::{SetArg, cfmakeraw, tcgetattr, tcsetattr};
use tokio::sync::oneshot;

/// Marks the queue among the events; domains have smaller numbers.
const QUEUE: u64 = u64::MAX;
/// Bytes moved at a time.
const CHUNK: usize = 2048;
/// Typed bytes are taken from a pty only so far ahead of the guest.
const TYPED_CHUNK: usize = 256;

/// A console to serve.
pub(super) struct Line {
    /// Where its ring is.
    pub(super) ring: ConsoleRing,
    /// Dom0's port.
    pub(super) port: u32,
    /// Bytes kept when nobody reads them; older ones are dropped.
    pub(super) backlog: usize,
}

/// What the thread is told.
pub(super) enum Command {
    /// Gives a console a pty and answers its name.
    Open(Line, oneshot::Sender<String>),
    /// The guest's event arrived.
    Kick(DomId),
    /// Moves all that is in the ring, then answers.
    Drain(DomId, oneshot::Sender<()>),
    /// The domain is gone.
    Close(DomId),
    /// Ends the thread.
    Stop,
}

struct Queue {
    commands: Mutex<VecDeque<Command>>,
    /// `None` where the host would not give one: then there is no thread and commands are dropped.
    bell: Option<EventFd>,
}

/// A handle on the thread.
#[derive(Clone)]
pub(super) struct Mover {
    queue: Arc<Queue>,
}

impl Mover {
    /// Starts the thread. Without one (no descriptors left) there are no consoles, and a line in the log.
    pub(super) fn start(machine: Machine) -> Self {
        let bell = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK);
        let bell = bell
            .inspect_err(|error| tracing::warn!(%error, "cannot start the simulated console daemon"))
            .ok();
        let queue = Arc::new(Queue { commands: Mutex::default(), bell });
        let work = Work { machine, queue: Arc::clone(&queue), lines: HashMap::new(), complained: false };
        let started = thread::Builder::new().name("xenconsoled".to_owned()).spawn(move || {
            if let Err(error) = work.run() {
                tracing::warn!(%error, "the simulated console daemon ended");
            }
        });
        if let Err(error) = started {
            tracing::warn!(%error, "cannot start the simulated console daemon");
        }
        Self { queue }
    }

    /// Hands a command over.
    pub(super) fn send(&self, command: Command) {
        let Some(bell) = &self.queue.bell else { return };
        let first = {
            let mut commands = self.queue.commands.lock().unwrap_or_else(PoisonError::into_inner);
            commands.push_back(command);
            commands.len() == 1
        };
        if first && let Err(error) = bell.write(1) {
            tracing::warn!(%error, "cannot wake the simulated console daemon");
        }
    }
}

/// A console that is served.
struct Terminal {
    line: Line,
    master: OwnedFd,
    /// Held open: without a reader the master would report a hang-up for ever, and forget what it holds.
    _slave: OwnedFd,
    /// Printed and not taken by the pty yet.
    output: VecDeque<u8>,
    /// Typed and not taken by the ring yet.
    input: Vec<u8>,
    interest: EpollFlags,
}

struct Work {
    machine: Machine,
    queue: Arc<Queue>,
    lines: HashMap<DomId, Terminal>,
    complained: bool,
}

impl Work {
    fn run(mut self) -> Result<(), Errno> {
        let Some(bell) = &self.queue.bell else { return Ok(()) };
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        epoll.add(bell, EpollEvent::new(EpollFlags::EPOLLIN, QUEUE))?;
        let mut events = [EpollEvent::empty(); 64];
        loop {
            let ready = match epoll.wait(&mut events, EpollTimeout::NONE) {
                Ok(ready) => ready,
                Err(Errno::EINTR) => continue,
                Err(error) => return Err(error),
            };
            for event in &events[..ready] {
                if event.data() != QUEUE {
                    let domid = DomId(event.data() as u16);
                    self.type_into(domid);
                    self.pump(domid, &epoll);
                } else if !self.obey_all(&epoll) {
                    return Ok(());
                }
            }
        }
    }

    /// Obeys every command in the queue; `false` after `Stop`.
    fn obey_all(&mut self, epoll: &Epoll) -> bool {
        let commands = {
            if let Some(bell) = &self.queue.bell {
                // Only rings the bell empty; its number says nothing.
                let _number = bell.read();
            }
            std::mem::take(&mut *self.queue.commands.lock().unwrap_or_else(PoisonError::into_inner))
        };
        for command in commands {
            match command {
                Command::Open(line, tell) => self.open(line, tell, epoll),
                Command::Kick(domid) => {
                    self.machine_event(domid);
                    self.type_into(domid);
                    self.pump(domid, epoll);
                }
                Command::Drain(domid, tell) => {
                    self.pump(domid, epoll);
                    // Who asked may have been stopped.
                    let _gone = tell.send(());
                }
                Command::Close(domid) => {
                    // Closing the descriptor takes it out of the epoll.
                    self.lines.remove(&domid);
                }
                Command::Stop => return false,
            }
        }
        true
    }

    fn machine_event(&self, domid: DomId) {
        if let Some(terminal) = self.lines.get(&domid) {
            self.machine.take_event(DomId::DOM0, terminal.line.port);
        }
    }

    fn open(&mut self, line: Line, tell: oneshot::Sender<String>, epoll: &Epoll) {
        let domid = line.ring.domid;
        let opened = open_pty().and_then(|(master, slave, name)| {
            epoll.add(&master, EpollEvent::new(EpollFlags::EPOLLIN, domid.0.into()))?;
            Ok((master, slave, name))
        });
        match opened {
            Ok((master, slave, name)) => {
                let (output, input) = (VecDeque::new(), Vec::new());
                let interest = EpollFlags::EPOLLIN;
                self.lines.insert(domid, Terminal { line, master, _slave: slave, output, input, interest });
                // Who asked may have been stopped.
                let _gone = tell.send(name);
                self.pump(domid, epoll);
            }
            Err(error) if !self.complained => {
                self.complained = true;
                tracing::warn!(%domid, %error, "no pty for a simulated console; said once");
            }
            Err(_) => {}
        }
    }

    /// Ring to pty, as far as both go, then waits for what holds it up.
    fn pump(&mut self, domid: DomId, epoll: &Epoll) {
        let Some(terminal) = self.lines.get_mut(&domid) else { return };
        loop {
            // An error says that the domain has gone or its ring is none: nothing to print.
            let printed =
                self.machine.console_get(terminal.line.ring, Side::Backend, CHUNK).unwrap_or_default();
            if printed.is_empty() {
                break;
            }
            // Tells the guest that there is room; a port that was closed has nobody waiting.
            let _closed = self.machine.notify(DomId::DOM0, terminal.line.port);
            terminal.output.extend(printed);
            terminal.flush();
            let excess = terminal.output.len().saturating_sub(terminal.line.backlog);
            terminal.output.drain(..excess);
        }
        terminal.flush();
        terminal.wait_for_what_is_needed(domid, epoll);
    }

    /// Pty to ring. What the ring has no room for waits until the guest has read.
    fn type_into(&mut self, domid: DomId) {
        let Some(terminal) = self.lines.get_mut(&domid) else { return };
        if terminal.input.is_empty() {
            let mut typed = [0; TYPED_CHUNK];
            let read = nix::unistd::read(&terminal.master, &mut typed).unwrap_or(0);
            terminal.input.extend_from_slice(&typed[..read]);
        }
        if terminal.input.is_empty() {
            return;
        }
        let put = self.machine.console_put(terminal.line.ring, Side::Backend, &terminal.input);
        // Typed for a domain that has gone: dropped.
        let taken = put.unwrap_or(terminal.input.len());
        terminal.input.drain(..taken);
        if taken > 0 {
            let _closed = self.machine.notify(DomId::DOM0, terminal.line.port);
        }
    }
}

impl Terminal {
    fn flush(&mut self) {
        while !self.output.is_empty() {
            let (front, _) = self.output.as_slices();
            match nix::unistd::write(&self.master, front) {
                Ok(0) | Err(_) => return,
                Ok(written) => {
                    self.output.drain(..written);
                }
            }
        }
        if self.output.capacity() > CHUNK {
            self.output = VecDeque::new();
        }
    }

    fn wait_for_what_is_needed(&mut self, domid: DomId, epoll: &Epoll) {
        let mut interest = EpollFlags::empty();
        if self.input.is_empty() {
            interest |= EpollFlags::EPOLLIN;
        }
        if !self.output.is_empty() {
            interest |= EpollFlags::EPOLLOUT;
        }
        if interest == self.interest {
            return;
        }
        self.interest = interest;
        let mut event = EpollEvent::new(interest, domid.0.into());
        if let Err(error) = epoll.modify(&self.master, &mut event) {
            tracing::warn!(%domid, %error, "a simulated console hangs");
        }
    }
}

/// A raw pty: its master, not blocking, its slave and the slave's name.
fn open_pty() -> io::Result<(OwnedFd, OwnedFd, String)> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let master = posix_openpt(flags | OFlag::O_NONBLOCK)?;
    grantpt(&master)?;
    unlockpt(&master)?;
    let name = ptsname_r(&master)?;
    let slave = open(name.as_str(), flags, Mode::empty())?;
    // No echo and no line editing: the guest does both.
    let mut terms = tcgetattr(&slave)?;
    cfmakeraw(&mut terms);
    tcsetattr(&slave, SetArg::TCSANOW, &terms)?;
    Ok((master.into(), slave, name))
}
