//! The `xm` command line of classic Xen.
//!
//! ```text
//!   run -> table (which command?) -> commands::NAME -> daemon (XML-RPC)
//!                                        |                |
//!                                        +--- screen <--- report (texts, exit status)
//! ```
//!
//! `domfile` turns domain files into the SXP that `create` sends. Texts, streams and exit codes are those of
//! `xm-commands`; nothing in here prints except through `screen`.

pub mod commands;
pub mod daemon;
pub mod domfile;
pub mod getopt;
pub mod report;
pub mod screen;
pub mod server;
pub mod table;
pub mod terminal;

use commands::Session;
use report::{After, Failure};
use screen::Screen;
use table::{Command, Found, help};
use xend_api::classic::client as texts;

/// Runs `xm` with these arguments (without the program's name) and tells the exit status.
pub fn run(args: &[String]) -> u8 {
    let mut screen = Screen::default();
    let Some((name, rest)) = args.split_first() else {
        screen.out(&help::common());
        return 1;
    };
    if matches!(name.as_str(), "help" | "-h" | "--help") {
        screen.out(&help::full());
        return 0;
    }
    if rest.iter().any(|arg| arg == "-h" || arg == "--help") {
        print_usage(&mut screen, name);
        return 1;
    }
    let command = match table::find(name) {
        Some(Found::Command(command)) => command,
        Some(Found::Alias(command)) => {
            let new = command.name;
            screen.err(&format!("Command {name} is deprecated.  Please use xm {new} instead."));
            command
        }
        Some(Found::Help) | None => {
            let failure = Failure::error(texts::subcommand_not_found(name));
            let failure = Failure { after: After::CommonHelp, ..failure };
            return failure.print(&mut screen, None);
        }
    };
    run_command(&mut screen, command, rest)
}

fn run_command(screen: &mut Screen, command: &'static Command, args: &[String]) -> u8 {
    let mut session = Session::new(screen, command);
    match commands::run(&mut session, args) {
        Ok(()) => 0,
        Err(failure) => failure.print(screen, Some(command)),
    }
}

fn print_usage(screen: &mut Screen, name: &str) {
    let command = match table::find(name) {
        Some(Found::Alias(command)) => Some(command),
        _ => table::find_for_usage(name),
    };
    match command {
        Some(command) => {
            screen.out(&help::usage(command));
            screen.out(&commands::more_usage(command));
        }
        None => screen.out(&help::common()),
    }
}
