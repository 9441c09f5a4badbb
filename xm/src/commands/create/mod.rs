//! `xm create` and `xm new`: options, the domain file, the dry run, and the steps that start or define the domain; the
//! check of domain files.

mod host;
mod input;
mod lint;
mod load;
mod options;
mod start;
mod surroundings;

use super::Session;
use crate::report::Failure;
use crate::server::{self, Environment, ServerType};

pub use options::{Request, options_help};
pub(super) use start::told;

/// Width of the page of a dry run.
const PAGE: usize = 80;

pub(super) fn create(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    let request = Request::parse(args)?;
    if request.help_config {
        session.screen.out(&options::variables_help());
        return Ok(());
    }
    if request.lint {
        return lint::lint(session.screen, &request);
    }
    let loaded = load::load(session.screen, request)?;
    if loaded.wants.dry_run {
        session.screen.line(&loaded.sxp.to_pretty(PAGE));
        return Ok(());
    }
    if loaded.wants.xml_dry_run {
        return xml_dry_run(session);
    }
    if session.command.name == "new" {
        return super::managed::define(session, loaded.sxp);
    }
    start::start(session, loaded)
}

/// XML is for Xen-API servers; for the classic one there is nothing to print, and there never was.
fn xml_dry_run(session: &mut Session<'_>) -> Result<(), Failure> {
    if server::find(&Environment::current()).kind == ServerType::XenApi {
        return Err(Failure::error("xm create --xmldryrun is not there yet in this version of xend-rs"));
    }
    if session.screen.err_is_terminal() {
        session.screen.err("Note: there is XML for Xen-API servers only; `xm create -n` prints the SXP");
    }
    Ok(())
}
