//! Keeping guests to their own addresses: rules for what may come in from a guest's interface.
//!
//! `antispoof=yes` at a network script writes a note that the bridge (or routing) is guarded; each vif script then
//! gives its interface a chain, which a map finds by the interface's name. What a guest sends is looked at before
//! the bridge learns an address from it, and before dom0 reads it.

use crate::host::Host;
use crate::lock::{FIREWALL, Lock, LockError};
use crate::nft::{Nft, NftError, Table, quoted};
use std::fmt::Write;
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;

/// The map that finds an interface's chain.
pub const MEMBERS: &str = "vifs";
/// What is guarded when dom0 routes; no bridge can have that name.
pub const ROUTED: &str = ":routed";

const FOLDER: &str = "/var/run/xend/network";

/// Why guests are not kept to their addresses.
#[derive(Debug, thiserror::Error)]
pub enum AntispoofError {
    /// The note could not be made or removed.
    #[error("cannot {verb} {path}")]
    File {
        /// What was tried.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// The lock could not be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The rules could not be set.
    #[error(transparent)]
    Nft(#[from] NftError),
}

/// An address, or a network of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The address as it was written.
    pub ip: IpAddr,
    /// How many bits of it count.
    pub prefix: u8,
}

impl Network {
    /// Reads `ADDRESS` or `ADDRESS/PREFIX`.
    pub fn parse(word: &str) -> Option<Self> {
        let (ip, prefix) = match word.split_once('/') {
            Some((ip, prefix)) => (ip, Some(prefix)),
            None => (word, None),
        };
        let ip: IpAddr = ip.parse().ok()?;
        let longest = if ip.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
            Some(_) => return None,
            None => longest,
        };
        (prefix <= longest).then_some(Network { ip, prefix })
    }

    /// The network's first address.
    pub fn first(&self) -> IpAddr {
        match self.ip {
            IpAddr::V4(ip) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & mask))
            }
            IpAddr::V6(ip) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix)).unwrap_or(0);
                IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & mask))
            }
        }
    }

    fn holds(&self, other: &Network) -> bool {
        self.ip.is_ipv4() == other.ip.is_ipv4()
            && self.prefix <= other.prefix
            && Network { ip: other.ip, prefix: self.prefix }.first() == self.first()
    }
}

/// A guest's interface and what it may send from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guest<'a> {
    /// The interface's name in dom0.
    pub dev: &'a str,
    /// Its hardware address; any when it has none of its own.
    pub mac: Option<[u8; 6]>,
    /// Its addresses; any when none are listed.
    pub networks: &'a [Network],
}

/// Notes that guests of `bridge` are to be kept to their addresses.
pub fn guard(host: &Host, bridge: &str) -> Result<(), AntispoofError> {
    put(host, &note(bridge))
}

/// Removes that note.
pub fn release(host: &Host, bridge: &str) -> Result<(), AntispoofError> {
    take(host, &note(bridge))
}

/// Whether there is such a note.
pub fn is_guarded(host: &Host, bridge: &str) -> bool {
    host.path(FOLDER).join(note(bridge)).exists()
}

/// Lets a guest send from its own addresses, and from no others.
pub fn admit(host: &Host, nft: &Nft, table: Table, guest: &Guest<'_>) -> Result<(), AntispoofError> {
    nft.require("antispoof=yes")?;
    let script = admission(table, guest)?;
    let _lock = Lock::acquire(host, FIREWALL)?;
    // First, so that the rules are found again even if nobody comes to write it.
    put(host, &admitted(guest.dev, table))?;
    Ok(nft.apply(table, &script)?)
}

/// Removes a guest's rules, if it has some.
pub fn dismiss(host: &Host, nft: &Nft, table: Table, dev: &str) -> Result<(), AntispoofError> {
    let name = admitted(dev, table);
    if !host.path(FOLDER).join(&name).exists() {
        return Ok(());
    }
    // Between a look whether the table is empty and its removal nobody may put a guest into it.
    let _lock = Lock::acquire(host, FIREWALL)?;
    nft.apply(table, &dismissal(table, dev)?)?;
    nft.remove_if_empty(table, MEMBERS)?;
    take(host, &name)
}

