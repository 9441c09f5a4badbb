//! Running hotplug scripts, shipped ones or a site's, the way udev once did: classic arguments and environment, one
//! process each, output copied to `xen-hotplug.log` (`xend-daemon` §6, [`super::script_output`]). What a script found
//! out is read from the backend's nodes by the caller; here only its end counts.
//!
//! A script leads a process group of its own. What is in it goes when the script fails, takes too long or is called
//! off; what a script that did its work leaves running, or what has taken a session of its own, is left alone.

use std::{
    io,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use nix::{
    errno::Errno,
    sys::{
        signal::{Signal, killpg},
        wait::{Id, WaitPidFlag, WaitStatus, waitid},
    },
    unistd::Pid,
};
use tokio::{
    process::{Child, Command},
    signal::unix::{SignalKind, signal},
};

use super::{
    check::{CheckError, DevicePlan},
    script_output::{Ends, Output, Said},
    wiring::DeviceFault,
};

/// Where programs are looked for, by scripts and by what they start.
pub(super) const PATH: &str = "/usr/lib/xend/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// One run of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptCall {
    /// Absolute path of the program.
    pub script: PathBuf,
    /// Words behind it; the last one is the command (`add`, `online`).
    pub args: Vec<String>,
    /// Variables in addition to a clean environment.
    pub env: Vec<(String, String)>,
    /// After this long it is killed.
    pub time_limit: Duration,
}

/// How a script ended that did not succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this status.
    Status(i32),
    /// By a signal.
    Signal(Signal),
}

impl std::fmt::Display for Ending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Status(status) => write!(f, "ended with status {status}"),
            Self::Signal(signal) => write!(f, "was killed by signal {} ({signal})", *signal as i32),
        }
    }
}

/// Why a script did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It could not be started at all.
    #[error("cannot run the script {script}")]
    Start {
        /// Its path.
        script: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It ended with something other than 0.
    #[error("script {script} {args} {ending}; its messages are in {log}")]
    Failed {
        /// Its path.
        script: PathBuf,
        /// Its arguments.
        args: String,
        /// How.
        ending: Ending,
        /// Its last lines.
        #[source]
        said: Option<Said>,
        /// Where to read on.
        log: PathBuf,
    },
    /// It had to be killed.
    #[error("script {script} {args} was killed after {limit:?}; its messages are in {log}")]
    TimedOut {
        /// Its path.
        script: PathBuf,
        /// Its arguments.
        args: String,
        /// How long it had.
        limit: Duration,
        /// Its last lines.
        #[source]
        said: Option<Said>,
        /// Where to read on.
        log: PathBuf,
    },
}

impl ScriptError {
    /// The reasons, one a line: what happened, and what the script said last.
    pub fn reasons(&self) -> Vec<String> {
        match self {
            Self::Start { script, source } => vec![format!("cannot run {}: {source}", script.display())],
            Self::Failed { said, .. } | Self::TimedOut { said, .. } => {
                let lines = said.iter().flat_map(Said::lines).map(|line| format!("it said: {line}"));
                std::iter::once(self.to_string()).chain(lines).collect()
            }
        }
    }

    /// What to do about one that could not be started.
    pub fn remedy(&self) -> Option<String> {
        let Self::Start { script, source } = self else { return None };
        let script = script.display();
        match source.raw_os_error().map(Errno::from_raw) {
            Some(Errno::ENOENT) => {
                Some(format!("see whether {script} is there, and the interpreter that its first line names"))
            }
            Some(Errno::EACCES) => Some(format!("make it executable: chmod +x {script}")),
            Some(Errno::ENOEXEC) => {
                Some(format!("the first line of {script} must name its interpreter, such as #!/bin/sh"))
            }
            _ => None,
        }
    }
}

/// Who runs scripts: processes on a host, the simulated drivers under `--simulate`.
pub trait ScriptRunner: Send + Sync {
    /// Runs one to its end.
    fn run(&self, call: ScriptCall) -> BoxFuture<'static, Result<(), ScriptError>>;

    /// What would keep the scripts from connecting these devices, seen now and changing nothing. Where the scripts are
    /// not programs, they say it themselves when they are run.
    fn check(&self, plans: Vec<DevicePlan>) -> BoxFuture<'static, Result<Vec<DeviceFault>, CheckError>> {
        let _ = plans;
        Box::pin(async { Ok(Vec::new()) })
    }
}

/// Runs scripts as processes of this host.
#[derive(Clone, Debug)]
pub struct HostScripts {
    log: Arc<PathBuf>,
    env: Arc<Vec<(String, String)>>,
    checker: Option<Arc<PathBuf>>,
}

