//! Packet filter rules that let a bridged interface's packets through a host that forwards nothing else.
//!
//! Done with `iptables`, and only where `iptables -L -n` works, as the original did: no table of ours could let a
//! packet through that one of those drops. A rule that is there already is not made twice.

use super::{Command, Done, Port, VifError};
use crate::antispoof::Network;
use crate::lock::{FIREWALL, Lock};
use std::collections::BTreeMap;
use std::process::{self, Stdio};
use xenstore::paths::node::vif::IP;

/// Makes or removes the rules of one interface. A failure is logged: the interface works on most hosts without.
pub(super) async fn apply(port: &Port<'_>, done: &Done<'_>) -> Result<(), VifError> {
    let stored = port.backend.read(IP).await?;
    let list = stored.as_deref().or_else(|| port.call.variable("ip")).unwrap_or_default().to_owned();
    let tool = Tool { environment: port.call.environment() };
    if !tool.run(&["-L", "-n"]) {
        return Ok(());
    }
    let _lock = Lock::acquire(port.host, FIREWALL)?;
    let addresses = addresses(&list, |bad| port.log.error(&format!("no IPv4 address, left out: {bad}")));
    for rule in rules(done.dev, &addresses) {
        let is_done = match done.command {
            Command::Online | Command::Add => tool.change("-C", &rule) || tool.change("-I", &rule),
            Command::Offline | Command::Remove => {
                // Whether it was there or not, it is not there now.
                let _ = tool.change("-D", &rule);
                true
            }
        };
        if !is_done {
            port.log.error("iptables setup failed. This may affect guest networking.");
            break;
        }
    }
    Ok(())
}

/// The rules, without the operation in front. A guest with known addresses may send from these, and ask a DHCP
/// server for one; any other may send from anywhere.
fn rules(dev: &str, addresses: &[String]) -> Vec<Vec<String>> {
    let physdev =
        |direction: &str| ["-m", "physdev", "--physdev-is-bridged", direction, dev].map(str::to_owned);
    let rule = |direction: &str, limits: &[&str]| {
        let mut words = physdev(direction).to_vec();
        words.extend(limits.iter().map(|word| (*word).to_owned()));
        words.extend(["-j", "ACCEPT"].map(str::to_owned));
        words
    };
    let mut senders: Vec<Vec<&str>> = addresses.iter().map(|address| vec!["-s", address]).collect();
    senders.push(match addresses {
        [] => Vec::new(),
        _ => vec!["-p", "udp", "--sport", "68", "--dport", "67"],
    });
    let mut rules: Vec<_> = senders.iter().map(|sender| rule("--physdev-in", sender)).collect();
    rules.push(rule("--physdev-out", &[]));
    rules
}

/// The addresses of a list that blanks or commas part. They become arguments of a program that runs as root, so
/// anything else is left out.
fn addresses(list: &str, mut bad: impl FnMut(&str)) -> Vec<String> {
    let mut good = Vec::new();
    for word in list.split([' ', ',', '\t', '\n']).filter(|word| !word.is_empty()) {
        match Network::parse(word) {
            Some(network) if network.ip.is_ipv4() => good.push(word.to_owned()),
            // `iptables` has nothing to do with IPv6.
            Some(_) => {}
            None => bad(word),
        }
    }
    good
}

/// `iptables`, as far as it is there.
struct Tool {
    environment: BTreeMap<String, String>,
}

impl Tool {
    fn change(&self, operation: &str, rule: &[String]) -> bool {
        let mut arguments = vec![operation, "FORWARD"];
        arguments.extend(rule.iter().map(String::as_str));
        self.run(&arguments)
    }

    fn run(&self, arguments: &[&str]) -> bool {
        let mut command = process::Command::new("iptables");
        command.args(arguments).env_clear().envs(&self.environment);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(addresses: &[&str]) -> Vec<String> {
        let addresses: Vec<_> = addresses.iter().map(|address| (*address).to_owned()).collect();
        rules("vif5.0", &addresses).iter().map(|rule| rule.join(" ")).collect()
    }

    #[test]
    fn a_guest_without_addresses_may_send_anything() {
        assert_eq!(
            lines(&[]),
            [
                "-m physdev --physdev-is-bridged --physdev-in vif5.0 -j ACCEPT",
                "-m physdev --physdev-is-bridged --physdev-out vif5.0 -j ACCEPT",
            ]
        );
    }

    #[test]
    fn a_guest_with_addresses_may_send_from_these_and_ask_for_one() {
        assert_eq!(
            lines(&["192.0.2.7"]),
            [
                "-m physdev --physdev-is-bridged --physdev-in vif5.0 -s 192.0.2.7 -j ACCEPT",
                "-m physdev --physdev-is-bridged --physdev-in vif5.0 -p udp --sport 68 --dport 67 -j ACCEPT",
                "-m physdev --physdev-is-bridged --physdev-out vif5.0 -j ACCEPT",
            ]
        );
    }

    #[test]
    fn only_addresses_become_arguments() {
        let mut left_out = Vec::new();
        let taken = addresses("192.0.2.7 10.0.0.0/8, -j;x 10.0.0.0/33 ::1 --help", |bad| {
            left_out.push(bad.to_owned());
        });
        assert_eq!(taken, ["192.0.2.7", "10.0.0.0/8"]);
        assert_eq!(left_out, ["-j;x", "10.0.0.0/33", "--help"]);
    }
}
