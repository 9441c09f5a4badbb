//! What `status` prints: the interfaces in question, the bridge's ports, the routes.

use super::{NetworkError, Site};
use crate::netlink::{Link, Switch};
use std::fmt::Write;

/// Interfaces of these names, as far as they are there, and the host's routes.
pub(super) async fn of(site: &Site<'_>, names: &[&str]) -> Result<String, NetworkError> {
    let line = "=".repeat(60);
    let mut text = format!("{line}\n");
    let all = site.links.all().await?;
    let addresses = site.links.addresses().await?;
    let mut told: Vec<&str> = Vec::new();
    for link in names.iter().filter_map(|name| all.iter().find(|link| link.name == **name)) {
        if told.contains(&link.name.as_str()) {
            continue;
        }
        told.push(&link.name);
        let _ = writeln!(text, "{}", interface(link));
        for address in addresses.iter().filter(|address| address.interface() == link.index) {
            let _ = writeln!(text, "    {address}");
        }
        for port in all.iter().filter(|port| port.controller == Some(link.index)) {
            let _ = writeln!(text, "    port {}", port.name);
        }
    }
    let name =
        |index| all.iter().find(|link| Some(link.index) == index).map_or("", |link| link.name.as_str());
    for route in site.links.routes().await? {
        let _ = writeln!(text, "route {route} dev {}", name(route.interface()));
    }
    Ok(format!("{text}{line}\n"))
}

fn interface(link: &Link) -> String {
    let address: Vec<String> = link.address.iter().map(|byte| format!("{byte:02x}")).collect();
    let switch = if link.switch == Switch::On { "up" } else { "down" };
    let kind = if link.kind.is_bridge() { "bridge " } else { "" };
    format!("{}: {kind}{switch} mtu {} address {}", link.name, link.mtu, address.join(":"))
}
