//! Whether a guest is kept to its own addresses, and the rules that do so.

use super::parameters::Parameters;
use super::{Port, VifError};
use crate::antispoof::{self, Guest, ROUTED};
use crate::nft::{Nft, Table};

/// Where a guest's frames come in.
pub(super) enum Entrance<'a> {
    /// A port of this bridge.
    Bridge(&'a str),
    /// Dom0 routes for it.
    Routing,
}

impl Entrance<'_> {
    fn table(&self) -> Table {
        match self {
            Entrance::Bridge(_) => Table::Bridged,
            Entrance::Routing => Table::Routed,
        }
    }
}

/// Sets the rules, if they are asked for: by the network script, or by `antispoof=yes` at the vif script.
pub(super) fn admit(
    port: &Port<'_>,
    entrance: &Entrance<'_>,
    dev: &str,
    parameters: &Parameters,
) -> Result<(), VifError> {
    let guarded = match entrance {
        Entrance::Bridge(bridge) => antispoof::is_guarded(port.host, bridge),
        Entrance::Routing => antispoof::is_guarded(port.host, ROUTED),
    };
    if !guarded && port.call.variable("antispoof") != Some("yes") {
        return Ok(());
    }
    port.faults.reach("set the rules of the interface")?;
    let guest = Guest { dev, mac: parameters.mac, networks: &parameters.networks };
    Ok(antispoof::admit(port.host, &Nft::of(port.call), entrance.table(), &guest)?)
}

/// Removes them.
pub(super) fn dismiss(port: &Port<'_>, dev: &str) {
    for table in [Table::Bridged, Table::Routed] {
        if let Err(error) = antispoof::dismiss(port.host, &Nft::of(port.call), table, dev) {
            port.log.error(&format!("rules of {dev} stay: {error}"));
        }
    }
}
