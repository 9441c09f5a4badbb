//! `cargo xtask …`: everything that is done with this workspace besides `cargo build`.
//!
//! ```text
//!   try      a guest on a real hypervisor, under QEMU, with one command
//!   test     format, lints, all tests, and the lab on two releases of Xen
//!   lab      the lab alone, or one case of it, or a shell in its dom0
//!   bench    figures: against xl in the same boot, and of the simulator
//!   install  the tree that a package contains
//!   deps     what the machine lacks for all that
//! ```

mod bench;
mod deps;
mod install;
mod lab_run;
mod progress;
mod stages;
mod terminal;
mod trial;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Arg, ArgAction, ArgMatches, Command};
use lab::{Progress, Suite};

fn main() -> ExitCode {
    match dispatch(&interface().get_matches()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(matches: &ArgMatches) -> Result<ExitCode> {
    let (command, options) = matches.subcommand().context("clap requires a command")?;
    match command {
        "try" => trial::run(suites(options)?[0]),
        "test" => stages::run(stages::Plan { suites: suites(options)?, lab: !options.get_flag("no-lab") }),
        "lab" => {
            let filter: Vec<String> = options.get_many("case").into_iter().flatten().cloned().collect();
            let build = if options.get_flag("bare") { install::Build::Bare } else { build(options) };
            if options.get_flag("shell") {
                lab_run::shell(suites(options)?[0], build)
            } else {
                lab_run::run(&suites(options)?, &filter, build)
            }
        }
        "bench" => {
            let suite = (!options.get_flag("no-lab")).then_some(suites(options)?[0]);
            bench::run(suite, build(options))
        }
        "install" => {
            let destdir = options.get_one::<PathBuf>("destdir").context("clap requires --destdir")?;
            let steps = progress::Steps::new();
            steps.step("building static release programs");
            install::install(destdir, build(options), &steps)?;
            steps.finish();
            Ok(ExitCode::SUCCESS)
        }
        _ => deps::run(),
    }
}

fn interface() -> Command {
    let suite = || {
        Arg::new("suite")
            .long("suite")
            .value_name("SUITE")
            .action(ArgAction::Append)
            .help("bullseye (Xen 4.14), bookworm (4.17) or trixie (4.20)")
    };
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).action(ArgAction::SetTrue).help(help)
    };
    let no_build = || flag("no-build", "use the programs that were built last");
    Command::new("cargo xtask")
        .bin_name("cargo xtask")
        .about("Everything that is done with this workspace besides building it")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .subcommands([
            Command::new("try")
                .about("Boots Xen under QEMU and a guest on it, and leaves you at its console")
                .arg(suite()),
            Command::new("test")
                .about("Format, lints, all tests, and the lab on Xen 4.17 and 4.20")
                .args([suite(), flag("no-lab", "leave out the lab")]),
            Command::new("lab").about("Cases on real Xen under QEMU").args([
                suite(),
                Arg::new("case")
                    .long("case")
                    .value_name("NAME")
                    .action(ArgAction::Append)
                    .help("only cases whose name contains this"),
                flag("shell", "no case: a shell in dom0"),
                no_build(),
                flag("bare", "install nothing of ours: Debian's own tools only"),
            ]),
            Command::new("bench").about("Figures, against xl in the same boot and of the simulator").args([
                suite(),
                flag("no-lab", "only the simulator, on this machine"),
                no_build(),
            ]),
            Command::new("install")
                .about("Builds, and installs below a folder what a package contains")
                .args([
                    Arg::new("destdir")
                        .long("destdir")
                        .value_name("DIR")
                        .required(true)
                        .value_parser(clap::value_parser!(PathBuf))
                        .help("the folder that stands for / of the installed system"),
                    no_build(),
                ]),
            Command::new("deps").about("Installs the system packages that all this needs, or names them"),
        ])
}

fn suites(options: &ArgMatches) -> Result<Vec<Suite>> {
    match options.get_many::<String>("suite") {
        Some(names) => names.map(|name| name.parse()).collect(),
        None => Ok(Suite::TESTED.to_vec()),
    }
}

fn build(options: &ArgMatches) -> install::Build {
    if options.get_flag("no-build") { install::Build::Keep } else { install::Build::Make }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        interface().debug_assert();
    }

    #[test]
    fn without_a_suite_both_tested_ones_are_meant() {
        let matches = interface().get_matches_from(["x", "test", "--no-lab"]);
        let (_, options) = matches.subcommand().unwrap();
        assert_eq!(suites(options).unwrap(), Suite::TESTED);
    }
}
