//! The program `xend` itself, in simulation: exit statuses, pid file, supervisor, log, refusals.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod harness;

use std::{
    fs,
    io::Read,
    os::unix::{fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use harness::{Folder, eventually, kernel, tree};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use xend_api::{Sxp, client::Client};

const NOBODY: u32 = 65534;

/// A folder in which `xend` runs; whatever runs there is stopped at the end.
struct Root {
    folder: Folder,
    user: Option<u32>,
}

impl Root {
    fn new() -> Self {
        Self { folder: Folder::new(), user: None }
    }

    /// Everything in it is done by somebody without rights.
    fn of_nobody() -> Self {
        let folder = Folder::new();
        chown(folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
        Self { folder, user: Some(NOBODY) }
    }

    fn path(&self, inside: &str) -> PathBuf {
        self.folder.path().join(inside)
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xend"));
        command.args(words).arg("--root").arg(self.folder.path());
        command.env_remove("XEND_DEBUG").env_remove("XEND_DAEMONIZE").env_remove("XEND_CONFIG");
        if let Some(user) = self.user {
            command.uid(user).gid(user);
        }
        command
    }

    fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    fn status_of(&self, words: &[&str]) -> Option<i32> {
        self.run(words).status.code()
    }

    fn start(&self) {
        let started = self.run(&["start", "--simulate"]);
        assert!(started.status.success(), "{started:?} {}", self.debug_log());
        assert_eq!((started.stdout, started.stderr), (Vec::new(), Vec::new()), "silent");
    }

    fn pid(&self) -> Option<i32> {
        fs::read_to_string(self.path("var/run/xend.pid")).ok()?.parse().ok()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path("var/log/xen/xend.log")).unwrap_or_default()
    }

    fn debug_log(&self) -> String {
        fs::read_to_string(self.path("var/log/xen/xend-debug.log")).unwrap_or_default()
    }

    /// A request through the daemon's socket.
    fn call(&self, method: &str, params: &[Sxp]) -> Result<Sxp, String> {
        let socket = self.path("var/run/xend/xmlrpc.sock");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = Client::new(&format!("httpu://{}", socket.display())).unwrap();
            client.call(method, params.iter().cloned()).await.map_err(|error| error.to_string())
        })
    }

    fn names(&self) -> Result<Vec<String>, String> {
        let params = [Sxp::Bool(false), Sxp::from("all"), Sxp::Int(0)];
        let listed = self.call("xend.domains_with_state", &params)?;
        Ok(listed.items().iter().filter_map(Sxp::atom).collect())
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        self.run(&["stop", "--simulate"]);
    }
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The parent of a process.
fn parent(pid: i32) -> i32 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn is_alive(pid: i32) -> bool {
    fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap().trim_start().starts_with('Z'))
}

#[test]
fn start_status_and_stop_have_the_original_s_exit_statuses() {
    let root = Root::new();
    let simulate = |word| root.status_of(&[word, "--simulate"]);
    assert_eq!(simulate("status"), Some(3));
    assert_eq!(simulate("stop"), Some(0), "nothing to stop is no failure");
    root.start();
    assert_eq!(simulate("status"), Some(0));
    // Ready: the first request is answered.
    assert_eq!(root.names().unwrap(), ["Domain-0"]);
    let pid = root.pid().unwrap();
    root.start();
    assert_eq!(root.pid(), Some(pid), "a second start changes nothing");
    let supervisor = parent(pid);
    assert_eq!(simulate("stop"), Some(0));
    assert!(!is_alive(pid), "stop waits");
    assert_eq!(simulate("status"), Some(3));
    assert!(!root.path("var/run/xend.pid").exists());
    assert!(!root.path("var/run/xend/xmlrpc.sock").exists());
    eventually("the supervisor ends too", || (!is_alive(supervisor)).then_some(()));
}

#[test]
fn the_pid_file_has_the_worker_s_pid_and_no_newline() {
    let root = Root::new();
    root.start();
    let text = fs::read_to_string(root.path("var/run/xend.pid")).unwrap();
    let pid: i32 = text.parse().unwrap();
    assert_eq!(text, pid.to_string());
    let words = |pid: i32| fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(words(pid).contains("run-worker"), "{}", words(pid));
    assert!(words(parent(pid)).contains("run-supervisor"), "{}", words(parent(pid)));
}

