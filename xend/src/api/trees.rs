//! The trees of domains as clients see them.

use std::collections::BTreeMap;

use uuid::Uuid;
use xend_api::Sxp;

use crate::{
    domain::{Devices, DomainConfig, DomainTree, ManagedConfig, domain_tree, state_letters},
    manager::{Inactive, Known, Listed, Owner},
};

/// The tree of a domain, whether it runs or not.
pub(super) fn tree_of_known(known: &Known, devices: Devices) -> Sxp {
    match known {
        Known::Live(listed) => tree_of(listed, devices),
        Known::Inactive(inactive) => inactive.config.shown(inactive.state, devices),
    }
}

/// The vcpus that a managed domain would have: none of them is anywhere.
pub(super) fn vcpus_of_inactive(inactive: &Inactive) -> Sxp {
    let config = &inactive.config;
    let vcpu = |number: i64| {
        let zero = ["online", "blocked", "running"].map(|key| Sxp::pair(key, 0));
        let mut pairs = vec![Sxp::pair("number", number)];
        pairs.extend(zero);
        pairs.extend([Sxp::pair("cpu_time", 0.0), Sxp::pair("cpu", -1)]);
        pairs.push(Sxp::pair("cpumap", config.cpus_of(number as usize)));
        Sxp::form("vcpu", pairs)
    };
    let mut tree = vec![
        Sxp::from("domain"),
        Sxp::pair("name", config.name.as_str()),
        Sxp::pair("vcpu_count", i64::from(config.vcpus)),
    ];
    tree.extend((0..i64::from(config.vcpus)).map(vcpu));
    Sxp::List(tree)
}

/// The tree of a live domain.
pub(super) fn tree_of(listed: &Listed, devices: Devices) -> Sxp {
    let facts = listed.facts();
    match &listed.owner {
        Owner::Ours(view) => domain_tree(&DomainTree {
            domid: listed.info.domid.0,
            config: &view.config,
            facts: &facts,
            start_time: Some(view.start_time),
            ring_mfns: view.rings,
            console_port: view.console_port,
            notes: &view.notes,
            vif_scripts: &view.vif_scripts,
            devices,
        }),
        Owner::Foreign { name, memory_mib } => domain_tree(&DomainTree {
            domid: listed.info.domid.0,
            config: &foreign_config(listed, name, *memory_mib),
            facts: &facts,
            start_time: None,
            ring_mfns: None,
            console_port: None,
            notes: &[],
            vif_scripts: &BTreeMap::new(),
            devices,
        }),
    }
}

/// `(row NAME DOMID MEM VCPUS STATE CPU_TIME START_TIME POOL LABEL)`, nil for what is not known.
pub(super) fn row_of(known: &Known) -> Sxp {
    match known {
        Known::Live(listed) => row_of_live(listed),
        Known::Inactive(inactive) => row_of_inactive(&inactive.config),
    }
}

/// It has no number, no state and no time.
fn row_of_inactive(config: &ManagedConfig) -> Sxp {
    Sxp::form(
        "row",
        [
            Sxp::from(config.name.as_str()),
            Sxp::Nil,
            Sxp::Int(config.memory_mib as i64),
            Sxp::Int(i64::from(config.vcpus)),
            Sxp::from(""),
            Sxp::from(0.0),
            Sxp::Nil,
            Sxp::from(config.pool()),
            Sxp::Nil,
        ],
    )
}

fn row_of_live(listed: &Listed) -> Sxp {
    let facts = listed.facts();
    let (memory_mib, start_time, pool) = match &listed.owner {
        Owner::Ours(view) => {
            let pool = view.config.plain_value("pool_name").cloned();
            (view.config.memory_mib, Sxp::from(view.start_time), pool)
        }
        Owner::Foreign { memory_mib, .. } => (*memory_mib, Sxp::Nil, None),
    };
    Sxp::form(
        "row",
        [
            Sxp::from(listed.name()),
            Sxp::Int(i64::from(listed.info.domid.0)),
            Sxp::Int(memory_mib as i64),
            Sxp::Int(i64::from(facts.online_vcpus)),
            Sxp::from(state_letters(&facts)),
            Sxp::from(facts.cpu_seconds),
            start_time,
            pool.unwrap_or_else(|| Sxp::from("Pool-0")),
            Sxp::Nil,
        ],
    )
}

/// What can be said of a domain whose configuration another tool keeps.
fn foreign_config(listed: &Listed, name: &str, memory_mib: u64) -> DomainConfig {
    let vcpus = listed.info.max_vcpu_id.map_or(listed.info.nr_online_vcpus, |highest| highest + 1);
    let uuid = if listed.info.domid.0 == 0 { Uuid::nil() } else { listed.info.uuid };
    let kind = if listed.info.flags.hvm { "hvm" } else { "linux" };
    DomainConfig::known_from_outside(uuid, name, memory_mib, memory_mib.max(max_mib(listed)), (vcpus, kind))
}

/// Domain 0 may have no limit, which Xen says as a number beyond all memory.
fn max_mib(listed: &Listed) -> u64 {
    let mib = listed.info.max_pages / 256;
    if mib > 16 << 20 { 0 } else { mib }
}
