//! What is asked of a network interface at the door and nowhere else: a record that an earlier life of the daemon wrote
//! is read whatever it says. How the values are spelled is checked here; whether this host has what they name is seen
//! by the scripts' own program, before anything is made.

use std::{collections::HashSet, net::IpAddr};

use super::{ConfigFault, DeviceConfig, VifConfig};

/// Grants that every PV guest has room for: 64 frames of 512.
pub(super) const GRANTS: usize = 64 * 512;
/// Grants that Linux takes for one interface with one queue: two rings and their 256 buffers each.
pub(super) const GRANTS_OF_A_VIF: usize = 2 * (1 + 256);
/// Interfaces that a guest can have.
pub(super) const MAX_VIFS: usize = GRANTS / GRANTS_OF_A_VIF;
/// Scripts of ours, which take addresses in `ip=`; what it means to a site's own, only that knows.
const OUR_SCRIPTS: [&str; 4] = ["vif-bridge", "vif-route", "vif-nat", "vif-openvswitch"];

/// Every fault of a domain's interfaces, in their order.
pub(super) fn check(devices: &[DeviceConfig]) -> Vec<ConfigFault> {
    let vifs = || {
        devices.iter().filter_map(|device| match device {
            DeviceConfig::Vif(vif) => Some(vif),
            DeviceConfig::Vbd(_) => None,
        })
    };
    let mut faults: Vec<ConfigFault> = vifs().flat_map(check_vif).collect();
    let mut names = HashSet::new();
    for name in vifs().filter_map(|vif| vif.vifname.as_ref()) {
        if !names.insert(name) {
            faults.push(ConfigFault::VifNameTwice { name: name.clone() });
        }
    }
    let count = vifs().count();
    if count > MAX_VIFS {
        faults.push(ConfigFault::TooManyVifs { count });
    }
    faults
}

/// Every fault of one interface by itself.
pub fn check_vif(vif: &VifConfig) -> Vec<ConfigFault> {
    let mut faults = Vec::new();
    let first = vif.mac.get(..2).and_then(|byte| u8::from_str_radix(byte, 16).ok());
    if first.is_some_and(|byte| byte & 1 == 1) {
        faults.push(ConfigFault::VifMacGroup { mac: vif.mac.clone() });
    } else if vif.mac.bytes().all(|byte| matches!(byte, b'0' | b':')) {
        faults.push(ConfigFault::VifMac { mac: vif.mac.clone() });
    }
    let script = vif.script.as_deref().unwrap_or(OUR_SCRIPTS[0]);
    if OUR_SCRIPTS.contains(&script.rsplit('/').next().unwrap_or(script)) {
        let words = vif.ip.as_deref().unwrap_or_default().split([' ', ',', '\t', '\n']);
        let bad = words.filter(|word| is_meant_as_address(word) && !is_network(word));
        faults.extend(bad.map(|word| ConfigFault::VifIp { word: word.to_owned() }));
    }
    faults
}

/// A plain word such as `dhcp` may mean something to the script that the settings name.
fn is_meant_as_address(word: &str) -> bool {
    word.contains(|c: char| c == '.' || c == ':' || c == '/' || c.is_ascii_digit())
}