#[test]
fn a_stale_pid_file_does_not_keep_the_daemon_from_starting() {
    let root = Root::new();
    fs::create_dir_all(root.path("var/run")).unwrap();
    fs::write(root.path("var/run/xend.pid"), "1").unwrap();
    assert_eq!(root.status_of(&["status", "--simulate"]), Some(3));
    fs::write(root.path("var/run/xend.pid"), "2147483646").unwrap();
    root.start();
    assert_eq!(root.names().unwrap(), ["Domain-0"]);
}

#[test]
fn restart_leaves_a_new_worker() {
    let root = Root::new();
    root.start();
    let old = root.pid().unwrap();
    assert_eq!(root.status_of(&["restart", "--simulate"]), Some(0));
    assert_ne!(root.pid().unwrap(), old);
    assert!(!is_alive(old));
    assert_eq!(root.names().unwrap(), ["Domain-0"]);
}

#[test]
fn a_killed_worker_is_started_again_and_forgets_guests_that_died_with_it() {
    let root = Root::new();
    root.start();
    let kernel = root.folder.file("vmlinuz", &kernel());
    let config = tree(&format!("(vm (name vm1) (memory 32) (image (linux (kernel {kernel}))))"));
    root.call("xend.domain.create", std::slice::from_ref(&config)).unwrap();
    let old = root.pid().unwrap();
    let supervisor = parent(old);
    kill(Pid::from_raw(old), Signal::SIGKILL).unwrap();
    let new = eventually("a new worker", || root.pid().filter(|pid| *pid != old && *pid != supervisor));
    assert_eq!(parent(new), supervisor);
    // The simulated host ended with the worker: its domain is gone and its record is withdrawn.
    eventually("the new worker answers", || (root.names().ok()? == ["Domain-0"]).then_some(()));
    root.call("xend.domain.create", &[config]).unwrap();
    let told = root.debug_log();
    assert!(told.contains("Xend died due to signal 9!  Restarting it."), "{told}");
    assert!(told.starts_with("Xend started at "), "{told}");
}

#[test]
fn a_daemon_whose_worker_dies_again_and_again_can_be_stopped_at_any_time() {
    let root = Root::new();
    root.start();
    let supervisor = parent(root.pid().unwrap());
    for _ in 0..3 {
        let pid = eventually("a worker", || root.pid().filter(|pid| *pid != supervisor && is_alive(*pid)));
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        eventually("it is dead", || (!is_alive(pid)).then_some(()));
        eventually("its supervisor knows", || (root.pid()? != pid).then_some(()));
        assert_eq!(root.status_of(&["status", "--simulate"]), Some(0), "between two workers");
    }
    assert_eq!(root.status_of(&["stop", "--simulate"]), Some(0));
    eventually("the supervisor ends", || (!is_alive(supervisor)).then_some(()));
    assert_eq!(root.status_of(&["status", "--simulate"]), Some(3));
    assert!(root.names().is_err(), "nobody answers");
}

#[test]
fn two_daemons_do_not_share_domains() {
    let root = Root::new();
    root.start();
    let pid = root.pid().unwrap();
    // Without its pid file nobody knows that it runs.
    fs::remove_file(root.path("var/run/xend.pid")).unwrap();
    for words in [&["start", "--simulate"][..], &["start", "--simulate", "--foreground"]] {
        let refused = root.run(words);
        assert_eq!(refused.status.code(), Some(1), "{words:?}");
        let told = text(&refused.stderr);
        assert!(told.contains("var/lib/xend/state/domains: another xend works with it"), "{told}");
        assert_eq!(root.names().unwrap(), ["Domain-0"], "the first one is not disturbed");
    }
    fs::write(root.path("var/run/xend.pid"), pid.to_string()).unwrap();
}

#[test]
fn a_program_that_was_replaced_does_not_keep_the_worker_from_coming_back() {
    let root = Root::new();
    let program = root.path("xend");
    let install = || {
        let new = root.path("xend.new");
        // By another process: see `network_script`.
        let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_xend")).arg(&new).status().unwrap();
        assert!(copied.success());
        fs::rename(new, &program).unwrap();
    };
    install();
    let mut start = Command::new(&program);
    start.args(["start", "--simulate", "--root"]).arg(root.folder.path());
    assert!(start.status().unwrap().success());
    let old = root.pid().unwrap();
    install();
    kill(Pid::from_raw(old), Signal::SIGKILL).unwrap();
    eventually("it is dead", || (!is_alive(old)).then_some(()));
    eventually("another answers", || root.names().ok());
}

