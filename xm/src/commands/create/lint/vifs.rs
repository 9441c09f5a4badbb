//! Network interfaces: what the daemon would refuse, word by word.

use std::collections::HashSet;

use super::file::{Context, Kind};

/// Scripts of ours for interfaces; the first is the default.
const SCRIPTS: [&str; 4] = ["vif-bridge", "vif-route", "vif-nat", "vif-openvswitch"];

/// Interfaces that a guest can have.
const MOST: usize = 63;

/// Notes what is wrong with network interfaces.
pub(super) fn check(context: &mut Context<'_>) {
    let count = context.entries("vif").len();
    if count > MOST {
        let message = format!("{count} network interfaces are refused by xend: the limit is {MOST}");
        context.note("vifs", ("vif", None), message, Some("give the guest fewer".to_owned()));
    }
    let mut names = HashSet::new();
    for (at, text) in context.entries("vif") {
        addresses(context, at, &text);
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        for (key, value) in pairs.map(|(key, value)| (key.trim(), value.trim())) {
            match key {
                "mac" if is_of_no_interface(value) => {
                    let hint = Some("write one that begins with 00:16:3e, or leave mac out".to_owned());
                    let message = format!("{value} is the address of a group, or of nothing");
                    context.note("mac", ("vif", Some(at)), message, hint);
                }
                "mac" if is_mac(value) => {
                    context.claim(Kind::Mac, ("vif", Some(at)), (value.to_ascii_lowercase(), value), true);
                }
                "mac" => {
                    let hint = Some("write six bytes such as 00:16:3e:00:00:01, or leave mac out".to_owned());
                    context.note("mac", ("vif", Some(at)), format!("{value} is not a MAC address"), hint);
                }
                "rate" if !is_rate(value) => {
                    let hint = Some("write it as 10Mb/s or 250KB/s@20ms".to_owned());
                    let message = format!("the rate {value} cannot be read: xend refuses it");
                    context.note("rate", ("vif", Some(at)), message, hint);
                }
                "vifname" if !value.is_empty() && !is_interface_name(value) => {
                    let hint = Some("use at most 15 letters, digits and signs but / : %".to_owned());
                    let message = format!("{value} cannot be the name of an interface: xend refuses it");
                    context.note("vifname", ("vif", Some(at)), message, hint);
                }
                "vifname" if !value.is_empty() && !names.insert(value.to_owned()) => {
                    let hint = Some("give each interface a name of its own, or leave vifname out".to_owned());
                    let message = format!("the vifname {value} is that of an interface above");
                    context.note("vifname", ("vif", Some(at)), message, hint);
                }
                _ => {}
            }
        }
    }
}

/// The `ip=` list, for scripts of ours; what it means to a site's own is not known here.
fn addresses(context: &mut Context<'_>, at: usize, text: &str) {
    let value = |wanted: &str| {
        let pairs = text.split(',').filter_map(|pair| pair.split_once('='));
        let mut pairs = pairs.map(|(key, value)| (key.trim(), value.trim()));
        pairs.rfind(|(key, _)| *key == wanted)
    };
    let script = value("script").map_or(SCRIPTS[0], |(_, script)| script);
    if !SCRIPTS.contains(&script.rsplit('/').next().unwrap_or(script)) {
        return;
    }
    let list = value("ip").map_or("", |(_, list)| list);
    if let Some(word) = list.split_ascii_whitespace().find(|word| !is_network(word)) {
        let hint = Some("write addresses with blanks between them: ip=192.0.2.7 2001:db8::7".to_owned());
        context.note("ip", ("vif", Some(at)), format!("{word} is not an address"), hint);
    }
}

fn is_mac(text: &str) -> bool {
    let byte = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_hexdigit());
    text.split(':').count() == 6 && text.split(':').all(byte)
}

/// A group's address has an odd first byte.
fn is_of_no_interface(mac: &str) -> bool {
    let first = mac.get(..2).and_then(|byte| u8::from_str_radix(byte, 16).ok());
    is_mac(mac) && (first.is_some_and(|byte| byte & 1 == 1) || mac.bytes().all(|b| matches!(b, b'0' | b':')))
}

