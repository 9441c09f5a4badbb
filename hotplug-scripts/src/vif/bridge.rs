//! Which bridge an interface belongs to.

use super::{Port, VifError};
use crate::netlink::{Kind, Link};
use xenstore::paths::node::vif::BRIDGE;

/// The name that the store, an argument or the environment gives; the store wins.
pub(super) async fn asked_for(port: &Port<'_>) -> Result<Option<String>, VifError> {
    let stored = port.backend.read(BRIDGE).await?.filter(|name| !name.is_empty());
    Ok(stored.or_else(|| port.call.variable("bridge").map(str::to_owned)))
}

/// The bridge itself: the one asked for, else the host's first.
pub(super) async fn choose(port: &Port<'_>) -> Result<Link, VifError> {
    let Some(name) = asked_for(port).await? else {
        return port.links.first_bridge().await?.ok_or(VifError::NoBridge);
    };
    if let Some(link) = port.links.find(&name).await? {
        return if link.kind == Kind::Bridge { Ok(link) } else { Err(VifError::NotBridge { name }) };
    }
    let renamed = match later_name(&name) {
        Some(later) => port.links.find(&later).await?,
        None => None,
    };
    renamed.filter(|link| link.kind == Kind::Bridge).ok_or(VifError::BridgeMissing { name })
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
}
