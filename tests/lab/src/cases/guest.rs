//! Domain files for the cases, and waiting for what a guest says.

use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::Host;
use crate::screen::Screen;

/// A guest's boot may take this long on a busy machine without virtualisation hardware.
pub(super) const BOOT: Duration = Duration::from_secs(600);
/// Anything else a guest or the host is waited for.
pub(super) const SOON: Duration = Duration::from_secs(240);

/// A small guest, to be changed where a case needs it otherwise.
#[derive(Debug, Clone)]
pub(super) struct Guest {
    pub(super) name: &'static str,
    pub(super) memory: u32,
    pub(super) vcpus: u32,
    pub(super) kernel: &'static str,
    pub(super) disk: &'static str,
    pub(super) vif: &'static str,
}

impl Guest {
    /// 96 MiB, a processor, the first disk, the bridge.
    pub(super) fn new(name: &'static str) -> Self {
        Self {
            name,
            memory: 96,
            vcpus: 1,
            kernel: "/boot/vmlinuz",
            disk: "'phy:/dev/vda,xvda1,w'",
            vif: "'mac=00:16:3e:00:00:31, bridge=xenbr0'",
        }
    }

    /// Its domain file's path in dom0, once [`Guest::install`] has put it there.
    pub(super) fn path(&self) -> String {
        format!("/etc/xen/{}.cfg", self.name)
    }

    /// Puts the domain file into dom0's `/etc/xen`.
    pub(super) fn install(&self, host: &Host) -> Result<()> {
        let Self { name, memory, vcpus, kernel, disk, vif } = self;
        let text = format!(
            "name = '{name}'\nkernel = '{kernel}'\nramdisk = '/boot/initrd.img'\nmemory = {memory}\nvcpus = {vcpus}\n\
             disk = [{disk}]\nvif = [{vif}]\nroot = '/dev/xvda1 ro'\nextra = 'quiet mitigations=off'\n"
        );
        host.put(&self.path(), text.as_bytes())
    }

    /// Where `xenconsoled` keeps what the guest says.
    pub(super) fn log(&self) -> String {
        log_of(self.name)
    }
}

/// A shell in a guest, on its console.
#[derive(Debug)]
pub(super) struct Shell {
    screen: Screen,
}

impl Shell {
    /// Logs in as root.
    pub(super) fn open(host: &Host, name: &str) -> Result<Self> {
        let mut screen = Screen::open(host, &format!("xm console {name}"))?;
        screen.send("\n")?;
        screen.expect("login:", SOON)?;
        screen.send("root\n")?;
        screen.expect("# ", SOON)?;
        Ok(Self { screen })
    }

    /// Runs a line to its end, which must be a good one; gives what it said, its own echo included.
    pub(super) fn run(&mut self, script: &str) -> Result<String> {
        let (status, said) = self.ask(script)?;
        ensure!(status == "0", "in the guest: {script}: status {status}:\n{said}");
        Ok(said)
    }

    /// Runs a line to its end, which must be a bad one.
    pub(super) fn fails(&mut self, script: &str) -> Result<()> {
        let (status, said) = self.ask(script)?;
        ensure!(status != "0", "in the guest: {script} ended well:\n{said}");
        Ok(())
    }

    /// The status of a line, and what it said.
    fn ask(&mut self, script: &str) -> Result<(String, String)> {
        // What is typed is shown as well, but with the words apart.
        self.screen.send(&format!("{script} ; echo END \"$?\" | tr ' ' '='\n"))?;
        let said = self.screen.expect("END=", SOON).with_context(|| format!("in the guest: {script}"))?;
        let status = self.screen.expect("\n", SOON)?;
        Ok((status.trim().to_owned(), said))
    }

    /// Leaves the guest's console.
    pub(super) fn close(mut self) -> Result<()> {
        self.screen.send("\x1d")?;
        self.screen.end(SOON)?;
        Ok(())
    }
}

/// Where `xenconsoled` keeps what a guest says.
pub(super) fn log_of(name: &str) -> String {
    format!("/var/log/xen/console/guest-{name}.log")
}

/// Waits until a guest has said something so many times; gives all that it has said.
pub(super) fn hears(host: &Host, name: &str, text: &str, times: usize) -> Result<String> {
    let log = log_of(name);
    let hear = format!("exec lab-agent hear {log} '{text}' {times} {}", BOOT.as_secs());
    let output = host.run_within(&hear, BOOT + SOON)?;
    ensure!(output.status == 0, "{name} has not said {text:?} {times} times:\n{}", output.stdout);
    Ok(output.stdout)
}

/// Starts the daemon unless it runs.
pub(super) fn start_xend(host: &Host) -> Result<()> {
    host.must("xend start > /dev/null 2>&1 < /dev/null; xend status").context("cannot start xend")?;
    Ok(())
}

/// Waits until an address answers. Busybox' ping sends one packet for `-c 1` and does not repeat it.
pub(super) fn answers(host: &Host, address: &str) -> Result<()> {
    let tries = format!("for _ in $(seq 30); do ping -c 1 -W 2 {address} && exit 0; done; exit 1");
    host.must(&tries).with_context(|| format!("no answer from {address}"))?;
    Ok(())
}

/// The live number of a domain, by our own tool.
pub(super) fn domid(host: &Host, name: &str) -> Result<u32> {
    let text = host.must(&format!("xm domid {name}"))?;
    text.trim().parse().with_context(|| format!("cannot read the domain number of {name}: {text:?}"))
}

/// A command that must be refused with this exit code and these words on standard error.
pub(super) fn refused(host: &Host, command: &str, status: i32, words: &str) -> Result<()> {
    let output = host.run(command)?;
    ensure!(
        output.status == status && output.stderr.contains(words),
        "{command}\n  wanted status {status} and {words:?}\n  got status {}\n  stdout: {}\n  stderr: {}",
        output.status,
        output.stdout,
        output.stderr
    );
    Ok(())
}
