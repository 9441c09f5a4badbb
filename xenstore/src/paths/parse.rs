//! From a path, as a watch or a neighbour tells it, back to what it is about.
//!
//! Paths may come from a guest (`device/…/backend` is the guest's to write): numbers are read strictly, so that
//! two texts never mean the same object, and the caller compares what it got with its own table.

use super::{DOMAINS, VMS};

/// A path inside a backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackendPath<'a> {
    /// The serving domain.
    pub backend_domid: u16,
    /// The class as stored: `vbd` for `tap2` too.
    pub class: &'a str,
    /// The domain that is served.
    pub domid: u16,
    /// The device's number.
    pub devid: u32,
    /// What follows the backend's directory: empty, or a node's name.
    pub node: &'a str,
}

/// A path inside a frontend.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrontendPath<'a> {
    /// The domain whose frontend it is.
    pub domid: u16,
    /// The class as stored: `vbd` for `tap` and `tap2` too.
    pub class: &'a str,
    /// The device's number.
    pub devid: u32,
    /// What follows the frontend's directory: empty, or a node's name.
    pub node: &'a str,
}

/// Reads a path in or below a domain's directory: the domain, and what follows.
#[must_use]
pub fn parse_domain(path: &str) -> Option<(u16, &str)> {
    let rest = path.strip_prefix(DOMAINS)?.strip_prefix('/')?;
    let (domid, rest) = first(rest);
    Some((number(domid)?, rest))
}

/// Reads a path in or below `/vm`: the directory's name (a UUID, perhaps with `-N`), and what follows.
#[must_use]
pub fn parse_vm(path: &str) -> Option<(&str, &str)> {
    let rest = path.strip_prefix(VMS)?.strip_prefix('/')?;
    let (name, rest) = first(rest);
    (!name.is_empty()).then_some((name, rest))
}

/// Reads a path in or below a frontend.
#[must_use]
pub fn parse_frontend(path: &str) -> Option<FrontendPath<'_>> {
    let (domid, rest) = parse_domain(path)?;
    let (class, rest) = first(rest.strip_prefix("device/")?);
    let (devid, node) = first(rest);
    let class = (!class.is_empty()).then_some(class)?;
    Some(FrontendPath { domid, class, devid: number(devid)?, node })
}

/// Reads a path in or below a backend.
#[must_use]
pub fn parse_backend(path: &str) -> Option<BackendPath<'_>> {
    let (backend_domid, rest) = parse_domain(path)?;
    let (class, rest) = first(rest.strip_prefix("backend/")?);
    let (domid, rest) = first(rest);
    let (devid, node) = first(rest);
    let class = (!class.is_empty()).then_some(class)?;
    Some(BackendPath { backend_domid, class, domid: number(domid)?, devid: number(devid)?, node })
}

/// Reads a path in or below xend's table of devices: class, device number, and what follows.
#[must_use]
pub fn parse_vm_device(path: &str) -> Option<(&str, u32, &str)> {
    let (_, rest) = parse_vm(path)?;
    let (class, rest) = first(rest.strip_prefix("device/")?);
    let (devid, node) = first(rest);
    let class = (!class.is_empty()).then_some(class)?;
    Some((class, number(devid)?, node))
}

fn first(path: &str) -> (&str, &str) {
    path.split_once('/').unwrap_or((path, ""))
}

/// Only the shortest form counts: `7`, not `07` or `+7`.
fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    if is_plain { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::{backend, frontend, join, vm_device};
    use super::*;

    #[test]
    fn a_path_that_was_made_here_reads_back() {
        let path = join(&backend(3, "vif", 7, 2), "hotplug-status");
        let expected =
            BackendPath { backend_domid: 3, class: "vif", domid: 7, devid: 2, node: "hotplug-status" };
        assert_eq!(parse_backend(&path), Some(expected));
        assert_eq!(parse_backend(&backend(3, "vif", 7, 2)), Some(BackendPath { node: "", ..expected }));
        let path = join(&frontend(7, "vbd", 51728), "state");
        let expected = FrontendPath { domid: 7, class: "vbd", devid: 51728, node: "state" };
        assert_eq!(parse_frontend(&path), Some(expected));
        assert_eq!(parse_vm_device(&vm_device("/vm/u-1", "vbd", 1)), Some(("vbd", 1, "")));
        assert_eq!(parse_vm("/vm/u-1/name"), Some(("u-1", "name")));
    }

    #[test]
    fn what_is_no_such_path_is_nothing() {
        for path in [
            "",
            "/",
            "/local/domain",
            "/local/domain/",
            "/local/domain/x/backend/vif/7/0",
            "/local/domain/0/backend/vif/7",
            "/local/domain/0/backend/vif/07/0",
            "/local/domain/0/backend/vif/7/+1",
            "/local/domain/0/backend//7/0",
            "/local/domain/65536/backend/vif/7/0",
            "/local/domain/-1/backend/vif/7/0",
            "/local/domain/0/backend/vif/7/99999999999",
            "backend/vif/7/0",
            "/local/domain0/backend/vif/7/0",
        ] {
            assert_eq!(parse_backend(path), None, "{path:?}");
            assert_eq!(parse_frontend(path), None, "{path:?}");
        }
        assert_eq!((parse_vm("/vm"), parse_vm("/vm/"), parse_vm("/vmx/u")), (None, None, None));
    }
}
