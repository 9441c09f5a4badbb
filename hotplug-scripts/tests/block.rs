//! `block` for `phy:` disks and whatever is not a file: run as a program, judged by the store.

#![allow(clippy::unwrap_used, reason = "tests")]

mod stage;

use nix::sys::stat::{Mode, SFlag, mknod};
use stage::{Device, Ended, Stage, connected, failed};
use std::os::unix::fs::symlink;
use xenstore::paths;

/// A stage whose `/dev` has the block device `disk`, number fe:12c. `None` where nodes cannot be made.
fn with_disk() -> Option<Stage> {
    let stage = Stage::new();
    std::fs::create_dir_all(stage.path("dev/vg0")).unwrap();
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    match mknod(&stage.path("dev/disk"), SFlag::S_IFBLK, mode, libc::makedev(254, 300)) {
        Ok(()) => Some(stage),
        Err(error) => {
            eprintln!("skipped: no device node of our own: {error}");
            None
        }
    }
}

/// Makes a `phy:` backend and runs `block add` for it.
fn add(stage: &Stage, device: &Device, params: &str, mode: &str) -> Ended {
    stage.backend(device, &[("type", "phy"), ("params", params), ("mode", mode)]);
    stage.run(&["block", "add"], device)
}

#[test]
fn a_disk_of_the_host_is_connected_by_its_number() {
    let Some(stage) = with_disk() else { return };
    symlink("../disk", stage.path("dev/vg0/mail")).unwrap();
    for (domid, params) in [(5, "disk"), (6, "/dev/disk"), (7, "vg0/mail"), (8, "/dev/vg0/mail")] {
        let device = Device::vbd(domid);
        let ended = add(&stage, &device, params, "r");
        assert_eq!(ended.code, Some(0), "{params}: {ended:?} {}", stage.log());
        assert_eq!(stage.answer(&device), connected());
        assert_eq!(stage.node(&device, "physical-device").as_deref(), Some("fe:12c"));
    }
    assert!(!stage.path("var/run/xen-hotplug/block").exists(), "the lock was left behind");
}

#[test]
fn a_missing_disk_is_refused_by_name() {
    let stage = Stage::new();
    let device = Device::vbd(5);
    let ended = add(&stage, &device, "vg0/mail", "w");
    assert_eq!(ended.code, Some(1));
    let path = stage.path("dev/vg0/mail");
    assert_eq!(stage.answer(&device), failed("error", &format!("{} does not exist.", path.display())));
    assert_eq!(stage.node(&device, "physical-device"), None);
    assert!(stage.log().contains(&format!("error: backend/vbd/5/51713: {} does not", path.display())));
}

#[test]
fn a_link_to_nowhere_and_a_file_are_no_disks() {
    let stage = Stage::new();
    let path = stage.file("dev/file", "");
    symlink("nowhere", stage.path("dev/link")).unwrap();
    let (one, two) = (Device::vbd(5), Device::vbd(6));
    assert_eq!(add(&stage, &one, "file", "w").code, Some(1));
    assert_eq!(stage.answer(&one), failed("error", &format!("{} is not a block device.", path.display())));
    assert_eq!(add(&stage, &two, "link", "w").code, Some(1));
    let link = stage.path("dev/link");
    assert_eq!(stage.answer(&two), failed("error", &format!("{} link does not exist.", link.display())));
}

#[test]
fn a_disk_in_use_by_another_domain_is_busy() {
    let Some(stage) = with_disk() else { return };
    let disk = stage.path("dev/disk");
    let disk = disk.display();
    assert_eq!(add(&stage, &Device::vbd(5), "disk", "w").code, Some(0));
    let writer = Device::vbd(6);
    assert_eq!(add(&stage, &writer, "disk", "w").code, Some(1));
    let text = format!("Device {disk} is mounted in a guest domain,\nand so cannot be mounted now.");
    assert_eq!(stage.answer(&writer), failed("busy", &text));
    assert_eq!(stage.node(&writer, "physical-device"), None);
    let reader = Device::vbd(7);
    assert_eq!(add(&stage, &reader, "disk", "r").code, Some(1));
    let text = format!(
        "Device {disk} is mounted read-write in a guest domain,\nand so cannot be mounted read-only now."
    );
    assert_eq!(stage.answer(&reader), failed("busy", &text));
}

