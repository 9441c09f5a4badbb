//! The daemon's SXP of a domain as the tables show it.

use xend_api::Sxp;

use super::Session;
use crate::report::Failure;

/// What the tables show of a domain.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Domain {
    /// Its name.
    pub(super) name: String,
    /// Its number; a managed domain that is not running has none.
    pub(super) domid: Option<i64>,
    /// Its memory in MiB.
    pub(super) memory_mib: i64,
    /// Its virtual processors: those online, or those that it would have.
    pub(super) vcpus: i64,
    /// Six letters, or nothing.
    pub(super) state: String,
    /// Processor time in seconds.
    pub(super) cpu_seconds: f64,
    /// When it was started, in seconds since 1970.
    pub(super) started: Option<f64>,
    /// Its CPU pool.
    pub(super) pool: String,
    /// Its security label.
    pub(super) label: String,
}

impl Domain {
    /// Reads a domain; members that are missing count as 0 or nothing.
    pub(super) fn read(sxp: &Sxp) -> Self {
        let int = |name: &str| sxp.value(name).and_then(number).map(|n| n.round() as i64);
        let text = |name: &str| sxp.value(name).and_then(Sxp::atom).unwrap_or_default();
        let domid = sxp.value("domid").and_then(Sxp::int).filter(|domid| *domid >= 0);
        let online = int("online_vcpus").filter(|_| domid.is_some());
        Self {
            name: text("name"),
            domid,
            memory_mib: int("memory").unwrap_or(0),
            vcpus: online.or_else(|| int("vcpus")).unwrap_or(0),
            state: text("state"),
            cpu_seconds: sxp.value("cpu_time").and_then(number).unwrap_or(0.0),
            started: sxp.value("start_time").and_then(number),
            pool: text("pool_name"),
            label: text("security_label"),
        }
    }

    /// The number as text, empty without one.
    pub(super) fn domid_text(&self) -> String {
        self.domid.map(|domid| domid.to_string()).unwrap_or_default()
    }
}

fn number(sxp: &Sxp) -> Option<f64> {
    match sxp {
        Sxp::Int(n) => Some(*n as f64),
        Sxp::Float(n) => Some(*n),
        Sxp::Text(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// How much the daemon tells of a domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detail {
    /// What the tables need.
    Short,
    /// With devices.
    Full,
}

impl Detail {
    fn flag(self) -> Sxp {
        Sxp::Bool(self == Self::Full)
    }
}

/// The named domains in that order, or all in a state, sorted by name.
pub(super) fn fetch(
    session: &mut Session<'_>,
    names: &[String],
    state: &str,
    detail: Detail,
) -> Result<Vec<Sxp>, Failure> {
    if !names.is_empty() {
        let one = |name: &String| session.call("domain", [Sxp::from(name.as_str()), detail.flag()]);
        return names.iter().map(one).collect();
    }
    let params = [Sxp::Bool(true), Sxp::from(state), detail.flag()];
    let answer = session.call("domains_with_state", params)?;
    let mut domains = match answer {
        Sxp::List(domains) => domains,
        _ => Vec::new(),
    };
    domains.sort_by_cached_key(|domain| domain.value("name").and_then(Sxp::atom).unwrap_or_default());
    Ok(domains)
}

/// One domain, by any designator.
pub(super) fn fetch_one(session: &mut Session<'_>, designator: &str) -> Result<Domain, Failure> {
    let answer = session.call("domain", [Sxp::from(designator)])?;
    Ok(Domain::read(&answer))
}
