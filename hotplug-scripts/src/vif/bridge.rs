//! Which bridge an interface belongs to: `NAME`, or `NAME.TAG` for a VLAN, or `NAME[.TAG]:TAG:TAG…` for a trunk.

use super::{Port, VifError};
use crate::netlink::{Kind, Link, Vlan};
use xenstore::paths::node::vif::BRIDGE;

/// The name that the store, an argument or the environment gives; the store wins.
pub(super) async fn asked_for(port: &Port<'_>) -> Result<Option<String>, VifError> {
    let stored = port.backend.read(BRIDGE).await?.filter(|name| !name.is_empty());
    Ok(stored.or_else(|| port.call.variable("bridge").map(str::to_owned)))
}

/// A bridge, and the VLANs that were asked for with it.
#[derive(Clone, Debug)]
pub(super) struct Chosen {
    pub(super) bridge: Link,
    pub(super) vlan: Option<Vlan>,
}

/// The bridge itself: the one asked for, else the host's first.
pub(super) async fn choose(port: &Port<'_>) -> Result<Chosen, VifError> {
    let Some(name) = asked_for(port).await? else {
        let bridge = port.links.first_bridge().await?.ok_or(VifError::NoBridge)?;
        return Ok(Chosen { bridge, vlan: None });
    };
    match whole(port, name.clone()).await {
        Ok(bridge) => Ok(Chosen { bridge, vlan: None }),
        // A dot may be part of a bridge's own name, so the whole name comes first.
        Err(error @ VifError::BridgeMissing { .. }) => match with_vlan(&name) {
            Some((base, vlan)) => match whole(port, base.to_owned()).await? {
                bridge if bridge.kind == Kind::VlanBridge => Ok(Chosen { bridge, vlan: Some(vlan) }),
                bridge => Err(VifError::WithoutVlans { name, bridge: bridge.name }),
            },
            None => Err(error),
        },
        Err(error) => Err(error),
    }
}

async fn whole(port: &Port<'_>, name: String) -> Result<Link, VifError> {
    if let Some(link) = port.links.find(&name).await? {
        return if link.kind.is_bridge() { Ok(link) } else { Err(VifError::NotBridge { name }) };
    }
    let renamed = match later_name(&name) {
        Some(later) => port.links.find(&later).await?,
        None => None,
    };
    renamed.filter(|link| link.kind.is_bridge()).ok_or(VifError::BridgeMissing { name })
}

/// The bridge's name and the VLANs behind it.
pub(super) fn with_vlan(text: &str) -> Option<(&str, Vlan)> {
    let mut parts = text.split(':');
    let first = parts.next()?;
    let (base, own) = match first.rsplit_once('.') {
        Some((base, tag)) => (base, Some(tag_of(tag)?)),
        None => (first, None),
    };
    let tagged: Option<Vec<u16>> = parts.map(tag_of).collect();
    let vlan = Vlan { own, tagged: tagged? };
    (vlan != Vlan::default()).then_some((base, vlan))
}

fn tag_of(word: &str) -> Option<u16> {
    word.parse().ok().filter(|tag| (1..=4094).contains(tag))
}

/// Xen up to 3.1 called its bridges `xenbrN`; from 3.2 on `ethN` itself is the bridge. Old configurations stayed.
fn later_name(name: &str) -> Option<String> {
    name.strip_prefix("xenbr").map(|suffix| format!("eth{suffix}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_bridge_name_leads_to_the_interface_that_became_the_bridge() {
        assert_eq!(later_name("xenbr1").as_deref(), Some("eth1"));
        assert_eq!(later_name("br1"), None);
    }

    #[test]
    fn vlans_stand_behind_the_name() {
        let vlan = |own, tagged: &[u16]| Vlan { own, tagged: tagged.to_vec() };
        assert_eq!(with_vlan("xenbr0.100"), Some(("xenbr0", vlan(Some(100), &[]))));
        assert_eq!(with_vlan("br.a.7:8:9"), Some(("br.a", vlan(Some(7), &[8, 9]))));
        assert_eq!(with_vlan("ovs:8"), Some(("ovs", vlan(None, &[8]))));
        for plain in ["xenbr0", "xenbr0.", "xenbr0.0", "xenbr0.4095", "xenbr0.x", "xenbr0.1:x"] {
            assert_eq!(with_vlan(plain), None, "{plain}");
        }
    }
}
