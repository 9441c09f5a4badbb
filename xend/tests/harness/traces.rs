//! What a domain may leave behind: taken before and after, it must be the same.

use std::{collections::BTreeSet, fs};

use hypervisor::{DomId, Domains, Host as _};

use super::Host;

/// The folder of the store that stays once it has been made; what is in it counts.
const LASTING: &str = "/vm";
/// Ports of dom0 that are looked at.
const PORTS: u32 = 256;

/// Everything on a host that a domain could leave.
#[derive(Clone, PartialEq, Eq)]
pub struct Traces {
    domains: Vec<u16>,
    free_pages: u64,
    claimed_pages: u64,
    dom0_ports: Vec<u32>,
    introduced: Vec<u16>,
    nodes: BTreeSet<String>,
    records: BTreeSet<String>,
}

impl Traces {
    pub fn of(host: &Host) -> Self {
        let machine = host.machine();
        // A fault that was meant for the daemon may strike us.
        let info = machine.phys_info().or_else(|_| machine.phys_info()).unwrap();
        let infos = machine.list().or_else(|_| machine.list()).unwrap();
        let snapshot = host.server().snapshot();
        let nodes = snapshot.nodes().into_iter().filter(|node| node.path != LASTING);
        let records = fs::read_dir(host.places.records()).into_iter().flatten();
        Self {
            domains: infos.iter().map(|info| info.domid.0).collect(),
            free_pages: info.free_pages,
            claimed_pages: info.outstanding_pages,
            dom0_ports: (1..PORTS).filter(|port| machine.port_link(DomId::DOM0, *port).is_some()).collect(),
            introduced: host.server().introduced().iter().map(|known| known.domid).collect(),
            nodes: nodes
                .map(|node| format!("{} = {} ({})", node.path, node.value.escape_ascii(), node.permissions))
                .collect(),
            records: records.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect(),
        }
    }

    /// What differs, for people.
    pub fn difference(&self, now: &Self) -> String {
        let lines = |title: &str, before: &BTreeSet<String>, now: &BTreeSet<String>| {
            let new = now.difference(before).map(|line| format!("\n  new {title} {line}"));
            let gone = before.difference(now).map(|line| format!("\n  lost {title} {line}"));
            new.chain(gone).collect::<String>()
        };
        let mut text = format!(
            "before: domains {:?}, {} pages free, {} claimed, ports {:?}, introduced {:?}\n   now: domains {:?}, {} pages \
             free, {} claimed, ports {:?}, introduced {:?}",
            self.domains,
            self.free_pages,
            self.claimed_pages,
            self.dom0_ports,
            self.introduced,
            now.domains,
            now.free_pages,
            now.claimed_pages,
            now.dom0_ports,
            now.introduced,
        );
        text.push_str(&lines("node", &self.nodes, &now.nodes));
        text.push_str(&lines("record", &self.records, &now.records));
        text
    }
}
