//! `block-nbd` and `block-iscsi`: against servers that a test plays, up to the kernel's part.

#![allow(clippy::unwrap_used, reason = "tests")]

mod stage;

use stage::{Device, Stage, connected, failed};
use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::symlink;
use std::path::Path;

/// A server that says the same to each of its clients. Answers its port.
fn server(says: Vec<u8>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.unwrap();
            let _ = client.write_all(&says);
            // Until the other side has had enough.
            let _ = client.read_to_end(&mut Vec::new());
        }
    });
    port
}

/// Greets, then answers the wish for an export.
fn greeting(kind: u32, data: &[u8]) -> Vec<u8> {
    let mut says = b"NBDMAGICIHAVEOPT\0\x03".to_vec();
    for (kind, data) in [(kind, data), (1, &[][..])] {
        says.extend(0x0003_e889_0455_65a9u64.to_be_bytes());
        says.extend(7u32.to_be_bytes());
        says.extend(kind.to_be_bytes());
        says.extend(u32::try_from(data.len()).unwrap().to_be_bytes());
        says.extend(data);
    }
    says
}

fn export(flags: u16) -> Vec<u8> {
    let data = [&[0, 0][..], &(1u64 << 20).to_be_bytes(), &flags.to_be_bytes()].concat();
    greeting(3, &data)
}

fn nbd(params: &str, mode: &str) -> (Stage, (Option<String>, Option<String>)) {
    let (stage, device) = (Stage::new(), Device::vbd(5));
    stage.backend(&device, &[("type", "nbd"), ("params", params), ("mode", mode)]);
    assert_eq!(stage.run(&["block-nbd", "add"], &device).code, Some(1));
    let answer = stage.answer(&device);
    assert_eq!(stage.run(&["block-nbd", "remove"], &device).code, Some(0), "{}", stage.log());
    let left = fs::read_dir(stage.path("var/run/xend/disks")).into_iter().flatten().count();
    assert_eq!(left, 0);
    (stage, answer)
}

#[test]
fn an_nbd_server_that_does_not_give_the_export_is_named() {
    let port = server(greeting(1 << 31 | 6, b""));
    let (stage, (status, text)) = nbd(&format!("127.0.0.1:{port}/mail"), "w");
    assert_eq!(status.as_deref(), Some("error"));
    let words = format!("cannot use the export of 127.0.0.1:{port}/mail: it has no export \"mail\"");
    assert!(text.as_deref().unwrap().ends_with(&words), "{text:?} {}", stage.log());
    let (_, (_, text)) = nbd(&format!("127.0.0.1:{}", server(b"HTTP/1.0 400 Bad".to_vec())), "w");
    assert!(text.unwrap().contains("does not speak NBD"));
    let closed = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (_, (_, text)) = nbd(&closed.to_string(), "w");
    assert!(text.unwrap().contains(&format!("cannot connect to {closed}: Connection refused")));
    let (_, answer) = nbd("-x:1", "w");
    let text = "cannot read the place of the export in \"-x:1\": wanted HOST:PORT[/EXPORT]";
    assert_eq!(answer, failed("error", text));
    let (_, answer) = nbd("no-such-host.invalid:1", "w");
    assert_eq!(answer, failed("error", "cannot find the address of no-such-host.invalid"));
}

#[test]
fn a_read_only_export_is_not_given_for_writing() {
    let server = format!("127.0.0.1:{}", server(export(0b11)));
    let (_, answer) = nbd(&server, "w");
    let text = format!("{server} is read-only, and so I will not\nmount it read-write in a guest domain.");
    assert_eq!(answer, failed("busy", &text));
}

/// What `iscsiadm` is in these tests: it notes its words, and makes the device at login.
const ISCSIADM: &str = r#"#!/bin/sh
root=ROOT
echo "$*" >> $root/asked
case "$*" in
  "-m session") [ -e $root/session ] || exit 21; cat $root/session ;;
  *--login) echo "tcp: [1] 192.0.2.1:3260,1 iqn.a (non-flash)" > $root/session
     sessions=$root/sys/class/iscsi_session
     for number in 1 2; do mkdir -p $sessions/session$number/device/target$number:0:0/$number:0:0:0/block; done
     echo iqn.b > $sessions/session1/targetname; echo iqn.a > $sessions/session2/targetname
     mkdir -p $sessions/session1/device/target1:0:0/1:0:0:0/block/none $sessions/session2/device/target2:0:0/2:0:0:1/block/none
     [ -e $root/empty ] || mkdir $sessions/session2/device/target2:0:0/2:0:0:0/block/NAME
     (sleep 0.2; ln -sfn /dev/NAME $root/dev/NAME) > /dev/null 2>&1 & ;;
  *--logout) [ -e $root/session ] || exit 21; rm -rf $root/session $root/sys/class/iscsi_session ;;
esac
"#;

struct Iscsi {
    stage: Stage,
    device: Device,
}

impl Iscsi {
    /// `None` on a machine without any block device.
    fn new() -> Option<Self> {
        let names = fs::read_dir("/sys/block").unwrap().map(|entry| entry.unwrap().file_name());
        let mut devices = names.map(|name| Path::new("/dev").join(name));
        let Some(disk) = devices.find(|path| path.exists()) else {
            eprintln!("skipped: no block device here");
            return None;
        };
        let stage = Stage::new();
        let root = stage.path("").display().to_string();
        let name = disk.file_name().unwrap().to_str().unwrap();
        fs::create_dir_all(stage.path("dev")).unwrap();
        let script = ISCSIADM.replace("ROOT", &root).replace("NAME", name);
        stage.script("usr/sbin/iscsiadm", &script);
        let device = Device::vbd(5);
        let iscsi = Iscsi { stage, device };
        iscsi.nodes("iqn=iqn.a;portal=192.0.2.1:3260");
        Some(iscsi)
    }