/// Removes the table, if no guest is in it.
pub fn tidy(host: &Host, nft: &Nft, table: Table) -> Result<(), AntispoofError> {
    if !nft.is_there() {
        return Ok(());
    }
    let _lock = Lock::acquire(host, FIREWALL)?;
    Ok(nft.remove_if_empty(table, MEMBERS)?)
}

fn dismissal(table: Table, dev: &str) -> Result<String, NftError> {
    let (name, key, chain) = (table.name(), quoted(dev)?, chain(dev));
    let mut script = frame(table);
    // `delete` refuses what is not there, `add` does not mind what is.
    let _ = writeln!(script, "add chain {name} {chain}");
    for verb in ["add", "delete"] {
        let _ = writeln!(script, "{verb} element {name} {MEMBERS} {{ {key} : jump {chain} }}");
    }
    let _ = writeln!(script, "flush chain {name} {chain}\ndelete chain {name} {chain}");
    Ok(script)
}

fn note(bridge: &str) -> String {
    format!("{bridge}.guard")
}

fn admitted(dev: &str, table: Table) -> String {
    let how = if table == Table::Bridged { "bridged" } else { "routed" };
    format!("{dev}.{how}")
}

fn put(host: &Host, name: &str) -> Result<(), AntispoofError> {
    let path = host.path(FOLDER).join(name);
    let fail = |source| AntispoofError::File { verb: "write", path: path.clone(), source };
    fs::create_dir_all(host.path(FOLDER)).map_err(fail)?;
    fs::write(&path, "").map_err(fail)
}

fn take(host: &Host, name: &str) -> Result<(), AntispoofError> {
    let path = host.path(FOLDER).join(name);
    match fs::remove_file(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done.map_err(|source| AntispoofError::File { verb: "remove", path, source }),
    }
}

/// The table with its map and the chain that the kernel enters.
fn frame(table: Table) -> String {
    let name = table.name();
    format!(
        "add table {name}\n\
         add map {name} {MEMBERS} {{ type ifname : verdict; }}\n\
         add chain {name} prerouting {{ type filter hook prerouting priority -300; policy accept; }}\n\
         flush chain {name} prerouting\n\
         add rule {name} prerouting iifname vmap @{MEMBERS}\n"
    )
}

/// A chain's name for an interface. Others cannot have the same: what is no letter or digit is spelled out.
fn chain(dev: &str) -> String {
    let mut name = "from_".to_owned();
    for byte in dev.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => name.push(byte.into()),
            _ => {
                let _ = write!(name, "_{byte:02x}");
            }
        }
    }
    name
}

fn admission(table: Table, guest: &Guest<'_>) -> Result<String, NftError> {
    let (name, key, chain) = (table.name(), quoted(guest.dev)?, chain(guest.dev));
    let mut script = frame(table);
    let _ = writeln!(script, "add chain {name} {chain}\nflush chain {name} {chain}");
    for rule in rules(table, guest) {
        let _ = writeln!(script, "add rule {name} {chain} {rule}");
    }
    let _ = writeln!(script, "add element {name} {MEMBERS} {{ {key} : jump {chain} }}");
    Ok(script)
}

