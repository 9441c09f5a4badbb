//! `xm domid`, `xm domname`, `xm domstate`.

use xend_api::Sxp;

use super::{Session, domains};
use crate::report::Failure;

pub(super) fn domid(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    let name = session.only_word(args)?;
    let domain = domains::fetch_one(session, name)?;
    let domid = domain.domid.map_or_else(|| "None".to_owned(), |domid| domid.to_string());
    session.screen.line(&domid);
    Ok(())
}

pub(super) fn domname(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    let domid = session.only_word(args)?;
    let domain = domains::fetch_one(session, domid)?;
    session.screen.line(&domain.name);
    Ok(())
}

pub(super) fn domstate(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    let name = session.only_word(args)?;
    let answer = session.call("domain", [Sxp::from(name), Sxp::Int(0)])?;
    let state = answer.value("state").and_then(Sxp::atom).unwrap_or_default();
    let Some(word) = word(&state) else { return Ok(()) };
    let by_admin = word == "paused" && {
        let flag = session.call("domain.getpauseflag", [Sxp::from(name)])?;
        flag.int().is_some_and(|flag| flag != 0)
    };
    session.screen.line(if by_admin { "paused by admin" } else { word });
    Ok(())
}

/// The word for six letters. The letter at the first place never counted, and scripts know it: a running domain has
/// no word.
fn word(state: &str) -> Option<&'static str> {
    if state.is_empty() {
        return Some("shutoff");
    }
    let words = [
        ('s', "shutoff"),
        ('b', "idle"),
        ('d', "shutdown"),
        ('r', "running"),
        ('c', "crashed"),
        ('p', "paused"),
    ];
    let later = state.get(1..).unwrap_or_default();
    words.into_iter().find(|(letter, _)| later.contains(*letter)).map(|(_, word)| word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_have_the_words_of_the_original() {
        let cases = [
            ("", Some("shutoff")),
            ("r-----", None),
            ("------", None),
            ("-b----", Some("idle")),
            ("-bp---", Some("idle")),
            ("--p---", Some("paused")),
            ("---s--", Some("shutoff")),
            ("----c-", Some("crashed")),
            ("-----d", Some("shutdown")),
        ];
        for (state, expected) in cases {
            assert_eq!(word(state), expected, "{state}");
        }
    }
}
