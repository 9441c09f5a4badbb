//! Network interfaces, over rtnetlink. No other module names the crate behind it.

mod address;
mod hex;
mod make;
mod route;

pub use address::Address;
pub use make::Vlan;
pub use route::{GuestRoute, Route};

use futures_util::TryStreamExt;
use netlink_packet_route::link::{
    InfoBridge, InfoData, InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage,
};
use rtnetlink::{Handle, LinkMessageBuilder, LinkUnspec};
use std::io;
use std::time::Duration;
use tokio::time::Instant;

/// Longest name of an interface, in bytes.
const NAME_MAX: usize = 15;
/// How often an interface that is expected is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What can go wrong with interfaces.
#[derive(Debug, thiserror::Error)]
pub enum NetlinkError {
    /// The kernel offers no rtnetlink.
    #[error("cannot open a netlink socket")]
    Open {
        /// What the kernel said.
        source: io::Error,
    },
    /// The kernel refused.
    #[error("cannot {verb} {interface}")]
    Refused {
        /// What was tried.
        verb: &'static str,
        /// The interface.
        interface: String,
        /// What the kernel said.
        source: io::Error,
    },
}

/// An interface as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The kernel's number of it.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Largest packet, in bytes.
    pub mtu: u32,
    /// Index of the bridge (or bond) that it is a port of.
    pub controller: Option<u32>,
    /// Hardware address.
    pub address: Vec<u8>,
    /// What kind of interface it is.
    pub kind: Kind,
    /// Whether it is switched on.
    pub switch: Switch,
    /// Whether the other end of its cable is there.
    pub carrier: Carrier,
    /// Index of the interface that it lies on, for a VLAN for example.
    pub below: Option<u32>,
    /// Whether frames on it have hardware addresses, as a port of a bridge needs.
    pub layer: Layer,
}

/// Kinds of interfaces, as far as scripts tell them apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A Linux bridge.
    Bridge,
    /// A Linux bridge that tells VLANs apart.
    VlanBridge,
    /// Anything else.
    Other,
}

impl Kind {
    /// Whether it is a bridge.
    pub fn is_bridge(self) -> bool {
        matches!(self, Kind::Bridge | Kind::VlanBridge)
    }
}

/// Whether an interface has a link to something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Yes.
    There,
    /// No, or the interface is switched off.
    Lost,
}

/// What frames on an interface look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    /// Ethernet.
    Ethernet,
    /// Something else: the loopback interface, a tunnel.
    Other,
}

/// Whether an interface is administratively up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Switch {
    /// Up.
    On,
    /// Down.
    Off,
}

/// The interfaces of the network namespace in which it was opened.
#[derive(Clone, Debug)]
pub struct Links {
    handle: Handle,
}

impl Links {
    /// Opens a socket; must be called inside a tokio runtime, which serves it.
    pub fn open() -> Result<Self, NetlinkError> {
        // Strict: the kernel then filters dumps instead of sending every address of the host.
        let (connection, handle, _) =
            rtnetlink::new_connection_with_strict_check().map_err(|source| NetlinkError::Open { source })?;
        tokio::spawn(connection);
        Ok(Links { handle })
    }

    /// The interface of that name.
    pub async fn find(&self, name: &str) -> Result<Option<Link>, NetlinkError> {
        if !is_name(name) {
            return Ok(None);
        }
        match self.handle.link().get().match_name(name).execute().try_next().await {
            Ok(found) => Ok(found.map(link)),
            Err(error) if errno(&error) == Some(libc::ENODEV) => Ok(None),
            Err(error) => Err(refused("look up", name, error)),
        }
    }

