//! `block` for `tap:` disks: real images, the real image server, everything but the kernel's NBD driver, which most
//! machines that build this lack. What needs it is in the lab.

#![allow(clippy::unwrap_used, reason = "tests")]

mod stage;

use hotplug::fault::Faults;
use hotplug::host::Host;
use hotplug::image::{Access, Chain, Format};
use hotplug::image_server::{self, Order, Process, Record, Use};
use hotplug::vbd::Mode;
use stage::{Device, Stage, failed};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU16, Ordering};

/// The first user of image servers.
const FIRST_USER: u32 = 0x7000_0000;

/// A stage with images, and a domain that no other test has: its servers are known by their user.
struct Lab {
    stage: Stage,
    device: Device,
}

impl Lab {
    /// `None` where images cannot be made or served.
    fn new() -> Option<Self> {
        for program in ["qemu-storage-daemon", "qemu-img"] {
            if Command::new(program).arg("--version").output().is_err() {
                eprintln!("skipped: {program} is not installed");
                return None;
            }
        }
        let probe = Command::new("unshare").args(["-m", "-n", "true"]).output();
        if !probe.is_ok_and(|output| output.status.success()) {
            eprintln!("skipped: no mounts of our own");
            return None;
        }
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let first = 20_000 + u16::try_from(std::process::id() % 400).unwrap() * 25;
        let stage = Stage::new();
        fs::create_dir(stage.path("srv")).unwrap();
        Some(Lab { stage, device: Device::vbd(first + NEXT.fetch_add(1, Ordering::SeqCst)) })
    }

    fn image(&self, name: &str, words: &str) -> PathBuf {
        let path = fs::canonicalize(self.stage.path("srv")).unwrap().join(name);
        let output = Command::new("qemu-img")
            .args(["create", "-q"])
            .args(words.split_whitespace())
            .arg(&path)
            .arg("4M")
            .current_dir(self.stage.path("srv"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        path
    }

    fn nodes(&self, device: &Device, driver: &str, image: &Path, mode: &str) {
        let params = format!("{driver}:{}", image.display());
        self.stage.backend(device, &[("type", "tap"), ("params", &params), ("mode", mode)]);
    }

    /// Adds the disk of another device; the answer in the store.
    fn refusal(&self, driver: &str, image: &Path, mode: &str) -> (Option<String>, Option<String>) {
        self.nodes(&self.device, driver, image, mode);
        let ended = self.stage.run(&["block", "add"], &self.device);
        assert_eq!(ended.code, Some(1), "{}", self.stage.log());
        self.is_clean();
        self.stage.answer(&self.device)
    }

    fn host(&self) -> Host {
        Host::new(self.stage.path(""))
    }

    fn name(&self) -> String {
        format!("vbd-{}-{}", self.device.domid, self.device.devid)
    }

    /// Serves an image as `block add` does, up to the kernel.
    fn serve(&self, chain: &Chain, mode: Mode) -> (UnixStream, u64) {
        let (host, name) = (self.host(), self.name());
        let program = Path::new(env!("CARGO_BIN_EXE_xen-hotplug"));
        let domid = self.device.domid.into();
        let order = Order { host: &host, program, name: &name, domid, chain, mode };
        let (stream, export) = image_server::start(&order, &Faults::default()).unwrap();
        (stream, export.bytes)
    }

    fn servers(&self) -> Vec<u32> {
        let user = format!("Uid:\t{0}\t{0}\t{0}\t{0}", FIRST_USER + u32::from(self.device.domid));
        let entries = fs::read_dir("/proc").unwrap().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            status.lines().any(|line| line == user) && Process::of(*pid).is_some()
        })
        .collect()
    }

    /// No server, no folder, no log.
    fn is_clean(&self) {
        assert_eq!(self.servers(), Vec::<u32>::new());
        let left = fs::read_dir(self.stage.path("var/run/xend/disks")).into_iter().flatten().count();
        assert_eq!(left, 0, "folders are left");
        let logs = fs::read_dir(self.stage.path("var/log/xen")).into_iter().flatten().flatten();
        let logs: Vec<_> = logs.map(|log| log.file_name()).filter(|name| name != "xen-hotplug.log").collect();
        assert_eq!(logs, Vec::<std::ffi::OsString>::new());
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for pid in self.servers() {
            let pid = nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap());
            let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL);
        }
    }
}