#[test]
fn readers_share_and_keep_a_writer_out() {
    let Some(stage) = with_disk() else { return };
    for domid in [5, 6, 7] {
        assert_eq!(add(&stage, &Device::vbd(domid), "disk", "r").code, Some(0));
    }
    assert_eq!(add(&stage, &Device::vbd(8), "disk", "w").code, Some(1));
    assert_eq!(stage.answer(&Device::vbd(8)).0.as_deref(), Some("busy"));
}

#[test]
fn whoever_says_so_shares_a_disk_unchecked() {
    let Some(stage) = with_disk() else { return };
    assert_eq!(add(&stage, &Device::vbd(5), "disk", "w").code, Some(0));
    assert_eq!(add(&stage, &Device::vbd(6), "disk", "w!").code, Some(0));
    assert_eq!(stage.answer(&Device::vbd(6)), connected());
}

#[test]
fn the_next_incarnation_and_the_device_model_of_a_machine_may_have_its_disk() {
    let Some(stage) = with_disk() else { return };
    assert_eq!(add(&stage, &Device::vbd(5), "disk", "w").code, Some(0));
    let of = |domid: u16| paths::vm(format!("{domid:036}"));
    let add_as = |domid: u16, vm: &str, target: Option<&str>| {
        let device = Device::vbd(domid);
        stage.backend(&device, &[("type", "phy"), ("params", "disk"), ("mode", "w")]);
        stage.write(&paths::domain_vm(domid), vm);
        if let Some(target) = target {
            stage.write(&paths::domain_node(domid, "target"), target);
        }
        let ended = stage.run(&["block", "add"], &device);
        stage.remove(&device.path());
        ended.code
    };
    assert_eq!(add_as(6, &format!("{}-1", of(5)), None), Some(0), "the next incarnation");
    assert_eq!(add_as(7, &of(7), Some("5")), Some(0), "its device model");
    assert_eq!(add_as(8, &of(8), Some("6")), Some(0), "the device model of the next incarnation");
    assert_eq!(add_as(9, &of(9), Some("7")), Some(1), "somebody else's device model");
    assert_eq!(add_as(10, &of(10), Some("nonsense")), Some(1), "nobody's device model");
    stage.write(&paths::domain_node(5, "target"), "11");
    assert_eq!(add_as(11, &of(11), None), Some(0), "the machine that the holder is the device model of");
}

#[test]
fn a_disk_that_the_host_has_mounted_is_busy() {
    let Some(stage) = with_disk() else { return };
    let disk = stage.path("dev/disk");
    let disk = disk.display();
    let mounts = |options: &str| format!("36 35 254:300 / /mnt {options} shared:1 - ext4 /dev/x {options}\n");
    stage.file("proc/self/mountinfo", &mounts("rw"));
    assert_eq!(add(&stage, &Device::vbd(5), "disk", "w").code, Some(1));
    let text =
        format!("Device {disk} is mounted in the privileged domain,\nand so cannot be mounted by a guest.");
    assert_eq!(stage.answer(&Device::vbd(5)), failed("busy", &text));
    assert_eq!(add(&stage, &Device::vbd(6), "disk", "r").code, Some(1));
    let text = format!(
        "Device {disk} is mounted read-write in the privileged domain,\n\
         and so cannot be mounted read-only by a guest."
    );
    assert_eq!(stage.answer(&Device::vbd(6)), failed("busy", &text));
    stage.file("proc/self/mountinfo", &mounts("ro"));
    assert_eq!(add(&stage, &Device::vbd(7), "disk", "r").code, Some(0));
    assert_eq!(add(&stage, &Device::vbd(8), "disk", "w").code, Some(1));
}

/// The disk becomes `sdx` with the partition `sdx1` (fe:12d, node `dev/part`), on which lies the volume `dm-7`.
fn with_partition() -> Option<Stage> {
    let stage = with_disk()?;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    mknod(&stage.path("dev/part"), SFlag::S_IFBLK, mode, libc::makedev(254, 301)).unwrap();
    stage.file("sys/devices/sdx/dev", "254:300\n");
    stage.file("sys/devices/sdx/sdx1/dev", "254:301\n");
    stage.file("sys/devices/sdx/sdx1/partition", "1\n");
    stage.file("sys/devices/dm-7/dev", "253:7\n");
    for folder in ["sys/dev/block", "sys/devices/sdx/sdx1/holders", "sys/devices/dm-7/slaves"] {
        std::fs::create_dir_all(stage.path(folder)).unwrap();
    }
    symlink("../../../dm-7", stage.path("sys/devices/sdx/sdx1/holders/dm-7")).unwrap();
    symlink("../../sdx/sdx1", stage.path("sys/devices/dm-7/slaves/sdx1")).unwrap();
    for (number, place) in [("254:300", "sdx"), ("254:301", "sdx/sdx1"), ("253:7", "dm-7")] {
        symlink(format!("../../devices/{place}"), stage.path("sys/dev/block").join(number)).unwrap();
    }
    Some(stage)
}

