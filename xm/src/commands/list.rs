//! `xm list`.

use super::domains::{self, Detail, Domain};
use super::{Session, not_there};
use crate::getopt::{self, Spec};
use crate::report::Failure;

const SPEC: Spec = Spec { short: "lv", long: &["long", "vcpus", "label", "state=", "pool="] };

/// Width of the page of `--long`.
const PAGE: usize = 80;

pub(super) fn list(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    let parsed = getopt::gnu(args, SPEC)?;
    let state = parsed.value(&["--state"]);
    let pool = parsed.value(&["--pool"]);
    if !parsed.operands.is_empty() {
        let given = state.map(|_| "state").or(pool.map(|_| "pool"));
        if let Some(given) = given {
            let text = format!("You may specify either a {given} or a particular VM, but not both");
            return Err(Failure::option(text));
        }
    }
    if parsed.has(&["-v", "--vcpus"]) {
        session.screen.err("xm list -v is deprecated.  Please use xm vcpu-list.");
        return Err(not_there("vcpu-list"));
    }
    let state = state.unwrap_or("all").to_lowercase();
    let long = parsed.has(&["-l", "--long"]);
    let detail = if long { Detail::Full } else { Detail::Short };
    let found = domains::fetch(session, &parsed.operands, &state, detail)?;
    let found = found.into_iter().map(|sxp| (Domain::read(&sxp), sxp));
    let found = found.filter(|(domain, _)| pool.is_none_or(|pool| domain.pool == pool));
    if long {
        found.for_each(|(_, sxp)| session.screen.line(&sxp.to_pretty(PAGE)));
        return Ok(());
    }
    let mut found: Vec<Domain> = found.map(|(domain, _)| domain).collect();
    let label = parsed.has(&["--label"]);
    if label {
        found.sort_by_key(|domain| domain.label.to_lowercase());
    }
    let more = |text: String| if label { text } else { String::new() };
    session.screen.line(&format!("{}{}", header(), more(format!(" {:<10}", "Label"))));
    for domain in &found {
        session.screen.line(&format!("{}{}", row(domain), more(format!(" {:>10}", domain.label))));
    }
    Ok(())
}

fn header() -> String {
    format!("{:<40} {:>5} {:>5} {:>5} {:>10} {:>9}", "Name", "ID", "Mem", "VCPUs", "State", "Time(s)")
}

/// The time is one column narrower than its header: that is how it was.
fn row(domain: &Domain) -> String {
    let Domain { name, memory_mib, vcpus, state, cpu_seconds, .. } = domain;
    let domid = domain.domid_text();
    format!("{name:<40} {domid:>5} {memory_mib:>5} {vcpus:>5} {state:>10} {cpu_seconds:>8.1}")
}

#[cfg(test)]
mod tests {
    use xend_api::{Sxp, sxp};

    use super::*;

    fn row_of(text: &str) -> String {
        row(&Domain::read(&sxp::parse(text).unwrap()[0]))
    }

    #[test]
    fn rows_have_the_columns_of_the_original() {
        assert_eq!(
            header(),
            "Name                                        ID   Mem VCPUs      State   Time(s)"
        );
        assert_eq!(
            row_of(
                "(domain (domid 7) (name guest7) (memory 512) (vcpus 2) (online_vcpus 1) (state -b----) (cpu_time 12.3))"
            ),
            "guest7                                       7   512     1     -b----     12.3"
        );
    }

    #[test]
    fn a_managed_domain_that_is_not_running_has_no_number_and_its_configured_processors() {
        assert_eq!(
            row_of("(domain (name managed1) (memory 256) (vcpus 4) (online_vcpus 0))"),
            "managed1                                         256     4                 0.0"
        );
    }

    #[test]
    fn a_row_is_shown_like_its_tree() {
        assert_eq!(
            row_of("(row guest7 7 512 1 -b---- 12.3 1400000000.5 Pool-0 '')"),
            "guest7                                       7   512     1     -b----     12.3"
        );
        let managed = Sxp::List(vec!["row".into(), "m".into(), Sxp::Nil, 64.into(), 1.into(), "".into()]);
        assert_eq!(row(&Domain::read(&managed)), row_of("(domain (name m) (memory 64) (vcpus 1))"));
        assert_eq!(row_of("(row)").trim(), "0     0                 0.0");
    }

    #[test]
    fn an_answer_without_members_is_shown_and_not_refused() {
        assert_eq!(row_of("(domain)").trim(), "0     0                 0.0");
    }
}