#[test]
fn log_lines_have_the_original_s_form() {
    let root = Root::new();
    root.start();
    let _fault = root.call("xend.domain.create", &[Sxp::from("nonsense")]).unwrap_err();
    root.run(&["stop", "--simulate"]);
    let log = root.log();
    assert!(log.lines().count() > 2, "{log}");
    assert!(log.contains(") Xend Daemon started\n"), "{log}");
    for line in log.lines() {
        assert!(is_log_line(line), "{line}");
    }
}

/// `[YYYY-MM-DD HH:MM:SS PID] LEVEL (Module:LINE) message`
fn is_log_line(line: &str) -> bool {
    let Some((head, rest)) = line.strip_prefix('[').and_then(|line| line.split_once("] ")) else {
        return false;
    };
    let shape: String = head.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    let Some(pid) = shape.strip_prefix("9999-99-99 99:99:99 ") else { return false };
    let Some((level, rest)) = rest.split_once(" (") else { return false };
    let Some((module, number)) = rest.split_once(") ").and_then(|(place, _)| place.split_once(':')) else {
        return false;
    };
    pid.chars().all(|c| c == '9')
        && ["DEBUG", "INFO", "WARNING", "ERROR"].contains(&level)
        && module.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && number.parse::<u32>().is_ok()
}

#[test]
fn the_form_of_a_log_line_is_judged_rightly() {
    assert!(is_log_line("[2008-07-01 12:00:00 4711] INFO (SrvDaemon:331) Xend Daemon started"));
    assert!(!is_log_line("2008-07-01 12:00:00 INFO Xend Daemon started"));
    assert!(!is_log_line("[2008-07-01 12:00:00 x] INFO (a:1) b"));
}

#[test]
fn settings_are_read_at_the_start_and_at_a_reload() {
    let root = Root::new();
    let config = root.path("etc/xen/xend-config.sxp");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, "(vif-script vif-nosuch) (device-create-timeout soon)").unwrap();
    root.start();
    assert!(root.log().contains("] ERROR ("), "{}", root.log());
    let wanted = "xend-config.sxp:1:48: invalid xend config device-create-timeout: expected int: soon";
    assert!(root.log().contains(wanted), "{}", root.log());
    let kernel = root.folder.file("vmlinuz", &kernel());
    let form = format!("(vm (name vm1) (memory 32) (image (linux (kernel {kernel}))) (device (vif)))");
    let create = || root.call("xend.domain.create", &[tree(&form)]);
    assert!(create().unwrap_err().contains("cannot find the script vif-nosuch"));
    fs::write(&config, "(vif-script vif-route)").unwrap();
    assert_eq!(root.status_of(&["reload", "--simulate"]), Some(0));
    eventually("the new settings count", || create().ok());
    fs::write(&config, "(vif-script vif-nosuch").unwrap();
    assert_eq!(root.status_of(&["reload", "--simulate"]), Some(0));
    eventually("it is told", || root.log().contains("the settings stay as they were").then_some(()));
}

/// Puts a settings file into the root.
fn settings(root: &Root, text: &str) -> PathBuf {
    let config = root.path("etc/xen/xend-config.sxp");
    fs::create_dir_all(config.parent().unwrap()).unwrap();
    fs::write(&config, text).unwrap();
    config
}