/// One request over NBD, as the kernel makes them; the answer's data.
fn request(stream: &mut UnixStream, command: u16, offset: u64, length: u32, data: &[u8]) -> Vec<u8> {
    let mut message = 0x2560_9513u32.to_be_bytes().to_vec();
    message.extend([0, 0]);
    message.extend(command.to_be_bytes());
    message.extend(7u64.to_be_bytes());
    message.extend(offset.to_be_bytes());
    message.extend(length.to_be_bytes());
    message.extend(data);
    stream.write_all(&message).unwrap();
    let mut head = [0; 16];
    stream.read_exact(&mut head).unwrap();
    assert_eq!(head, *b"\x67\x44\x66\x98\0\0\0\0\0\0\0\0\0\0\0\x07", "an error, or no answer");
    let mut answer = vec![0; if command == 0 { length as usize } else { 0 }];
    stream.read_exact(&mut answer).unwrap();
    answer
}

const READ: u16 = 0;
const WRITE: u16 = 1;
const FLUSH: u16 = 3;

#[test]
fn an_image_and_its_backing_file_are_served_by_a_process_that_has_nothing_else() {
    let Some(lab) = Lab::new() else { return };
    let base = lab.image("base.img", "-f raw");
    fs::write(&base, vec![0xba; 4 << 20]).unwrap();
    let image = lab.image("mail.qcow2", "-f qcow2 -b base.img -F raw");
    let before = fs::read(&base).unwrap();
    for path in [&base, &image] {
        fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let chain = Chain::open(&image, Format::Qcow2, Access::Write).unwrap();
    assert_eq!(
        chain.layers.iter().map(|layer| layer.format).collect::<Vec<_>>(),
        [Format::Qcow2, Format::Raw]
    );
    let (mut stream, bytes) = lab.serve(&chain, Mode::Write);
    assert_eq!(bytes, 4 << 20);
    request(&mut stream, WRITE, 8192, 4096, &[0x5a; 4096]);
    request(&mut stream, FLUSH, 0, 0, &[]);
    assert_eq!(request(&mut stream, READ, 8192, 4096, &[]), [0x5a; 4096]);
    assert_eq!(request(&mut stream, READ, 12288, 512, &[]), [0xba; 512], "what the base has shines through");
    let [server] = lab.servers().try_into().unwrap();
    let status = fs::read_to_string(format!("/proc/{server}/status")).unwrap();
    let field =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim().to_owned();
    assert_eq!(field("NoNewPrivs:"), "1");
    assert_eq!(field("CapEff:"), "0000000000000002", "to open files, and nothing else");
    assert_eq!((field("CapPrm:"), field("Groups:")), (field("CapEff:"), String::new()));
    let mut root: Vec<_> =
        fs::read_dir(format!("/proc/{server}/root")).unwrap().collect::<Result<_, _>>().unwrap();
    root.sort_by_key(fs::DirEntry::file_name);
    let names: Vec<_> = root.iter().map(|entry| entry.file_name().into_string().unwrap()).collect();
    let expected = |name: &&String| !["bin", "lib", "lib32", "lib64", "etc"].contains(&name.as_str());
    assert_eq!(names.iter().filter(expected).collect::<Vec<_>>(), ["dev", "layer", "usr"]);
    let files = fs::read_dir(format!("/proc/{server}/root/layer")).unwrap().count();
    let mounts = fs::read_to_string(format!("/proc/{server}/mountinfo")).unwrap();
    let mode_of = |at: &str| {
        mounts.lines().find(|line| line.contains(at)).unwrap().split(' ').nth(5).unwrap().to_owned()
    };
    assert!(files == 2 && mode_of(" /layer/1 ").starts_with("ro") && mode_of(" /layer/0 ").starts_with("rw"));
    assert!(mode_of(" /usr ").starts_with("ro") && mode_of(" / ").starts_with("ro"), "{mounts}");
    assert_ne!(
        fs::read_link(format!("/proc/{server}/ns/net")).unwrap(),
        fs::read_link("/proc/self/ns/net").unwrap()
    );
    drop(stream);
    assert_eq!(lab.stage.run(&["block", "remove"], &lab.device).code, Some(0), "{}", lab.stage.log());
    lab.is_clean();
    assert!(fs::read(&base).unwrap() == before, "the base was written");
    let read =
        Command::new("qemu-io").args(["-r", "-c", "read -P 0x5a 8192 4096"]).arg(&image).output().unwrap();
    assert!(read.status.success() && !String::from_utf8_lossy(&read.stdout).contains("failed"), "{read:?}");
}

#[test]
fn every_format_is_served() {
    let Some(lab) = Lab::new() else { return };
    for (format, driver, kind) in [
        (Format::Raw, "raw", "-f raw"),
        (Format::Qcow, "qcow", "-f qcow"),
        (Format::Qcow2, "qcow2", "-f qcow2 -o compat=0.10"),
        (Format::Vhd, "vpc", "-f vpc -o force_size=on"),
        (Format::Vhd, "vpc", "-f vpc -o subformat=fixed,force_size=on"),
        (Format::Vmdk, "vmdk", "-f vmdk"),
    ] {
        let image = lab.image("disk", kind);
        let chain = Chain::open(&image, format, Access::Write).unwrap();
        let (mut stream, bytes) = lab.serve(&chain, Mode::Write);
        assert_eq!(bytes, 4 << 20, "{kind}");
        request(&mut stream, WRITE, 1 << 20, 65536, &[0x77; 65536]);
        assert_eq!(request(&mut stream, READ, 1 << 20, 65536, &[]), [0x77; 65536], "{kind}");
        drop(stream);
        assert_eq!(lab.stage.run(&["block", "remove"], &lab.device).code, Some(0));
        lab.is_clean();
        let raw = lab.stage.path("raw");
        let output = Command::new("qemu-img")
            .args(["convert", "-f", driver, "-O", "raw"])
            .arg(&image)
            .arg(&raw)
            .output();
        assert!(output.unwrap().status.success());
        assert!(fs::read(&raw).unwrap()[1 << 20..][..65536] == [0x77; 65536], "{kind}");
        fs::remove_file(&image).unwrap();
    }
}

#[test]
fn a_read_only_disk_takes_no_write_and_needs_no_right_to() {
    let Some(lab) = Lab::new() else { return };
    let image = lab.image("disk.qcow2", "-f qcow2");
    fs::set_permissions(&image, std::os::unix::fs::PermissionsExt::from_mode(0o444)).unwrap();
    let chain = Chain::open(&image, Format::Qcow2, Access::Read).unwrap();
    let (mut stream, _) = lab.serve(&chain, Mode::Read);
    assert_eq!(request(&mut stream, READ, 0, 512, &[]), [0; 512]);
    let mut message = b"\x25\x60\x95\x13\0\0\0\x01".to_vec();
    message.extend([0; 16]);
    message.extend(512u32.to_be_bytes());
    message.extend([1; 512]);
    stream.write_all(&message).unwrap();
    let mut head = [0; 16];
    stream.read_exact(&mut head).unwrap();
    assert_ne!(head[4..8], [0; 4], "it was written");
    drop(stream);
    assert_eq!(lab.stage.run(&["block", "remove"], &lab.device).code, Some(0));
    let text = "is read-only, and so I will not\nmount it read-write in a guest domain.";
    let (status, error) = lab.refusal("qcow2", &image, "w");
    assert_eq!((status.as_deref(), error), (Some("busy"), Some(format!("File {} {text}", image.display()))));
}

#[test]
fn a_bad_image_is_refused_by_name_before_anything_is_started() {
    let Some(lab) = Lab::new() else { return };
    let error = |driver: &str, image: &Path| {
        let (status, text) = lab.refusal(driver, image, "w");
        assert_eq!(status.as_deref(), Some("error"));
        text.unwrap()
    };
    let srv = fs::canonicalize(lab.stage.path("srv")).unwrap();
    let gone = srv.join("gone.qcow2");
    assert_eq!(error("qcow2", &gone), format!("{} does not exist.", gone.display()));
    assert_eq!(error("bogus", &gone), "tap:bogus not a valid disk type");
    let base = lab.image("base.qcow2", "-f qcow2");
    let image = lab.image("mail.qcow2", "-f qcow2 -b base.qcow2 -F qcow2");
    fs::rename(&base, srv.join("away")).unwrap();
    let text = format!("{} does not exist.\nIt is the backing file of {}", base.display(), image.display());
    assert_eq!(error("qcow2", &image), text);
    fs::remove_file(srv.join("away")).unwrap();
    let again = lab.image("third.qcow2", "-f qcow2 -u -b mail.qcow2 -F qcow2");
    fs::rename(&again, &base).unwrap();
    let text = error("qcow2", &image);
    assert!(text.starts_with(&format!("the backing files of {} form a loop", image.display())), "{text}");
    let raw = lab.image("raw.img", "-f raw");
    for (driver, seen) in [("qcow2", "no such image"), ("vhd", "no such image"), ("vmdk", "no such image")] {
        let text = format!("cannot use {} as a {driver} image: it is {seen}", raw.display());
        assert_eq!(error(driver, &raw), text);
    }
    assert_eq!(
        error("vhd", &image),
        format!("cannot use {} as a vhd image: it is a qcow2 image", image.display())
    );
}

#[test]
fn an_image_that_another_domain_has_is_refused_with_its_holder() {
    let Some(lab) = Lab::new() else { return };
    let base = lab.image("base.img", "-f raw");
    let image = lab.image("mail.qcow2", "-f qcow2 -b base.img -F raw");
    let (host, other) = (lab.host(), Device::vbd(7));
    lab.stage.backend(&other, &[("type", "tap")]);
    lab.stage.write("/local/domain/7/name", "mail");
    let folder = image_server::folder(&host, "vbd-7-51713");
    let chain = Chain::open(&image, Format::Qcow2, Access::Write).unwrap();
    let uses = |mode| chain.layers.iter().enumerate().map(|(at, layer)| Use::of(layer, at, mode)).collect();
    let refused = |driver: &str, image: &Path, mode: &str| {
        lab.nodes(&lab.device, driver, image, mode);
        assert_eq!(lab.stage.run(&["block", "add"], &lab.device).code, Some(1));
        let answer = lab.stage.answer(&lab.device);
        lab.stage.remove(&lab.device.path());
        answer
    };
    let busy = |path: &Path, how: &str| {
        let text = format!(
            "{} already in use by other domain\nvbd 51713 of domain 7 (mail) has it {how}",
            path.display()
        );
        failed("busy", &text)
    };
    // This very process stands for the server: it is alive.
    let server = Process::of(std::process::id());
    Record { server, uses: uses(Mode::Write), ..Record::default() }.write(&folder).unwrap();
    assert_eq!(refused("qcow2", &image, "w"), busy(&image, "read-write"));
    assert_eq!(refused("qcow2", &image, "r"), busy(&image, "read-write"));
    assert_eq!(refused("aio", &base, "w"), busy(&base, "read-only"), "what images rest on is not written");
    let shared = |answer: &(Option<String>, Option<String>)| answer.0.as_deref() != Some("busy");
    assert!(shared(&refused("aio", &base, "r")) && shared(&refused("qcow2", &image, "w!")));
    // A file: disk of the same image, too.
    let params = base.display().to_string();
    lab.stage.backend(&lab.device, &[("type", "file"), ("params", &params), ("mode", "w")]);
    assert_eq!(lab.stage.run(&["block", "add"], &lab.device).code, Some(1));
    assert_eq!(lab.stage.answer(&lab.device), busy(&base, "read-only"));
    Record { server, uses: uses(Mode::Read), ..Record::default() }.write(&folder).unwrap();
    assert!(shared(&refused("qcow2", &image, "r")));
    assert_eq!(refused("qcow2", &image, "w"), busy(&image, "read-only"));
    // A server that is gone holds nothing.
    let server = server.map(|server| Process { started: server.started + 1, ..server });
    Record { server, uses: uses(Mode::Write), ..Record::default() }.write(&folder).unwrap();
    assert!(shared(&refused("qcow2", &image, "w")));
}

#[test]
fn killed_or_failing_at_any_step_it_leaves_nothing_that_remove_does_not_find() {
    let Some(lab) = Lab::new() else { return };
    let image = lab.image("mail.qcow2", "-f qcow2");
    for kind in ["kill", "fail"] {
        let mut steps = 0;
        for step in 1.. {
            lab.nodes(&lab.device, "qcow2", &image, "w");
            let mut command = lab.stage.command(&["block", "add"], Some(&lab.device));
            let output = command.env("XEN_HOTPLUG_FAULT", format!("{kind}:{step}")).output().unwrap();
            let reached = output.status.code().is_none() || lab.stage.log().contains("a test let it fail");
            let undo = ["detach the device", "end the image server", "remove the folder"];
            let log = lab.stage.log();
            if kind == "fail" && !undo.iter().any(|step| log.contains(&format!("cannot {step}"))) {
                lab.is_clean();
            }
            let ended = lab.stage.run(&["block", "remove"], &lab.device);
            assert_eq!(ended.code, Some(0), "{kind} {step}: {}", lab.stage.log());
            lab.is_clean();
            lab.stage.remove(&lab.device.path());
            let _ = File::create(lab.stage.path("var/log/xen/xen-hotplug.log"));
            if !reached {
                break;
            }
            steps = step;
        }
        assert!(steps >= 4, "{kind}: {steps} steps");
    }
}

#[test]
fn a_disk_whose_tree_is_gone_is_removed_by_its_record() {
    let Some(lab) = Lab::new() else { return };
    let image = lab.image("disk.vhd", "-f vpc");
    let chain = Chain::open(&image, Format::Vhd, Access::Write).unwrap();
    let (stream, _) = lab.serve(&chain, Mode::Write);
    assert_eq!(lab.servers().len(), 1);
    fs::remove_file(&image).unwrap();
    drop((stream, chain));
    assert_eq!(lab.stage.run(&["block", "remove"], &lab.device).code, Some(0), "{}", lab.stage.log());
    lab.is_clean();
    let chain = Chain::open(&lab.image("disk.vhd", "-f vpc"), Format::Vhd, Access::Write).unwrap();
    drop(lab.serve(&chain, Mode::Write));
    assert_eq!(lab.stage.run(&["xen-hotplug-cleanup"], &lab.device).code, Some(0), "{}", lab.stage.log());
    lab.is_clean();
}
