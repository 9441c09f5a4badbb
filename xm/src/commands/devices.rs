//! What the commands of every device class share: the list with its options, reading the members of a device, and taking
//! a device away (`xm-commands` §3.13). Neighbours: `block` and `network` say what their columns and devices are.
//!
//! The daemon tells devices as `(DEVID ((KEY VALUE) …))`: those of a running domain are the frontend's nodes, which the
//! guest writes; those of a managed domain that is not running are its configuration, with the class before the pairs.

use xend_api::Sxp;
use xend_api::classic::client as texts;

use super::Session;
use crate::getopt::{self, Spec};
use crate::report::{After, Failure};

const SPEC: Spec = Spec { short: "l", long: &["long"] };

/// Width of the page of `--long`.
const PAGE: usize = 80;

/// The list of a class.
pub(super) struct Table {
    /// What the daemon is asked for.
    pub(super) class: &'static str,
    /// The first line.
    pub(super) header: &'static str,
    /// A line.
    pub(super) row: fn(&Device<'_>) -> String,
}

/// A device as the daemon tells it.
pub(super) struct Device<'a>(&'a Sxp);

impl<'a> Device<'a> {
    /// Its number as the daemon told it.
    pub(super) fn number(&self) -> &'a Sxp {
        self.0.items().first().unwrap_or(&Sxp::Nil)
    }

    /// Its number for a column; −1 when there is none.
    pub(super) fn devid(&self) -> i64 {
        self.number().int().unwrap_or(-1)
    }

    /// A number; what is missing, or is no number because a guest wrote something else there, is `missing`.
    pub(super) fn int(&self, name: &str, missing: i64) -> i64 {
        self.member(name).and_then(Sxp::int).unwrap_or(missing)
    }

    /// A text for a column; `??` when there is none. It stays on its line, whatever the guest wrote.
    pub(super) fn text(&self, name: &str) -> String {
        let text = self.member(name).and_then(Sxp::atom).unwrap_or_else(|| "??".to_owned());
        text.chars().map(|c| if c.is_control() { '?' } else { c }).collect()
    }

    fn member(&self, name: &str) -> Option<&'a Sxp> {
        let members = self.0.items().get(1)?.items();
        members.iter().find(|pair| pair.name() == Some(name)).and_then(|pair| pair.items().get(1))
    }
}

/// Lists the devices of a domain. Without devices there is no header either.
pub(super) fn list(session: &mut Session<'_>, args: &[String], table: &Table) -> Result<(), Failure> {
    let parsed = getopt::gnu(args, SPEC)?;
    let refused = match parsed.operands.as_slice() {
        [] => Some(texts::NO_DOMAIN_GIVEN),
        [_] => None,
        _ => Some(texts::SEVERAL_DOMAINS_GIVEN),
    };
    if let Some(text) = refused {
        // On standard output, unlike every other error: so it was.
        session.screen.line(text);
        return Err(Failure { after: After::Usage, ..Failure::silent(1) });
    }
    let answer = fetch(session, &parsed.operands[0], table.class)?;
    if parsed.has(&["-l", "--long"]) {
        answer.items().iter().for_each(|entry| session.screen.line(&entry.to_pretty(PAGE)));
        return Ok(());
    }
    for (nr, entry) in answer.items().iter().enumerate() {
        if nr == 0 {
            session.screen.line(table.header);
        }
        session.screen.line(&(table.row)(&Device(entry)));
    }
    Ok(())
}

/// The devices of a class, in the daemon's order.
fn fetch(session: &mut Session<'_>, domain: &str, class: &str) -> Result<Sxp, Failure> {
    session.call("domain.getDeviceSxprs", [Sxp::from(domain), Sxp::from(class)])
}

/// The number of the first device of a class that is the one.
pub(super) fn find(
    session: &mut Session<'_>,
    domain: &str,
    class: &str,
    is_it: impl Fn(&Device<'_>) -> bool,
) -> Result<Option<Sxp>, Failure> {
    let answer = fetch(session, domain, class)?;
    let mut devices = answer.items().iter().map(Device);
    Ok(devices.find(|device| is_it(device)).map(|device| device.number().clone()))
}

/// Takes a device away, from a managed domain's configuration as well. The words are those of the command: only the
/// third can force it.
pub(super) fn detach(
    session: &mut Session<'_>,
    words: &[&str],
    class: &str,
    device: Sxp,
) -> Result<(), Failure> {
    let force = match words.get(2) {
        Some(word @ (&"-f" | &"--force")) => Sxp::from(*word),
        Some(word) => {
            session.screen.line(&texts::ignoring_option(word));
            Sxp::Nil
        }
        None => Sxp::Nil,
    };
    let forget = Sxp::Bool(true);
    session
        .call("domain.destroyDevice", [Sxp::from(words[0]), Sxp::from(class), device, force, forget])
        .map(drop)
}

#[cfg(test)]
mod tests {
    use xend_api::sxp;

    use super::*;

    #[test]
    fn members_are_found_with_and_without_the_class_before_them() {
        for text in ["(0 ((mac a:b) (state 4) (state 5)))", "(0 (vif (mac a:b) (state 4)))"] {
            let entry = sxp::parse_one(text).unwrap();
            let device = Device(&entry);
            assert_eq!((device.devid(), device.text("mac"), device.int("state", -1)), (0, "a:b".into(), 4));
        }
    }

    #[test]
    fn what_is_missing_or_malformed_is_shown_as_missing() {
        let long = format!("(0 ((state {}) (mac 'a\\nb') (handle ())))", "9".repeat(40));
        for (text, mac) in [("()", "??"), ("x", "??"), ("(x y)", "??"), ("(x (state))", "??"), (&long, "a?b")]
        {
            let entry = sxp::parse_one(text).unwrap();
            let device = Device(&entry);
            let numbers = (device.int("state", -1), device.int("handle", 0));
            assert_eq!((numbers, device.text("mac").as_str()), ((-1, 0), mac), "{text}");
        }
    }
}
