//! `vif-nat`: each guest in a small network of its own behind dom0, with an address that follows from its number.

use super::guard::{self, Entrance};
use super::parameters::Parameters;
use super::route::{finish, switch_on, take_back};
use super::{Command, Names, Port, Side, VifError, name};
use crate::antispoof::Network;
use crate::netlink::GuestRoute;
use crate::network::{self, Lease};
use std::net::{IpAddr, Ipv4Addr};
use xenstore::paths::node::NAME;
use xenstore::paths::node::vif::MAC;

/// How far dom0's address lies behind the guest's.
const DISTANCE: u8 = 127;

/// The two addresses of a guest's network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Addresses {
    pub(super) guest: Ipv4Addr,
    pub(super) router: Ipv4Addr,
}

impl Addresses {
    /// Those of device `devid` of domain `domid`, or of the address that its configuration gives it.
    pub(super) fn of(domid: u16, devid: u32, given: Option<Ipv4Addr>) -> Self {
        let [high, low] = domid.to_be_bytes();
        let last = u8::try_from(devid.saturating_add(1) % 256).unwrap_or(1);
        let guest = given.unwrap_or(Ipv4Addr::new(10, high, low, last));
        let [one, two, three, four] = guest.octets();
        // The original's sum could lie beyond 255, which is no address.
        let other =
            four.checked_add(DISTANCE).filter(|sum| *sum < 255).unwrap_or(four.wrapping_sub(DISTANCE));
        Addresses { guest, router: Ipv4Addr::new(one, two, three, other) }
    }
}

pub(super) async fn connect(port: &Port<'_>, command: Command) -> Result<(), VifError> {
    let mut parameters = Parameters::of(port).await?;
    let addresses = addresses(port, &parameters)?;
    if parameters.networks.is_empty() {
        parameters.networks.push(Network { ip: addresses.guest.into(), prefix: 32 });
    }
    let names = Names::of(port, Side::Paravirtual).await?;
    let link = name(port, &names).await?;
    let routes = [route(addresses)];
    guard::admit(port, &Entrance::Routing, &link.name, &parameters)?;
    let done = async {
        port.faults.reach("give the interface an address")?;
        port.links.add_address(&link, addresses.router.into(), 32).await?;
        switch_on(port, &link, &routes).await?;
        lease(port, &link.name, addresses).await
    };
    if let Err(error) = done.await {
        let _ = take_back(port, &link, &routes).await;
        let _ = network::release(port.host, &link.name);
        return Err(error);
    }
    finish(port, command, &link.name).await?;
    Ok(port.backend.connected(&[]).await?)
}

pub(super) async fn disconnect(port: &Port<'_>, command: Command) -> Result<(), VifError> {
    let names = Names::of(port, Side::Paravirtual).await?;
    let networks = Parameters::of(port).await.map(|parameters| parameters.networks).unwrap_or_default();
    if let Some(link) = names.find(port).await? {
        let addresses = addresses(port, &Parameters { mac: None, networks });
        let routes: Vec<GuestRoute> = addresses.into_iter().map(route).collect();
        take_back(port, &link, &routes).await?;
    }
    network::release(port.host, names.current())?;
    finish(port, command, names.current()).await
}

fn addresses(port: &Port<'_>, parameters: &Parameters) -> Result<Addresses, VifError> {
    let given = parameters.networks.iter().find_map(|network| match network.ip {
        IpAddr::V4(ip) => Some(ip),
        IpAddr::V6(_) => None,
    });
    let devid = port.backend.path().rsplit('/').next().and_then(|devid| devid.parse().ok());
    let domid = port.backend.domid().and_then(|domid| domid.parse().ok());
    match (domid, devid) {
        (Some(domid), Some(devid)) => Ok(Addresses::of(domid, devid, given)),
        _ => Err(VifError::NoInterface { variable: "vif" }),
    }
}

fn route(addresses: Addresses) -> GuestRoute {
    GuestRoute { to: addresses.guest.into(), prefix: 32, source: Some(addresses.router.into()) }
}

async fn lease(port: &Port<'_>, dev: &str, addresses: Addresses) -> Result<(), VifError> {
    let Some(mac) = port.backend.read(MAC).await? else { return Ok(()) };
    let domid = port.backend.domid().unwrap_or_default().to_owned();
    let name = port.backend.of_domain(&domid, NAME).await?.unwrap_or_default();
    let devid = port.backend.path().rsplit('/').next().and_then(|devid| devid.parse().ok()).unwrap_or(0);
    port.faults.reach("tell the DHCP server of the guest")?;
    let lease = Lease {
        dev,
        mac: &mac,
        address: addresses.guest,
        router: addresses.router,
        name: host_name(&name, devid),
    };
    Ok(network::lease(port.host, &lease)?)
}

/// The domain's name as a host's, with a number from the second interface on.
fn host_name(domain: &str, devid: u32) -> String {
    let plain = |letter: char| if letter.is_ascii_alphanumeric() { letter } else { '-' };
    let name: String = domain.chars().map(plain).collect();
    match devid {
        _ if name.is_empty() => name,
        0 => name,
        devid => format!("{name}-{}", devid + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_follow_from_the_numbers_of_domain_and_device() {
        let texts = |addresses: Addresses| (addresses.guest.to_string(), addresses.router.to_string());
        assert_eq!(texts(Addresses::of(5, 0, None)), ("10.0.5.1".into(), "10.0.5.128".into()));
        assert_eq!(texts(Addresses::of(259, 1, None)), ("10.1.3.2".into(), "10.1.3.129".into()));
        let given = Addresses::of(5, 0, Some(Ipv4Addr::new(192, 0, 2, 200)));
        assert_eq!(texts(given), ("192.0.2.200".into(), "192.0.2.73".into()));
    }

    #[test]
    fn a_domains_name_becomes_that_of_a_host() {
        assert_eq!(host_name("mail_1.example", 0), "mail-1-example");
        assert_eq!(host_name("mail", 1), "mail-2");
    }
}