    fn nodes(&self, params: &str) {
        self.stage.backend(&self.device, &[("type", "iscsi"), ("params", params), ("mode", "r")]);
    }

    fn run(&self, command: &str) -> Option<i32> {
        self.stage.run(&["block-iscsi", command], &self.device).code
    }

    fn is_clean(&self) -> bool {
        let left = fs::read_dir(self.stage.path("var/run/xend/disks")).into_iter().flatten().count();
        left == 0 && !self.stage.path("session").exists()
    }
}

#[test]
fn a_target_is_logged_in_to_and_out_of_again() {
    let Some(iscsi) = Iscsi::new() else { return };
    assert_eq!(iscsi.run("add"), Some(0), "{}", iscsi.stage.log());
    assert_eq!(iscsi.stage.answer(&iscsi.device), connected());
    let asked = fs::read_to_string(iscsi.stage.path("asked")).unwrap();
    let wanted = "-m session\n-m discovery -t sendtargets -p 192.0.2.1:3260\n\
                  -m node -T iqn.a -p 192.0.2.1:3260 --login\n";
    assert_eq!(asked, wanted);
    assert!(iscsi.stage.node(&iscsi.device, "physical-device").is_some());
    assert_eq!(iscsi.run("add"), Some(0), "once more");
    assert_eq!(fs::read_to_string(iscsi.stage.path("asked")).unwrap(), wanted);
    // The tree is gone, and with it the type.
    iscsi.stage.remove(&iscsi.device.path());
    assert_eq!(iscsi.stage.run(&["block", "remove"], &iscsi.device).code, Some(0));
    assert!(iscsi.is_clean());
}

#[test]
fn a_session_of_somebody_else_is_left_alone() {
    let Some(iscsi) = Iscsi::new() else { return };
    let session = iscsi.stage.file("session", "tcp: [1] 192.0.2.1:3260,1 iqn.a (non-flash)\n");
    assert_eq!(iscsi.run("add"), Some(1));
    assert_eq!(iscsi.stage.answer(&iscsi.device), failed("error", "Device already opened"));
    assert_eq!(iscsi.run("remove"), Some(0));
    assert!(session.exists());
}

#[test]
fn what_cannot_be_used_is_logged_out_of() {
    let Some(iscsi) = Iscsi::new() else { return };
    iscsi.stage.write(&xenstore::paths::join(&iscsi.device.path(), "state"), "5");
    assert_eq!(iscsi.run("add"), Some(1));
    assert!(iscsi.is_clean(), "{}", iscsi.stage.log());
    iscsi.nodes("iqn=iqn.a");
    assert_eq!(iscsi.run("add"), Some(1));
    let (_, text) = iscsi.stage.answer(&iscsi.device);
    assert!(text.unwrap().starts_with("cannot read the target in \"iqn=iqn.a\": wanted iqn=IQN;portal="));
    fs::remove_file(iscsi.stage.path("usr/sbin/iscsiadm")).unwrap();
    iscsi.nodes("iqn=iqn.a;portal=192.0.2.1:3260");
    assert_eq!(iscsi.run("add"), Some(1));
    let (_, text) = iscsi.stage.answer(&iscsi.device);
    assert_eq!(text.unwrap(), "iscsi: disks need the program iscsiadm (Debian: package open-iscsi)");
}

#[test]
fn killed_or_failing_at_any_step_no_session_stays() {
    let Some(iscsi) = Iscsi::new() else { return };
    for kind in ["kill", "fail"] {
        for step in 1..=6 {
            iscsi.nodes("iqn=iqn.a;portal=192.0.2.1:3260");
            let mut command = iscsi.stage.command(&["block-iscsi", "add"], Some(&iscsi.device));
            let status = command.env("XEN_HOTPLUG_FAULT", format!("{kind}:{step}")).status().unwrap();
            assert!(step > 4 || status.code() != Some(0), "{kind} {step}");
            assert_eq!(iscsi.run("remove"), Some(0), "{kind} {step}: {}", iscsi.stage.log());
            assert!(iscsi.is_clean(), "{kind} {step}");
            iscsi.stage.remove(&iscsi.device.path());
        }
    }
}

#[test]
fn several_ways_to_a_disk_are_one_device() {
    let Some(iscsi) = Iscsi::new() else { return };
    let stage = &iscsi.stage;
    iscsi.nodes("iqn=iqn.a;portal=192.0.2.1:3260;multipath=y");
    let script = fs::read_to_string(stage.path("usr/sbin/iscsiadm")).unwrap();
    let name = script.rsplit("block/").next().unwrap().split_whitespace().next().unwrap();
    stage.file(&format!("sys/block/{name}/holders/dm-7/x"), "");
    stage.file("sys/block/dm-7/dm/name", "mpatha\n");
    fs::create_dir_all(stage.path("dev/mapper")).unwrap();
    symlink(Path::new("/dev").join(name), stage.path("dev/mapper/mpatha")).unwrap();
    assert_eq!(iscsi.run("add"), Some(0), "{}", stage.log());
    assert_eq!(iscsi.run("remove"), Some(0));
    assert!(iscsi.is_clean());
}
