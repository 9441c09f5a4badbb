//! What the vif scripts answer when they cannot; the classic texts, letter for letter.

use crate::antispoof::AntispoofError;
use crate::backend::BackendError;
use crate::fault::Fault;
use crate::lock::LockError;
use crate::netlink::NetlinkError;
use crate::network::NetworkError;
use crate::sysctl::SysctlError;

/// Why an interface is not connected.
#[derive(Debug, thiserror::Error)]
pub enum VifError {
    /// `type_if` is neither `vif` nor `tap`.
    #[error("unknown interface type {name}")]
    UnknownType {
        /// What it was.
        name: String,
    },
    /// Nobody said which interface.
    #[error("{variable} is not set, and XENBUS_PATH names no interface")]
    NoInterface {
        /// The variable that should have.
        variable: &'static str,
    },
    /// The interface is not there.
    #[error("Interface {name} does not exist.")]
    Missing {
        /// Its name.
        name: String,
    },
    /// The configured name is somebody else's.
    #[error("Cannot rename interface {given}. An interface with name {wanted} already exists.")]
    NameTaken {
        /// The driver's name of it.
        given: String,
        /// The configured one.
        wanted: String,
    },
    /// No bridge was named, and the host has none.
    #[error("Could not find bridge, and none was specified")]
    NoBridge,
    /// The named bridge is not there.
    #[error("Could not find bridge device {name}")]
    BridgeMissing {
        /// Its name.
        name: String,
    },
    /// The named bridge is another kind of interface.
    #[error("Device {name} is not a bridge")]
    NotBridge {
        /// Its name.
        name: String,
    },
    /// The bridge does not tell VLANs apart.
    #[error(
        "cannot use bridge={name}: {bridge} does not tell VLANs apart; \
         `ip link set {bridge} type bridge vlan_filtering 1` lets it"
    )]
    WithoutVlans {
        /// What was asked for.
        name: String,
        /// The bridge.
        bridge: String,
    },
    /// A value of the device's configuration is malformed.
    #[error("cannot use {name}={value}: {reason}")]
    Parameter {
        /// The option.
        name: &'static str,
        /// What it was.
        value: String,
        /// What it must be.
        reason: &'static str,
    },
    /// Dom0 has no address that a routed guest could be told.
    #[error(
        "{netdev} is not up.  Bring it up or specify another interface with netdev=<if> \
         as a parameter to vif-route"
    )]
    NetdevDown {
        /// The interface.
        netdev: String,
    },
    /// Open vSwitch is not there.
    #[error(
        "cannot use the Open vSwitch bridge {bridge}: ovs-vsctl is not there; install openvswitch-switch"
    )]
    NoOpenVswitch {
        /// The bridge.
        bridge: String,
    },
    /// Open vSwitch refused.
    #[error("cannot add {dev} to the Open vSwitch bridge {bridge}: ovs-vsctl says {says}")]
    OpenVswitch {
        /// The interface.
        dev: String,
        /// The bridge.
        bridge: String,
        /// What it said.
        says: String,
    },
    /// A setting of the kernel could not be changed.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// The guest could not be kept to its addresses.
    #[error(transparent)]
    Antispoof(#[from] AntispoofError),
    /// The DHCP server could not be told.
    #[error(transparent)]
    Dhcp(#[from] NetworkError),
    /// A test let a step fail.
    #[error(transparent)]
    Fault(#[from] Fault),
    /// The store said no.
    #[error(transparent)]
    Backend(#[from] BackendError),
    /// The kernel said no.
    #[error(transparent)]
    Netlink(#[from] NetlinkError),
    /// The lock could not be had.
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl VifError {
    /// What to do about it.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            VifError::NoBridge => Some("make one: see xend-networks(5)"),
            VifError::BridgeMissing { .. } | VifError::NotBridge { .. } => {
                Some("`ip link show type bridge` lists the bridges of this host; see xend-networks(5)")
            }
            VifError::NameTaken { .. } => Some("choose another vifname"),
            _ => None,
        }
    }

    /// Whether the text stands for itself. The others are surprises: the original had one text for all of them.
    pub fn is_classic(&self) -> bool {
        match self {
            VifError::Netlink(_) | VifError::Lock(_) | VifError::Sysctl(_) => false,
            VifError::Antispoof(_) | VifError::Dhcp(_) | VifError::Fault(_) => false,
            VifError::Backend(error) => error.is_classic(),
            _ => true,
        }
    }
}
