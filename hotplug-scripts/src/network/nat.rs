//! `network-nat`: as `network-route`, and guests' packets leave with dom0's own address.

use super::request::{self, Antispoof, parameter};
use super::route::{exists, netdev, started, stopped};
use super::{Command, NetworkError, Site, dhcp, status};
use crate::lock::{Lock, NETWORK_BRIDGE};
use crate::nft::{NftError, Table, quoted};

const USER: &str = "network-nat";
/// The set of interfaces that masquerade.
const OUTSIDE: &str = "outside";

/// Whether dom0 serves DHCP to its guests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dhcp {
    On,
    Off,
}

pub(super) async fn run(command: Command, site: &Site<'_>) -> Result<String, NetworkError> {
    let netdev = netdev(site)?;
    let guard = request::antispoof(site.call)?;
    let dhcp = match site.call.variable("dhcp") {
        None | Some("no") => Dhcp::Off,
        Some("yes") => Dhcp::On,
        Some(other) => return Err(parameter("dhcp", other, "it is yes or no")),
    };
    match command {
        Command::Status => status::of(site, &[&netdev]).await,
        Command::Start => {
            exists(site, &netdev).await?;
            quoted(&netdev)?;
            site.nft().require("masquerading")?;
            if dhcp == Dhcp::On {
                dhcp::require(site)?;
            }
            let _lock = Lock::acquire(site.host, NETWORK_BRIDGE)?;
            start(site, &netdev, guard, dhcp).inspect_err(|_| {
                // What could be had is let go again; the first failure is the one to tell.
                let _ = stop(site, &netdev);
            })?;
            site.log.info(&format!("guests' packets leave by {netdev} with its address"));
            Ok(String::new())
        }
        Command::Stop => {
            let _lock = Lock::acquire(site.host, NETWORK_BRIDGE)?;
            stop(site, &netdev)?;
            Ok(String::new())
        }
    }
}

fn start(site: &Site<'_>, netdev: &str, guard: Antispoof, dhcp: Dhcp) -> Result<(), NetworkError> {
    started(site, USER, netdev, guard)?;
    site.step("masquerade on", netdev)?;
    site.nft().apply(Table::Nat, &masquerade(netdev)?)?;
    match dhcp {
        Dhcp::On => dhcp::start(site, netdev),
        Dhcp::Off => Ok(()),
    }
}

/// All of it back. Goes on behind a failure and tells the first.
fn stop(site: &Site<'_>, netdev: &str) -> Result<(), NetworkError> {
    let mut outcomes = vec![dhcp::stop(site)];
    if site.nft().is_there() {
        outcomes.push(unmasquerade(site, netdev));
    }
    outcomes.push(stopped(site, USER, netdev));
    outcomes.into_iter().collect()
}

fn unmasquerade(site: &Site<'_>, netdev: &str) -> Result<(), NetworkError> {
    site.step("masquerade no more on", netdev)?;
    let (name, key) = (Table::Nat.name(), quoted(netdev)?);
    let mut script = masquerade(netdev)?;
    script.push_str(&format!("delete element {name} {OUTSIDE} {{ {key} }}\n"));
    site.nft().apply(Table::Nat, &script)?;
    Ok(site.nft().remove_if_empty(Table::Nat, OUTSIDE)?)
}

/// The same twice is the same once: repeated starts make no second rule.
fn masquerade(netdev: &str) -> Result<String, NftError> {
    let (name, key) = (Table::Nat.name(), quoted(netdev)?);
    Ok(format!(
        "add table {name}\n\
         add set {name} {OUTSIDE} {{ type ifname; }}\n\
         add chain {name} postrouting {{ type nat hook postrouting priority 100; policy accept; }}\n\
         flush chain {name} postrouting\n\
         add rule {name} postrouting oifname @{OUTSIDE} masquerade\n\
         add element {name} {OUTSIDE} {{ {key} }}\n"
    ))
}