/// `ADDRESS` or `ADDRESS/PREFIX`; a plain word such as `dhcp` may mean something to a site's script.
fn is_network(word: &str) -> bool {
    let (address, prefix) = word.split_once('/').map_or((word, None), |(a, p)| (a, Some(p)));
    let is_meant = word.contains(|c: char| ".:/".contains(c) || c.is_ascii_digit());
    let Ok(address) = address.parse::<std::net::IpAddr>() else { return !is_meant };
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let number = |digits: &str| digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse::<u8>());
    prefix.is_none_or(|digits| matches!(number(digits), Some(Ok(bits)) if bits <= longest))
}

/// `N[G|M|K](B|b)/s[@T[m|u]s]`.
fn is_rate(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (amount, interval) = text.split_once('@').map_or((text, None), |(a, b)| (a, Some(b)));
    let amount = amount.strip_suffix("B/s").or_else(|| amount.strip_suffix("b/s"));
    let amount = amount.map(|amount| amount.strip_suffix(['G', 'M', 'K']).unwrap_or(amount));
    let interval = interval.is_none_or(|interval| {
        let time = interval.strip_suffix('s').map(|time| time.strip_suffix(['m', 'u']).unwrap_or(time));
        time.is_some_and(number)
    });
    amount.is_some_and(|amount| number(amount) && amount.bytes().any(|b| b != b'0')) && interval
}

/// What Linux takes, less what would be a pattern.
fn is_interface_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_graphic() && b != b'/' && b != b':' && b != b'%';
    name.len() < 16 && name != "." && name != ".." && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_the_daemon_s() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../xend/src/domain/door.rs");
        let source = std::fs::read_to_string(path).unwrap();
        assert!(
            source.contains(&format!("the limit is {MOST}")),
            "xend/src/domain/door.rs has another limit"
        );
    }

    #[test]
    fn names_are_those_that_the_daemon_takes() {
        assert!(is_interface_name("web0.7") && is_interface_name("a-very-long-one"));
        for name in ["a-very-long-name", "eth0:1", "a/b", "vif%d", "a b", ".", ".."] {
            assert!(!is_interface_name(name), "{name}");
        }
    }

    #[test]
    fn rates_are_read_as_the_daemon_reads_them() {
        for rate in ["10Mb/s", "250KB/s@20ms", "1b/s@1s", "5GB/s@10us"] {
            assert!(is_rate(rate), "{rate}");
        }
        for rate in
            ["", "10", "10M", "10mb/s", "Mb/s", "10Mb/s@", "10Mb/s@20", "10Mb/s@ms", "-1Mb/s", "0Mb/s"]
        {
            assert!(!is_rate(rate), "{rate}");
        }
    }

    #[test]
    fn addresses_are_read_as_the_daemon_reads_them() {
        for word in ["192.0.2.7", "10.0.0.0/8", "2001:db8::7/64", "dhcp"] {
            assert!(is_network(word), "{word}");
        }
        for word in ["192.0.2", "192.0.2.256", "10.0.0.0/33", "10.0.0.0/", "::g", "1", "10.0.0.0/+8"] {
            assert!(!is_network(word), "{word}");
        }
    }

    #[test]
    fn a_group_and_nothing_have_no_interface() {
        assert!(is_of_no_interface("01:00:5e:00:00:01") && is_of_no_interface("00:00:00:00:00:00"));
        assert!(!is_of_no_interface("00:16:3e:00:00:01") && !is_of_no_interface("01:xx"));
    }

    #[test]
    fn a_mac_address_is_six_bytes_with_colons() {
        assert!(is_mac("00:16:3e:00:00:Ff"));
        for mac in ["", "00:16:3e:00:00", "00-16-3e-00-00-01", "0:16:3e:00:00:01", "00:16:3e:00:00:0g"] {
            assert!(!is_mac(mac), "{mac}");
        }
    }
}
