//! Network addresses of interfaces: listed, carried from one interface to another, kept in a file meanwhile.
//!
//! An address is kept as the kernel told it, byte for byte: label, lifetimes, scope and metric come back too.

use super::{Link, Links, NetlinkError, errno, hex, refused};
use futures_util::TryStreamExt;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressFlags, AddressHeaderFlags, AddressMessage, AddressScope,
};
use rtnetlink::packet_core::{Emitable, Parseable};
use std::fmt;
use std::net::IpAddr;

/// Bit of an IPv6 address that the kernel made up for privacy; it makes another by itself.
const TEMPORARY: u32 = 0x01;

/// A network address of an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    message: AddressMessage,
}

impl Address {
    /// The address alone.
    pub fn ip(&self) -> Option<IpAddr> {
        let mut address = None;
        for attribute in &self.message.attributes {
            match attribute {
                // Of a point-to-point link `Address` is the other end.
                AddressAttribute::Local(local) => return Some(*local),
                AddressAttribute::Address(one) => address = Some(*one),
                _ => {}
            }
        }
        address
    }

    /// The interface that has it.
    pub fn interface(&self) -> u32 {
        self.message.header.index
    }

    /// Whether it is good for this link only: the kernel makes one of IPv6 by itself.
    pub fn is_link_local(&self) -> bool {
        matches!(self.ip(), Some(IpAddr::V6(ip)) if ip.is_unicast_link_local())
    }

    /// Whether packets to other hosts may come from it.
    pub fn is_global(&self) -> bool {
        self.message.header.scope == AddressScope::Universe
    }

    /// Whether the kernel made it up and will make another.
    pub fn is_temporary(&self) -> bool {
        self.message.header.family == AddressFamily::Inet6 && self.flags().bits() & TEMPORARY != 0
    }

    /// As text for a file.
    pub fn to_hex(&self) -> String {
        let mut bytes = vec![0; self.message.buffer_len()];
        self.message.emit(&mut bytes);
        hex::encode(&bytes)
    }

    /// From such a text.
    pub fn from_hex(text: &str) -> Option<Self> {
        let message = AddressMessage::parse(&hex::decode(text)?).ok()?;
        Some(Address { message })
    }

    fn flags(&self) -> AddressFlags {
        let long = self.message.attributes.iter().find_map(|attribute| match attribute {
            AddressAttribute::Flags(flags) => Some(*flags),
            _ => None,
        });
        long.unwrap_or(AddressFlags::from_bits_retain(self.message.header.flags.bits().into()))
    }

    /// The same address for another interface; a label that begins with the old one's name follows.
    fn for_interface(&self, index: u32, names: (&str, &str), extra: AddressFlags) -> AddressMessage {
        let keep = AddressFlags::Managetempaddr | AddressFlags::Noprefixroute | AddressFlags::Mcautojoin;
        let flags = (self.flags() & (keep | AddressFlags::Homeaddress | AddressFlags::Nodad)) | extra;
        let mut message = self.message.clone();
        message.header.index = index;
        message.header.flags = AddressHeaderFlags::from_bits_truncate(flags.bits().to_le_bytes()[0]);
        for attribute in &mut message.attributes {
            match attribute {
                AddressAttribute::Flags(all) => *all = flags,
                AddressAttribute::Label(label) => *label = relabelled(label, names),
                _ => {}
            }
        }
        // Tools rely on it that a label begins with the interface's name.
        message
            .attributes
            .retain(|attribute| !matches!(attribute, AddressAttribute::Label(label) if label.is_empty()));
        message
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip() {
            Some(ip) => write!(f, "{ip}/{}", self.message.header.prefix_len),
            None => f.write_str("an address"),
        }
    }
}

/// `eth0:1` becomes `xenbr0:1`; empty when that is too long for a label.
fn relabelled(label: &str, (from, to): (&str, &str)) -> String {
    match label.strip_prefix(from) {
        Some(rest) if rest.is_empty() || rest.starts_with(':') => {
            let label = format!("{to}{rest}");
            if label.len() <= super::NAME_MAX { label } else { String::new() }
        }
        _ => label.to_owned(),
    }
}

