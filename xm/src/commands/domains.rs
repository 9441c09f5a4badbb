//! The daemon's domains as the tables show them: whole trees, or rows where the daemon has them.
//!
//! A tree is some 6 KB on the wire, a row some 400 bytes. Rows are asked for by `"rows"` in the place of the flag that
//! asks for trees and not just names: to an original daemon that is as good as `True`, and it answers with trees.
//!
//! ```text
//!   (row NAME DOMID|nil MEMORY VCPUS STATE CPU_TIME START_TIME|nil POOL LABEL)
//! ```

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
    /// Reads a tree or a row; what is missing counts as 0 or nothing.
    pub(super) fn read(sxp: &Sxp) -> Self {
        if sxp.name() == Some(ROW) { Self::read_row(&sxp.items()[1..]) } else { Self::read_tree(sxp) }
    }

    fn read_row(row: &[Sxp]) -> Self {
        let text = |at: usize| row.get(at).and_then(Sxp::atom).unwrap_or_default();
        let number = |at: usize| row.get(at).and_then(number);
        let int = |at: usize| number(at).map(|n| n.round() as i64);
        Self {
            name: text(0),
            domid: int(1).filter(|domid| *domid >= 0),
            memory_mib: int(2).unwrap_or(0),
            vcpus: int(3).unwrap_or(0),
            state: text(4),
            cpu_seconds: number(5).unwrap_or(0.0),
            started: number(6),
            pool: text(7),
            label: text(8),
        }
    }

    fn read_tree(sxp: &Sxp) -> Self {
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

/// What a row begins with, and what asks for rows.
const ROW: &str = "row";
const ROWS: &str = "rows";

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
    let shape = match detail {
        Detail::Short => Sxp::from(ROWS),
        Detail::Full => Sxp::Bool(true),
    };
    let params = [shape, Sxp::from(state), detail.flag()];
    let answer = session.call("domains_with_state", params)?;
    let mut domains = match answer {
        Sxp::List(domains) => domains,
        _ => Vec::new(),
    };
    domains.sort_by_cached_key(|domain| Domain::read(domain).name);
    Ok(domains)
}

/// One domain, by any designator.
pub(super) fn fetch_one(session: &mut Session<'_>, designator: &str) -> Result<Domain, Failure> {
    let answer = session.call("domain", [Sxp::from(designator)])?;
    Ok(Domain::read(&answer))
}
