//! The network scripts, which prepare a host for its guests: `network-bridge`, `network-route`, `network-nat`.
//!
//! xend calls one of them with `start` when it starts, perhaps several times; an administrator calls `stop` and
//! `status`. Each checks everything first, changes then, and takes back what it changed when a step fails.
//!
//! ```text
//! bridge ── request   what is asked for           forwarding   ip_forward and proxy ARP, and who needs them
//!   ├────── record    how it was, on disk         route, nat
//!   ├────── shape     plain <-> bridged           dhcp         dnsmasq for the addresses of nat
//!   └────── guardian  waits, and takes back what a killed run began
//! ```

mod bridge;
mod dhcp;
mod error;
mod forwarding;
mod guardian;
mod nat;
mod record;
mod request;
mod route;
mod shape;
mod status;

pub use dhcp::{Lease, lease, release};
pub use error::NetworkError;

use crate::fault::{Fault, Faults};
use crate::host::Host;
use crate::invocation::Invocation;
use crate::netlink::{Links, Route};
use crate::nft::Nft;
use crate::report::Log;

/// The variable by which the caller says that the network, too, is that of the host below another root. Without it a
/// simulated host, or a test, would move the machine's own interfaces.
pub const OWN_NETWORK: &str = "XEN_HOTPLUG_OWN_NETWORK";

/// What a network script can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Prepare the host.
    Start,
    /// Take that back.
    Stop,
    /// Tell how it is.
    Status,
}

impl Command {
    /// Reads a command word; `network-route` always took none for `start`.
    pub fn parse(word: &str) -> Result<Self, NetworkError> {
        match word {
            "start" => Ok(Command::Start),
            "stop" => Ok(Command::Stop),
            "status" => Ok(Command::Status),
            _ => Err(NetworkError::UnknownCommand { command: word.to_owned() }),
        }
    }
}

/// The three scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Guests are ports of bridges.
    Bridge,
    /// Dom0 routes for guests.
    Route,
    /// Dom0 routes for guests and masquerades.
    Nat,
}

/// One call, with everything that it works on.
pub(crate) struct Site<'a> {
    pub(crate) call: &'a Invocation,
    pub(crate) host: &'a Host,
    pub(crate) links: &'a Links,
    pub(crate) log: &'a Log,
    faults: Faults,
}

impl Site<'_> {
    /// Called before each step that changes the host.
    fn step(&self, verb: &str, what: &str) -> Result<(), Fault> {
        self.log.debug(&format!("{verb} {what}"));
        self.faults.reach(&format!("{verb} {what}"))
    }

    fn nft(&self) -> Nft {
        Nft::of(self.call)
    }

    /// The interface that packets to everywhere leave by.
    async fn default_interface(&self) -> Result<Option<String>, NetworkError> {
        let routes = self.links.routes().await?;
        let best = routes.iter().filter(|route| route.default_metric().is_some());
        let best = best.min_by_key(|route| route.default_metric()).and_then(Route::interface);
        let all = self.links.all().await?;
        Ok(all.into_iter().find(|link| Some(link.index) == best).map(|link| link.name))
    }
}

/// Does `command`; the answer is for the caller's standard output.
pub async fn run(
    script: Network,
    command: Command,
    call: &Invocation,
    host: &Host,
    log: &Log,
) -> Result<String, NetworkError> {
    if command != Command::Status && !host.is_real() && call.variable(OWN_NETWORK).is_none() {
        return Err(NetworkError::AnotherRoot { root: host.root().to_owned() });
    }
    // A session that ends, because its network went away for a moment, must not end us halfway.
    hold_signals();
    let links = Links::open()?;
    let site = Site { call, host, links: &links, log, faults: Faults::of(call) };
    match script {
        Network::Bridge => bridge::run(command, &site).await,
        Network::Route => route::run(command, &site).await,
        Network::Nat => nat::run(command, &site).await,
    }
}

fn hold_signals() {
    use nix::sys::signal::{SigSet, Signal};
    let mut ending = SigSet::empty();
    for signal in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGTERM, Signal::SIGPIPE] {
        ending.add(signal);
    }
    let _ = ending.thread_block();
}
