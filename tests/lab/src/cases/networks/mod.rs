//! The networks of the handbooks with a real guest, and the neighbour as the world outside.
//!
//! ```text
//!   guest ── vif ── (bridge, routes, masquerading) ── eth0, eth1 ── neighbour
//! ```
//!
//! Each case begins with a host as it is without Xen, two cards with addresses and no bridge, lets the daemon make its
//! network ready, and wants the host to be as before when the script has been stopped.

mod bridges;
mod field;
mod ground;
mod routes;

use super::{Case, Needs};

pub(super) const CASES: &[Case] = &[
    Case {
        name: "a_bridged_guest_reaches_the_world_and_cannot_pretend_to_be_another",
        needs: Needs::Xend,
        run: bridges::one,
    },
    Case { name: "two_bridges_of_a_wrapper_with_a_rate_and_a_vlan", needs: Needs::Xend, run: bridges::two },
    Case { name: "a_guest_behind_routes_and_masquerading", needs: Needs::Xend, run: routes::both },
    Case { name: "a_guest_on_a_bond_and_on_open_vswitch", needs: Needs::Xend, run: field::both },
];
