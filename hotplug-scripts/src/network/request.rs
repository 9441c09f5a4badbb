//! What a call of `network-bridge` asks for, checked before anything is looked at or changed.

use super::NetworkError;
use crate::invocation::Invocation;
use crate::netlink::is_name;

/// The bridge's name that asks for nothing.
pub(super) const NO_BRIDGE: &str = "null";
/// What an interface without a default route is taken to be.
pub(super) const USUAL: &str = "eth0";

/// Which interfaces there are afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    /// Xen 3.2 and later: the bridge has dom0's addresses.
    Bridge,
    /// Xen up to 3.1: dom0 speaks over a pair whose other end is a port of the bridge.
    Pair,
}

/// Whether the bridge keeps guests to their own addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Antispoof {
    /// Yes.
    On,
    /// No.
    Off,
}

/// A call of `network-bridge`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    pub(super) netdev: String,
    pub(super) pdev: String,
    pub(super) bridge: String,
    /// Whether the caller named the bridge.
    pub(super) is_named: bool,
    pub(super) layout: Layout,
    pub(super) antispoof: Antispoof,
    /// Names of the pair, for `Layout::Pair`.
    pub(super) pair: (String, String),
}

impl Request {
    /// Reads a call. `usual` is the interface of the host's default route.
    pub(super) fn of(call: &Invocation, usual: &str) -> Result<Self, NetworkError> {
        let netdev = call.variable("netdev").unwrap_or(usual).to_owned();
        let named = call.variable("bridge");
        let pdev = format!("p{netdev}");
        let number = vif_number(call, &netdev)?;
        let layout = layout(call)?;
        // Each of the two versions of Xen had a name of its own for it.
        let usual = match layout {
            Layout::Bridge => netdev.clone(),
            Layout::Pair => format!("xenbr{number}"),
        };
        let bridge = named.map_or(usual, str::to_owned);
        let request = Request {
            layout,
            antispoof: antispoof(call)?,
            pair: (format!("veth{number}"), format!("vif0.{number}")),
            is_named: named.is_some(),
            netdev,
            pdev,
            bridge,
        };
        check_name("netdev", &request.netdev)?;
        check_name("bridge", &request.bridge)?;
        if !is_name(&request.pdev) {
            let reason = "with the p that is put in front it is longer than 15 characters";
            return Err(parameter("netdev", &request.netdev, reason));
        }
        if request.layout == Layout::Pair && request.bridge == request.netdev {
            let reason = "layout=3.1 needs a bridge of another name than netdev, such as xenbr0";
            return Err(parameter("bridge", &request.bridge, reason));
        }
        Ok(request)
    }
}

/// Whether a script is to keep guests to their own addresses.
pub(super) fn antispoof(call: &Invocation) -> Result<Antispoof, NetworkError> {
    match call.variable("antispoof") {
        None | Some("no") => Ok(Antispoof::Off),
        Some("yes") => Ok(Antispoof::On),
        Some(other) => Err(parameter("antispoof", other, "it is yes or no")),
    }
}

/// That `value` can be the name of an interface.
pub(super) fn check_name(name: &'static str, value: &str) -> Result<(), NetworkError> {
    if is_name(value) {
        return Ok(());
    }
    Err(parameter(name, value, "an interface's name has 1 to 15 characters, no blank, no slash and no colon"))
}

/// A parameter that is not what it must be.
pub(super) fn parameter(name: &'static str, value: &str, reason: &'static str) -> NetworkError {
    NetworkError::Parameter { name, value: value.to_owned(), reason }
}

fn layout(call: &Invocation) -> Result<Layout, NetworkError> {
    match call.variable("layout") {
        None | Some("3.2") => Ok(Layout::Bridge),
        Some("3.1") => Ok(Layout::Pair),
        Some(other) => Err(parameter("layout", other, "it is 3.2 (the bridge has the addresses) or 3.1")),
    }
}

/// `vifnum=`, which names the pair and the bridge of Xen 3.1, or the digits of the interface's name.
fn vif_number(call: &Invocation, netdev: &str) -> Result<u32, NetworkError> {
    let digits: String = netdev.chars().filter(char::is_ascii_digit).collect();
    match call.variable("vifnum") {
        Some(value) => value.parse().map_err(|_| parameter("vifnum", value, "it is a number")),
        None => Ok(digits.parse().unwrap_or(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(words: &[&str]) -> Result<Request, String> {
        let words = words.iter().map(|word| (*word).to_owned());
        Request::of(&Invocation::new("network-bridge", words, []), "eth0").map_err(|error| error.to_string())
    }

    #[test]
    fn without_words_the_interface_of_the_default_route_becomes_the_bridge() {
        let request = request(&["start"]).unwrap();
        assert_eq!((&*request.netdev, &*request.pdev, &*request.bridge), ("eth0", "peth0", "eth0"));
        assert!(!request.is_named);
    }

    #[test]
    fn the_words_of_old_wrappers_are_honoured() {
        let request = request(&["start", "vifnum=1", "netdev=eth1", "bridge=xenbr1"]).unwrap();
        assert_eq!((&*request.netdev, &*request.bridge), ("eth1", "xenbr1"));
        assert_eq!(request.pair, ("veth1".into(), "vif0.1".into()));
    }

    #[test]
    fn each_layout_has_its_own_name_for_the_bridge() {
        let bridge = |words: &[&str]| request(words).unwrap().bridge;
        assert_eq!(bridge(&["start", "layout=3.1"]), "xenbr0");
        assert_eq!(bridge(&["start", "layout=3.1", "netdev=bond2"]), "xenbr2");
        assert_eq!(bridge(&["start", "layout=3.1", "netdev=lan", "vifnum=4"]), "xenbr4");
        assert_eq!(bridge(&["start", "layout=3.2", "netdev=bond2"]), "bond2");
    }

    #[test]
    fn odd_words_are_refused_by_name() {
        for (word, name) in [
            ("netdev=a-name-of-sixteen", "netdev="),
            ("netdev=fifteen-letters", "netdev="),
            ("bridge=a-name-of-sixteen", "bridge="),
            ("bridge=a/b", "bridge="),
            ("antispoof=maybe", "antispoof="),
            ("vifnum=x", "vifnum="),
            ("layout=4", "layout="),
            ("layout=3.1 bridge=eth0", "bridge="),
        ] {
            let words: Vec<&str> = ["start"].into_iter().chain(word.split(' ')).collect();
            let text = request(&words).unwrap_err();
            assert!(text.starts_with(&format!("cannot use {name}")), "{word}: {text}");
        }
    }
}
