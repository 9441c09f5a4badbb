//! Settings of the kernel's network code, files below `/proc/sys/net`.

use crate::host::Host;
use std::fs;
use std::io;
use std::path::PathBuf;

/// A setting that could not be read or written.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} {path}")]
pub struct SysctlError {
    /// What was tried.
    pub verb: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What the kernel said.
    pub source: io::Error,
}

/// Settings of an interface that decide how dom0 speaks on it; the interface that dom0 speaks on next gets them.
const CARRIED: [&str; 22] = [
    "ipv4/conf/*/forwarding",
    "ipv4/conf/*/proxy_arp",
    "ipv4/conf/*/rp_filter",
    "ipv4/conf/*/arp_ignore",
    "ipv4/conf/*/arp_announce",
    "ipv4/conf/*/arp_filter",
    "ipv4/conf/*/accept_redirects",
    "ipv4/conf/*/send_redirects",
    "ipv4/conf/*/accept_source_route",
    "ipv4/conf/*/log_martians",
    "ipv6/conf/*/disable_ipv6",
    "ipv6/conf/*/addr_gen_mode",
    "ipv6/conf/*/forwarding",
    "ipv6/conf/*/accept_ra",
    "ipv6/conf/*/accept_ra_defrtr",
    "ipv6/conf/*/accept_ra_pinfo",
    "ipv6/conf/*/autoconf",
    "ipv6/conf/*/use_tempaddr",
    "ipv6/conf/*/accept_dad",
    "ipv6/conf/*/dad_transmits",
    "ipv6/conf/*/accept_redirects",
    "ipv6/conf/*/proxy_ndp",
];

/// Whether the host forwards IPv4.
pub const FORWARD_V4: &str = "ipv4/ip_forward";
/// Whether the host forwards IPv6.
pub const FORWARD_V6: &str = "ipv6/conf/all/forwarding";

/// Whether an interface answers ARP for addresses that lie behind others.
pub fn proxy_arp(interface: &str) -> String {
    format!("ipv4/conf/{interface}/proxy_arp")
}

/// Whether an interface goes without IPv6.
pub fn disable_ipv6(interface: &str) -> String {
    format!("ipv6/conf/{interface}/disable_ipv6")
}

/// What a setting says; `None` when the kernel has no such setting.
pub fn read(host: &Host, name: &str) -> Result<Option<String>, SysctlError> {
    let path = path(host, name);
    match fs::read_to_string(&path) {
        Ok(value) => Ok(Some(value.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SysctlError { verb: "read", path, source }),
    }
}

/// Makes a setting say `value`, unless it does.
pub fn write(host: &Host, name: &str, value: &str) -> Result<(), SysctlError> {
    if read(host, name).is_ok_and(|now| now.as_deref() == Some(value)) {
        return Ok(());
    }
    let path = path(host, name);
    fs::write(&path, value).map_err(|source| SysctlError { verb: "write", path, source })
}

/// Gives `to` what `from` has. A setting that this kernel does not have, or does not let go, is left out.
pub fn carry(host: &Host, from: &str, to: &str) {
    for setting in CARRIED {
        let of = |interface| setting.replace('*', interface);
        if let Ok(Some(value)) = read(host, &of(from)) {
            let _ = write(host, &of(to), &value);
        }
    }
}

/// Interfaces may have dots in their names, so names of settings have none: `/` parts them.
fn path(host: &Host, name: &str) -> PathBuf {
    host.path("/proc/sys/net").join(name)
}
