//! Running hotplug scripts, shipped ones or a site's, the way udev once did: classic arguments and environment, one
//! process each, output appended to `xen-hotplug.log` (`xend-daemon` §6). What a script found out is read from the
//! backend's nodes by the caller; here only its end counts.

use std::{
    fs::OpenOptions,
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use tokio::process::Command;

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

/// Why a script did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum ScriptError {
    /// It could not be started at all.
    #[error("cannot run the script {script}")]
    Start {
        /// Its path.
        script: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It ended with something other than 0.
    #[error("script {script} {args} ended with status {status}; its messages are in {log}")]
    Failed {
        /// Its path.
        script: PathBuf,
        /// Its arguments.
        args: String,
        /// Exit status, or the signal as a negative number.
        status: i32,
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
        /// Where to read on.
        log: PathBuf,
    },
}

/// Who runs scripts: processes on a host, the simulated drivers under `--simulate`.
pub trait ScriptRunner: Send + Sync {
    /// Runs one to its end.
    fn run(&self, call: ScriptCall) -> BoxFuture<'static, Result<(), ScriptError>>;
}

/// Runs scripts as processes of this host.
#[derive(Clone, Debug)]
pub struct HostScripts {
    log: Arc<PathBuf>,
    env: Arc<Vec<(String, String)>>,
}

impl HostScripts {
    /// `log` is where the scripts' output goes (`/var/log/xen/xen-hotplug.log`); `env` is set for every script.
    pub fn new(log: PathBuf, env: Vec<(String, String)>) -> Self {
        Self { log: Arc::new(log), env: Arc::new(env) }
    }
}

impl ScriptRunner for HostScripts {
    fn run(&self, mut call: ScriptCall) -> BoxFuture<'static, Result<(), ScriptError>> {
        let log = self.log.clone();
        call.env.extend(self.env.iter().cloned());
        Box::pin(async move { run(&call, &log).await })
    }
}

async fn run(call: &ScriptCall, log: &Path) -> Result<(), ScriptError> {
    let start = |source| ScriptError::Start { script: call.script.clone(), source };
    let output = OpenOptions::new().append(true).create(true).open(log).map_err(start)?;
    let mut command = Command::new(&call.script);
    command
        .args(&call.args)
        .env_clear()
        .env("PATH", "/usr/lib/xend/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LANG", "POSIX")
        .envs(call.env.iter().map(|(key, value)| (key, value)))
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(output.try_clone().map_err(start)?)
        .stderr(output)
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(start)?;
    // Declared behind the child, so dropped before it: its number can't be another process's yet.
    let mut group = Group(child.id());
    let args = call.args.join(" ");
    let ended = tokio::time::timeout(call.time_limit, child.wait()).await;
    if ended.is_ok() {
        group.0 = None;
    }
    let Ok(ended) = ended else {
        drop(group);
        let _ = child.wait().await;
        let (script, log, limit) = (call.script.clone(), log.to_owned(), call.time_limit);
        return Err(ScriptError::TimedOut { script, args, limit, log });
    };
    let status = ended.map_err(start)?;
    if status.success() {
        return Ok(());
    }
    let signal = || -std::os::unix::process::ExitStatusExt::signal(&status).unwrap_or(0);
    let status = status.code().unwrap_or_else(signal);
    Err(ScriptError::Failed { script: call.script.clone(), args, status, log: log.to_owned() })
}

/// The processes of a script that has not ended. All of them go when it is called off or has taken too long: a shell's
/// child would otherwise keep the device's lock, or connect what is being taken away.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let group = nix::unistd::Pid::from_raw(pid as i32);
            // Already gone is what was wanted.
            let _ = nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGKILL);
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

    fn script(dir: &Path, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt;
        let path = dir.join("block");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    fn folder(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("xend-scripts-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[tokio::test]
    async fn a_script_sees_the_classic_environment_and_nothing_else() {
        let dir = folder("env");
        let out = dir.join("out");
        let text = format!("#!/bin/sh\necho \"$1 $XENBUS_PATH ${{HOME-unset}}\" > {}\n", out.display());
        let script = script(&dir, &text);
        HostScripts::new(dir.join("log"), Vec::new())
            .run(call(&script, Duration::from_secs(10)))
            .await
            .unwrap();
        assert_eq!(std::fs::read_to_string(out).unwrap(), "add backend/vbd/7/768 unset\n");
    }

    #[tokio::test]
    async fn a_failing_script_names_its_status_and_its_log() {
        let dir = folder("fail");
        let script = script(&dir, "#!/bin/sh\necho told >&2\nexit 3\n");
        let log = dir.join("log");
        let error = HostScripts::new(log.clone(), Vec::new())
            .run(call(&script, Duration::from_secs(10)))
            .await
            .unwrap_err();
        assert!(matches!(error, ScriptError::Failed { status: 3, .. }), "{error}");
        assert!(std::fs::read_to_string(log).unwrap().ends_with("told\n"));
    }

    #[tokio::test]
    async fn a_script_that_hangs_is_killed_with_its_children() {
        let dir = folder("hang");
        let script = script(&dir, "#!/bin/sh\nsleep 1000\n");
        let started = std::time::Instant::now();
        let error = HostScripts::new(dir.join("log"), Vec::new())
            .run(call(&script, Duration::from_millis(200)))
            .await
            .unwrap_err();
        assert!(matches!(error, ScriptError::TimedOut { .. }), "{error}");
        assert!(started.elapsed() < Duration::from_secs(100));
    }

    #[tokio::test]
    async fn a_script_that_is_called_off_is_killed_with_its_children() {
        let dir = folder("off");
        let out = dir.join("pid");
        let script = script(&dir, &format!("#!/bin/sh\nsleep 1000 &\necho $! > {}\nwait\n", out.display()));
        let run = HostScripts::new(dir.join("log"), Vec::new()).run(call(&script, Duration::from_secs(100)));
        let running = tokio::spawn(run);
        let limit = std::time::Instant::now() + Duration::from_secs(20);
        let mut sleeper = String::new();
        while !sleeper.ends_with('\n') {
            assert!(std::time::Instant::now() < limit, "the script tells its child's pid");
            tokio::task::yield_now().await;
            sleeper = std::fs::read_to_string(&out).unwrap_or_default();
        }
        running.abort();
        assert!(running.await.unwrap_err().is_cancelled());
        let stat = format!("/proc/{}/stat", sleeper.trim());
        while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z")) {
            assert!(std::time::Instant::now() < limit, "its child is still alive");
            tokio::task::yield_now().await;
        }
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_script_that_is_not_there_is_named() {
        let dir = folder("none");
        let error = HostScripts::new(dir.join("log"), Vec::new())
            .run(call(&dir.join("nosuch"), Duration::from_secs(1)))
            .await;
        assert!(error.unwrap_err().to_string().contains("nosuch"));
    }
}