#[test]
fn a_disk_with_a_part_that_the_host_has_mounted_is_busy() {
    let Some(stage) = with_partition() else { return };
    for (number, name) in [("254:301", "sdx1"), ("253:7", "dm-7")] {
        stage.file("proc/self/mountinfo", &format!("36 35 {number} / /srv rw - ext4 /dev/x rw\n"));
        for (domid, params) in [(5, "disk"), (6, "part")] {
            let device = Device::vbd(domid);
            let ended = add(&stage, &device, params, "w");
            assert_eq!(ended.code, Some(1), "{params} {name}");
            assert_eq!(ended.stdout, format!("{name} is mounted at /srv on this host, read-write\n"));
            let text = format!(
                "Device {} is mounted in the privileged domain,\nand so cannot be mounted by a guest.",
                stage.path("dev").join(params).display()
            );
            assert_eq!(stage.answer(&device), failed("busy", &text));
        }
    }
}

#[test]
fn a_partition_of_a_disk_that_a_guest_has_is_busy_and_the_other_way_round() {
    for (first, second, held) in [("disk", "part", "sdx"), ("part", "disk", "sdx1")] {
        let Some(stage) = with_partition() else { return };
        assert_eq!(add(&stage, &Device::vbd(5), first, "w").code, Some(0));
        let ended = add(&stage, &Device::vbd(6), second, "r");
        assert_eq!(ended.code, Some(1));
        assert_eq!(ended.stdout, format!("{held} is vbd 51713 of domain 5, read-write\n"));
        assert_eq!(add(&stage, &Device::vbd(7), second, "w!").code, Some(0), "whoever says so");
    }
}

#[test]
fn what_is_to_come_is_checked_as_it_will_be_connected() {
    let Some(stage) = with_partition() else { return };
    let disk = |name: &str, params: &str, mode: &str| {
        format!("vbd/{name}|script block|node type=phy|node params={params}|node mode={mode}||")
    };
    assert_eq!(stage.check(&disk("768", "part", "w")), (Some(0), String::new()));
    assert_eq!(add(&stage, &Device::vbd(5), "disk", "w").code, Some(0));
    stage.write(&paths::domain_node(5, "name"), "mail");
    let (missing, path) = (stage.path("dev/none"), stage.path("dev/part"));
    let expected = format!(
        "vbd/768|status busy|text Device {} is mounted in a guest domain,\nand so cannot be mounted now.|\
         because sdx is vbd 51713 of domain 5 (mail), read-write|\
         try detach it from mail first; to share it, give it read-only (mode r) to all, or as w! if all know how to \
         share||\
         vbd/770|status error|text {} does not exist.|\
         try see whether the name is right, and whether its volume group or storage is active||",
        path.display(),
        missing.display()
    );
    let all = [disk("768", "part", "w"), disk("769", "disk", "w!"), disk("770", "none", "r")].concat();
    assert_eq!(stage.check(&all), (Some(0), expected));
    let own = format!("vm {}|", paths::vm(format!("{:036}", 5)));
    let again = disk("768", "part", "w").replace("||", &format!("|{own}|"));
    assert_eq!(stage.check(&again), (Some(0), String::new()), "its own disk is not somebody else's");
    assert_eq!(stage.check("nonsense||").0, Some(1));
}

#[test]
fn what_a_disk_of_another_type_needs_is_a_script_for_it() {
    let stage = Stage::new();
    let text = "Block device type \"nbd\" needs an executable script block-nbd in one of /etc/xend/scripts, \
                /usr/lib/xend/scripts, /etc/xen/scripts";
    let plan = "vbd/768|script block|node type=nbd|node params=x|node mode=w||";
    assert_eq!(stage.check(plan), (Some(0), format!("vbd/768|status error|text {text}||")));
    stage.script("etc/xen/scripts/block-nbd", "#!/bin/sh\n");
    assert_eq!(stage.check(plan), (Some(0), String::new()));
    assert_eq!(stage.check("vbd/768|script block-site|node type=phy||"), (Some(0), String::new()));
}