    /// The interface of that name, waited for until `limit` has passed: the backend driver announces itself just
    /// before it makes the interface.
    pub async fn wait_for(&self, name: &str, limit: Duration) -> Result<Option<Link>, NetlinkError> {
        let deadline = Instant::now() + limit;
        loop {
            let found = self.find(name).await?;
            if found.is_some() || !is_name(name) || Instant::now() >= deadline {
                return Ok(found);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Every interface.
    pub async fn all(&self) -> Result<Vec<Link>, NetlinkError> {
        let all = self.handle.link().get().execute().try_collect::<Vec<_>>().await;
        let all = all.map_err(|error| refused("list", "the interfaces", error))?;
        Ok(all.into_iter().map(link).collect())
    }

    /// The bridge whose name comes first in the alphabet.
    pub async fn first_bridge(&self) -> Result<Option<Link>, NetlinkError> {
        let bridges = self.all().await?.into_iter().filter(|link| link.kind.is_bridge());
        Ok(bridges.min_by(|one, other| one.name.cmp(&other.name)))
    }

    /// Gives an interface (which must be down) another name.
    pub async fn rename(&self, link: &Link, name: &str) -> Result<(), NetlinkError> {
        self.change("rename", link, |message| message.name(name)).await
    }

    /// Switches an interface on or off.
    pub async fn switch(&self, link: &Link, to: Switch) -> Result<(), NetlinkError> {
        match to {
            Switch::On => self.change("switch on", link, |message| message.up()).await,
            Switch::Off => self.change("switch off", link, |message| message.down()).await,
        }
    }

    /// Sets the hardware address.
    pub async fn set_address(&self, link: &Link, address: &[u8]) -> Result<(), NetlinkError> {
        self.change("set the hardware address of", link, |message| message.address(address.to_vec())).await
    }

    /// Sets the size of the largest packet.
    pub async fn set_mtu(&self, link: &Link, mtu: u32) -> Result<(), NetlinkError> {
        self.change("set the mtu of", link, |message| message.mtu(mtu)).await
    }

    /// Makes an interface a port of `bridge`, taking it from any other.
    pub async fn enslave(&self, link: &Link, bridge: &Link) -> Result<(), NetlinkError> {
        self.change("add to the bridge", link, |message| message.controller(bridge.index)).await
    }

    /// Takes an interface from its bridge.
    pub async fn free(&self, link: &Link) -> Result<(), NetlinkError> {
        self.change("remove from the bridge", link, |message| message.nocontroller()).await
    }

    async fn change(
        &self,
        verb: &'static str,
        link: &Link,
        what: impl FnOnce(LinkMessageBuilder<LinkUnspec>) -> LinkMessageBuilder<LinkUnspec>,
    ) -> Result<(), NetlinkError> {
        let message = what(LinkUnspec::new_with_index(link.index)).build();
        self.handle.link().change(message).execute().await.map_err(|error| refused(verb, &link.name, error))
    }
}

/// Whether the kernel could have an interface of that name.
pub fn is_name(name: &str) -> bool {
    let odd = |byte: u8| byte == b'/' || byte == b':' || byte.is_ascii_whitespace() || byte == 0;
    !name.is_empty() && name.len() <= NAME_MAX && name != "." && name != ".." && !name.bytes().any(odd)
}

fn link(message: LinkMessage) -> Link {
    let on = message.header.flags.contains(LinkFlags::Up);
    let mut link = Link {
        index: message.header.index,
        name: String::new(),
        mtu: 0,
        controller: None,
        address: Vec::new(),
        kind: Kind::Other,
        switch: if on { Switch::On } else { Switch::Off },
        carrier: match message.header.flags.contains(LinkFlags::LowerUp) {
            true => Carrier::There,
            false => Carrier::Lost,
        },
        below: None,
        layer: match message.header.link_layer_type {
            LinkLayerType::Ether => Layer::Ethernet,
            _ => Layer::Other,
        },
    };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Controller(index) => link.controller = Some(index),
            LinkAttribute::Address(address) => link.address = address,
            LinkAttribute::Link(index) => link.below = Some(index),
            LinkAttribute::LinkInfo(infos) => link.kind = kind(&infos),
            _ => {}
        }
    }
    link
}

fn kind(infos: &[LinkInfo]) -> Kind {
    let filters = |info: &LinkInfo| match info {
        LinkInfo::Data(InfoData::Bridge(options)) => options.contains(&InfoBridge::VlanFiltering(true)),
        _ => false,
    };
    match (infos.contains(&LinkInfo::Kind(InfoKind::Bridge)), infos.iter().any(filters)) {
        (true, true) => Kind::VlanBridge,
        (true, false) => Kind::Bridge,
        (false, _) => Kind::Other,
    }
}

fn errno(error: &rtnetlink::Error) -> Option<i32> {
    match error {
        rtnetlink::Error::NetlinkError(message) => Some(message.raw_code().abs()),
        _ => None,
    }
}

fn refused(verb: &'static str, interface: &str, error: rtnetlink::Error) -> NetlinkError {
    let source = match errno(&error) {
        Some(code) => io::Error::from_raw_os_error(code),
        None => io::Error::other(error),
    };
    NetlinkError::Refused { verb, interface: interface.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{in_network_namespace, ip};
    use std::future::Future;

    /// Runs `body` with the links of a fresh namespace that has `xenbr0`, `another` and a pair `vif5.0`, `peer`.
    fn with_links<F: Future<Output = ()>>(body: impl FnOnce(Links) -> F + Send + 'static) {
        in_network_namespace(|| {
            ip("link add xenbr0 type bridge");
            ip("link add another type bridge");
            ip("link add vif5.0 type veth peer name peer");
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { body(Links::open().unwrap()).await });
        });
    }

    #[test]
    fn interfaces_are_found_by_name_and_bridges_known_as_such() {
        with_links(async |links| {
            let bridge = links.find("xenbr0").await.unwrap().unwrap();
            assert_eq!((bridge.kind, bridge.mtu, bridge.name.as_str()), (Kind::Bridge, 1500, "xenbr0"));
            assert_eq!(links.find("vif5.0").await.unwrap().unwrap().kind, Kind::Other);
            for absent in ["vif5.1", "", "a name", "a/b", "..", "sixteen-bytes-xx", "x\0y"] {
                assert_eq!(links.find(absent).await.unwrap(), None, "{absent:?}");
            }
        });
    }

    #[test]
    fn the_first_bridge_is_the_first_of_the_alphabet() {
        with_links(async |links| {
            assert_eq!(links.first_bridge().await.unwrap().unwrap().name, "another");
        });
        in_network_namespace(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let first = runtime.block_on(async { Links::open().unwrap().first_bridge().await.unwrap() });
            assert_eq!(first, None);
        });
    }

