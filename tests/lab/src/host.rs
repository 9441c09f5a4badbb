//! One lab host: boot it, run commands in its dom0, put files there, see it end.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cache::Cache;
use crate::channel::{Line, News, Session, Streams};
use crate::image::{Image, Tree, write_cpio};
use crate::neighbour::{self, Neighbour};
use crate::qemu::{Accelerator, Hypervisor, Machine, Qemu};
use crate::{Progress, Suite};

/// How long a command may take when nothing else is said.
const PATIENCE: Duration = Duration::from_secs(900);

/// A host has no more processors than this, however many the machine has: the cases do not need them.
const MOST_CPUS: u32 = 2;

/// How a host is made.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// The agent's static binary.
    pub agent: PathBuf,
    /// A tree made by `cargo xtask install --destdir`, laid over dom0's files.
    pub installed: Option<PathBuf>,
    /// Memory of the whole machine; dom0 has 1,024 of it.
    pub memory_mib: u32,
    /// Processors of the whole machine.
    pub cpus: u32,
    /// How long the boot may take.
    pub boot_within: Duration,
}

impl HostOptions {
    /// Divides this machine's processors among hosts that run at once. Two that share one cost more than twice the time:
    /// each spins while the one that it waits for is not running.
    #[must_use]
    pub fn beside(mut self, hosts: usize) -> Self {
        let all = thread::available_parallelism().map_or(1, usize::from);
        self.cpus = u32::try_from(all / hosts.max(1)).unwrap_or(MOST_CPUS).clamp(1, MOST_CPUS);
        self
    }

    /// The usual host, with this agent.
    pub fn new(agent: &Path) -> Self {
        Self {
            agent: agent.to_path_buf(),
            installed: None,
            memory_mib: 2560,
            cpus: MOST_CPUS,
            boot_within: Duration::from_secs(1200),
        }
    }
}

/// What a command left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Its exit status; 128 and more for a signal.
    pub status: i32,
    /// What it said.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
}

impl Output {
    /// Its standard output, if it ended well.
    pub fn ok(self) -> Result<String> {
        ensure!(self.status == 0, "status {}\nstdout: {}\nstderr: {}", self.status, self.stdout, self.stderr);
        Ok(self.stdout)
    }
}

/// A booted host; its QEMU ends when it is dropped.
#[derive(Debug)]
pub struct Host {
    suite: Suite,
    line: Line,
    qemu: Qemu,
    folder: PathBuf,
    image: Image,
    agent: PathBuf,
    installed: bool,
    neighbour: OnceLock<Neighbour>,
}

impl Host {
    /// Boots a host. An attempt by KVM that fails is repeated by emulation.
    pub fn boot(suite: Suite, options: &HostOptions, progress: &dyn Progress) -> Result<Self> {
        let cache = Cache::open()?;
        let image = Image::prepare(suite, &cache, progress)?;
        progress.step(&format!("{suite}: booting Xen {}", suite.xen()));
        let accelerator = Accelerator::of_this_machine();
        match Self::boot_with(suite, options, &image, accelerator) {
            Err(_) if accelerator == Accelerator::Kvm => {
                progress.step(&format!("{suite}: booting Xen {} by emulation", suite.xen()));
                Self::boot_with(suite, options, &image, Accelerator::Emulation)
            }
            result => result,
        }
    }

    fn boot_with(
        suite: Suite,
        options: &HostOptions,
        image: &Image,
        accelerator: Accelerator,
    ) -> Result<Self> {
        let folder = new_folder(suite)?;
        let ramdisk = folder.join("dom0.cpio");
        let mut overlay = Tree::new();
        overlay.file_at(AGENT, 0o755, &options.agent);
        if let Some(installed) = &options.installed {
            overlay.absorb(installed, &|_| false)?;
        }
        with_overlay(&image.file("dom0.cpio"), &overlay, &ramdisk)?;
        let xen = Hypervisor {
            file: image.file("xen"),
            arguments: "dom0_mem=1024M,max:1024M console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all \
                            noreboot"
                .into(),
        };
        let machine = Machine {
            hypervisor: Some(xen),
            kernel: image.file("vmlinuz"),
            kernel_arguments: "console=hvc0 earlyprintk=xen panic=1 mitigations=off rdinit=/init".into(),
            ramdisk,
            disks: image.disks(),
            cards: neighbour::cards_of_host(),
            memory_mib: options.memory_mib,
            cpus: options.cpus,
        };
        let deadline = Instant::now() + options.boot_within;
        let mut qemu = Qemu::start(&machine, accelerator, &folder)?;
        let line = qemu.connect(deadline).and_then(|socket| Line::open(socket, deadline));
        match line {
            Ok(line) => Ok(Self {
                suite,
                line,
                qemu,
                folder,
                image: image.clone(),
                agent: options.agent.clone(),
                installed: options.installed.is_some(),
                neighbour: OnceLock::new(),
            }),
            Err(error) => {
                let log = tail(&folder.join("serial.log"), 60);
                Err(error.context(format!("cannot boot {suite}; the end of its console:\n{log}")))
            }
        }
    }

