//! The two shapes of a host's interface, and the way into each of them from wherever it is.
//!
//! ```text
//! plain                      bridged (3.2)                     bridged (3.1)
//! eth0  addresses, routes    xenbr0  addresses, routes         eth0 (pair) addresses, routes
//!                              └ peth0  the hardware             vif0.0 ┐ its other end
//!                                                              xenbr0 ──┴ peth0  the hardware
//! ```
//!
//! Both ways look at every step whether it is done already. So each serves to undo the other, and to go on after a
//! crash at any point.

use super::record::{Pair, Record};
use super::{NetworkError, Site};
use crate::netlink::{Carrier, Link, Switch};
use crate::sysctl;
use std::time::Duration;
use tokio::time::Instant;

/// The bridge's name while an interface has the one that it is to have.
pub(super) const ASIDE: &str = "tmpbridge";
/// The highest address that is none of a group: a bridge never takes it for its own, and no frame is sent to it.
const PORT_ADDRESS: [u8; 6] = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff];
/// How long hardware may take to find out what it is connected to.
const NEGOTIATES_WITHIN: Duration = Duration::from_secs(10);

/// Makes the interface a port of its bridge, and dom0 speak over the bridge.
pub(super) async fn bridged(site: &Site<'_>, record: &Record) -> Result<(), NetworkError> {
    let hardware = hardware(site, record).await?;
    let hardware = hardware.ok_or_else(|| NetworkError::Vanished { name: record.netdev.clone() })?;
    let mut bridge = make_bridge(site, record, &hardware).await?;
    if let Some(pair) = &record.pair {
        make_pair(site, record, (pair, &hardware)).await?;
    }
    if hardware.name != record.pdev {
        site.step("empty", &hardware.name)?;
        site.links.switch(&hardware, Switch::Off).await?;
        site.links.flush(&hardware).await?;
        site.step("rename", &hardware.name)?;
        site.links.rename(&hardware, &record.pdev).await?;
    }
    let port = Link { name: record.pdev.clone(), ..hardware };
    set_without_ipv6(site, &port.name, "1");
    if bridge.name != record.bridge {
        site.step("rename", &bridge.name)?;
        site.links.switch(&bridge, Switch::Off).await?;
        site.links.rename(&bridge, &record.bridge).await?;
        bridge.name = record.bridge.clone();
    }
    if record.pair.is_some() {
        site.step("set the hardware address of", &port.name)?;
        site.links.switch(&port, Switch::Off).await?;
        site.links.set_address(&port, &PORT_ADDRESS).await?;
    }
    enslave(site, &port, &bridge).await?;
    site.step("switch on", &bridge.name)?;
    site.links.switch(&bridge, Switch::On).await?;
    let holder = match &record.pair {
        Some(pair) => connect_pair(site, record, (pair, &bridge)).await?,
        None => bridge,
    };
    give_back(site, record, &holder).await?;
    wait_for_carrier(site, record, &port).await
}

/// Makes the interface what it was without a bridge.
pub(super) async fn plain(site: &Site<'_>, record: &Record) -> Result<(), NetworkError> {
    let mut bridge = find_bridge(site, record).await?;
    let hardware = hardware(site, record).await?;
    if let Some(pair) = &record.pair {
        disconnect_pair(site, record, pair).await?;
    }
    if let Some(bridge) = &bridge {
        site.step("empty", &bridge.name)?;
        site.links.switch(bridge, Switch::Off).await?;
        site.links.flush(bridge).await?;
        if let Some(port) = hardware.as_ref().filter(|port| port.controller == Some(bridge.index)) {
            site.step("take from its bridge", &port.name)?;
            site.links.free(port).await?;
        }
    }
    if let Some(bridge) = bridge.as_mut().filter(|bridge| bridge.name == record.netdev) {
        site.step("rename", &bridge.name)?;
        site.links.rename(bridge, ASIDE).await?;
        bridge.name = ASIDE.to_owned();
    }
    if let Some(mut hardware) = hardware {
        if hardware.name != record.netdev {
            site.step("rename", &hardware.name)?;
            site.links.switch(&hardware, Switch::Off).await?;
            site.links.rename(&hardware, &record.netdev).await?;
            hardware.name = record.netdev.clone();
        }
        if let Some(before) = &record.without_ipv6 {
            set_without_ipv6(site, &hardware.name, before);
        }
        if hardware.address != record.address {
            site.step("set the hardware address of", &hardware.name)?;
            site.links.switch(&hardware, Switch::Off).await?;
            site.links.set_address(&hardware, &record.address).await?;
        }
        site.step("switch on", &hardware.name)?;
        site.links.switch(&hardware, record.switch).await?;
        give_back(site, record, &hardware).await?;
    }
    if let Some(bridge) = bridge {
        site.step("remove", &bridge.name)?;
        site.links.remove(&bridge).await?;
    }
    remove_pair(site, record).await
}