#[test]
fn settings_that_cannot_be_parsed_keep_the_daemon_from_starting() {
    let root = Root::new();
    settings(&root, "(vif-script vif-route)\n(console-limit 7\n");
    let refused = root.run(&["start", "--simulate"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = text(&refused.stderr);
    assert!(told.contains("Reading config file"), "{told}");
    assert!(told.contains("xend-config.sxp: unexpected EOF (line 2, column 1;"), "{told}");
    assert!(root.log().contains("Reading config file"), "{}", root.log());
    assert_eq!(root.status_of(&["status", "--simulate"]), Some(3));
}

#[test]
fn the_log_lies_where_the_settings_say_and_holds_what_they_say() {
    let root = Root::new();
    settings(
        &root,
        "(logfile /srv/log/own.log) (loglevel WARN) (xend-prot 1) (dom0-cpus 1) (dom0-min-mem 9)",
    );
    root.start();
    let log = fs::read_to_string(root.path("srv/log/own.log")).unwrap();
    assert!(log.contains("no option is called xend-prot, it has no effect (is xend-port meant?)"), "{log}");
    assert!(log.contains("this version does not obey these options yet: dom0-cpus, dom0-min-mem;"), "{log}");
    assert!(!log.contains("] INFO"), "{log}");
    assert_eq!(root.log(), "", "nothing at the usual place");
    assert_eq!(root.call("xend.node.log", &[]).unwrap().atom().unwrap(), log);
}

#[test]
fn check_config_tells_everything_at_once_and_needs_no_rights() {
    let root = if is_root() { Root::of_nobody() } else { Root::new() };
    let file = settings(
        &root,
        "(xend-port 80x0)\n(xend-prot 1)\n(dom0-cpus 2)\n(vif-script vif-nosuch)\n(loglevel loud\n",
    );
    let quirks = file.with_file_name("xend-pci-quirks.sxp");
    fs::write(&quirks, "(a (pci_ids ('14e4')))").unwrap();
    let checked = root.run(&["check-config"]);
    assert_eq!((checked.status.code(), text(&checked.stderr)), (Some(1), String::new()));
    let told = text(&checked.stdout);
    let (file, quirks) = (file.display(), quirks.display());
    for wanted in [
        format!(
            "{file}:1:12: fault: invalid xend config xend-port: expected int: 80x0\n  try: write a number"
        ),
        format!(
            "{file}:2:1: warning: no option is called xend-prot, it has no effect\n  try: is xend-port meant?\n"
        ),
        format!("{file}:3:12: warning: dom0-cpus has no effect yet: domain 0 keeps the processors"),
        format!("{file}:4:13: warning: the script vif-nosuch is not there\n  try: "),
        format!("{file}:5:1: fault: unexpected EOF\n  try: "),
        format!("{file}: 2 faults, 3 warnings\n"),
        format!("{quirks}:1:14: fault: 14e4 cannot be used\n  try: "),
    ] {
        assert!(told.contains(&wanted), "{wanted}\nin\n{told}");
    }
    let good = root.folder.file("good.sxp", b"(vif-script /bin/true) (dom0-cpus 1)");
    let checked = root.run(&["check-config", &good]);
    assert_eq!(checked.status.code(), Some(0), "warnings are no faults: {checked:?}");
}

#[test]
fn check_config_names_files_that_are_not_there() {
    let root = Root::new();
    let ssl = "(xend-relocation-ssl-server yes)(xend-relocation-hosts-allow a)(xend-relocation-server-ssl-";
    settings(&root, &format!("{ssl}key-file k.pem){}cert-file 'c\\x1b.pem')(vnc-tls 1)", &ssl[63..]));
    fs::write(root.path("etc/xen/k.pem"), "").unwrap();
    let told = text(&root.run(&["check-config"]).stdout);
    let missing =
        |option: &str, path: &str| format!("invalid xend config {option}: directory '{path}' does not exist");
    assert!(
        told.contains(&missing("xend-relocation-server-ssl-cert-file", "/etc/xen/c\\u{1b}.pem")),
        "{told}"
    );
    assert!(told.contains(&missing("vnc-x509-cert-dir", "/etc/xen/vnc")), "{told}");
    assert!(!told.contains("k.pem"), "{told}");
}

#[test]
fn a_settings_file_that_is_none_is_refused_within_a_second() {
    let root = Root::new();
    let folder = root.path("folder");
    fs::create_dir(&folder).unwrap();
    let fifo = root.path("fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let huge = root.path("huge");
    fs::File::create(&huge).unwrap().set_len(100 << 20).unwrap();
    let deep = root.folder.file("deep", "(".repeat(10_000).as_bytes());
    let binary = env!("CARGO_BIN_EXE_xend");
    for (path, wanted) in [
        (folder.to_str().unwrap(), "it is a folder, wanted a file of text"),
        (fifo.to_str().unwrap(), "it is a FIFO, wanted a file of text"),
        (huge.to_str().unwrap(), "it has more than 1048576 bytes"),
        (deep.as_str(), "more than 128 nested lists"),
        (root.folder.file("zeros", &[0; 100]).as_str(), "1:1: fault: invalid character: code 0"),
        (binary, "fault: "),
        ("/dev/zero", "it has more than 1048576 bytes"),
        ("/nonexistent", "Config file does not exist: /nonexistent"),
    ] {
        let clock = Instant::now();
        let checked = root.run(&["check-config", path]);
        let took = clock.elapsed();
        let told = text(&checked.stdout);
        assert_eq!(checked.status.code(), Some(1), "{path}: {told}");
        assert!(told.contains(wanted), "{path}: {told}");
        // A second, on a machine that has nothing else to do.
        assert!(took < Duration::from_secs(60), "{path}: {took:?}");
        if path.starts_with(root.folder.path().to_str().unwrap()) {
            let refused = root.command(&["start", "--simulate"]).env("XEND_CONFIG", path).output().unwrap();
            assert_eq!(refused.status.code(), Some(1), "{path}: {refused:?}");
        }
    }
}

#[test]
fn without_root_the_original_s_refusal_is_printed() {
    if !is_root() {
        println!("not run as root: cannot become nobody");
        return;
    }
    let root = Root::of_nobody();
    for word in ["start", "stop", "status"] {
        let refused = root.run(&[word]);
        assert_eq!(refused.status.code(), Some(1));
        let stars = "*".repeat(70);
        assert_eq!(text(&refused.stderr), format!("{stars}\n*** Xend must be run as root.\n{stars}\n"));
        assert_eq!(text(&refused.stdout), "");
    }
}

#[test]
fn a_simulation_needs_no_rights() {
    if !is_root() {
        println!("the other tests show it");
        return;
    }
    let root = Root::of_nobody();
    root.start();
    assert_eq!(root.status_of(&["status", "--simulate"]), Some(0));
    assert_eq!(root.status_of(&["stop", "--simulate"]), Some(0));
}

#[test]
fn without_xen_the_refusal_says_how_to_try_it() {
    if !is_root() || Path::new("/dev/xen/privcmd").exists() {
        println!("this is a Xen host, or not run as root");
        return;
    }
    let root = Root::new();
    let refused = root.run(&["start"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = text(&refused.stderr);
    assert!(told.contains("this is not a Xen host"), "{told}");
    assert!(told.contains("`cargo xtask try`"), "{told}");
    assert!(told.contains("`xend start --simulate --root DIR`"), "{told}");
    assert_eq!(root.status_of(&["status"]), Some(3));
    assert!(!root.path("var/run/xend.pid").exists());
    assert!(root.log().contains(") Exception starting xend ("), "{}", root.log());
}

#[test]
fn words_that_are_none_are_answered_as_the_original_did() {
    let root = Root::new();
    let said = |words: &[&str]| {
        let ended = root.run(words);
        (ended.status.code(), text(&ended.stdout), text(&ended.stderr))
    };
    assert_eq!(said(&["dance", "--simulate"]), (Some(1), "not an option: dance\n".into(), String::new()));
    let usage = "usage: xend {start|stop|reload|restart}\n".to_owned();
    assert_eq!(said(&["--simulate"]), (Some(1), usage, String::new()));
    let (code, out, err) = said(&["start", "--simulate", "--fast"]);
    assert_eq!((code, out.as_str()), (Some(1), ""));
    assert!(err.contains("option --fast not recognized"), "{err}");
    let refused = Command::new(env!("CARGO_BIN_EXE_xend")).args(["start", "--simulate"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1), "a simulation keeps off the host's own files");
    assert!(text(&refused.stderr).contains("--root DIR"));
}

/// Ends a child that a test forgot.
struct Foreground(Child);

impl Drop for Foreground {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _reaped = self.0.wait();
    }
}

#[test]
fn in_the_foreground_it_logs_to_standard_error_until_it_is_told_to_stop() {
    let root = Root::new();
    let mut command = root.command(&["start", "--simulate", "--foreground"]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut child = Foreground(child);
    eventually("it answers", || root.names().ok());
    assert_eq!(root.pid(), None, "no pid file");
    kill(Pid::from_raw(child.0.id() as i32), Signal::SIGTERM).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    let status = loop {
        if let Some(status) = child.0.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < deadline, "it stops");
        std::thread::sleep(Duration::from_millis(2));
    };
    assert!(status.success(), "{status}");
    let mut told = String::new();
    child.0.stderr.take().unwrap().read_to_string(&mut told).unwrap();
    assert!(told.lines().all(|line| line.starts_with("[xend] ")), "{told}");
    assert!(told.contains("] INFO (worker:"), "{told}");
}

#[test]
fn debians_tool_reads_the_simulated_store() {
    let tool = Path::new("/usr/bin/xenstore-ls");
    if !tool.exists() {
        println!("no xenstore-ls here");
        return;
    }
    let root = Root::new();
    root.start();
    let mut command = Command::new(tool);
    command.arg("/local/domain/0").env("XENSTORED_PATH", root.path("run/xenstored/socket"));
    let listed = command.output().unwrap();
    assert!(text(&listed.stdout).contains("name = \"Domain-0\""), "{listed:?}");
}

/// Puts a script of the site's own into the root and names it, with words behind it, as `network-script`. Another process
/// writes it: what this one has open for writing, a child of a parallel test has too for a moment, and nobody can run it.
fn network_script(root: &Root, body: &str) {
    let script = root.path("etc/xend/scripts/puentes.sh");
    fs::create_dir_all(script.parent().unwrap()).unwrap();
    let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" > \"$0\" && chmod 755 \"$0\"";
    let written = Command::new("sh").args(["-c", write]).arg(&script).arg(body).status().unwrap();
    assert!(written.success());
    settings(root, "(network-script 'puentes.sh netdev=eth1 antispoof=yes')");
}

#[test]
fn the_network_script_runs_at_each_start_before_requests_are_answered() {
    let root = Root::new();
    let (said, socket) = (root.path("said"), root.path("var/run/xend/xmlrpc.sock"));
    network_script(
        &root,
        &format!(
            "echo \"$(basename \"$0\") $* $([ -S {} ] && echo late)\" >> {}; echo heard",
            socket.display(),
            said.display()
        ),
    );
    root.start();
    let run = "puentes.sh start netdev=eth1 antispoof=yes \n";
    assert_eq!(fs::read_to_string(&said).unwrap(), run);
    let heard = || fs::read_to_string(root.path("var/log/xen/xen-hotplug.log")).ok();
    eventually("its words are in the log", || (heard()? == "heard\n").then_some(()));
    for word in ["status", "reload", "start"] {
        root.run(&[word, "--simulate"]);
    }
    assert_eq!(fs::read_to_string(&said).unwrap(), run, "the daemon runs: nothing was started");
    assert!(root.run(&["restart", "--simulate"]).status.success());
    assert_eq!(fs::read_to_string(&said).unwrap(), run.repeat(2));
    assert!(!root.log().contains("] ERROR"), "{}", root.log());
}

#[test]
fn a_daemon_whose_network_script_fails_or_is_missing_says_so_and_goes_on() {
    let root = Root::new();
    network_script(&root, "echo no such interface >&2; exit 3");
    root.start();
    let log = eventually("it says so", || Some(root.log()).filter(|log| log.contains("no such interface")));
    assert!(log.contains("] ERROR (network:"), "{log}");
    assert!(log.contains("puentes.sh start netdev=eth1 antispoof=yes ended with status 3"), "{log}");
    assert!(log.contains("xen-hotplug.log"), "{log}");
    assert_eq!(root.names().unwrap(), ["Domain-0"]);
    assert_eq!(root.status_of(&["stop", "--simulate"]), Some(0));
    fs::remove_file(root.path("etc/xend/scripts/puentes.sh")).unwrap();
    root.start();
    assert!(root.log().contains("cannot find the network-script puentes.sh in "), "{}", root.log());
    assert_eq!(root.names().unwrap(), ["Domain-0"]);
    let told = text(&root.run(&["check-config"]).stdout);
    assert!(told.contains(":1:17: warning: the script puentes.sh is not there\n  try: "), "{told}");
}

#[test]
fn a_daemon_that_waits_for_its_network_script_can_be_stopped() {
    let root = Root::new();
    let pid = root.path("pid");
    network_script(&root, &format!("sleep 1000 &\necho $! > {}\nwait", pid.display()));
    let mut start = root.command(&["start", "--simulate"]).stderr(Stdio::null()).spawn().unwrap();
    let sleeper: i32 =
        eventually("the script runs", || fs::read_to_string(&pid).ok()?.strip_suffix('\n')?.parse().ok());
    assert_eq!(root.status_of(&["stop", "--simulate"]), Some(0));
    assert_eq!(start.wait().unwrap().code(), Some(1), "it never answered a request");
    eventually("the script is gone with its children", || (!is_alive(sleeper)).then_some(()));
}

#[test]
fn a_simulation_leaves_the_host_s_own_network_scripts_alone() {
    let root = Root::new();
    let elsewhere = Root::new();
    let said = elsewhere.path("said");
    network_script(&elsewhere, &format!("echo ran > {}", said.display()));
    let script = elsewhere.path("etc/xend/scripts/puentes.sh");
    settings(&root, &format!("(network-script {})", script.display()));
    root.start();
    assert!(!said.exists());
    assert!(root.log().contains("is not run in simulation"), "{}", root.log());
}