fn rules(table: Table, guest: &Guest<'_>) -> Vec<String> {
    let is_bridged = table == Table::Bridged;
    let mut rules = Vec::new();
    if let Some(mac) = guest.mac {
        let mac = mac.map(|byte| format!("{byte:02x}")).join(":");
        rules.push(format!("ether saddr != {mac} drop"));
        if is_bridged {
            rules.push(format!("arp saddr ether != {mac} drop"));
        }
    }
    if guest.networks.is_empty() {
        return rules;
    }
    let nowhere = Network { ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix: 32 };
    let local = ["fe80::/10", "::"].map(|word| Network::parse(word).expect("both are networks"));
    let list = |more: &[Network], is_kind: fn(&IpAddr) -> bool| {
        let listed = guest.networks.iter().filter(|network| is_kind(&network.ip)).chain(more);
        minimal(&listed.copied().collect::<Vec<_>>())
    };
    if is_bridged {
        rules.push("ether type != { ip, ip6, arp } drop".to_owned());
        rules.push(format!("arp saddr ip != {{ {} }} drop", list(&[nowhere], IpAddr::is_ipv4)));
    }
    rules.push("ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept".to_owned());
    rules.push(match list(&[], IpAddr::is_ipv4) {
        none if none.is_empty() => "meta protocol ip drop".to_owned(),
        some => format!("ip saddr != {{ {some} }} drop"),
    });
    rules.push(format!("ip6 saddr != {{ {} }} drop", list(&local, IpAddr::is_ipv6)));
    rules
}

/// The networks as nft takes them: none inside another.
fn minimal(networks: &[Network]) -> String {
    let mut kept: Vec<&Network> = Vec::new();
    let mut by_size: Vec<&Network> = networks.iter().collect();
    by_size.sort_by_key(|network| network.prefix);
    for network in by_size {
        if !kept.iter().any(|larger| larger.holds(network)) {
            kept.push(network);
        }
    }
    let texts = kept.iter().map(|network| format!("{}/{}", network.first(), network.prefix));
    texts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(words: &[&str]) -> Vec<Network> {
        words.iter().map(|word| Network::parse(word).unwrap()).collect()
    }

    #[test]
    fn addresses_and_networks_are_read_and_nothing_else() {
        assert_eq!(Network::parse("192.0.2.7").unwrap().prefix, 32);
        assert_eq!(Network::parse("192.0.2.7/24").unwrap().first().to_string(), "192.0.2.0");
        assert_eq!(Network::parse("2001:db8::7/64").unwrap().first().to_string(), "2001:db8::");
        assert_eq!(Network::parse("10.1.2.3/0").unwrap().first().to_string(), "0.0.0.0");
        for bad in
            ["", "-evil", "192.0.2", "192.0.2.7/33", "192.0.2.7/", "192.0.2.7/+8", "::1/129", "1.2.3.4;"]
        {
            assert_eq!(Network::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_network_inside_another_is_not_told_twice() {
        let list = networks(&["192.0.2.7", "192.0.2.0/24", "10.0.0.1", "192.0.2.7"]);
        assert_eq!(minimal(&list), "192.0.2.0/24, 10.0.0.1/32");
    }

    #[test]
    fn a_bridged_guest_is_kept_to_its_addresses_in_every_protocol() {
        let networks = networks(&["192.0.2.7"]);
        let guest = Guest { dev: "vif5.0", mac: Some([0, 0x16, 0x3e, 1, 2, 3]), networks: &networks };
        assert_eq!(
            rules(Table::Bridged, &guest),
            [
                "ether saddr != 00:16:3e:01:02:03 drop",
                "arp saddr ether != 00:16:3e:01:02:03 drop",
                "ether type != { ip, ip6, arp } drop",
                "arp saddr ip != { 192.0.2.7/32, 0.0.0.0/32 } drop",
                "ip saddr 0.0.0.0 udp sport 68 udp dport 67 accept",
                "ip saddr != { 192.0.2.7/32 } drop",
                "ip6 saddr != { fe80::/10, ::/128 } drop",
            ]
        );
    }

    #[test]
    fn without_a_list_only_the_hardware_address_is_looked_at() {
        let guest = Guest { dev: "vif5.0", mac: Some([2; 6]), networks: &[] };
        assert_eq!(rules(Table::Routed, &guest), ["ether saddr != 02:02:02:02:02:02 drop"]);
    }

    #[test]
    fn no_two_interfaces_share_a_chain() {
        assert_eq!(chain("vif5.0"), "from_vif5_2e0");
        assert_ne!(chain("a_b"), chain("a.b"));
    }
}
