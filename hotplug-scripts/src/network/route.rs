//! `network-route`: dom0 forwards for its guests and answers ARP for them outside.

use super::request::{self, Antispoof, USUAL};
use super::{Command, NetworkError, Site, forwarding, status};
use crate::antispoof;
use crate::lock::{Lock, NETWORK_BRIDGE};
use crate::netlink::Layer;
use crate::nft::Table;
use crate::sysctl;

const USER: &str = "network-route";

pub(super) async fn run(command: Command, site: &Site<'_>) -> Result<String, NetworkError> {
    let netdev = netdev(site)?;
    let guard = request::antispoof(site.call)?;
    match command {
        Command::Status => status::of(site, &[&netdev]).await,
        Command::Start => {
            exists(site, &netdev).await?;
            if guard == Antispoof::On {
                site.nft().require("antispoof=yes")?;
            }
            let _lock = Lock::acquire(site.host, NETWORK_BRIDGE)?;
            started(site, USER, &netdev, guard).inspect_err(|_| {
                // What could be had is let go again; the first failure is the one to tell.
                let _ = stopped(site, USER, &netdev);
            })?;
            site.log.info(&format!("dom0 routes for guests by {netdev}"));
            Ok(String::new())
        }
        Command::Stop => {
            let _lock = Lock::acquire(site.host, NETWORK_BRIDGE)?;
            stopped(site, USER, &netdev)?;
            Ok(String::new())
        }
    }
}

/// The interface that the call names.
pub(super) fn netdev(site: &Site<'_>) -> Result<String, NetworkError> {
    let netdev = site.call.variable("netdev").unwrap_or(USUAL).to_owned();
    request::check_name("netdev", &netdev)?;
    Ok(netdev)
}

/// That it is there.
pub(super) async fn exists(site: &Site<'_>, netdev: &str) -> Result<(), NetworkError> {
    match site.links.find(netdev).await? {
        Some(link) if link.layer == Layer::Ethernet || link.name != "lo" => Ok(()),
        _ => Err(NetworkError::NoInterface { name: netdev.to_owned() }),
    }
}

/// Forwarding, proxy ARP, guard.
pub(super) fn started(
    site: &Site<'_>,
    user: &str,
    netdev: &str,
    guard: Antispoof,
) -> Result<(), NetworkError> {
    let user = format!("{user}-{netdev}");
    forwarding::hold(site, &user, sysctl::FORWARD_V4)?;
    if site.call.variable("ipv6") == Some("yes") {
        forwarding::hold(site, &user, sysctl::FORWARD_V6)?;
    }
    forwarding::hold(site, &user, &sysctl::proxy_arp(netdev))?;
    if guard == Antispoof::On {
        site.step("guard", "routed guests")?;
        antispoof::guard(site.host, antispoof::ROUTED)?;
    }
    Ok(())
}

/// All of it back. Goes on behind a failure and tells the first.
pub(super) fn stopped(site: &Site<'_>, user: &str, netdev: &str) -> Result<(), NetworkError> {
    let user = format!("{user}-{netdev}");
    let mut outcomes = Vec::new();
    for setting in [sysctl::proxy_arp(netdev).as_str(), sysctl::FORWARD_V6, sysctl::FORWARD_V4] {
        outcomes.push(forwarding::let_go(site, &user, setting));
    }
    outcomes.push(antispoof::release(site.host, antispoof::ROUTED).map_err(NetworkError::from));
    let tidied = antispoof::tidy(site.host, &site.nft(), Table::Routed);
    outcomes.push(tidied.map_err(NetworkError::from));
    outcomes.into_iter().collect()
}