#[test]
fn of_two_that_want_one_disk_at_once_exactly_one_gets_it() {
    let Some(stage) = with_partition() else { return };
    for round in 0..50 {
        let devices = [Device::vbd(5), Device::vbd(6)];
        for (device, params) in devices.iter().zip(["disk", if round % 2 == 0 { "disk" } else { "part" }]) {
            stage.backend(device, &[("type", "phy"), ("params", params), ("mode", "w")]);
        }
        let children = devices.map(|device| {
            let mut command = stage.command(&["block", "add"], Some(&device));
            command.stdout(std::process::Stdio::null()).spawn().unwrap()
        });
        let mut codes = children.map(|mut child| child.wait().unwrap().code());
        codes.sort_unstable();
        assert_eq!(codes, [Some(0), Some(1)], "round {round}");
        let mut answers = devices.map(|device| stage.answer(&device).0.unwrap());
        answers.sort_unstable();
        assert_eq!(answers, ["busy", "connected"], "round {round}");
        devices.iter().for_each(|device| stage.remove(&device.path()));
    }
}

#[test]
fn a_disk_that_is_mounted_under_another_number_or_swapped_on_is_busy() {
    let Some(stage) = with_disk() else { return };
    let disk = stage.path("dev/disk");
    let disk = disk.display();
    stage.file("proc/self/mountinfo", &format!("36 35 0:42 / /mnt rw - btrfs {disk} rw,subvol=/\n"));
    assert_eq!(add(&stage, &Device::vbd(5), "disk", "w").code, Some(1));
    assert_eq!(stage.answer(&Device::vbd(5)).0.as_deref(), Some("busy"));
    stage.file("proc/self/mountinfo", "");
    stage.file("proc/swaps", &format!("Filename Type Size Used Priority\n{disk}  partition 1048572 0 -2\n"));
    assert_eq!(add(&stage, &Device::vbd(6), "disk", "r").code, Some(1));
    assert_eq!(stage.answer(&Device::vbd(6)).0.as_deref(), Some("busy"));
}

#[test]
fn running_add_or_remove_again_changes_nothing() {
    let Some(stage) = with_disk() else { return };
    let device = Device::vbd(5);
    assert_eq!(add(&stage, &device, "disk", "w").code, Some(0));
    stage.remove(&paths::join(&device.path(), "hotplug-status"));
    assert_eq!(stage.run(&["block", "add"], &device).code, Some(0));
    assert_eq!(stage.answer(&device), connected());
    for _ in 0..2 {
        assert_eq!(stage.run(&["block", "remove"], &device).code, Some(0));
    }
    stage.remove(&device.path());
    assert_eq!(stage.run(&["block", "remove"], &device).code, Some(0));
    assert_eq!(stage.read(&device.path()), None, "remove made nodes");
}

#[test]
fn of_many_at_once_exactly_one_gets_the_disk() {
    let Some(stage) = with_disk() else { return };
    let devices: Vec<_> = (1..=12).map(Device::vbd).collect();
    let running: Vec<_> = devices
        .iter()
        .map(|device| {
            stage.backend(device, &[("type", "phy"), ("params", "disk"), ("mode", "w")]);
            stage.command(&["block", "add"], Some(device)).spawn().unwrap()
        })
        .collect();
    let codes: Vec<_> = running.into_iter().map(|mut child| child.wait().unwrap().code()).collect();
    assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
    let statuses: Vec<_> = devices.iter().filter_map(|device| stage.answer(device).0).collect();
    assert_eq!(statuses.iter().filter(|status| *status == "connected").count(), 1, "{statuses:?}");
    assert_eq!(statuses.iter().filter(|status| *status == "busy").count(), 11, "{statuses:?}");
}

#[test]
fn a_drive_without_medium_is_connected_to_nothing() {
    let stage = Stage::new();
    let device = Device::vbd(5);
    stage.backend(&device, &[("type", ""), ("params", ""), ("mode", "r")]);
    assert_eq!(stage.run(&["block", "add"], &device).code, Some(0));
    assert_eq!(stage.answer(&device), connected());
    assert_eq!(stage.node(&device, "physical-device"), None);
    assert_eq!(stage.run(&["block", "remove"], &device).code, Some(0));
}

