//! `xm create`: options, the domain file, the dry run, and the steps that start the domain.

mod load;
mod options;
mod start;

use super::Session;
use crate::report::Failure;

pub use options::{Request, options_help};

/// Width of the page of a dry run.
const PAGE: usize = 80;

pub(super) fn create(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    let request = Request::parse(args)?;
    if request.help_config {
        session.screen.out(&options::variables_help());
        return Ok(());
    }
    let loaded = load::load(session.screen, request)?;
    if loaded.wants.dry_run {
        session.screen.line(&loaded.sxp.to_pretty(PAGE));
        return Ok(());
    }
    start::start(session, loaded)
}
