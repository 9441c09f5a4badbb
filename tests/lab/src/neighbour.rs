//! The third machine: on the other end of the host's two networks, without Xen.
//!
//! ```text
//!   host eth0  02:…:01:00 ────── 198.51.100.2  eth0 neighbour     port 80: /cgi-bin/who tells who asks
//!   host eth1  02:…:01:01 ────── 203.0.113.2   eth1               port 9: takes all, then tells how much it was
//! ```
//!
//! The host's interfaces are without addresses until a case gives them some.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::channel::{Line, Streams};
use crate::host::{self, Output};
use crate::image::{Image, Tree};
use crate::qemu::{Accelerator, Card, Machine, Qemu};

/// How many networks there are.
const NETWORKS: u8 = 2;
/// Seconds where the machine is idle, minutes where hosts boot beside it.
const BOOTS_WITHIN: Duration = Duration::from_secs(1200);
/// How long a command may take.
const PATIENCE: Duration = Duration::from_secs(900);

/// A booted neighbour; its QEMU ends when it is dropped.
#[derive(Debug)]
pub struct Neighbour {
    line: Line,
    _qemu: Qemu,
}

/// The host's network cards.
pub(crate) fn cards_of_host() -> Vec<Card> {
    cards(1, |number| (format!("net{number}.host"), format!("net{number}.neighbour")))
}

/// `net0.host` lies in the host's folder; the neighbour's own is one below.
fn cards_of_neighbour() -> Vec<Card> {
    cards(2, |number| (format!("../net{number}.neighbour"), format!("../net{number}.host")))
}

fn cards(machine: u8, ends: impl Fn(u8) -> (String, String)) -> Vec<Card> {
    let card = |number| {
        let (here, there) = ends(number);
        Card { mac: format!("02:00:00:00:{machine:02x}:{number:02x}"), here, there }
    };
    (0..NETWORKS).map(card).collect()
}

impl Neighbour {
    /// Boots it beside the host whose folder this is.
    pub(crate) fn boot(image: &Image, agent: &Path, of_host: &Path) -> Result<Self> {
        let folder = of_host.join("neighbour");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let ramdisk = folder.join("neighbour.cpio");
        let mut overlay = Tree::new();
        overlay.file_at(host::AGENT, 0o755, agent);
        host::with_overlay(&image.file("neighbour.cpio"), &overlay, &ramdisk)?;
        let machine = Machine {
            hypervisor: None,
            kernel: image.file("vmlinuz"),
            kernel_arguments: "console=ttyS0 panic=1 mitigations=off rdinit=/init quiet".into(),
            ramdisk,
            disks: Vec::new(),
            cards: cards_of_neighbour(),
            memory_mib: 160,
            cpus: 1,
        };
        let deadline = Instant::now() + BOOTS_WITHIN;
        let mut qemu = Qemu::start(&machine, Accelerator::of_this_machine(), &folder)?;
        let line = qemu.connect(deadline).and_then(|socket| Line::open(socket, deadline));
        let line = line.with_context(|| {
            let log = host::tail(&folder.join("serial.log"), 60);
            format!("cannot boot the neighbour; the end of its console:\n{log}")
        })?;
        Ok(Self { line, _qemu: qemu })
    }

    /// Runs a shell script to its end.
    pub fn run(&self, script: &str) -> Result<Output> {
        let session = self.line.start(script, Streams::Pipes)?;
        session.end_input()?;
        host::finish(&session, PATIENCE).with_context(|| format!("cannot finish in the neighbour: {script}"))
    }

    /// Runs a shell script that must end well, and gives what it said.
    pub fn must(&self, script: &str) -> Result<String> {
        self.run(script)?.ok().with_context(|| format!("in the neighbour: {script}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cable_has_two_ends_and_no_address_is_used_twice() {
        let (host, neighbour) = (cards_of_host(), cards_of_neighbour());
        for (one, other) in host.iter().zip(&neighbour) {
            assert_eq!(format!("../{}", one.here), other.there);
            assert_eq!(format!("../{}", one.there), other.here);
            assert_ne!(one.mac, other.mac);
        }
        assert_ne!(host[0], host[1]);
    }
}
