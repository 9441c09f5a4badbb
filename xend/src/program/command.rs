//! The command line of `xend` (`xend-daemon` §2.1): `start`, `stop`, `restart`, `reload`, `status`, our `check-config`,
//! and our options.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use nix::sys::signal::Signal;

use super::{check_config, pidfile, supervise, worker};
use crate::settings::Places;

/// Options in front of or behind the command word.
#[derive(Clone, Debug, Default)]
pub(super) struct Options {
    /// `--root DIR`: everything lies under this folder.
    pub(super) root: Option<PathBuf>,
    /// `--simulate`: a simulated hypervisor, store and guests instead of Xen.
    pub(super) simulate: bool,
    /// `--foreground`: no supervisor, log to standard error.
    pub(super) foreground: bool,
}

impl Options {
    pub(super) fn places(&self) -> Places {
        Places::new(self.root.clone().unwrap_or_else(|| PathBuf::from("/")))
    }

    /// The words that hand these options on to another process of ours.
    pub(super) fn words(&self) -> Vec<std::ffi::OsString> {
        let mut words = Vec::new();
        if let Some(root) = &self.root {
            words.extend(["--root".into(), root.clone().into_os_string()]);
        }
        if self.simulate {
            words.push("--simulate".into());
        }
        words
    }
}

const USAGE: &str = "usage: xend {start|stop|reload|restart|status} [--simulate] [--root DIR] [--foreground]
       xend check-config [FILE] [--root DIR]";

const HELP: &str = "
  start       starts the daemon; returns when it answers requests
  stop        stops it; guests go on
  restart     stop and start
  reload      re-reads the settings
  status      ends with 0 when it runs, with 3 when it does not
  check-config [FILE]
              tells everything that is wrong with a settings file, by default the daemon's own, and which options have
              no effect yet; ends with 0 when nothing is wrong. Needs neither root nor the daemon

  --root DIR      keeps every file under DIR instead of /
  --simulate      runs on a simulated hypervisor with simulated guests, without Xen and without root;
                  give it a --root of its own
  --foreground    stays in the foreground and logs to standard error";

/// Runs the program.
pub fn main() -> ExitCode {
    let (words, options) = match parse(std::env::args_os().skip(1)) {
        Ok(parsed) => parsed,
        Err(text) => {
            eprintln!("xend: {text}");
            eprintln!("{USAGE}");
            return ExitCode::from(1);
        }
    };
    let word = words.first().map(String::as_str);
    if let Some("-h" | "--help" | "help") = word {
        println!("{USAGE}\n{HELP}");
        return ExitCode::SUCCESS;
    }
    if let Some("--version") = word {
        println!("xend {} (xend-rs)", env!("CARGO_PKG_VERSION"));
        return ExitCode::SUCCESS;
    }
    let places = options.places();
    if word == Some("check-config") {
        return check_config::main(&words[1..], &places);
    }
    if !options.simulate && !nix::unistd::geteuid().is_root() {
        let stars = "*".repeat(70);
        eprintln!("{stars}\n*** Xend must be run as root.\n{stars}");
        return ExitCode::from(1);
    }
    match word {
        None => {
            println!("usage: xend {{start|stop|reload|restart}}");
            ExitCode::from(1)
        }
        Some("start") => start(&options, &places),
        Some("stop") => stop(&places),
        Some("restart") => {
            stop(&places);
            start(&options, &places)
        }
        Some("reload") => {
            pidfile::signal(&places.pid_file(), Signal::SIGHUP);
            ExitCode::SUCCESS
        }
        Some("status") => match pidfile::running(&places.pid_file()) {
            Some(_) => ExitCode::SUCCESS,
            None => ExitCode::from(3),
        },
        Some(supervise::SUPERVISOR) => supervise::supervise(&options, &places),
        Some(supervise::WORKER) => worker::main(&options, &places),
        Some(other) => {
            println!("not an option: {other}");
            ExitCode::from(1)
        }
    }
}

fn start(options: &Options, places: &Places) -> ExitCode {
    for name in ["XEND_DEBUG", "XEND_DAEMONIZE"] {
        if let Some(value) = std::env::var_os(name) {
            println!("{name} = {}", value.display());
        }
    }
    if pidfile::running(&places.pid_file()).is_some() {
        return ExitCode::SUCCESS;
    }
    if options.foreground
        || number("XEND_DAEMONIZE") == Some(0)
        || number("XEND_DEBUG").is_some_and(|n| n != 0)
    {
        return worker::main(&Options { foreground: true, ..options.clone() }, places);
    }
    supervise::launch(options, places)
}

fn number(name: &str) -> Option<i64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Ends the daemon. Unlike the original this waits until it has ended, so that a start right behind it finds its
/// sockets free.
fn stop(places: &Places) -> ExitCode {
    let file = places.pid_file();
    if let Some(pid) = pidfile::signal(&file, Signal::SIGTERM) {
        pidfile::wait_for_end(pid);
    }
    let _ = std::fs::remove_file(&file);
    ExitCode::SUCCESS
}

fn parse(words: impl Iterator<Item = std::ffi::OsString>) -> Result<(Vec<String>, Options), String> {
    let mut options = Options::default();
    let mut plain = Vec::new();
    let mut words = words;
    while let Some(word) = words.next() {
        match word.to_str() {
            Some("--root") => {
                let root = words.next().ok_or("option --root requires argument")?;
                options.root = Some(absolute(Path::new(&root))?);
            }
            Some("--simulate") => options.simulate = true,
            Some("--foreground") => options.foreground = true,
            Some(word) if !word.starts_with("--") || matches!(word, "--help" | "--version") => {
                plain.push(word.to_owned());
            }
            _ => return Err(format!("option {} not recognized", word.display())),
        }
    }
    if options.simulate && options.root.is_none() {
        return Err("--simulate needs a folder of its own: --root DIR".to_owned());
    }
    Ok((plain, options))
}

/// The daemon changes its folder to `/`.
fn absolute(path: &Path) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("cannot use the folder {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Result<(Vec<String>, Options), String> {
        parse(line.split_whitespace().map(Into::into))
    }

    #[test]
    fn options_may_stand_before_and_behind_the_word() {
        let (plain, options) = words("--simulate start --root /tmp/x").unwrap();
        assert_eq!(plain, ["start"]);
        assert!(options.simulate);
        assert_eq!(options.root, Some("/tmp/x".into()));
    }

    #[test]
    fn a_simulation_without_a_folder_of_its_own_is_refused() {
        assert!(words("start --simulate").unwrap_err().contains("--root"));
        assert!(words("start --nosuch").unwrap_err().contains("--nosuch"));
        assert!(words("start --root").unwrap_err().contains("--root"));
    }
}