#[test]
fn a_backend_without_its_nodes_is_an_error() {
    let stage = Stage::new();
    let device = Device::vbd(5);
    stage.backend(&device, &[]);
    for (node, value) in [("type", "phy"), ("params", "disk"), ("mode", "w")] {
        assert_eq!(stage.run(&["block", "add"], &device).code, Some(1));
        let text = format!("xenstore-read backend/vbd/5/51713/{node} failed.");
        assert_eq!(stage.answer(&device), failed("error", &text));
        stage.write(&paths::join(&device.path(), node), value);
    }
}

#[test]
fn a_backend_that_is_gone_gets_no_nodes() {
    let stage = Stage::new();
    let device = Device::vbd(5);
    assert_eq!(stage.run(&["block", "add"], &device).code, Some(1));
    assert_eq!(stage.read(&paths::backend_class(0, "vbd")), None);
    assert!(stage.log().contains("xenstore-read backend/vbd/5/51713/type failed."), "{}", stage.log());
}

#[test]
fn a_type_of_a_sites_own_is_left_to_its_script() {
    let stage = Stage::new();
    let device = Device::vbd(5);
    let seen = stage.path("seen");
    let script =
        format!("#!/bin/sh\necho \"$1 $XENBUS_PATH $XENBUS_TYPE $extra\" >>{}\nexit 3\n", seen.display());
    stage.script("etc/xen/scripts/block-nbd", &script);
    stage.backend(&device, &[("type", "nbd"), ("params", "host:port"), ("mode", "w")]);
    assert_eq!(stage.run(&["block", "extra=word", "add"], &device).code, Some(3));
    assert_eq!(stage.run(&["block", "remove"], &device).code, Some(3));
    let seen = std::fs::read_to_string(seen).unwrap();
    assert_eq!(seen, "add backend/vbd/5/51713 vbd word\nremove backend/vbd/5/51713 vbd \n");
    assert_eq!(stage.answer(&device), (None, None), "the script answers, not we");
}

#[test]
fn a_type_without_a_script_is_refused() {
    let stage = Stage::new();
    let outside = stage.script("etc/outside", "#!/bin/sh\n");
    for (number, kind) in ["nbd", "../outside", "/../../outside", "a\nb", "é", "-"].iter().enumerate() {
        let device = Device { devid: 51713 + u32::try_from(number).unwrap(), ..Device::vbd(5) };
        stage.backend(&device, &[("type", kind), ("params", "x"), ("mode", "w")]);
        assert_eq!(stage.run(&["block", "add"], &device).code, Some(1), "{kind:?}");
        let (status, text) = stage.answer(&device);
        assert_eq!(status.as_deref(), Some("error"), "{kind:?}");
        assert!(text.unwrap().starts_with(&format!("Block device type \"{kind}\" needs an")), "{kind:?}");
        assert_eq!(stage.run(&["block", "remove"], &device).code, Some(0), "{kind:?}");
    }
    assert!(outside.exists());
}

#[test]
fn hostile_nodes_are_errors() {
    let Some(stage) = with_disk() else { return };
    let device = Device::vbd(5);
    stage.backend(&device, &[("type", "phy"), ("mode", "w")]);
    for params in [&b""[..], b"..", b"\xff\xfe\x01", b"a\nb", &[b'x'; 3000]] {
        stage.write_bytes(&paths::join(&device.path(), "params"), params);
        assert_eq!(stage.run(&["block", "add"], &device).code, Some(1), "{params:?}");
        assert_eq!(stage.answer(&device).0.as_deref(), Some("error"), "{params:?}");
    }
    stage.write(&paths::join(&Device::vbd(6).path(), "physical-device"), "not:a:number");
    stage.write(&paths::join(&Device::vbd(7).path(), "physical-device"), "");
    stage.write(
        &paths::join(&paths::backend_class(0, "vbd"), "no-domain/no-device/physical-device"),
        "fe:12c",
    );
    stage.write(&paths::join(&device.path(), "params"), "disk");
    assert_eq!(stage.run(&["block", "add"], &device).code, Some(1));
    assert_eq!(stage.answer(&device).0.as_deref(), Some("busy"), "an odd holder is a holder");
}