/// The interface itself, whatever it is called now.
async fn hardware(site: &Site<'_>, record: &Record) -> Result<Option<Link>, NetworkError> {
    for name in [&record.pdev, &record.netdev] {
        let found = site.links.find(name).await?;
        if let Some(link) = found.filter(|link| link.index == record.index) {
            return Ok(Some(link));
        }
    }
    Ok(None)
}

/// The bridge, whatever it is called now.
async fn find_bridge(site: &Site<'_>, record: &Record) -> Result<Option<Link>, NetworkError> {
    for name in [record.bridge.as_str(), ASIDE] {
        let found = site.links.find(name).await?;
        if let Some(link) = found.filter(|link| link.kind.is_bridge()) {
            return Ok(Some(link));
        }
    }
    Ok(None)
}

async fn make_bridge(site: &Site<'_>, record: &Record, like: &Link) -> Result<Link, NetworkError> {
    if let Some(found) = find_bridge(site, record).await? {
        return Ok(found);
    }
    let name = if record.bridge == record.netdev { ASIDE } else { &record.bridge };
    site.step("make the bridge", name)?;
    // Of a pair, dom0's end has the hardware's address; a bridge that had it too would keep its frames.
    let address = record.pair.is_none().then_some(record.address.as_slice());
    site.links.make_bridge(name, like.mtu, address).await?;
    let bridge = expect(site, name).await?;
    match record.pair {
        None => sysctl::carry(site.host, &like.name, name),
        Some(_) => set_without_ipv6(site, name, "1"),
    }
    Ok(bridge)
}

async fn enslave(site: &Site<'_>, port: &Link, bridge: &Link) -> Result<(), NetworkError> {
    let now = expect(site, &port.name).await?;
    if now.controller != Some(bridge.index) {
        site.step("add to its bridge", &port.name)?;
        site.links.enslave(port, bridge).await?;
    }
    site.step("switch on", &port.name)?;
    Ok(site.links.switch(port, Switch::On).await?)
}

/// Gives `holder` every address, and the host every route, that is not there.
async fn give_back(site: &Site<'_>, record: &Record, holder: &Link) -> Result<(), NetworkError> {
    site.step("give the addresses to", &holder.name)?;
    let (index, name) = &record.holder;
    let all = site.links.all().await?;
    let is_off = holder.index == record.index && record.switch == Switch::Off;
    for address in &record.addresses {
        // The kernel takes these from an interface that is switched off.
        if is_off && address.is_link_local() {
            continue;
        }
        let other = all.iter().find(|link| link.index == address.interface() && link.index != *index);
        let link = if address.interface() == *index { Some(holder) } else { other };
        let Some(link) = link else { continue };
        match site.links.carry_address(address, link, name).await {
            // The kernel makes one again by itself.
            Err(_) if address.is_link_local() => {}
            done => done?,
        }
    }
    site.step("give the routes to", &holder.name)?;
    if is_off {
        // Nor has it any of these.
        return Ok(());
    }
    let mut failed = Vec::new();
    for route in &record.routes {
        if site.links.carry_route(route, *index, holder).await.is_err() {
            failed.push(route);
        }
    }
    // One may rest on another that came later in the list.
    for route in failed {
        site.links.carry_route(route, *index, holder).await?;
    }
    Ok(())
}

