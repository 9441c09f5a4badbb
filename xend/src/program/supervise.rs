//! `xend start` and the supervisor. A start leaves a process of its own session behind that runs the worker and starts
//! it again when a signal ends it; readiness comes back through the pipe on its standard output as `0` or `1`.

use std::{
    fs,
    io::Read,
    os::fd::AsFd,
    os::unix::{
        fs::{DirBuilderExt, OpenOptionsExt},
        process::ExitStatusExt,
    },
    path::Path,
    process::{Child, Command, ExitCode, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::{
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::{
        signal::{SigSet, Signal},
        signalfd::{SfdFlags, SignalFd},
    },
};

use super::{command::Options, pidfile};
use crate::settings::Places;

/// Command word of the supervisor; not for people.
pub(super) const SUPERVISOR: &str = "run-supervisor";
/// Command word of the worker; not for people.
pub(super) const WORKER: &str = "run-worker";
/// Exit status of a worker that asks to be started again.
pub(super) const START_AGAIN: u8 = 75;
/// Set for every worker but the first: whoever asked for the start has gone, and only trying again helps.
pub(super) const AGAIN: &str = "XEND_WORKER_AGAIN";
/// A worker that dies sooner than this after its start is started again ever more slowly.
const SHORT_LIFE: Duration = Duration::from_secs(10);
/// How long a failed start waits for the end of what it started.
const END_LIMIT: Duration = Duration::from_secs(5);
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Starts the daemon in the background and waits until it answers requests.
pub(super) fn launch(options: &Options, places: &Places) -> ExitCode {
    match start_supervisor(options, places) {
        Ok(mut child) => {
            let mut told = Vec::new();
            let read = child.stdout.take().map(|mut pipe| pipe.read_to_end(&mut told));
            match (read, told.first()) {
                (Some(Ok(_)), Some(b'0')) => ExitCode::SUCCESS,
                (_, first) => {
                    if first == Some(&b'1') {
                        wait_for_end(&mut child);
                    }
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

/// A worker that said that it could not start is about to end, and its supervisor with it: what is asked right behind
/// a failed start must not find them.
fn wait_for_end(child: &mut Child) {
    let deadline = Instant::now() + END_LIMIT;
    while matches!(child.try_wait(), Ok(None)) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(2));
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
    // Now: once a newer program has been installed over ours, ours is called `xend (deleted)`.
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => {
            eprintln!("cannot find the program itself: {error}");
            return ExitCode::from(1);
        }
    };
    let (mut pipe, mut turn) = (Stdio::inherit(), Turn::First);
    let mut pause = FIRST_PAUSE;
    loop {
        let started = Instant::now();
        let mut worker = match start_worker(&program, options, pipe, turn) {
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
        (pipe, turn) = (Stdio::null(), Turn::Later);
        let ended = wait(&mut worker, &wanted);
        if let Some(code) = judge(ended) {
            pidfile::remove_own(&places.pid_file(), worker.id());
            return ExitCode::from(code);
        }
        if started.elapsed() >= SHORT_LIFE {
            pause = FIRST_PAUSE;
            continue;
        }
        // Until there is a worker a stop must find somebody, and a status must not find the daemon dead.
        let own = std::process::id();
        if let Err(error) = pidfile::write(&places.pid_file(), own) {
            eprintln!("cannot write {}: {error}", places.pid_file().display());
        }
        if let Some(signal) = nap(&wanted, pause) {
            eprintln!("Xend stopped due to signal {}.", signal as i32);
            pidfile::remove_own(&places.pid_file(), own);
            return ExitCode::SUCCESS;
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Lets time pass before the next worker. The answer is a signal that says that there is to be none.
fn nap(wanted: &SigSet, pause: Duration) -> Option<Signal> {
    let deadline = Instant::now() + pause;
    let Ok(signals) = SignalFd::with_flags(wanted, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC) else {
        std::thread::sleep(pause);
        return None;
    };
    loop {
        while let Ok(Some(arrived)) = signals.read_signal() {
            let end = [Signal::SIGTERM, Signal::SIGINT];
            let signal = end.into_iter().find(|signal| *signal as u32 == arrived.ssi_signo);
            if signal.is_some() {
                return signal;
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return None;
        }
        let mut news = [PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        // Rounded up: a rest of less than a millisecond must not be polled for in a circle.
        let timeout = PollTimeout::try_from(left + Duration::from_millis(1)).unwrap_or(PollTimeout::MAX);
        let _interrupted = poll(&mut news, timeout);
    }
}

/// Which worker of this supervisor it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    First,
    Later,
}

fn start_worker(program: &Path, options: &Options, pipe: Stdio, turn: Turn) -> std::io::Result<Child> {
    let mut command = Command::new(program);
    if turn == Turn::Later {
        command.env(AGAIN, "1");
    }
    command
        .arg(WORKER)
        .args(options.words())
        // Few allocator arenas: a thousand domains are several MiB smaller, and no slower.
        .env("MALLOC_ARENA_MAX", "2")
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

/// The supervisor's own exit status, or `None` to start the worker again.
fn judge(ended: Option<ExitStatus>) -> Option<u8> {
    let Some(status) = ended else { return Some(1) };
    match (status.code(), status.signal()) {
        (Some(code), _) if code == i32::from(START_AGAIN) => {
            eprintln!("Xend lost xenstored or cannot start yet.  Restarting it.");
            None
        }
        (Some(code), _) => {
            eprintln!("Xend exited with status {code}.");
            Some(u8::try_from(code).unwrap_or(1))
        }
        (None, Some(signal)) if signal == libc::SIGINT || signal == libc::SIGTERM => {
            eprintln!("Xend stopped due to signal {signal}.");
            Some(0)
        }
        (None, signal) => {
            eprintln!("Xend died due to signal {}!  Restarting it.", signal.unwrap_or(0));
            None
        }
    }
}