impl Links {
    /// Every address of the host, in the kernel's order.
    pub async fn addresses(&self) -> Result<Vec<Address>, NetlinkError> {
        let all: Vec<AddressMessage> = self
            .handle
            .address()
            .get()
            .execute()
            .try_collect()
            .await
            .map_err(|error| refused("list the addresses of", "all interfaces", error))?;
        Ok(all.into_iter().map(|message| Address { message }).collect())
    }

    /// Gives `link` an address that an interface called `from` had. Having it already is fine.
    ///
    /// Nobody else can have got it meanwhile, so IPv6 does not ask around for a second before it may be used.
    pub async fn carry_address(
        &self,
        address: &Address,
        link: &Link,
        from: &str,
    ) -> Result<(), NetlinkError> {
        let names = (from, link.name.as_str());
        let is_v6 = address.message.header.family == AddressFamily::Inet6;
        let extra = if is_v6 { AddressFlags::Nodad } else { AddressFlags::empty() };
        let had = self.put_address(address.for_interface(link.index, names, extra), link, Put::New).await?;
        if is_v6 && !had && !address.flags().contains(AddressFlags::Nodad) {
            let plain = address.for_interface(link.index, names, AddressFlags::empty());
            self.put_address(plain, link, Put::Changed).await?;
        }
        Ok(())
    }

    /// Gives `link` an address of its own. Having it already is fine.
    pub async fn add_address(&self, link: &Link, ip: IpAddr, prefix: u8) -> Result<(), NetlinkError> {
        match self.handle.address().add(link.index, ip, prefix).execute().await {
            Err(error) if errno(&error) == Some(libc::EEXIST) => Ok(()),
            done => done.map_err(|error| refused("add an address to", &link.name, error)),
        }
    }

    /// Takes an address from its interface. Being gone already is fine.
    pub async fn remove_address(&self, address: &Address) -> Result<(), NetlinkError> {
        match self.handle.address().del(address.message.clone()).execute().await {
            // Gone with the address before it: removing a first address takes its secondaries along.
            Err(error) if errno(&error) == Some(libc::EADDRNOTAVAIL) => Ok(()),
            done => done.map_err(|error| refused("remove the address", &address.to_string(), error)),
        }
    }

    /// Removes every network address of an interface.
    pub async fn flush(&self, link: &Link) -> Result<(), NetlinkError> {
        let fail = |error| refused("flush the addresses of", &link.name, error);
        let mut request = self.handle.address().get().set_link_index_filter(link.index);
        request.message_mut().header.index = link.index;
        let addresses: Vec<AddressMessage> = request.execute().try_collect().await.map_err(fail)?;
        for message in addresses {
            self.remove_address(&Address { message }).await?;
        }
        Ok(())
    }

    /// Whether it was there already.
    async fn put_address(
        &self,
        message: AddressMessage,
        link: &Link,
        how: Put,
    ) -> Result<bool, NetlinkError> {
        let unspecified = IpAddr::from([0; 4]);
        let mut request = self.handle.address().add(link.index, unspecified, 0);
        *request.message_mut() = message;
        let request = if how == Put::Changed { request.replace() } else { request };
        match request.execute().await {
            Err(error) if errno(&error) == Some(libc::EEXIST) => Ok(true),
            done => done.map(|()| false).map_err(|error| refused("add an address to", &link.name, error)),
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Put {
    New,
    Changed,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_follows_its_interface_where_it_fits() {
        let names = ("eth0", "a-bridge-name");
        assert_eq!(relabelled("eth0", names), "a-bridge-name");
        assert_eq!(relabelled("eth0:1", names), "a-bridge-name:1");
        assert_eq!(relabelled("eth0:long", names), "");
        assert_eq!(relabelled("eth01", names), "eth01");
    }
}