/// The port's, and the bridge's, which comes a moment later and without which nothing leaves.
async fn wait_for_carrier(site: &Site<'_>, record: &Record, port: &Link) -> Result<(), NetworkError> {
    // Without a cable before there is nothing to wait for.
    if port.carrier == Carrier::Lost {
        return Ok(());
    }
    let deadline = Instant::now() + NEGOTIATES_WITHIN;
    for name in [&port.name, &record.bridge] {
        while expect(site, name).await?.carrier == Carrier::Lost && Instant::now() < deadline {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    Ok(())
}

async fn expect(site: &Site<'_>, name: &str) -> Result<Link, NetworkError> {
    let found = site.links.find(name).await?;
    found.ok_or_else(|| NetworkError::Vanished { name: name.to_owned() })
}

/// A kernel without IPv6 has no such setting.
fn set_without_ipv6(site: &Site<'_>, interface: &str, value: &str) {
    let _ = sysctl::write(site.host, &sysctl::disable_ipv6(interface), value);
}

/// Dom0's end of the pair, whatever it is called now.
async fn dom0_end(site: &Site<'_>, record: &Record, pair: &Pair) -> Result<Option<Link>, NetworkError> {
    let own = site.links.find(&pair.dom0).await?;
    if own.is_some() {
        return Ok(own);
    }
    let renamed = site.links.find(&record.netdev).await?;
    Ok(renamed.filter(|link| link.index != record.index))
}

async fn make_pair(
    site: &Site<'_>,
    record: &Record,
    (pair, like): (&Pair, &Link),
) -> Result<(), NetworkError> {
    if dom0_end(site, record, pair).await?.is_some() {
        return Ok(());
    }
    site.step("make the pair", &pair.dom0)?;
    site.links.make_pair(&pair.dom0, &pair.port).await?;
    for name in [&pair.dom0, &pair.port] {
        site.links.set_mtu(&expect(site, name).await?, like.mtu).await?;
    }
    sysctl::carry(site.host, &like.name, &pair.dom0);
    Ok(())
}

async fn connect_pair(
    site: &Site<'_>,
    record: &Record,
    (pair, bridge): (&Pair, &Link),
) -> Result<Link, NetworkError> {
    let end = dom0_end(site, record, pair).await?;
    let mut end = end.ok_or_else(|| NetworkError::Vanished { name: pair.dom0.clone() })?;
    if end.name != record.netdev {
        site.step("rename", &end.name)?;
        site.links.switch(&end, Switch::Off).await?;
        site.links.set_address(&end, &record.address).await?;
        site.links.rename(&end, &record.netdev).await?;
        end.name = record.netdev.clone();
    }
    let port = expect(site, &pair.port).await?;
    set_without_ipv6(site, &port.name, "1");
    site.links.switch(&port, Switch::Off).await?;
    site.links.set_address(&port, &PORT_ADDRESS).await?;
    enslave(site, &port, bridge).await?;
    site.step("switch on", &end.name)?;
    site.links.switch(&end, Switch::On).await?;
    end.switch = Switch::On;
    Ok(end)
}

async fn disconnect_pair(site: &Site<'_>, record: &Record, pair: &Pair) -> Result<(), NetworkError> {
    if let Some(end) = dom0_end(site, record, pair).await? {
        site.step("empty", &end.name)?;
        site.links.switch(&end, Switch::Off).await?;
        site.links.flush(&end).await?;
        if end.name != pair.dom0 {
            site.step("rename", &end.name)?;
            site.links.rename(&end, &pair.dom0).await?;
        }
        if let Some((address, _)) = &pair.before {
            site.links.set_address(&end, address).await?;
        }
    }
    if let Some(port) = site.links.find(&pair.port).await? {
        site.step("take from its bridge", &port.name)?;
        site.links.switch(&port, Switch::Off).await?;
        if port.controller.is_some() {
            site.links.free(&port).await?;
        }
        if let Some((_, address)) = &pair.before {
            site.links.set_address(&port, address).await?;
        }
    }
    Ok(())
}

/// A pair that was there before stays.
async fn remove_pair(site: &Site<'_>, record: &Record) -> Result<(), NetworkError> {
    let Some(pair) = record.pair.as_ref().filter(|pair| pair.before.is_none()) else { return Ok(()) };
    if let Some(end) = site.links.find(&pair.dom0).await? {
        site.step("remove", &end.name)?;
        site.links.remove(&end).await?;
    }
    Ok(())
}
