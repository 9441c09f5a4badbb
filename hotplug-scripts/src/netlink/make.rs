//! Interfaces of our own: bridges and pairs, and a port's VLANs.

use super::{Link, Links, NetlinkError, errno, refused};
use netlink_packet_route::link::{BridgeStpState, BridgeVlanInfoFlags};
use rtnetlink::{LinkBridge, LinkBridgeVlan, LinkMessageBuilder, LinkVeth};

/// The VLANs of a bridge's port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vlan {
    /// What the port sends and gets without a tag belongs to this one.
    pub own: Option<u16>,
    /// What it sends and gets with a tag.
    pub tagged: Vec<u16>,
}

impl Links {
    /// Makes a bridge, switched off, that forwards at once. Without an address it takes one of its ports'.
    pub async fn make_bridge(
        &self,
        name: &str,
        mtu: u32,
        address: Option<&[u8]>,
    ) -> Result<(), NetlinkError> {
        let mut message = LinkMessageBuilder::<LinkBridge>::new(name)
            .forward_delay(0)
            .stp_state(BridgeStpState::Disabled)
            .mtu(mtu);
        if let Some(address) = address {
            message = message.address(address.to_vec());
        }
        let message = message.build();
        let made = self.handle.link().add(message).execute().await;
        made.map_err(|error| refused("make the bridge", name, error))
    }

    /// Makes two interfaces that are each other's cable, switched off.
    pub async fn make_pair(&self, name: &str, peer: &str) -> Result<(), NetlinkError> {
        let message = LinkMessageBuilder::<LinkVeth>::new(name, peer).build();
        let made = self.handle.link().add(message).execute().await;
        made.map_err(|error| refused("make the pair", name, error))
    }

    /// Removes an interface. Being gone is fine.
    pub async fn remove(&self, link: &Link) -> Result<(), NetlinkError> {
        match self.handle.link().del(link.index).execute().await {
            Err(error) if errno(&error) == Some(libc::ENODEV) => Ok(()),
            done => done.map_err(|error| refused("remove", &link.name, error)),
        }
    }

    /// Puts a port of a bridge that tells VLANs apart into its own ones.
    pub async fn set_vlan(&self, port: &Link, vlan: &Vlan) -> Result<(), NetlinkError> {
        let fail = |error| refused("set the VLANs of", &port.name, error);
        // The bridge put the port into its default one.
        let first = LinkBridgeVlan::new(port.index).vlan(1, BridgeVlanInfoFlags::empty()).build();
        match self.handle.link().del_with_message(first).execute().await {
            Err(error) if matches!(errno(&error), Some(libc::ENOENT | libc::EINVAL)) => {}
            done => done.map_err(fail)?,
        }
        let mut message = LinkBridgeVlan::new(port.index);
        if let Some(own) = vlan.own {
            message = message.vlan(own, BridgeVlanInfoFlags::Pvid | BridgeVlanInfoFlags::Untagged);
        }
        for tag in &vlan.tagged {
            message = message.vlan(*tag, BridgeVlanInfoFlags::empty());
        }
        self.handle.link().set(message.build()).execute().await.map_err(fail)
    }
}