    /// Which suite it runs.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// Whether a tree of ours was laid over it.
    pub fn installed(&self) -> bool {
        self.installed
    }

    /// Its folder: `serial.log` has the console of Xen and dom0.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The process that ends with it.
    pub fn pid(&self) -> u32 {
        self.qemu.pid()
    }

    /// The machine on the other end of its two networks; booted when it is first asked for, and there as long as the
    /// host.
    pub fn neighbour(&self) -> Result<&Neighbour> {
        if let Some(neighbour) = self.neighbour.get() {
            return Ok(neighbour);
        }
        let booted = Neighbour::boot(&self.image, &self.agent, &self.folder)?;
        Ok(self.neighbour.get_or_init(|| booted))
    }

    /// Runs a shell script to its end, for a quarter of an hour at most.
    pub fn run(&self, script: &str) -> Result<Output> {
        self.run_within(script, PATIENCE)
    }

    /// Runs a shell script to its end, for a time at most.
    pub fn run_within(&self, script: &str, within: Duration) -> Result<Output> {
        let session = self.line.start(script, Streams::Pipes)?;
        session.end_input()?;
        finish(&session, within).with_context(|| format!("cannot finish in dom0: {script}"))
    }

    /// Runs a shell script that must end well, and gives what it said.
    pub fn must(&self, script: &str) -> Result<String> {
        self.run(script)?.ok().with_context(|| format!("in dom0: {script}"))
    }

    /// The same, for a time at most.
    pub fn must_within(&self, script: &str, within: Duration) -> Result<String> {
        self.run_within(script, within)?.ok().with_context(|| format!("in dom0: {script}"))
    }

    /// Starts a command on a terminal of its own.
    pub fn terminal(&self, script: &str) -> Result<Session> {
        self.line.start(script, Streams::Terminal)
    }

    /// Writes a file in dom0.
    pub fn put(&self, path: &str, bytes: &[u8]) -> Result<()> {
        let session = self
            .line
            .start(&format!("mkdir -p \"$(dirname '{path}')\" && cat > '{path}'"), Streams::Pipes)?;
        session.write(bytes)?;
        session.end_input()?;
        let output = finish(&session, PATIENCE)?;
        output.ok().with_context(|| format!("cannot write {path} in dom0"))?;
        Ok(())
    }

    /// The last lines of Xen's and dom0's console.
    pub fn console(&self, lines: usize) -> String {
        tail(&self.folder.join("serial.log"), lines)
    }

    /// True while QEMU runs.
    pub fn alive(&mut self) -> bool {
        self.qemu.ended().is_none()
    }

    /// Keeps its folder, and says where it is: for a failure's report.
    pub fn keep_folder(self) -> PathBuf {
        let folder = self.folder.with_extension("kept");
        let _ = fs::remove_dir_all(&folder);
        let _ = fs::rename(&self.folder, &folder);
        let _ = fs::remove_file(folder.join("dom0.cpio"));
        folder
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Collects a command's streams until it ends.
pub fn finish(session: &Session, within: Duration) -> Result<Output> {
    let deadline = Instant::now() + within;
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    loop {
        match session.next(deadline.saturating_duration_since(Instant::now()))? {
            News::Output(bytes) => stdout.extend(bytes),
            News::Error(bytes) => stderr.extend(bytes),
            News::Ended(status) => {
                let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
                return Ok(Output { status, stdout: text(stdout), stderr: text(stderr) });
            }
            News::Silence => {
                let said = String::from_utf8_lossy(&stdout).into_owned();
                let complained = String::from_utf8_lossy(&stderr).into_owned();
                bail!("not ended within {within:?}; so far it said: {said}{complained}");
            }
        }
    }
}

fn new_folder(suite: Suite) -> Result<PathBuf> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let serial = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = std::env::temp_dir().join(format!("lab-{suite}-{}-{serial}", std::process::id()));
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    Ok(folder)
}

/// Where the agent lies in every machine.
pub(crate) const AGENT: &str = "usr/bin/lab-agent";

/// Linux unpacks archives that follow each other into one tree; the later one wins.
pub(crate) fn with_overlay(base: &Path, overlay: &Tree, to: &Path) -> Result<()> {
    let part = to.with_extension("overlay");
    write_cpio(overlay, &part)?;
    fs::copy(base, to).with_context(|| format!("cannot copy {}", base.display()))?;
    let mut out =
        File::options().append(true).open(to).with_context(|| format!("cannot open {}", to.display()))?;
    let mut source = File::open(&part).context("cannot read the overlay")?;
    io::copy(&mut source, &mut out).and_then(|_| out.flush()).context("cannot append the overlay")?;
    fs::remove_file(&part).context("cannot remove the overlay")
}

/// The last lines of a log.
pub fn tail(path: &Path, lines: usize) -> String {
    let text = fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}
