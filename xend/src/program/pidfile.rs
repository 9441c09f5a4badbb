//! The pid file: the worker's pid in decimal, without a newline. A pid in it counts only while a process with it runs
//! that is a `xend`.

use std::{
    fs::{self, File},
    io,
    path::Path,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// How long a stopped daemon may take to end.
const END_LIMIT: Duration = Duration::from_secs(30);

/// How long a daemon waits for one that is just ending.
const CLAIM_LIMIT: Duration = Duration::from_secs(2);

/// Makes the folder of records this daemon's alone: two that act on the same domains would start each guest twice. The
/// pid file can't keep them apart, it may be lost and a daemon in the foreground has none. The claim ends with the
/// process, however it ends.
pub(super) fn claim(folder: &Path) -> io::Result<Flock<File>> {
    let deadline = Instant::now() + CLAIM_LIMIT;
    let mut open = File::open(folder)?;
    loop {
        match Flock::lock(open, FlockArg::LockExclusiveNonblock) {
            Ok(claim) => return Ok(claim),
            Err((file, Errno::EWOULDBLOCK)) if Instant::now() < deadline => open = file,
            Err((_, Errno::EWOULDBLOCK)) => return Err(io::Error::other("another xend works with it")),
            Err((_, error)) => return Err(error.into()),
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The pid of the daemon that runs; a file that names none that does is removed.
pub(super) fn running(file: &Path) -> Option<Pid> {
    let text = fs::read_to_string(file).ok()?;
    let pid = text.trim().parse::<i32>().ok().filter(|pid| *pid > 0);
    if let Some(pid) = pid.filter(|pid| is_xend(*pid)) {
        return Some(Pid::from_raw(pid));
    }
    let _ = fs::remove_file(file);
    None
}

/// Writes the pid in one piece.
pub(super) fn write(file: &Path, pid: u32) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let temporary = file.with_extension("pid.new");
    fs::write(&temporary, pid.to_string())?;
    fs::rename(temporary, file)
}

/// Removes the file, unless it names another daemon: one that was started right behind a stop.
pub(super) fn remove_own(file: &Path, pid: u32) {
    if fs::read_to_string(file).is_ok_and(|text| text == pid.to_string()) {
        let _ = fs::remove_file(file);
    }
}

/// Sends a signal to the daemon, if it runs.
pub(super) fn signal(file: &Path, signal: Signal) -> Option<Pid> {
    let pid = running(file)?;
    kill(pid, signal).ok().map(|()| pid)
}

/// Waits until a process has ended.
pub(super) fn wait_for_end(pid: Pid) {
    let deadline = Instant::now() + END_LIMIT;
    while is_xend(pid.as_raw()) && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a process with this pid runs our program. A zombie has ended.
fn is_xend(pid: i32) -> bool {
    let alive = fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or_default().trim_start().starts_with('Z'));
    let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let program = command.split(|byte| *byte == 0).next().unwrap_or_default();
    alive && program.rsplit(|byte| *byte == b'/').next().is_some_and(|name| name.starts_with(b"xend"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_pid_file_is_removed_and_does_not_count() {
        let file = std::env::temp_dir().join(format!("xend-pid-{}", std::process::id()));
        write(&file, i32::MAX as u32).unwrap();
        assert_eq!(running(&file), None);
        assert!(!file.exists());
        fs::write(&file, "not a pid").unwrap();
        assert_eq!(running(&file), None);
        assert!(!file.exists());
    }

    #[test]
    fn the_file_of_another_daemon_is_left_alone() {
        let file = std::env::temp_dir().join(format!("xend-pid-own-{}", std::process::id()));
        write(&file, 77).unwrap();
        remove_own(&file, 7);
        assert!(file.exists());
        remove_own(&file, 77);
        assert!(!file.exists());
    }

    #[test]
    fn a_process_that_is_not_xend_is_not_taken_for_it() {
        assert!(!is_xend(1) || fs::read_to_string("/proc/1/comm").unwrap().starts_with("xend"));
    }
}