    #[test]
    fn a_port_changes_its_bridge_address_size_name_and_switch() {
        with_links(async |links| {
            let vif = links.find("vif5.0").await.unwrap().unwrap();
            let bridge = links.find("xenbr0").await.unwrap().unwrap();
            links.set_address(&vif, &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff]).await.unwrap();
            links.set_mtu(&vif, 1400).await.unwrap();
            links.enslave(&vif, &links.find("another").await.unwrap().unwrap()).await.unwrap();
            links.enslave(&vif, &bridge).await.unwrap();
            links.rename(&vif, "mail0").await.unwrap();
            links.switch(&vif, Switch::On).await.unwrap();
            let port = links.find("mail0").await.unwrap().unwrap();
            assert_eq!(port.index, vif.index);
            assert_eq!(port.controller, Some(bridge.index));
            assert_eq!(port.address, [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff]);
            assert_eq!((port.mtu, port.switch), (1400, Switch::On));
            links.free(&port).await.unwrap();
            links.switch(&port, Switch::Off).await.unwrap();
            let free = links.find("mail0").await.unwrap().unwrap();
            assert_eq!((free.controller, free.switch), (None, Switch::Off));
        });
    }

    #[test]
    fn flushing_takes_every_address_of_this_interface_only() {
        with_links(async |links| {
            for address in ["192.0.2.1/24", "192.0.2.2/24", "198.51.100.1/32", "2001:db8::1/64"] {
                ip(&format!("address add {address} dev vif5.0"));
            }
            ip("address add 192.0.2.9/24 dev xenbr0");
            let vif = links.find("vif5.0").await.unwrap().unwrap();
            links.flush(&vif).await.unwrap();
            assert_eq!(ip("-brief address show dev vif5.0").split_whitespace().nth(2), None);
            assert!(ip("-brief address show dev xenbr0").contains("192.0.2.9/24"));
            links.flush(&vif).await.unwrap();
        });
    }

    #[test]
    fn an_interface_that_comes_late_is_waited_for() {
        with_links(async |links| {
            let wait = async { links.wait_for("vif6.0", Duration::from_secs(20)).await.unwrap() };
            let make = async {
                tokio::task::yield_now().await;
                ip("link add vif6.0 type veth peer name peer6");
            };
            let (found, ()) = tokio::join!(wait, make);
            assert_eq!(found.unwrap().name, "vif6.0");
            assert_eq!(links.wait_for("vif7.0", Duration::ZERO).await.unwrap(), None);
        });
    }

    #[test]
    fn a_refusal_names_the_interface_and_the_cause() {
        with_links(async |links| {
            let gone = Link { index: 4711, ..links.find("vif5.0").await.unwrap().unwrap() };
            let error = links.switch(&gone, Switch::On).await.unwrap_err();
            assert_eq!(error.to_string(), "cannot switch on vif5.0");
            let source = std::error::Error::source(&error).unwrap().to_string();
            assert!(source.contains("No such device"), "{source}");
        });
    }
}
