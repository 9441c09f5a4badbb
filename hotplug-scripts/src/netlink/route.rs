//! Routes: listed, carried from one interface to another, kept in a file meanwhile, and those of single guests.

use super::{Link, Links, NetlinkError, errno, hex, refused};
use futures_util::TryStreamExt;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteHeader, RouteMessage, RouteNextHopFlags, RouteProtocol,
    RouteScope, RouteType,
};
use rtnetlink::packet_core::{Emitable, Parseable};
use std::fmt;
use std::net::IpAddr;

/// The kernel's own table: it fills it from the addresses.
const TABLE_LOCAL: u32 = 255;
/// `RTM_F_CLONED`: an entry of a cache, no route.
const CLONED: u32 = 0x200;

/// A route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    message: RouteMessage,
}

impl Route {
    /// As text for a file.
    pub fn to_hex(&self) -> String {
        let mut bytes = vec![0; self.message.buffer_len()];
        self.message.emit(&mut bytes);
        hex::encode(&bytes)
    }

    /// From such a text.
    pub fn from_hex(text: &str) -> Option<Self> {
        let message = RouteMessage::parse(&hex::decode(text)?).ok()?;
        Some(Route { message })
    }

    /// Whether packets leave by the interface of that index, all or some of them.
    pub fn leaves_by(&self, index: u32) -> bool {
        self.message.attributes.iter().any(|attribute| match attribute {
            RouteAttribute::Oif(oif) => *oif == index,
            RouteAttribute::MultiPath(hops) => hops.iter().any(|hop| hop.interface_index == index),
            _ => false,
        })
    }

    /// The address that packets on this route carry, if it names one.
    pub fn source(&self) -> Option<IpAddr> {
        self.message.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::PrefSource(address) => ip(address),
            _ => None,
        })
    }

    /// The first interface that packets leave by.
    pub fn interface(&self) -> Option<u32> {
        self.message.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Oif(oif) => Some(*oif),
            RouteAttribute::MultiPath(hops) => hops.first().map(|hop| hop.interface_index),
            _ => None,
        })
    }

    /// Whether it is IPv4's way to everywhere, in the main table; and how good, less being better.
    pub fn default_metric(&self) -> Option<u32> {
        let header = &self.message.header;
        let is_default = header.destination_prefix_length == 0
            && header.address_family == AddressFamily::Inet
            && self.table() == u32::from(RouteHeader::RT_TABLE_MAIN);
        let metric = self.message.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Priority(metric) => Some(*metric),
            _ => None,
        });
        is_default.then(|| metric.unwrap_or(0))
    }

    /// Whether somebody made it, so that the kernel would not make it again.
    fn is_made(&self) -> bool {
        let header = &self.message.header;
        header.protocol != RouteProtocol::Kernel
            && self.table() != TABLE_LOCAL
            && header.flags.bits() & CLONED == 0
    }

    fn table(&self) -> u32 {
        let long = self.message.attributes.iter().find_map(|attribute| match attribute {
            RouteAttribute::Table(table) => Some(*table),
            _ => None,
        });
        long.unwrap_or(self.message.header.table.into())
    }

    fn needs_neighbour(&self) -> bool {
        self.message.attributes.iter().any(|attribute| {
            matches!(
                attribute,
                RouteAttribute::Gateway(_) | RouteAttribute::Via(_) | RouteAttribute::MultiPath(_)
            )
        })
    }

    /// The same route, leaving by `to` where it left by `from`.
    fn for_interface(&self, from: u32, to: u32) -> RouteMessage {
        let mut message = self.message.clone();
        message.header.flags &= RouteFlags::from_bits_retain(RouteNextHopFlags::Onlink.bits().into());
        let expires = message.attributes.iter().find_map(|attribute| match attribute {
            // Hundredths of a second; the kernel takes seconds.
            RouteAttribute::CacheInfo(info) if info.expires > 0 => Some(info.expires / 100),
            _ => None,
        });
        message
            .attributes
            .retain(|attribute| !matches!(attribute, RouteAttribute::CacheInfo(_) | RouteAttribute::NhId(_)));
        for attribute in &mut message.attributes {
            match attribute {
                RouteAttribute::Oif(oif) if *oif == from => *oif = to,
                RouteAttribute::MultiPath(hops) => {
                    for hop in hops {
                        hop.flags &= RouteNextHopFlags::Onlink;
                        if hop.interface_index == from {
                            hop.interface_index = to;
                        }
                    }
                }
                _ => {}
            }
        }
        message.attributes.extend(expires.map(RouteAttribute::Expires));
        message
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut destination = None;
        let mut gateway = None;
        for attribute in &self.message.attributes {
            match attribute {
                RouteAttribute::Destination(address) => destination = ip(address),
                RouteAttribute::Gateway(address) => gateway = ip(address),
                _ => {}
            }
        }
        match destination {
            Some(ip) => write!(f, "{ip}/{}", self.message.header.destination_prefix_length)?,
            None => f.write_str("default")?,
        }
        gateway.map_or(Ok(()), |gateway| write!(f, " via {gateway}"))
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(ip) => Some(IpAddr::V4(*ip)),
        RouteAddress::Inet6(ip) => Some(IpAddr::V6(*ip)),
        _ => None,
    }
}