/// `ADDRESS` or `ADDRESS/PREFIX`.
fn is_network(word: &str) -> bool {
    let (address, prefix) = word.split_once('/').map_or((word, None), |(a, p)| (a, Some(p)));
    let Ok(address) = address.parse::<IpAddr>() else { return false };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let is_prefix = |digits: &str| {
        digits.bytes().all(|b| b.is_ascii_digit()) && digits.parse::<u8>().is_ok_and(|bits| bits <= longest)
    };
    prefix.is_none_or(is_prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::DomainConfig;

    fn faults(vifs: &str) -> Vec<String> {
        let text = format!("(vm (name a) (memory 64) (image (linux (kernel /k))) {vifs})");
        let tree = xend_api::sxp::parse(&text).unwrap().remove(0);
        let faults = DomainConfig::from_sxp(&tree).err().unwrap_or_default();
        // What was let in once is read for ever.
        if faults.iter().all(|fault| !matches!(fault, ConfigFault::VifRate { .. })) {
            DomainConfig::from_record(&tree).unwrap();
        }
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn addresses_are_addresses() {
        assert_eq!(faults("(device (vif (ip '192.0.2.7 10.0.0.0/8,2001:db8::7/64')))"), [""; 0]);
        for word in ["192.0.2", "192.0.2.256", "10.0.0.0/33", "10.0.0.0/", "::g", "2001:db8::/129", "1"] {
            let found = faults(&format!("(device (vif (ip '192.0.2.7 {word}')))"));
            let text = format!(
                "cannot use {word:?} in ip= of a network interface: wanted IPv4 or IPv6 addresses, each perhaps \
                 with /PREFIX, blanks between them, such as 192.0.2.7 2001:db8::7"
            );
            assert_eq!(found, [text], "{word}");
        }
    }

    #[test]
    fn what_addresses_mean_to_a_sites_own_script_only_that_knows() {
        assert_eq!(faults("(device (vif (script vif-site) (ip 10.0.0.0/99)))"), [""; 0]);
        assert_eq!(faults("(device (vif (ip dhcp)))"), [""; 0]);
        assert_eq!(faults("(device (vif (script /usr/lib/xend/scripts/vif-nat) (ip 10.0.0.0/99)))").len(), 1);
    }

    #[test]
    fn an_address_that_no_interface_can_have_is_refused() {
        assert_eq!(
            faults("(device (vif (mac 01:00:5e:00:00:01)))"),
            ["cannot give a network interface the address 01:00:5e:00:00:01: it is the address of a group, \
             as its first byte is odd"]
        );
        assert_eq!(
            faults("(device (vif (mac 00:00:00:00:00:00)))"),
            ["Cannot create a new virtual network interface - MAC address is not valid! (00:00:00:00:00:00)"]
        );
    }

    #[test]
    fn a_rate_that_cannot_be_read_is_not_taken_as_none() {
        for rate in ["fast", "10M", "0Mb/s", "99999999GB/s", "10Mb/s@0ms", "10Mb/s@x"] {
            let text = format!(
                "cannot read the rate {rate:?} of a network interface: wanted AMOUNT/s, such as 10Mb/s for bits, \
                 250KB/s for bytes or 1MB/s@20ms with an interval"
            );
            assert_eq!(faults(&format!("(device (vif (rate {rate})))")), [text]);
        }
        assert_eq!(faults("(device (vif (rate '4294967295,0')))"), [""; 0]);
        assert_eq!(faults("(device (vif (rate 10Mb/s)))"), [""; 0]);
    }

    #[test]
    fn every_fault_of_every_interface_is_told_at_once() {
        let found = faults(
            "(device (vif (vifname web) (mac 03:00:00:00:00:01) (ip 1.2.3))) (device (vif (vifname web) (rate x)))
             (device (vif (vifname mail))) (device (vif (vifname mail)))",
        );
        let starts =
            ["cannot read the rate", "cannot give a network", "cannot use \"1.2.3\"", "The vifname \"mail\""];
        assert_eq!(found.len(), starts.len(), "{found:?}");
        for (found, start) in found.iter().zip(starts) {
            assert!(found.starts_with(start), "{found}");
        }
    }

    #[test]
    fn a_guest_gets_no_more_interfaces_than_it_has_grants_for() {
        assert_eq!(faults(&"(device (vif))".repeat(MAX_VIFS)), [""; 0]);
        assert_eq!(
            faults(&"(device (vif))".repeat(MAX_VIFS + 1)),
            [
                "cannot give a domain 64 network interfaces: the limit is 63, as its frontend takes 514 grants for each \
             and a guest has 32768"
            ]
        );
    }
}
