//! `xend start` and the supervisor. A start leaves a process of its own session behind that runs the worker and starts
//! it again when a signal ends it; readiness comes back through the pipe on its standard output as `0` or `1`.

use std::{
    fs,
    io::Read,
    os::unix::{
        fs::{DirBuilderExt, OpenOptionsExt},
        process::ExitStatusExt,
    },
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::sys::signal::{SigSet, Signal};

use super::{command::Options, pidfile};
use crate::settings::Places;

/// Command word of the supervisor; not for people.
pub(super) const SUPERVISOR: &str = "run-supervisor";
/// Command word of the worker; not for people.
pub(super) const WORKER: &str = "run-worker";
/// Exit status of a worker that asks to be started again.
pub(super) const START_AGAIN: u8 = 75;
/// A worker that dies sooner than this after its start is started again ever more slowly.
const SHORT_LIFE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Starts the daemon in the background and waits until it answers requests.
pub(super) fn launch(options: &Options, places: &Places) -> ExitCode {
    match start_supervisor(options, places) {
        Ok(mut child) => {
            let mut told = Vec::new();
            let read = child.stdout.take().map(|mut pipe| pipe.read_to_end(&mut told));
            match (read, told.first()) {
                (Some(Ok(_)), Some(b'0')) => ExitCode::SUCCESS,
                _ => {
                    let text = String::from_utf8_lossy(told.get(1..).unwrap_or_default()).into_owned();
                    eprintln!(
                        "xend could not be started{}{}",
                        if text.is_empty() { "" } else { ": " },
                        text.trim_end()
                    );
                    eprintln!("its messages are in {}", places.debug_log().display());
                    ExitCode::from(1)
                }
            }
        }
        Err(error) => {
            eprintln!("xend could not be started: {error:#}");
            ExitCode::from(1)
        }
    }
}

fn start_supervisor(options: &Options, places: &Places) -> anyhow::Result<Child> {
    use anyhow::Context;
    let folder = places.log_folder();
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(&folder)
        .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    let log = places.debug_log();
    let log = fs::OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o666)
        .open(&log)
        .with_context(|| format!("cannot open {}", log.display()))?;
    let program = std::env::current_exe().context("cannot find the program itself")?;
    Command::new(program)
        .arg(SUPERVISOR)
        .args(options.words())
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .context("cannot start the supervisor")
}

/// The supervisor's work. Its standard output is the readiness pipe, handed on to the first worker only.
pub(super) fn supervise(options: &Options, places: &Places) -> ExitCode {
    // A session of its own: the terminal's hang-up is not for us. It fails only for one that has it already.
    let _ = nix::unistd::setsid();
    eprintln!("Xend started at {}.", jiff::Zoned::now().strftime("%a %b %e %H:%M:%S %Y"));
    let mut wanted = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGCHLD] {
        wanted.add(signal);
    }
    if let Err(error) = wanted.thread_block() {
        eprintln!("cannot block signals: {error}");
        return ExitCode::from(1);
    }
    let mut pipe = Stdio::inherit();
    let mut pause = Duration::from_millis(100);
    loop {
        let started = Instant::now();
        let mut worker = match start_worker(options, pipe) {
            Ok(worker) => worker,
            Err(error) => {
                eprintln!("cannot start the worker: {error}");
                return ExitCode::from(1);
            }
        };
        if let Err(error) = pidfile::write(&places.pid_file(), worker.id()) {
            eprintln!("cannot write {}: {error}", places.pid_file().display());
        }
        release_stdout();
        pipe = Stdio::null();
        let ended = wait(&mut worker, &wanted);
        if let Some(code) = judge(ended, places) {
            return code;
        }
        if started.elapsed() < SHORT_LIFE {
            std::thread::sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        } else {
            pause = Duration::from_millis(100);
        }
    }
}

fn start_worker(options: &Options, pipe: Stdio) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg(WORKER)
        .args(options.words())
        .stdin(Stdio::null())
        .stdout(pipe)
        .spawn()
}

/// Gives the readiness pipe up, so that its reader sees the end when the worker has spoken or died.
fn release_stdout() {
    if let Ok(null) = fs::OpenOptions::new().write(true).open("/dev/null") {
        // Its number stays in use by the null device; nothing else is written to it.
        let _ = nix::unistd::dup2_stdout(null);
    }
}

/// Waits for the end of the worker and hands signals on to it.
fn wait(worker: &mut Child, wanted: &SigSet) -> Option<ExitStatus> {
    let pid = nix::unistd::Pid::from_raw(worker.id() as i32);
    loop {
        match worker.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) => {}
            Err(_) => return None,
        }
        match wanted.wait() {
            Ok(Signal::SIGCHLD) | Err(_) => {}
            // The worker may have ended meanwhile; then SIGCHLD is the next signal.
            Ok(signal) => drop(nix::sys::signal::kill(pid, signal)),
        }
    }
}

/// The supervisor's own end, or `None` to start the worker again.
fn judge(ended: Option<ExitStatus>, places: &Places) -> Option<ExitCode> {
    let end = |code| {
        let _ = fs::remove_file(places.pid_file());
        Some(ExitCode::from(code))
    };
    let Some(status) = ended else { return end(1) };
    match (status.code(), status.signal()) {
        (Some(code), _) if code == i32::from(START_AGAIN) => {
            eprintln!("Xend lost xenstored.  Restarting it.");
            None
        }
        (Some(code), _) => {
            eprintln!("Xend exited with status {code}.");
            end(u8::try_from(code).unwrap_or(1))
        }
        (None, Some(signal)) if signal == libc::SIGINT || signal == libc::SIGTERM => {
            eprintln!("Xend stopped due to signal {signal}.");
            end(0)
        }
        (None, signal) => {
            eprintln!("Xend died due to signal {}!  Restarting it.", signal.unwrap_or(0));
            None
        }
    }
}
