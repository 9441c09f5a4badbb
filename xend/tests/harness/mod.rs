//! A daemon on a simulated host, which a test can end between any two of its side effects and start again. The host,
//! its guests and drivers live on a runtime of their own, as a kernel outlives a killed daemon.
//!
//! ```text
//!   Host ── runtime ── SimulatedHost: machine, store, guests, drivers
//!     │                      ▲  ▲
//!     ├── Gate ── asked before every side effect of a daemon
//!     └── Daemon ── runtime ─┴── Manager, Api        kill() drops all of it at once
//! ```

#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "each test program uses a part"
)]

mod compare;
mod config;
mod daemon;
mod gate;
mod traces;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use hypervisor::{
    DomId, Domains, ShutdownCode,
    sim::{HostConfig, Machine},
};
use tokio::runtime::Runtime;
use xend::{settings::Places, simulate::SimulatedHost};
use xenstore::{Store, server::Server};

pub use compare::{corpus, differences};
pub use config::{Config, tree};
pub use daemon::{Daemon, Killed, Setup};
pub use gate::Gate;
pub use traces::Traces;

/// How long anything may take in a test before it counts as never happening.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The tiny kernel of the builder's tests, unpacked.
pub fn kernel() -> Vec<u8> {
    let mut kernel = Vec::new();
    let packed: &[u8] = include_bytes!("../../src/builder/fixtures/tiny.gz");
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed), &mut kernel).unwrap();
    kernel
}

/// The same as a kernel's build packs it.
pub const XZ_KERNEL: &[u8] = include_bytes!("../../src/builder/fixtures/tiny.xz");

/// A folder of its own, removed at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        // `XEND_LOG=debug cargo test …` shows what the daemon did.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_env("XEND_LOG"))
            .with_test_writer()
            .try_init();
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("xend-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        // Left by a process that was killed and had the same number.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Makes a file and answers its path.
    pub fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        fs::File::create(&path).unwrap().write_all(bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A simulated host.
pub struct Host {
    // Dropped first: the runtime must be there for it.
    simulated: Option<SimulatedHost>,
    runtime: Runtime,
    pub places: Places,
    pub gate: Gate,
    folder: Folder,
    kernel: String,
}

impl Host {
    pub fn new() -> Self {
        Self::with(HostConfig::default())
    }

    pub fn with(config: HostConfig) -> Self {
        let folder = Folder::new();
        let places = Places::new(folder.path());
        let runtime = runtime("host");
        let simulated = runtime.block_on(SimulatedHost::start(&places, config)).unwrap();
        let gate = Gate::default();
        let (of_machine, of_store) = (gate.clone(), gate.clone());
        simulated.world().machine().faults().set_gate(std::sync::Arc::new(move || of_machine.ask()));
        simulated.world().server().set_gate(Some(std::sync::Arc::new(move || of_store.ask())));
        let kernel = folder.file("vmlinuz", &kernel());
        Self { simulated: Some(simulated), runtime, places, gate, folder, kernel }
    }

    fn simulated(&self) -> &SimulatedHost {
        self.simulated.as_ref().unwrap()
    }

    pub fn machine(&self) -> &Machine {
        self.simulated().world().machine()
    }

    pub fn server(&self) -> &Server {
        self.simulated().world().server()
    }

    /// A connection of dom0 that no gate stops.
    pub fn store(&self) -> Store {
        self.server().connect_kernel()
    }

    /// A folder for files of the test.
    pub fn folder(&self) -> &Folder {
        &self.folder
    }

    /// Makes a file that can serve as a disk.
    pub fn disk(&self, name: &str) -> String {
        self.folder.file(name, &[0; 4096])
    }

    /// A configuration of a small domain on a kernel of this host.
    pub fn config(&self, name: &str) -> Config {
        Config::new(name, &self.kernel)
    }

    /// Waits for something on the host's runtime.
    pub fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// Starts a daemon with the usual options of the tests.
    pub fn daemon(&self) -> Daemon {
        self.daemon_with(Setup::default())
    }

    /// Starts a daemon.
    pub fn daemon_with(&self, setup: Setup) -> Daemon {
        Daemon::start(self.simulated(), &self.places, &self.gate, setup)
    }

    /// A node of the store, without asking anybody.
    pub fn node(&self, path: &str) -> Option<String> {
        self.server().snapshot().value(path)
    }

    /// What there is on the host now.
    pub fn traces(&self) -> Traces {
        Traces::of(self)
    }

    /// Waits until there is on the host what there was at another time; the drivers need a moment.
    pub fn is_as(&self, before: &Traces, when: &str) {
        let deadline = Instant::now() + LIMIT;
        loop {
            let now = self.traces();
            if now == *before {
                return;
            }
            assert!(Instant::now() < deadline, "{when}: {}", before.difference(&now));
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// The guest shuts down of itself.
    pub fn guest_ends(&self, domid: u16, code: ShutdownCode) {
        self.machine().guest(DomId(domid)).shutdown(code).unwrap();
    }

    /// The live number of a domain, from the hypervisor and the store.
    pub fn domid_of(&self, name: &str) -> Option<u16> {
        let infos = self.machine().list().unwrap();
        infos
            .iter()
            .map(|info| info.domid.0)
            .find(|domid| self.node(&xenstore::paths::domain_name(*domid)).as_deref() == Some(name))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Its tasks belong to this runtime, and aborting them needs it.
        let _inside = self.runtime.enter();
        self.simulated = None;
    }
}

/// Waits until `look` finds something.
pub fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + LIMIT;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "waited {LIMIT:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn runtime(name: &str) -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(16)
        .thread_name(name)
        .enable_all()
        .build()
        .unwrap()
}
