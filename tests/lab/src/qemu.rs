//! One QEMU process: its arguments, its files, its end.

use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Context, Result, bail};

use crate::protocol::PORT;

/// What a machine is made of.
#[derive(Debug, Clone)]
pub struct Machine {
    /// What starts the kernel as its domain 0; without it the kernel runs on the machine itself.
    pub hypervisor: Option<Hypervisor>,
    /// The kernel.
    pub kernel: PathBuf,
    /// Arguments of the kernel.
    pub kernel_arguments: String,
    /// The kernel's initial file system.
    pub ramdisk: PathBuf,
    /// Disks: `vda`, `vdb`, … in dom0. What is written to them is forgotten.
    pub disks: Vec<PathBuf>,
    /// Network cards: `eth0`, `eth1`, ….
    pub cards: Vec<Card>,
    /// Memory of the whole machine.
    pub memory_mib: u32,
    /// Processors of the whole machine.
    pub cpus: u32,
}

/// Xen.
#[derive(Debug, Clone)]
pub struct Hypervisor {
    /// An ELF file.
    pub file: PathBuf,
    /// Its arguments.
    pub arguments: String,
}

/// A network card and its cable: a pair of sockets, one of each end. What is sent to an end that is not there is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// Hardware address.
    pub mac: String,
    /// This end's socket.
    pub here: String,
    /// The other end's.
    pub there: String,
}

/// How instructions are carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// By the processor.
    Kvm,
    /// By QEMU.
    Emulation,
}

impl Accelerator {
    /// KVM only where the processor can nest: `/dev/kvm` may open elsewhere, and fail inside Xen.
    pub fn of_this_machine() -> Self {
        let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let nests = flags.split_whitespace().any(|flag| flag == "vmx" || flag == "svm");
        let kvm = nests && File::options().read(true).write(true).open("/dev/kvm").is_ok();
        if kvm { Self::Kvm } else { Self::Emulation }
    }

    fn arguments(self) -> [&'static str; 4] {
        match self {
            Accelerator::Kvm => ["-accel", "kvm", "-cpu", "host"],
            Accelerator::Emulation => ["-accel", "tcg,thread=multi", "-cpu", "qemu64,+svm,+npt,+nrip-save"],
        }
    }
}

/// A running QEMU; it ends when this is dropped.
#[derive(Debug)]
pub struct Qemu {
    child: Child,
    folder: PathBuf,
}

impl Qemu {
    /// Starts a machine whose files lie in `folder`.
    pub fn start(machine: &Machine, accelerator: Accelerator, folder: &Path) -> Result<Self> {
        let errors = File::create(folder.join("qemu.log")).context("cannot make the log of qemu")?;
        // Whoever ends us with a signal ends QEMU too: the kernel sees to it.
        let child = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
            .args(["-M", "q35", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"])
            .args(accelerator.arguments())
            .args(["-smp", &machine.cpus.to_string(), "-m", &machine.memory_mib.to_string()])
            .args(boot(machine))
            .args(devices(machine))
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()
            .context("cannot start qemu-system-x86_64 (`cargo xtask deps` installs it)")?;
        Ok(Self { child, folder: folder.to_path_buf() })
    }

    /// Its process number.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Connects to the agent's socket as soon as QEMU has made it.
    pub fn connect(&mut self, deadline: Instant) -> Result<UnixStream> {
        loop {
            match UnixStream::connect(self.folder.join("agent.sock")) {
                Ok(socket) => return Ok(socket),
                Err(_) if self.ended().is_none() && Instant::now() < deadline => {}
                Err(error) => {
                    let said = fs::read_to_string(self.folder.join("qemu.log")).unwrap_or_default();
                    return Err(error)
                        .with_context(|| format!("cannot reach qemu's socket; it said: {}", said.trim()));
                }
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Its status, once it has ended by itself.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits for it to end by itself.
    pub fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let deadline = Instant::now() + within;
        while Instant::now() < deadline {
            if let Some(status) = self.ended() {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(20));
        }
        bail!("qemu (process {}) has not ended within {within:?}", self.pid())
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the machine starts.
fn boot(machine: &Machine) -> [String; 6] {
    let (kernel, arguments, initrd) = match &machine.hypervisor {
        Some(xen) => (&xen.file, &xen.arguments, modules(machine)),
        None => (&machine.kernel, &machine.kernel_arguments, machine.ramdisk.display().to_string()),
    };
    let kernel = kernel.display().to_string();
    ["-kernel".into(), kernel, "-append".into(), arguments.clone(), "-initrd".into(), initrd]
}

/// The multiboot modules: commas separate them, so a comma inside is doubled.
fn modules(machine: &Machine) -> String {
    let escape = |text: String| text.replace(',', ",,");
    let kernel = format!("{} {}", machine.kernel.display(), machine.kernel_arguments);
    format!("{},{}", escape(kernel), escape(machine.ramdisk.display().to_string()))
}

fn devices(machine: &Machine) -> Vec<String> {
    let mut list = vec!["-serial".to_owned(), "file:serial.log".into()];
    let mut device = |text: String| list.extend(["-device".to_owned(), text]);
    device("virtio-serial-pci".into());
    device(format!("virtserialport,chardev=agent,name={PORT}"));
    device("virtio-rng-pci".into());
    for index in 0..machine.disks.len() {
        device(format!("virtio-blk-pci,drive=disk{index}"));
    }
    for (index, card) in machine.cards.iter().enumerate() {
        // No boot program: nothing is booted over the network.
        device(format!("virtio-net-pci,netdev=net{index},mac={},romfile=", card.mac));
    }
    list.extend(["-chardev".to_owned(), "socket,id=agent,path=agent.sock,server=on,wait=off".into()]);
    for (index, Card { here, there, .. }) in machine.cards.iter().enumerate() {
        let ends = format!("local.type=unix,local.path={here},remote.type=unix,remote.path={there}");
        list.extend(["-netdev".to_owned(), format!("dgram,id=net{index},{ends}")]);
    }
    for (index, disk) in machine.disks.iter().enumerate() {
        let file = disk.display().to_string().replace(',', ",,");
        let drive = format!("id=disk{index},if=none,format=raw,cache=unsafe,snapshot=on,file={file}");
        list.extend(["-drive".to_owned(), drive]);
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_an_argument_does_not_split_a_module() {
        let machine = Machine {
            hypervisor: None,
            kernel: "k".into(),
            kernel_arguments: "a=1,2".into(),
            ramdisk: "r".into(),
            disks: vec![],
            cards: vec![],
            memory_mib: 1,
            cpus: 1,
        };
        assert_eq!(modules(&machine), "k a=1,,2,r");
    }
}