impl HostScripts {
    /// `log` is where the scripts' output goes (`/var/log/xen/xen-hotplug.log`); `env` is set for every script.
    pub fn new(log: PathBuf, env: Vec<(String, String)>) -> Self {
        Self { log: Arc::new(log), env: Arc::new(env), checker: None }
    }

    /// Devices are checked by `program` (`xen-hotplug`) before there is a domain.
    pub fn with_checker(self, program: PathBuf) -> Self {
        Self { checker: Some(Arc::new(program)), ..self }
    }
}

impl ScriptRunner for HostScripts {
    fn run(&self, mut call: ScriptCall) -> BoxFuture<'static, Result<(), ScriptError>> {
        let log = self.log.clone();
        call.env.extend(self.env.iter().cloned());
        Box::pin(async move { run(&call, &log).await })
    }

    fn check(&self, plans: Vec<DevicePlan>) -> BoxFuture<'static, Result<Vec<DeviceFault>, CheckError>> {
        let (checker, env) = (self.checker.clone(), self.env.clone());
        Box::pin(async move {
            match checker {
                Some(program) => super::check::check(&program, &env, &plans).await,
                None => Ok(Vec::new()),
            }
        })
    }
}

/// How long a script that was killed is waited for.
const KILLED_LIMIT: Duration = Duration::from_secs(5);

async fn run(call: &ScriptCall, log: &Path) -> Result<(), ScriptError> {
    let start = |source| ScriptError::Start { script: call.script.clone(), source };
    let args = call.args.join(" ");
    let device = call.env.iter().find(|(key, _)| key == "XENBUS_PATH").map_or("", |(_, path)| path);
    let run = format!("{} {args} {device}", call.script.display());
    let (output, ends) = Output::capture(log, run).map_err(start)?;
    // Behind the child, so dropped before it: its number can't be another process's yet.
    let mut child = spawn(call, ends).map_err(start)?;
    let mut group = Group(child.id());
    let ended = tokio::time::timeout(call.time_limit, end_of(&child)).await;
    let ending = match ended {
        Ok(ended) => ended.map_err(start)?,
        Err(_) => {
            drop(group);
            // One that the kernel holds in a call does not even die of SIGKILL; whoever waits is told all the same.
            let _ = tokio::time::timeout(KILLED_LIMIT, child.wait()).await;
            let (script, log, limit) = (call.script.clone(), log.to_owned(), call.time_limit);
            let said = output.last_lines().await;
            return Err(ScriptError::TimedOut { script, args, limit, said, log });
        }
    };
    if ending == Ending::Status(0) {
        group.0 = None;
        output.let_go();
        let _ = child.wait().await;
        return Ok(());
    }
    // First its words, which a filter in its group may still be passing on.
    let said = output.last_lines().await;
    drop(group);
    let _ = child.wait().await;
    Err(ScriptError::Failed { script: call.script.clone(), args, ending, said, log: log.to_owned() })
}

