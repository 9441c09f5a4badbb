//! `xm info`, `xm dmesg`, `xm log`.

use xend_api::Sxp;

use super::Session;
use crate::getopt::{self, Spec};
use crate::report::Failure;

const INFO: Spec = Spec { short: "cn", long: &["config", "numa"] };
const DMESG: Spec = Spec { short: "c", long: &["clear"] };

pub(super) fn info(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    session.expect_words(args, 0, 1)?;
    let parsed = getopt::gnu(args, INFO)?;
    if parsed.has(&["-c", "--config"]) {
        return Err(super::not_there("info --config"));
    }
    let numa = parsed.has(&["-n", "--numa"]);
    let answer = session.call("node.info", [Sxp::Bool(numa)])?;
    for pair in answer.items() {
        let key = pair.name().unwrap_or_default();
        // The first pair of the daemon, the name of the system, was never shown.
        if key != "system" {
            session.screen.line(&info_line(key, pair.items().get(1)));
        }
    }
    Ok(())
}

fn info_line(key: &str, value: Option<&Sxp>) -> String {
    match value {
        Some(value) => format!("{key:<23}: {}", value.atom().unwrap_or_else(|| value.to_string())),
        None => format!("{key:<23}: (none)"),
    }
}

pub(super) fn dmesg(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    session.expect_words(args, 0, 1)?;
    let parsed = getopt::gnu(args, DMESG)?;
    if !parsed.operands.is_empty() {
        return Err(Failure::option("No parameter required"));
    }
    let text = session.call("node.dmesg.info", [])?;
    session.screen.foreign(text.text().unwrap_or_default());
    if parsed.has(&["-c", "--clear"]) {
        session.call("node.dmesg.clear", [])?;
    }
    Ok(())
}

pub(super) fn log(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    session.expect_words(args, 0, 0)?;
    let text = session.call("node.log", [])?;
    session.screen.foreign(text.text().unwrap_or_default());
    session.screen.out("\n");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_shown_in_two_columns() {
        assert_eq!(info_line("nr_cpus", Some(&Sxp::Int(4))), "nr_cpus                : 4");
        assert_eq!(info_line("virt_caps", Some(&Sxp::from(""))), "virt_caps              : ");
        assert_eq!(info_line("cpu_topology", None), "cpu_topology           : (none)");
    }
}
