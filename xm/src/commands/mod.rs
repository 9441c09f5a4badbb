//! The commands, one noun a file, and what they share: the session with screen and daemon, and the argument count.

mod block;
mod console;
pub mod create;
mod devices;
mod domains;
mod host;
mod lifecycle;
mod list;
mod managed;
mod names;
mod network;
mod shutdown;
mod uptime;

use xend_api::Sxp;
use xend_api::classic::client as texts;

use crate::daemon::{CallError, Daemon};
use crate::report::Failure;
use crate::screen::Screen;
use crate::server::{self, Environment};
use crate::table::Command;

/// One run of a command.
pub struct Session<'a> {
    /// Where it prints.
    pub screen: &'a mut Screen,
    /// Which it is.
    pub command: &'static Command,
    daemon: Option<Daemon>,
}

impl<'a> Session<'a> {
    /// A session; the daemon is looked for when it is first called.
    pub fn new(screen: &'a mut Screen, command: &'static Command) -> Self {
        Self { screen, command, daemon: None }
    }

    /// The daemon.
    fn daemon(&mut self) -> Result<&Daemon, Failure> {
        if self.daemon.is_none() {
            let server = server::find(&Environment::current());
            if let Some(notice) = &server.notice {
                self.screen.err(notice);
            }
            self.daemon = Some(Daemon::new(&server)?);
        }
        self.daemon.as_ref().ok_or_else(|| Failure::error("cannot reach the daemon"))
    }

    /// Calls `xend.METHOD`; the errors are told as most commands tell them.
    fn call(&mut self, method: &str, params: impl IntoIterator<Item = Sxp>) -> Result<Sxp, Failure> {
        Ok(self.try_call(method, params)??)
    }

    /// Calls `xend.METHOD`; the inner error is the caller's to judge.
    fn try_call(
        &mut self,
        method: &str,
        params: impl IntoIterator<Item = Sxp>,
    ) -> Result<Result<Sxp, CallError>, Failure> {
        Ok(self.daemon()?.call(method, params))
    }

    /// Checks the number of words, which counts options and all but `--`, as the original did.
    fn expect_words(&self, args: &[String], low: usize, high: usize) -> Result<(), Failure> {
        let count = args.iter().filter(|arg| *arg != "--").count();
        if (low..=high).contains(&count) {
            return Ok(());
        }
        let name = self.command.name;
        let text = if low == high {
            texts::requires_arguments(name, low)
        } else {
            texts::requires_arguments_between(name, low, high)
        };
        Err(Failure::usage(format!("{text}\n")))
    }

    /// The arguments of a command that takes so many and no options.
    fn words<'w>(&self, args: &'w [String], low: usize, high: usize) -> Result<Vec<&'w str>, Failure> {
        self.expect_words(args, low, high)?;
        Ok(args.iter().map(String::as_str).filter(|arg| *arg != "--").collect())
    }

    /// The only argument of a command that takes one.
    fn only_word<'w>(&self, args: &'w [String]) -> Result<&'w str, Failure> {
        Ok(self.words(args, 1, 1)?[0])
    }
}

/// Runs the session's command.
pub fn run(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    match session.command.name {
        "block-attach" => block::attach(session, args),
        "block-configure" => block::configure(session, args),
        "block-detach" => block::detach(session, args),
        "block-list" => block::list(session, args),
        "console" => console::console(session, args),
        "create" => create::create(session, args),
        "delete" => managed::delete(session, args),
        "destroy" => lifecycle::destroy(session, args),
        "dmesg" => host::dmesg(session, args),
        "domid" => names::domid(session, args),
        "domname" => names::domname(session, args),
        "domstate" => names::domstate(session, args),
        "info" => host::info(session, args),
        "list" => list::list(session, args),
        "log" => host::log(session, args),
        "new" => create::create(session, args),
        "network-attach" => network::attach(session, args),
        "network-detach" => network::detach(session, args),
        "network-list" => network::list(session, args),
        "pause" => lifecycle::pause(session, args),
        "reboot" => shutdown::reboot(session, args),
        "resume" => managed::resume(session, args),
        "shutdown" => shutdown::shutdown(session, args),
        "start" => managed::start(session, args),
        "suspend" => managed::suspend(session, args),
        "unpause" => lifecycle::unpause(session, args),
        "uptime" => uptime::uptime(session, args),
        name => Err(not_there(name)),
    }
}

/// What the commands that are not built yet answer.
fn not_there(name: &str) -> Failure {
    Failure::error(format!("xm {name} is not there yet in this version of xend-rs"))
}

/// What follows the usage of commands with a parser of their own.
pub fn more_usage(command: &Command) -> String {
    match command.name {
        "create" | "new" => create::options_help(),
        _ => String::new(),
    }
}
