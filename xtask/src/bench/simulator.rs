//! The daemon on its simulator, natively, with its state in memory: start, size, and a thousand domains.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use lab::cache::workspace;
use xend_api::Sxp;
use xend_api::client::Client;

use super::{Figure, Wanted, median};
use crate::install::built;

const DOMAINS: usize = 1000;
/// Requests on the way at once.
const CLIENTS: usize = 4;

/// A simulated daemon in a folder of its own; both go when it is dropped.
struct Simulated {
    root: PathBuf,
}

impl Simulated {
    fn new(name: &str) -> Result<Self> {
        let root = PathBuf::from(format!("/dev/shm/xend-bench-{}-{name}", std::process::id()));
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        let kernel = File::create(root.join("kernel")).context("cannot write a kernel")?;
        let packed = workspace().join("xend/src/builder/fixtures/tiny.gz");
        let status =
            Command::new("gzip").arg("-dc").arg(packed).stdout(kernel).status().context("cannot run gzip")?;
        ensure!(status.success(), "cannot unpack the kernel of the builder's tests");
        Ok(Self { root })
    }

    fn xend(&self, word: &str) -> Result<()> {
        let status = Command::new(built("xend"))
            .args([word, "--simulate", "--root"])
            .arg(&self.root)
            .stdin(Stdio::null())
            .status()
            .context("cannot run xend")?;
        ensure!(status.success(), "xend {word} --simulate ended with {status}");
        Ok(())
    }

    /// The worker, whose memory counts.
    fn rss_mib(&self) -> Result<f64> {
        let pid =
            fs::read_to_string(self.root.join("var/run/xend.pid")).context("cannot read xend's pid file")?;
        let status =
            fs::read_to_string(format!("/proc/{}/status", pid.trim())).context("xend does not run")?;
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse().ok());
        let kib: f64 = kib.context("cannot read xend's size")?;
        Ok(kib / 1024.0)
    }

    fn uri(&self) -> String {
        format!("httpu://{}/var/run/xend/xmlrpc.sock", self.root.display())
    }

    fn config(&self, name: &str) -> Result<Sxp> {
        let kernel = self.root.join("kernel");
        let text = format!(
            "(vm (name {name}) (memory 64) (vcpus 1) (image (linux (kernel '{}') (args ''))))",
            kernel.display()
        );
        xend_api::sxp::parse(&text)
            .ok()
            .and_then(|mut trees| trees.pop())
            .context("cannot parse a configuration")
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        let _ = self.xend("stop");
        let _ = fs::remove_dir_all(&self.root);
    }
}

/// Measures everything about the simulator.
pub(super) fn measure() -> Result<Vec<Figure>> {
    let mut figures = vec![
        Figure::new("this machine: 1,000 times fork and exec", forks()?.as_secs_f64(), "s", Wanted::Shown),
        Figure::new("this machine: 1,000 times fsync", fsyncs()?.as_secs_f64(), "s", Wanted::Shown),
    ];
    let mut ready = Vec::new();
    for _ in 0..5 {
        let daemon = Simulated::new("ready")?;
        let begin = Instant::now();
        daemon.xend("start")?;
        ready.push(begin.elapsed());
    }
    figures.push(Figure::new(
        "xend ready",
        median(&ready)?.as_secs_f64() * 1000.0,
        "ms",
        Wanted::AtMost(100.0),
    ));
    let with_stored = ready_with_stored()?;
    figures.push(Figure::new(
        "loading 1,000 stored domains",
        with_stored.saturating_sub(median(&ready)?).as_secs_f64() * 1000.0,
        "ms",
        Wanted::AtMost(200.0),
    ));
    let daemon = Simulated::new("domains")?;
    daemon.xend("start")?;
    figures.push(Figure::new("xend resident, no domain", daemon.rss_mib()?, "MiB", Wanted::AtMost(12.0)));
    let runtime = tokio::runtime::Runtime::new().context("cannot start a runtime")?;
    let daemon = Arc::new(daemon);
    let rate = runtime.block_on(in_turns(&daemon, "cycle", Life::Ended))?;
    figures.push(Figure::new("create and destroy", rate, "/s", Wanted::AtLeast(200.0)));
    runtime.block_on(in_turns(&daemon, "kept", Life::Kept))?;
    let list = median(&(0..9).map(|_| list(&daemon)).collect::<Result<Vec<_>>>()?)?;
    figures.push(Figure::new("xend resident, 1,000 domains", daemon.rss_mib()?, "MiB", Wanted::AtMost(64.0)));
    figures.push(Figure::new(
        "xm list of 1,000 domains",
        list.as_secs_f64() * 1000.0,
        "ms",
        Wanted::AtMost(40.0),
    ));
    Ok(figures)
}

