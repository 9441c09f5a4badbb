//! Why a network script did not do what was asked.

use super::record::RecordError;
use crate::antispoof::AntispoofError;
use crate::fault::Fault;
use crate::lock::LockError;
use crate::netlink::NetlinkError;
use crate::nft::NftError;
use crate::sysctl::SysctlError;
use std::io;
use std::path::PathBuf;

/// Why a host's network is not as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// No such command; the classic text.
    #[error("Unknown command: {command}\nValid commands are: start, stop, status")]
    UnknownCommand {
        /// What was asked.
        command: String,
    },
    /// A parameter that is not what it must be.
    #[error("cannot use {name}={value}: {reason}")]
    Parameter {
        /// Its name.
        name: &'static str,
        /// What it was.
        value: String,
        /// What it must be.
        reason: &'static str,
    },
    /// The interface is not there.
    #[error("cannot find the interface {name}: name one that exists with netdev=NAME (`ip link` lists them)")]
    NoInterface {
        /// Its name.
        name: String,
    },
    /// The interface cannot be a port of a bridge.
    #[error("cannot put {name} into a bridge: {reason}")]
    Unbridgeable {
        /// Its name.
        name: String,
        /// Why.
        reason: &'static str,
    },
    /// It serves another bridge or bond already.
    #[error(
        "cannot put {name} into the bridge {bridge}: it is part of {owner} already; \
         guests can name bridge={owner} if that is a bridge"
    )]
    Taken {
        /// The interface.
        name: String,
        /// The bridge that was asked for.
        bridge: String,
        /// What it is part of.
        owner: String,
    },
    /// A name that is needed is somebody else's.
    #[error("cannot use the name {name} for {purpose}: an interface of that name exists and is no {purpose}")]
    NameTaken {
        /// The name.
        name: String,
        /// What for.
        purpose: &'static str,
    },
    /// The interface went away.
    #[error("cannot find {name} any more, the interface that was bridged")]
    Vanished {
        /// Its name.
        name: String,
    },
    /// The DHCP server is not installed.
    #[error("cannot serve DHCP: install dnsmasq (Debian's package dnsmasq-base), or say dhcp=no")]
    NoDhcpServer,
    /// The DHCP server did not start.
    #[error("cannot start dnsmasq: {says}")]
    DhcpServer {
        /// What it said.
        says: String,
    },
    /// A step failed, and the host is as it was before.
    #[error("{step}; the network is as it was before")]
    Undone {
        /// The step, with its causes.
        step: String,
    },
    /// A step failed, and so did a step of taking it back.
    #[error(
        "{step}; then, taking it back: {undo}; run the script again with stop, \
         the state before is kept in /var/run/xend/network"
    )]
    Stuck {
        /// The first failure.
        step: String,
        /// The second.
        undo: String,
    },
    /// Another root than the machine's, and yet the machine's own network.
    #[error(
        "cannot change the network of the machine for a host that lies in {root}; in a network namespace of its own, \
         say so with XEN_HOTPLUG_OWN_NETWORK=yes"
    )]
    AnotherRoot {
        /// The root.
        root: PathBuf,
    },
    /// The process that did the work has told its caller already.
    #[error("the process that did the work has failed, see above")]
    Told,
    /// A file could not be used.
    #[error("cannot {verb} {path}")]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The record could not be kept.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The kernel said no.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The kernel said no.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// The rules could not be set.
    #[error(transparent)]
    Nft(#[from] NftError),
    /// Guests could not be kept to their addresses.
    #[error(transparent)]
    Antispoof(#[from] AntispoofError),
    /// The lock could not be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A test let a step fail.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl NetworkError {
    /// The error and its causes on one line.
    pub(super) fn chain(&self) -> String {
        crate::report::chain(self)
    }
}