/// A route to a guest: the address or network, and the host's address that packets to it carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GuestRoute {
    /// The guest's address, or the first one of its network.
    pub to: IpAddr,
    /// Length of the network's prefix.
    pub prefix: u8,
    /// The host's address, if it says one.
    pub source: Option<IpAddr>,
}

impl Links {
    /// Every route that somebody made, those that others rest on first.
    pub async fn routes(&self) -> Result<Vec<Route>, NetlinkError> {
        let mut all: Vec<Route> = Vec::new();
        for family in [AddressFamily::Inet, AddressFamily::Inet6] {
            let mut question = RouteMessage::default();
            question.header.address_family = family;
            match self.handle.route().get(question).execute().try_collect::<Vec<_>>().await {
                Ok(found) => all.extend(found.into_iter().map(|message| Route { message })),
                // A kernel without IPv6 has no such routes.
                Err(error) if errno(&error) == Some(libc::EOPNOTSUPP) => {}
                Err(error) => return Err(refused("list the routes of", "this host", error)),
            }
        }
        all.retain(Route::is_made);
        all.sort_by_key(Route::needs_neighbour);
        Ok(all)
    }

    /// Makes a route again, leaving by `link` where it left by the interface of index `from`. Being there is fine.
    pub async fn carry_route(&self, route: &Route, from: u32, link: &Link) -> Result<(), NetlinkError> {
        match self.handle.route().add(route.for_interface(from, link.index)).execute().await {
            Err(error) if errno(&error) == Some(libc::EEXIST) => Ok(()),
            done => done.map_err(|error| refused("make again the route", &route.to_string(), error)),
        }
    }

    /// Makes the route to a guest. Being there is fine.
    pub async fn add_guest_route(&self, link: &Link, to: &GuestRoute) -> Result<(), NetlinkError> {
        let mut message = guest_route(link, to);
        if let Some(source) = to.source {
            message.attributes.push(RouteAttribute::PrefSource(source.into()));
        }
        self.handle
            .route()
            .add(message)
            .replace()
            .execute()
            .await
            .map_err(|error| refused("make the route to a guest by", &link.name, error))
    }

    /// Removes the route to a guest. Being gone is fine.
    pub async fn remove_guest_route(&self, link: &Link, to: &GuestRoute) -> Result<(), NetlinkError> {
        match self.handle.route().del(guest_route(link, to)).execute().await {
            Err(error) if errno(&error) == Some(libc::ESRCH) => Ok(()),
            done => done.map_err(|error| refused("remove the route to a guest by", &link.name, error)),
        }
    }
}

fn guest_route(link: &Link, to: &GuestRoute) -> RouteMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = if to.to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    header.destination_prefix_length = to.prefix;
    header.table = RouteHeader::RT_TABLE_MAIN;
    header.protocol = RouteProtocol::Boot;
    header.kind = RouteType::Unicast;
    header.scope = if to.to.is_ipv4() { RouteScope::Link } else { RouteScope::Universe };
    message.attributes.push(RouteAttribute::Destination(to.to.into()));
    message.attributes.push(RouteAttribute::Oif(link.index));
    message
}