/// How long a start takes that finds a thousand managed domains.
fn ready_with_stored() -> Result<Duration> {
    let mut ready = Vec::new();
    for _ in 0..5 {
        let daemon = Simulated::new("stored")?;
        for number in 0..DOMAINS {
            let uuid = format!("00000000-0000-4000-8000-{number:012x}");
            let folder = daemon.root.join("var/lib/xend/domains").join(&uuid);
            fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
            fs::write(folder.join("config.sxp"), stored(number, &uuid))
                .context("cannot write a configuration")?;
        }
        let begin = Instant::now();
        daemon.xend("start")?;
        ready.push(begin.elapsed());
    }
    median(&ready)
}

/// A guest with what guests have, some 1.5 KB as the daemon itself would store it.
fn stored(number: usize, uuid: &str) -> String {
    let devices: String = (0..4)
        .map(|disk| {
            format!(
                "(device (vbd (uuid 00000000-0000-4000-9000-{number:08x}{disk:04x}) (bootable 0) \
                 (driver paravirtualised) (dev xvd{}) (uname phy:/dev/vg0/guest{number}-{disk}) (mode w)))\n",
                ["a", "b", "c", "d"][disk]
            )
        })
        .collect();
    format!(
        "(domain (name_label guest{number}) (memory_static_max 1073741824) (memory_dynamic_max 1073741824) \
         (vcpus_params ((cap 0) (weight 256))) (VCPUs_max 2) (actions_after_shutdown destroy) (PV_kernel /boot/vmlinuz) \
         (platform ((superpages 0) (nomigrate 0) (tsc_mode 0))) (other_config ()) (uuid {uuid}) (vcpus 2) \
         (cpus (() ())) (on_poweroff destroy) (on_reboot restart) (on_crash restart) (name guest{number}) (maxmem 1024) \
         (memory 1024) (shadow_memory 0) (features '') (on_xend_start ignore) (on_xend_stop ignore)\n(image (linux \
         (kernel /boot/vmlinuz) (ramdisk /boot/initrd) (args 'root=/dev/xvda1 ro') (superpages 0)))\n\
         (device (vif (bridge xenbr0) (mac 00:16:3e:00:{:02x}:{:02x}) (script vif-bridge)))\n{devices})",
        number / 256,
        number % 256,
    )
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Ended,
    Kept,
}

/// Creates a thousand domains by a few clients at once; gives how many a second.
async fn in_turns(daemon: &Arc<Simulated>, prefix: &'static str, life: Life) -> Result<f64> {
    let begin = Instant::now();
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..CLIENTS {
        let daemon = Arc::clone(daemon);
        clients.spawn(async move {
            let client = Client::new(&daemon.uri()).context("cannot make a client")?;
            for turn in (number..DOMAINS).step_by(CLIENTS) {
                let name = format!("{prefix}{turn}");
                client.call("xend.domain.create", [daemon.config(&name)?]).await.context("cannot create")?;
                let calls: &[&str] = match life {
                    Life::Ended => &["xend.domain.destroy"],
                    // What `xm create` does.
                    Life::Kept => &["xend.domain.waitForDevices", "xend.domain.unpause"],
                };
                for call in calls {
                    let answer = client.call(call, [Sxp::from(name.as_str())]).await;
                    answer.with_context(|| format!("{call} of {name} failed"))?;
                }
            }
            anyhow::Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client.context("a client broke")??;
    }
    Ok(DOMAINS as f64 / begin.elapsed().as_secs_f64())
}

fn list(daemon: &Simulated) -> Result<Duration> {
    let begin = Instant::now();
    let output = Command::new(built("xm"))
        .arg("list")
        .env("XM_SERVER", daemon.uri())
        .output()
        .context("cannot run xm")?;
    let took = begin.elapsed();
    let rows = String::from_utf8_lossy(&output.stdout).lines().count();
    if rows != DOMAINS + 2 {
        bail!("xm list has {rows} lines: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(took)
}

fn forks() -> Result<Duration> {
    let begin = Instant::now();
    for _ in 0..1000 {
        Command::new("/bin/true").status().context("cannot run /bin/true")?;
    }
    Ok(begin.elapsed())
}

fn fsyncs() -> Result<Duration> {
    let path = fsync_file();
    let mut file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
    let begin = Instant::now();
    for _ in 0..1000 {
        file.write_all(b"x").and_then(|()| file.sync_all()).context("cannot write")?;
    }
    let took = begin.elapsed();
    fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
    Ok(took)
}

fn fsync_file() -> PathBuf {
    Path::new(&std::env::temp_dir()).join(format!("xend-bench-{}", std::process::id()))
}
