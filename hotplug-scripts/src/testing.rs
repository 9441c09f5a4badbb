//! What several tests of this crate need: folders of their own.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A folder that exists for one test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("hotplug-{name}-{}-{number}", std::process::id()));
        // Left by a process that was killed and had the same number.
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Whether this machine lets us bind loop devices; says so when not.
pub(crate) fn loop_driver() -> bool {
    let usable = std::fs::OpenOptions::new().read(true).write(true).open("/dev/loop-control").is_ok();
    if !usable {
        eprintln!("skipped: /dev/loop-control cannot be opened here");
    }
    usable
}

/// Runs `body` on a thread in a network namespace of its own; says so when that is not allowed.
pub(crate) fn in_network_namespace(body: impl FnOnce() + Send + 'static) {
    let thread = std::thread::spawn(|| {
        if let Err(error) = nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNET) {
            eprintln!("skipped: no network namespace of our own: {error}");
            return;
        }
        let probe = ["link add probe type bridge", "link del probe", "link add one type veth peer name two"];
        if let Some(error) = probe.into_iter().find_map(|words| try_ip(words).err()) {
            eprintln!("skipped: no interfaces of our own: {error}");
            return;
        }
        ip("link del one");
        body();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs iproute2 with these words, in the namespace of this thread, and gives its output.
pub(crate) fn ip(words: &str) -> String {
    try_ip(words).unwrap()
}

fn try_ip(words: &str) -> Result<String, String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match std::process::Command::new("ip").args(words.split(' ')).output() {
        Ok(output) if output.status.success() => Ok(text(&output.stdout)),
        Ok(output) => Err(format!("ip {words}: {}", text(&output.stderr))),
        Err(error) => Err(format!("ip: {error}")),
    }
}
