//! `xm network-attach`, `xm network-detach`, `xm network-list` (`xm-commands` §3.13, §3.15).
//!
//! Only the form `KEY=VALUE` and the keys are checked here; the values are the daemon's to judge.

use xend_api::Sxp;
use xend_api::classic::client as texts;

use super::Session;
use super::devices::{self, Device, Table};
use crate::report::Failure;

const TABLE: Table = Table {
    class: "vif",
    header: "Idx BE     MAC Addr.     handle state evt-ch tx-/rx-ring-ref BE-path",
    row,
};

/// What can be said of an interface here; domain files know `policy` and `label` besides.
const KEYS: [&str; 10] =
    ["type", "mac", "bridge", "ip", "script", "backend", "vifname", "rate", "model", "accel"];

pub(super) fn list(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    devices::list(session, args, &TABLE)
}

pub(super) fn attach(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    let words = session.words(args, 1, 1 + KEYS.len())?;
    let members = words[1..].iter().map(|word| member(word)).collect::<Result<Vec<Sxp>, Failure>>()?;
    let interface = Sxp::form(TABLE.class, members);
    session.call("domain.device_create", [Sxp::from(words[0]), interface]).map(drop)
}

pub(super) fn detach(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    let words = session.words(args, 2, 3)?;
    let (domain, device) = (words[0], words[1]);
    let device = if is_mac(device) {
        let same = |found: &Device<'_>| found.text("mac").eq_ignore_ascii_case(device);
        let found = devices::find(session, domain, TABLE.class, same)?;
        found.ok_or_else(|| {
            let failure = Failure::option(texts::cannot_find_device(device, domain));
            failure.hint(Some(format!("`xm network-list {domain}` lists its interfaces")))
        })?
    } else {
        Sxp::from(device)
    };
    devices::detach(session, &words, TABLE.class, device)
}

/// Six parts with colons between them.
fn is_mac(text: &str) -> bool {
    text.split(':').count() == 6
}

/// The member of an interface that `KEY=VALUE` means.
fn member(word: &str) -> Result<Sxp, Failure> {
    let (key, value) = word.split_once('=').unwrap_or((word, ""));
    let wrong = if !KEYS.contains(&key) {
        format!("write KEY=VALUE; known are {}", KEYS.join(", "))
    } else if value.is_empty() {
        format!("give {key} a value, {key}=VALUE, or leave it out")
    } else if value.contains('=') {
        format!("the value of {key} cannot hold another =")
    } else {
        return Ok(Sxp::pair(key, value));
    };
    Err(Failure::usage(texts::invalid_argument(word)).hint(Some(wrong)))
}

fn row(device: &Device<'_>) -> String {
    let devid = device.devid();
    let (domid, mac) = (device.int("backend-id", -1), device.text("mac"));
    let (handle, state) = (device.int("handle", 0), device.int("state", -1));
    let channel = device.int("event-channel", -1);
    let (tx, rx) = (device.int("tx-ring-ref", -1), device.int("rx-ring-ref", -1));
    let path = device.text("backend");
    let front = format!("{devid:<3} {domid:<3}{mac:<17}    {handle:<3}   {state:<3}    {channel:<3}");
    format!("{front}   {tx:<5}/{rx:<5}   {path:<30}  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_refused_comes_with_what_to_write() {
        let known =
            "write KEY=VALUE; known are type, mac, bridge, ip, script, backend, vifname, rate, model, accel";
        let cases = [
            ("brigde=x", known),
            ("mac", "give mac a value, mac=VALUE, or leave it out"),
            ("mac=", "give mac a value, mac=VALUE, or leave it out"),
            ("ip=a=b", "the value of ip cannot hold another ="),
        ];
        for (word, hint) in cases {
            let failure = member(word).unwrap_err();
            assert_eq!(failure.text, Some(format!("Error: Invalid argument: {word}")));
            assert_eq!(failure.hint.as_deref(), Some(hint), "{word}");
        }
        assert_eq!(member("ip=10.0.0.1"), Ok(Sxp::pair("ip", "10.0.0.1")));
    }
}
