//! What can be wrong with a configuration: one variant for each sentence that a person is told.

use super::{
    config::{MAX_MEMORY_MIB, MAX_VCPUS},
    door,
};

/// What is wrong with a configuration. The texts are the original's where it had one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ConfigFault {
    #[error("Missing VM Name")]
    NoName,
    #[error("Invalid VM Name")]
    Name,
    #[error("cannot read the UUID {text:?}: wanted 32 hexadecimal digits in groups of 8-4-4-4-12")]
    Uuid { text: String },
    #[error("memory_dynamic_max must be greater than zero")]
    NoMemory,
    #[error("memory_dynamic_max must be less than or equal to memory_static_max")]
    MemoryOrder,
    #[error("cannot give {mib} MiB of memory to a domain: the limit is {} MiB", MAX_MEMORY_MIB)]
    TooMuchMemory { mib: i64 },
    #[error("Zero or less VCPUs is invalid")]
    NoVcpus,
    #[error("cannot give {vcpus} vcpus to a domain: the limit is {}", MAX_VCPUS)]
    TooManyVcpus { vcpus: i64 },
    #[error("vcpus and the item number of cpus are not same")]
    CpusNotVcpus,
    #[error("cannot read the processors {text:?}: wanted numbers and ranges, as in 0-3,^1")]
    Cpus { text: String },
    #[error("cannot pin the vcpus: cpus names more than {most} processors in all")]
    CpusTooMany { most: usize },
    #[error("Invalid event handling mode: {event}")]
    ExitAction { event: String },
    #[error("Block device must have physical details specified")]
    VbdSource { name: String },
    #[error("Block device type \"{kind}\" is invalid.")]
    VbdKind { kind: String },
    #[error("tap:{driver} not a valid disk type")]
    TapDriver { driver: String },
    #[error("Invalid mode")]
    VbdMode,
    #[error("Unable to find number for device ({name})")]
    VbdName { name: String },
    #[error("The device \"{name}\" is already defined")]
    VbdTwice { name: String },
    #[error("The uname \"{uname}\" is already defined")]
    UnameTwice { uname: String },
    #[error("Cannot create a new virtual network interface - MAC address is not valid! ({mac})")]
    VifMac { mac: String },
    #[error("The mac \"{mac}\" is already defined")]
    MacTwice { mac: String },
    #[error("cannot name a network interface {name:?}: at most 15 plain characters")]
    VifName { name: String },
    #[error("The vifname \"{name}\" is already defined")]
    VifNameTwice { name: String },
    #[error(
        "cannot give a network interface the address {mac}: it is the address of a group, as its first byte is odd"
    )]
    VifMacGroup { mac: String },
    #[error(
        "cannot use {word:?} in ip= of a network interface: wanted IPv4 or IPv6 addresses, each perhaps with /PREFIX, \
         blanks between them, such as 192.0.2.7 2001:db8::7"
    )]
    VifIp { word: String },
    #[error(
        "cannot read the rate {text:?} of a network interface: wanted AMOUNT/s, such as 10Mb/s for bits, \
         250KB/s for bytes or 1MB/s@20ms with an interval"
    )]
    VifRate { text: String },
    #[error(
        "cannot give a domain {count} network interfaces: the limit is {}, as its frontend takes {} grants for each \
         and a guest has {}",
        door::MAX_VIFS,
        door::GRANTS_OF_A_VIF,
        door::GRANTS
    )]
    TooManyVifs { count: usize },
    #[error("XendConfig: {class} not a valid device type")]
    DeviceClass { class: String },
    #[error("cannot create the domain: {what} is not there yet in this version of xend-rs")]
    NotYet { what: String },
    #[error("cannot create the domain: its configuration has no kernel and no boot loader")]
    NoKernel,
}
