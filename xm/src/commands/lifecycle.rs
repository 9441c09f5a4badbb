//! `xm destroy`, `xm pause`, `xm unpause`.

use xend_api::Sxp;

use super::Session;
use crate::report::Failure;

pub(super) fn destroy(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    let name = session.only_word(args)?;
    session.call("domain.destroy", [Sxp::from(name)]).map(drop)
}

pub(super) fn pause(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    let name = session.only_word(args)?;
    session.call("domain.pause", [Sxp::from(name)])?;
    session.call("domain.setpauseflag", [Sxp::from(name), Sxp::Bool(true)]).map(drop)
}

pub(super) fn unpause(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    let name = session.only_word(args)?;
    session.call("domain.unpause", [Sxp::from(name)])?;
    session.call("domain.setpauseflag", [Sxp::from(name), Sxp::Bool(false)]).map(drop)
}
