//! `vif-route`: dom0 routes for the guest, without a bridge; outside it answers ARP in the guest's place.

use super::guard::Entrance;
use super::parameters::Parameters;
use super::{Command, Done, Names, Port, Side, VifError, firewall, guard, hooks, name};
use crate::netlink::{GuestRoute, Link, Switch};
use crate::sysctl;
use std::net::IpAddr;

const USUAL: &str = "eth0";

pub(super) async fn connect(port: &Port<'_>, command: Command) -> Result<(), VifError> {
    let parameters = Parameters::of(port).await?;
    let source = source(port).await?;
    let names = Names::of(port, Side::Paravirtual).await?;
    let link = name(port, &names).await?;
    let routes = routes(&parameters, source);
    guard::admit(port, &Entrance::Routing, &link.name, &parameters)?;
    let done = async {
        port.faults.reach("give the interface an address")?;
        port.links.add_address(&link, source, 32).await?;
        switch_on(port, &link, &routes).await
    };
    if let Err(error) = done.await {
        let _ = take_back(port, &link, &routes).await;
        return Err(error);
    }
    finish(port, command, &link.name).await?;
    Ok(port.backend.connected(&[]).await?)
}

pub(super) async fn disconnect(port: &Port<'_>, command: Command) -> Result<(), VifError> {
    let names = Names::of(port, Side::Paravirtual).await?;
    // It is told to go, whatever its configuration says by now.
    let networks = Parameters::of(port).await.map(|parameters| parameters.networks).unwrap_or_default();
    let routes = routes(&Parameters { mac: None, networks }, IpAddr::from([0; 4]));
    if let Some(link) = names.find(port).await? {
        take_back(port, &link, &routes).await?;
    }
    finish(port, command, names.current()).await
}

/// Up, answering ARP, and the routes to the guest.
pub(super) async fn switch_on(port: &Port<'_>, link: &Link, routes: &[GuestRoute]) -> Result<(), VifError> {
    port.faults.reach("switch on the interface")?;
    port.links.switch(link, Switch::On).await?;
    sysctl::write(port.host, &sysctl::proxy_arp(&link.name), "1")?;
    for route in routes {
        port.faults.reach("make a route to the guest")?;
        port.links.add_guest_route(link, route).await?;
    }
    Ok(())
}

/// Without address and routes, and down. Goes on behind what fails.
pub(super) async fn take_back(port: &Port<'_>, link: &Link, routes: &[GuestRoute]) -> Result<(), VifError> {
    for route in routes {
        let _ = port.links.remove_guest_route(link, route).await;
    }
    for step in [port.links.flush(link).await, port.links.switch(link, Switch::Off).await] {
        if let Err(error) = step {
            port.log.debug(&format!("ignored: {error}"));
        }
    }
    guard::dismiss(port, &link.name);
    Ok(())
}

/// The firewall, the hooks and the log, as for every vif.
pub(super) async fn finish(port: &Port<'_>, command: Command, dev: &str) -> Result<(), VifError> {
    let done = Done { script: &port.call.script, command, dev, bridge: "" };
    if command == Command::Offline {
        guard::dismiss(port, dev);
    }
    firewall::apply(port, &done).await?;
    hooks::run(port, &done);
    port.log.info(&done.to_string());
    Ok(())
}

/// Dom0's own address, which the guest's neighbour has.
pub(super) async fn source(port: &Port<'_>) -> Result<IpAddr, VifError> {
    let netdev = port.call.variable("netdev").unwrap_or(USUAL);
    let down = || VifError::NetdevDown { netdev: netdev.to_owned() };
    let link = port.links.find(netdev).await?.ok_or_else(down)?;
    let addresses = port.links.addresses().await?;
    let mut own = addresses.iter().filter(|address| address.interface() == link.index && address.is_global());
    own.find_map(|address| address.ip().filter(IpAddr::is_ipv4)).ok_or_else(down)
}

fn routes(parameters: &Parameters, source: IpAddr) -> Vec<GuestRoute> {
    let route = |network: &crate::antispoof::Network| GuestRoute {
        to: network.first(),
        prefix: network.prefix,
        source: Some(source).filter(|source| network.ip.is_ipv4() == source.is_ipv4()),
    };
    parameters.networks.iter().map(route).collect()
}