#[test]
fn a_wrong_call_says_what_is_wrong_and_tells_the_store_nothing() {
    let stage = Stage::new();
    let device = Device::vbd(5);
    stage.backend(&device, &[("type", "phy"), ("params", "disk"), ("mode", "w")]);
    assert_eq!(stage.run(&["block", "attach"], &device).code, Some(1));
    assert_eq!(stage.run(&["block"], &device).code, Some(1));
    assert_eq!(stage.answer(&device), (None, None));
    assert!(stage.log().contains("Invalid command: attach"), "{}", stage.log());
    assert_eq!(Ended::of(stage.command(&["block", "add"], None).output().unwrap()).code, Some(1));
    assert!(stage.log().contains("XENBUS_PATH is not set"), "{}", stage.log());
    let usage = Ended::of(stage.command(&[], None).output().unwrap());
    assert_eq!(usage.code, Some(1));
    assert!(usage.stderr.starts_with("Usage: xen-hotplug SCRIPT COMMAND"), "{usage:?}");
    assert_eq!(stage.command(&["--help"], None).output().unwrap().status.code(), Some(0));
}

#[test]
fn a_script_that_does_not_exist_is_named() {
    let stage = Stage::new();
    let device = Device::vif(5);
    stage.backend(&device, &[]);
    assert_eq!(stage.run(&["vif-pigeon", "online"], &device).code, Some(1));
    let text = "cannot run vif-pigeon, this program has no script of that name";
    assert_eq!(stage.answer(&device), failed("error", text));
}

#[test]
fn without_a_store_the_log_tells() {
    let stage = Stage::new();
    std::fs::remove_file(stage.path("run/xenstored/socket")).unwrap();
    assert_eq!(stage.run(&["block", "add"], &Device::vbd(5)).code, Some(1));
    assert!(stage.log().contains("cannot reach xenstore: cannot find xenstored"), "{}", stage.log());
}

#[test]
fn the_installed_script_runs_the_program() {
    let stage = Stage::new();
    let device = Device::vbd(5);
    stage.backend(&device, &[("type", ""), ("params", ""), ("mode", "r")]);
    let template = stage.command(&[], Some(&device));
    let mut command = std::process::Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/block"));
    command.arg("add").env_clear().env("XEN_HOTPLUG", env!("CARGO_BIN_EXE_xen-hotplug"));
    for (name, value) in template.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    assert_eq!(command.status().unwrap().code(), Some(0));
    assert_eq!(stage.answer(&device), connected());
}

#[test]
fn the_environment_may_name_another_store() {
    let (stage, other) = (Stage::new(), Stage::new());
    let device = Device::vbd(5);
    other.backend(&device, &[("type", ""), ("params", ""), ("mode", "r")]);
    let mut command = stage.command(&["block", "add"], Some(&device));
    command.env("XENSTORED_PATH", other.path("run/xenstored/socket"));
    assert_eq!(command.status().unwrap().code(), Some(0));
    assert_eq!(other.answer(&device), connected());
}

#[test]
fn syslog_is_told_too_and_one_that_does_not_read_holds_nobody_up() {
    let stage = Stage::new();
    std::fs::create_dir_all(stage.path("dev")).unwrap();
    let syslog = std::os::unix::net::UnixDatagram::bind(stage.path("dev/log")).unwrap();
    syslog.set_nonblocking(true).unwrap();
    let device = Device::vbd(5);
    stage.backend(&device, &[("type", "phy"), ("params", "nothing"), ("mode", "w")]);
    for _ in 0..8 {
        assert_eq!(stage.run(&["block", "add"], &device).code, Some(1));
    }
    let flood = std::os::unix::net::UnixDatagram::unbound().unwrap();
    flood.set_nonblocking(true).unwrap();
    while flood.send_to(b"full", stage.path("dev/log")).is_ok() {}
    assert_eq!(stage.run(&["block", "add"], &device).code, Some(1));
    let mut message = [0; 2048];
    let mut next =
        || syslog.recv(&mut message).map(|len| String::from_utf8_lossy(&message[..len]).into_owned());
    assert_eq!(next().unwrap(), "<31>block: add XENBUS_PATH=backend/vbd/5/51713");
    let path = stage.path("dev/nothing");
    assert_eq!(next().unwrap(), format!("<27>block: {} does not exist.", path.display()));
}
