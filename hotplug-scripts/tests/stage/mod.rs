//! A host for one test: a folder as root, a store of its own, and the program run against both.

#![allow(dead_code, unreachable_pub, reason = "each test program uses its part")]
#![allow(clippy::unwrap_used, reason = "tests")]

pub mod net;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::net::UnixListener;
use tokio::runtime::Runtime;
use xenstore::server::{Limits, Server};
use xenstore::{Store, paths};

/// Everything that a script meets.
pub struct Stage {
    root: PathBuf,
    runtime: Runtime,
    store: Store,
    server: Server,
    /// Whether the network is the test's own, too.
    pub own_network: bool,
}

/// What becomes of the change during which the program is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Made,
    Lost,
}

/// How a run of the program ended.
#[derive(Debug)]
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Stage {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let root = std::env::temp_dir().join(format!("xen-hotplug-{}-{number}", std::process::id()));
        // Left by a process that was killed and had the same number.
        let _ = std::fs::remove_dir_all(&root);
        std::fs::create_dir_all(root.join("run/xenstored")).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let (store, server) = runtime.block_on(async {
            let server = Server::new(Limits::default());
            let listener = UnixListener::bind(root.join("run/xenstored/socket")).unwrap();
            let store = server.connect_as(0);
            tokio::spawn(server.clone().serve(listener));
            (store, server)
        });
        let stage = Stage { root, runtime, store, server, own_network: false };
        stage.file("proc/self/mountinfo", "");
        stage
    }

    pub fn path(&self, below: &str) -> PathBuf {
        self.root.join(below)
    }

    /// The store daemon, to make it fail.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// Runs the program and kills it when it asks for its change number `number` of the store, which is then made
    /// or not. Answers whether it came that far.
    pub fn run_until_change(&self, number: u64, change: Change, command: &mut Command) -> bool {
        let (seen, victim) = (Arc::new(AtomicU64::new(0)), Arc::new(OnceLock::new()));
        let (seen_by_gate, victim_of_gate) = (seen.clone(), victim.clone());
        self.server.set_gate(Some(Arc::new(move || {
            let is_last = seen_by_gate.fetch_add(1, Ordering::SeqCst) == number;
            if is_last {
                nix::sys::signal::kill(*victim_of_gate.wait(), nix::sys::signal::Signal::SIGKILL).unwrap();
            }
            !is_last || change == Change::Made
        })));
        let mut child = command.spawn().unwrap();
        victim.set(nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap())).unwrap();
        child.wait().unwrap();
        self.server.set_gate(None);
        seen.load(Ordering::SeqCst) > number
    }

    /// Writes a file of the host.
    pub fn file(&self, below: &str, content: &str) -> PathBuf {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes an executable file of the host. Another process does: what this one has open for writing, a child of a
    /// parallel test has too for a moment, and nobody can run it.
    pub fn script(&self, below: &str, content: &str) -> PathBuf {
        let path = self.path(below);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let write = "printf %s \"$1\" > \"$0\" && chmod 755 \"$0\"";
        let written = Command::new("sh").args(["-c", write]).arg(&path).arg(content).status();
        assert!(written.unwrap().success());
        path
    }

    /// Lets the host have the machine's own devices.
    pub fn use_own_devices(&self) {
        for name in ["dev", "sys"] {
            std::os::unix::fs::symlink(Path::new("/").join(name), self.path(name)).unwrap();
        }
    }

    pub fn write(&self, path: &str, value: &str) {
        self.runtime.block_on(self.store.write(path, value)).unwrap();
    }

    pub fn write_bytes(&self, path: &str, value: &[u8]) {
        self.runtime.block_on(self.store.write(path, value)).unwrap();
    }

    pub fn read(&self, path: &str) -> Option<String> {
        self.runtime.block_on(self.store.read(path)).unwrap()
    }

    pub fn remove(&self, path: &str) {
        self.runtime.block_on(self.store.remove(path)).unwrap();
    }

    /// Makes a backend as xend does, waiting for its script.
    pub fn backend(&self, device: &Device, nodes: &[(&str, &str)]) {
        let path = device.path();
        let domid = device.domid.to_string();
        self.write(&paths::domain_vm(device.domid), &paths::vm(format!("{:036}", device.domid)));
        self.write(&paths::join(&path, "frontend-id"), &domid);
        self.write(&paths::join(&path, "state"), "2");
        for (node, value) in nodes {
            self.write(&paths::join(&path, node), value);
        }
    }

    pub fn node(&self, device: &Device, node: &str) -> Option<String> {
        self.read(&paths::join(&device.path(), node))
    }

    /// Status and error text of a backend.
    pub fn answer(&self, device: &Device) -> (Option<String>, Option<String>) {
        (self.node(device, "hotplug-status"), self.node(device, "hotplug-error"))
    }

    /// The program, ready to be run for a device.
    pub fn command(&self, words: &[&str], device: Option<&Device>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_xen-hotplug"));
        command.args(words).env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        command.env("XEN_HOTPLUG_ROOT", &self.root);
        if self.own_network {
            command.env("XEN_HOTPLUG_OWN_NETWORK", "yes");
        }
        if let Some(device) = device {
            command
                .env("XENBUS_TYPE", device.class)
                .env("XENBUS_PATH", paths::backend_relative(device.class, device.domid, device.devid))
                .env("XENBUS_BASE_PATH", "backend");
        }
        command
    }

    pub fn run(&self, words: &[&str], device: &Device) -> Ended {
        Ended::of(self.command(words, Some(device)).output().unwrap())
    }

    /// The answer of `check` to these devices, field by field; `|` stands for the zero bytes of both.
    pub fn check(&self, devices: &str) -> (Option<i32>, String) {
        use std::io::Write;
        let mut command = self.command(&["check"], None);
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(devices.replace('|', "\0").as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap().replace('\0', "|"))
    }

    /// What the program wrote into the log so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("var/log/xen/xen-hotplug.log")).unwrap_or_default()
    }
}

impl Ended {
    pub fn of(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ended { code: output.status.code(), stdout: text(&output.stdout), stderr: text(&output.stderr) }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// A device of a domain, served by domain 0.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    pub class: &'static str,
    pub domid: u16,
    pub devid: u32,
}

impl Device {
    pub fn vbd(domid: u16) -> Self {
        Device { class: "vbd", domid, devid: 51713 }
    }

    pub fn vif(domid: u16) -> Self {
        Device { class: "vif", domid, devid: 0 }
    }

    pub fn path(&self) -> String {
        paths::backend(0, self.class, self.domid, self.devid)
    }
}

/// What a script that succeeded answers.
pub fn connected() -> (Option<String>, Option<String>) {
    (Some("connected".to_owned()), None)
}

/// What a script that did not succeed answers.
pub fn failed(status: &str, text: &str) -> (Option<String>, Option<String>) {
    (Some(status.to_owned()), Some(text.to_owned()))
}