fn spawn(call: &ScriptCall, ends: Ends) -> io::Result<Child> {
    Command::new(&call.script)
        .args(&call.args)
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", "POSIX")
        .envs(call.env.iter().map(|(key, value)| (key, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(ends.stdout)
        .stderr(ends.stderr)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Waits until the child has ended, and leaves it unburied: as long as it is, its number, and so its group's, is nobody
/// else's.
async fn end_of(child: &Child) -> io::Result<Ending> {
    let mut news = signal(SignalKind::child())?;
    let Some(pid) = child.id() else { return Err(Errno::ECHILD.into()) };
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    loop {
        match waitid(Id::Pid(Pid::from_raw(pid as i32)), look) {
            Ok(WaitStatus::Exited(_, status)) => return Ok(Ending::Status(status)),
            Ok(WaitStatus::Signaled(_, signal, _)) => return Ok(Ending::Signal(signal)),
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        news.recv().await;
    }
}

/// The processes of a script. All of them go when it fails, is called off or has taken too long: a shell's child would
/// otherwise keep the device's lock, or connect what is being taken away.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // Already gone is what was wanted.
            let _ = killpg(Pid::from_raw(pid as i32), Signal::SIGKILL);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(script: &Path, limit: Duration) -> ScriptCall {
        let env = vec![("XENBUS_PATH".to_owned(), "backend/vbd/7/768".to_owned())];
        ScriptCall { script: script.to_owned(), args: vec!["add".to_owned()], env, time_limit: limit }
    }

    /// Written by another process: a file that this one has open for writing cannot be run by a parallel test.
    fn script(dir: &Path, text: &str) -> PathBuf {
        let path = dir.join("block");
        let write = "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\"";
        let written = std::process::Command::new("sh").args(["-c", write]).arg(&path).arg(text).status();
        assert!(written.unwrap().success());
        path
    }

    async fn run_in(dir: &Path, script: &Path, limit: Duration) -> Result<(), ScriptError> {
        HostScripts::new(dir.join("log"), Vec::new()).run(call(script, limit)).await
    }

    const AMPLE: Duration = Duration::from_secs(100);

    async fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let limit = std::time::Instant::now() + Duration::from_secs(20);
        loop {
            if let Some(seen) = look() {
                return seen;
            }
            assert!(std::time::Instant::now() < limit, "{what}");
            tokio::task::yield_now().await;
        }
    }

    fn log(dir: &Path) -> String {
        std::fs::read_to_string(dir.join("log")).unwrap_or_default()
    }

    /// The number that a script wrote into `pid`.
    async fn left_behind(dir: &Path) -> i32 {
        let told = || {
            let text = std::fs::read_to_string(dir.join("pid")).unwrap_or_default();
            text.strip_suffix('\n').and_then(|pid| pid.parse().ok())
        };
        eventually("the script tells its child's pid", told).await
    }

    fn is_alive(pid: i32) -> bool {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z"))
    }

    fn end(pid: i32) {
        let _ = nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL);
    }

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("xend-scripts-{name}-{}", std::process::id()));
        // Left by a process that was killed and had the same number.
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[tokio::test]
    async fn a_script_sees_the_classic_environment_and_nothing_else() {
        let dir = folder("env");
        let out = dir.join("out");
        let text = format!("#!/bin/sh\necho \"$1 $XENBUS_PATH ${{HOME-unset}}\" > {}\n", out.display());
        let script = script(&dir, &text);
        run_in(&dir, &script, AMPLE).await.unwrap();
        assert_eq!(std::fs::read_to_string(out).unwrap(), "add backend/vbd/7/768 unset\n");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_failing_script_names_its_status_its_log_and_its_last_words() {
        let dir = folder("fail");
        let script = script(&dir, "#!/bin/sh\nseq 10 >&2\nprintf '\\033[1mtold\\n'\nexit 3\n");
        let error = run_in(&dir, &script, AMPLE).await.unwrap_err();
        assert!(matches!(error, ScriptError::Failed { ending: Ending::Status(3), .. }), "{error}");
        let path = script.display();
        assert_eq!(
            error.reasons(),
            [
                format!(
                    "script {path} add ended with status 3; its messages are in {}",
                    dir.join("log").display()
                ),
                "it said: 7".to_owned(),
                "it said: 8".to_owned(),
                "it said: 9".to_owned(),
                "it said: 10".to_owned(),
                "it said: [1mtold".to_owned(),
            ]
        );
        let source = std::error::Error::source(&error).unwrap();
        assert_eq!(source.to_string(), "it said: 7 / 8 / 9 / 10 / [1mtold");
        let is_logged = || log(&dir).ends_with("10\n\x1b[1mtold\n").then_some(());
        eventually("its words are in the log", is_logged).await;
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_script_that_is_killed_names_the_signal() {
        let dir = folder("killed");
        let script = script(&dir, "#!/bin/sh\necho before\nkill -SEGV $$\n");
        let error = run_in(&dir, &script, AMPLE).await.unwrap_err();
        assert!(error.to_string().contains("block add was killed by signal 11 (SIGSEGV); "), "{error}");
        assert_eq!(error.reasons()[1..], ["it said: before"]);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_script_that_hangs_is_killed_with_its_children() {
        let dir = folder("hang");
        let script = script(
            &dir,
            &format!(
                "#!/bin/sh\nsleep 1000 &\necho waits for the lock\necho $! > {}\nwait\n",
                dir.join("pid").display()
            ),
        );
        let running = tokio::spawn(HostScripts::new(dir.join("log"), Vec::new()).run(call(&script, AMPLE)));
        let sleeper = left_behind(&dir).await;
        // Now that it hangs, all of its time passes at once.
        tokio::time::pause();
        tokio::time::advance(AMPLE).await;
        tokio::time::resume();
        let error = tokio::time::timeout(AMPLE, running).await.expect("it ends").unwrap().unwrap_err();
        assert!(matches!(error, ScriptError::TimedOut { .. }), "{error}");
        assert_eq!(error.reasons()[1..], ["it said: waits for the lock"]);
        eventually("its child is gone", || (!is_alive(sleeper)).then_some(())).await;
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_script_that_is_called_off_is_killed_with_its_children() {
        let dir = folder("off");
        let pid = dir.join("pid");
        let script = script(&dir, &format!("#!/bin/sh\nsleep 1000 &\necho $! > {}\nwait\n", pid.display()));
        let run = HostScripts::new(dir.join("log"), Vec::new()).run(call(&script, AMPLE));
        let running = tokio::spawn(run);
        let sleeper = left_behind(&dir).await;
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        eventually("its child is gone", || (!is_alive(sleeper)).then_some(())).await;
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn what_a_script_prints_is_bounded_in_the_log() {
        let dir = folder("chatty");
        let script = script(&dir, "#!/bin/sh\nyes 0123456 | head -c 100000000\necho; echo last\nexit 1\n");
        let error = run_in(&dir, &script, AMPLE).await.unwrap_err();
        assert!(error.reasons().ends_with(&["it said: last".to_owned()]), "{:?}", error.reasons());
        let end =
            format!("{} add backend/vbd/7/768: {} more bytes of output were left out\n", script.display(), {
                100_000_000 + "\nlast\n".len() - 64 * 1024
            });
        let told = || Some(log(&dir)).filter(|log| log.ends_with(&end));
        let written = eventually("the log tells what it lacks", told).await;
        assert_eq!(written.len(), 64 * 1024 + end.len());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_log_that_cannot_be_written_keeps_no_script_from_its_work() {
        let dir = folder("nolog");
        let script = script(&dir, "#!/bin/sh\necho told\nexit $1\n");
        let mut asked = call(&script, AMPLE);
        asked.args = vec!["0".to_owned()];
        let runner = HostScripts::new(dir.join("none/log"), Vec::new());
        runner.run(asked.clone()).await.unwrap();
        asked.args = vec!["4".to_owned()];
        let error = runner.run(asked).await.unwrap_err();
        assert_eq!(error.reasons()[1..], ["it said: told"]);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn what_a_script_that_did_its_work_leaves_running_is_neither_waited_for_nor_ended() {
        let dir = folder("leaves");
        let (pid, go) = (dir.join("pid"), dir.join("go"));
        let text = format!(
            "#!/bin/sh\necho started\n(while ! [ -e {go} ]; do sleep 0.05; done; echo still here; sleep 1000) &\n\
             echo $! > {pid}\n",
            go = go.display(),
            pid = pid.display()
        );
        run_in(&dir, &script(&dir, &text), AMPLE).await.unwrap();
        let child = left_behind(&dir).await;
        std::fs::write(&go, "").unwrap();
        // Its word arrives, so it has not been ended for saying it.
        eventually("its words are in the log", || (log(&dir) == "started\nstill here\n").then_some(())).await;
        assert!(is_alive(child));
        let _ = killpg(nix::unistd::getpgid(Some(Pid::from_raw(child))).unwrap(), Signal::SIGKILL);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn what_a_script_that_failed_leaves_goes_unless_it_has_a_session_of_its_own() {
        let dir = folder("group");
        let (pid, own) = (dir.join("pid"), dir.join("own"));
        let text = format!(
            "#!/bin/sh\nsetsid sh -c 'echo $$ > {own}; exec sleep 1000' &\n\
             while ! [ -s {own} ]; do sleep 0.05; done\nsleep 1000 &\necho $! > {pid}\necho failed\nexit 1\n",
            own = own.display(),
            pid = pid.display()
        );
        let error = run_in(&dir, &script(&dir, &text), AMPLE).await.unwrap_err();
        assert_eq!(error.reasons()[1..], ["it said: failed"]);
        let child = left_behind(&dir).await;
        eventually("its child is gone", || (!is_alive(child)).then_some(())).await;
        let server: i32 = std::fs::read_to_string(&own).unwrap().trim().parse().unwrap();
        assert!(is_alive(server));
        end(server);
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_script_that_cannot_be_started_says_why_and_what_to_do() {
        use std::os::unix::fs::PermissionsExt;
        let dir = folder("none");
        let plain = script(&dir, "echo no interpreter is named\n");
        let error = run_in(&dir, &plain, AMPLE).await.unwrap_err();
        assert_eq!(
            error.reasons(),
            [format!("cannot run {}: Exec format error (os error 8)", plain.display())]
        );
        assert!(error.remedy().unwrap().ends_with("must name its interpreter, such as #!/bin/sh"));
        std::fs::set_permissions(&plain, std::fs::Permissions::from_mode(0o644)).unwrap();
        let error = run_in(&dir, &plain, AMPLE).await.unwrap_err();
        assert_eq!(error.remedy(), Some(format!("make it executable: chmod +x {}", plain.display())));
        let error = run_in(&dir, &dir.join("nosuch"), AMPLE).await.unwrap_err();
        assert!(error.to_string().contains("nosuch"));
        assert!(error.remedy().unwrap().contains("/nosuch is there"), "{:?}", error.remedy());
        let error = run_in(&dir, &dir, AMPLE).await.unwrap_err();
        assert!(matches!(error, ScriptError::Start { .. }), "{error}");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
