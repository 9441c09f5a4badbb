//! `block` for `file:` disks, with real loop devices: run as a program, judged by the store and the kernel.

#![allow(clippy::unwrap_used, reason = "tests")]

mod stage;

use hotplug::host::Host;
use hotplug::loop_device::{self, Access, Binding, Image, Tag};
use stage::{Change, Device, Ended, Stage, connected, failed};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use xenstore::paths;

/// A stage with loop devices and an image of 1 MiB; whatever is bound for it is released in the end.
struct Lab {
    stage: Stage,
    image: PathBuf,
}

impl Lab {
    /// `None` where loop devices cannot be had.
    fn new() -> Option<Self> {
        if OpenOptions::new().read(true).write(true).open("/dev/loop-control").is_err() {
            eprintln!("skipped: /dev/loop-control cannot be opened here");
            return None;
        }
        let stage = Stage::new();
        stage.use_own_devices();
        let image = fs::canonicalize(stage.file("srv/mail.img", "")).unwrap();
        File::options().write(true).open(&image).unwrap().set_len(1 << 20).unwrap();
        Some(Lab { stage, image })
    }

    fn host(&self) -> Host {
        Host::new(self.stage.path(""))
    }

    fn add(&self, device: &Device, mode: &str) -> Ended {
        self.add_image(device, &self.image, mode)
    }

    fn add_image(&self, device: &Device, image: &Path, mode: &str) -> Ended {
        let params = image.to_str().unwrap();
        self.stage.backend(device, &[("type", "file"), ("params", params), ("mode", mode)]);
        self.stage.run(&["block", "add"], device)
    }

    fn remove(&self, device: &Device) -> Ended {
        self.stage.run(&["block", "remove"], device)
    }

    /// Every loop device that is bound to a file of this stage.
    fn bound(&self) -> Vec<Binding> {
        let files =
            fs::read_dir(self.stage.path("srv")).unwrap().map(|entry| entry.unwrap().metadata().unwrap());
        let files: Vec<_> = files.collect();
        let mut all = loop_device::bindings(&self.host()).unwrap();
        all.retain(|binding| files.iter().any(|file| binding.is_of(file)));
        all
    }

    /// The same once there are `count`, or after 30 s: a device that a scan of another test has open when it is
    /// released stays bound until that closes it.
    fn bound_once(&self, count: usize) -> Vec<Binding> {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let bound = self.bound();
            if bound.len() == count || Instant::now() > deadline {
                return bound;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Binds the image as an earlier run would have.
    fn bind(&self, image: &Path, device: &Device, access: Access) -> Binding {
        let file = OpenOptions::new().read(true).write(access == Access::Write).open(image).unwrap();
        let image = Image { path: image.to_owned(), file, access };
        loop_device::bind(&self.host(), &image, &Tag::new(&self.host(), &device.path())).unwrap()
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        for binding in self.bound() {
            let _ = loop_device::release(&binding.path);
        }
    }
}

#[test]
fn an_image_is_bound_to_a_loop_device_until_it_is_removed() {
    let Some(lab) = Lab::new() else { return };
    let device = Device::vbd(5);
    let ended = lab.add(&device, "w");
    assert_eq!(ended.code, Some(0), "{ended:?} {}", lab.stage.log());
    assert_eq!(lab.stage.answer(&device), connected());
    let [binding] = lab.bound_once(1).try_into().unwrap();
    let node = lab.stage.node(&device, "node").unwrap();
    assert_eq!(Path::new(&node), binding.path);
    let number = node.rsplit_once("loop").unwrap().1.parse::<u32>().unwrap();
    assert_eq!(lab.stage.node(&device, "physical-device").unwrap(), format!("7:{number:x}"));
    assert_eq!(binding.access(), Access::Write);
    assert_eq!(lab.remove(&device).code, Some(0));
    assert_eq!(lab.bound_once(0), []);
    assert_eq!(lab.remove(&device).code, Some(0));
}

#[test]
fn a_read_only_disk_gets_a_read_only_device() {
    let Some(lab) = Lab::new() else { return };
    fs::set_permissions(&lab.image, fs::Permissions::from_mode(0o444)).unwrap();
    assert_eq!(lab.add(&Device::vbd(5), "r").code, Some(0));
    assert_eq!(lab.bound()[0].access(), Access::Read);
}

#[test]
fn an_image_that_nobody_may_write_is_busy_for_a_writer() {
    let Some(lab) = Lab::new() else { return };
    fs::set_permissions(&lab.image, fs::Permissions::from_mode(0o444)).unwrap();
    let device = Device::vbd(5);
    assert_eq!(lab.add(&device, "w").code, Some(1));
    let image = lab.image.display();
    let text =
        format!("File {image} is read-only, and so I will not\nmount it read-write in a guest domain.");
    assert_eq!(lab.stage.answer(&device), failed("busy", &text));
    assert_eq!(lab.bound(), []);
}

#[test]
fn a_missing_image_is_refused_by_name() {
    let Some(lab) = Lab::new() else { return };
    let device = Device::vbd(5);
    fs::create_dir(lab.stage.path("srv/folder")).unwrap();
    for name in ["srv/nothing.img", "srv/folder", "srv/mail.img/below"] {
        let path = lab.stage.path(name);
        assert_eq!(lab.add_image(&device, &path, "w").code, Some(1), "{name}");
        let text = format!("{} does not exist.", path.display());
        assert_eq!(lab.stage.answer(&device), failed("error", &text));
    }
    let fifo = lab.stage.path("srv/fifo");
    nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert_eq!(lab.add_image(&device, &fifo, "w").code, Some(1), "waits for nobody");
    assert_eq!(lab.bound(), []);
}

#[test]
fn an_image_in_use_by_another_domain_is_busy() {
    let Some(lab) = Lab::new() else { return };
    assert_eq!(lab.add(&Device::vbd(5), "w").code, Some(0));
    let node = lab.stage.node(&Device::vbd(5), "node").unwrap();
    let image = lab.image.display();
    let start = format!("File {image} is loopback-mounted through {node},\nwhich is mounted ");
    assert_eq!(lab.add(&Device::vbd(6), "w").code, Some(1));
    let text = format!("{start}in a guest domain,\nand so cannot be mounted now.");
    assert_eq!(lab.stage.answer(&Device::vbd(6)), failed("busy", &text));
    assert_eq!(lab.add(&Device::vbd(7), "r").code, Some(1));
    let text = format!("{start}read-write in a guest domain,\nand so cannot be mounted read-only now.");
    assert_eq!(lab.stage.answer(&Device::vbd(7)), failed("busy", &text));
    assert_eq!(lab.bound_once(1).len(), 1, "a refused run left a device");
    assert_eq!(lab.add(&Device::vbd(8), "w!").code, Some(0));
    assert_eq!(lab.bound_once(2).len(), 2);
}

#[test]
fn another_name_of_an_image_in_use_is_busy_too() {
    let Some(lab) = Lab::new() else { return };
    let other = lab.stage.path("srv/other.img");
    fs::hard_link(&lab.image, &other).unwrap();
    assert_eq!(lab.add(&Device::vbd(5), "w").code, Some(0));
    assert_eq!(lab.add_image(&Device::vbd(6), &other, "w").code, Some(1));
    assert_eq!(lab.stage.answer(&Device::vbd(6)).0.as_deref(), Some("busy"));
}

#[test]
fn of_two_that_want_one_image_at_once_exactly_one_gets_it() {
    let Some(lab) = Lab::new() else { return };
    let other = lab.stage.path("srv/other.img");
    std::os::unix::fs::symlink("mail.img", &other).unwrap();
    for round in 0..50 {
        let devices = [Device::vbd(5), Device::vbd(6)];
        for (device, image) in devices.iter().zip([&lab.image, &other]) {
            let params = image.to_str().unwrap();
            lab.stage.backend(device, &[("type", "file"), ("params", params), ("mode", "w")]);
        }
        let children = devices.map(|device| {
            let mut command = lab.stage.command(&["block", "add"], Some(&device));
            command.stdout(std::process::Stdio::null()).spawn().unwrap()
        });
        let mut codes = children.map(|mut child| child.wait().unwrap().code());
        codes.sort_unstable();
        assert_eq!(codes, [Some(0), Some(1)], "round {round}");
        assert_eq!(lab.bound_once(1).len(), 1, "round {round}");
        for device in &devices {
            assert_eq!(lab.remove(device).code, Some(0));
            lab.stage.remove(&device.path());
        }
        assert_eq!(lab.bound_once(0), [], "round {round}");
    }
}

#[test]
fn an_image_that_is_to_come_is_checked_as_it_will_be_bound() {
    let Some(lab) = Lab::new() else { return };
    let plan = |params: &Path, mode: &str| {
        let params = params.display();
        lab.stage
            .check(&format!("vbd/768|script block|node type=file|node params={params}|node mode={mode}||"))
    };
    assert_eq!(plan(&lab.image, "w"), (Some(0), String::new()));
    assert_eq!(lab.bound(), [], "a look bound it");
    let missing = lab.stage.path("srv/none");
    let text = format!("vbd/768|status error|text {} does not exist.|try ", missing.display());
    assert!(plan(&missing, "w").1.starts_with(&text));
    assert_eq!(lab.add(&Device::vbd(5), "w").code, Some(0));
    let node = lab.stage.node(&Device::vbd(5), "node").unwrap();
    let text = format!(
        "vbd/768|status busy|text File {} is loopback-mounted through {node},\nwhich is mounted in a guest domain,\n\
         and so cannot be mounted now.|because {} is vbd 51713 of domain 5, read-write|",
        lab.image.display(),
        node.rsplit('/').next().unwrap()
    );
    let told = plan(&lab.image, "w").1;
    assert!(told.starts_with(&text), "{told}");
    fs::set_permissions(&lab.image, fs::Permissions::from_mode(0o444)).unwrap();
    assert!(plan(&lab.image, "w").1.contains("is read-only, and so I will not\nmount it read-write"));
    assert_eq!(lab.bound_once(1).len(), 1);
}

#[test]
fn an_image_that_the_host_has_mounted_is_busy() {
    let Some(lab) = Lab::new() else { return };
    let binding = lab.bind(&lab.image, &Device::vbd(4000), Access::Write);
    let number = binding.path.to_str().unwrap().rsplit_once("loop").unwrap().1;
    lab.stage.file("proc/self/mountinfo", &format!("1 0 7:{number} / /mnt rw - ext4 /dev/x rw\n"));
    assert_eq!(lab.add(&Device::vbd(5), "r").code, Some(1));
    let text = format!(
        "File {} is loopback-mounted through {},\nwhich is mounted read-write in the privileged domain,\n\
         and so cannot be mounted read-only by a guest.",
        lab.image.display(),
        binding.path.display()
    );
    assert_eq!(lab.stage.answer(&Device::vbd(5)), failed("busy", &text));
}

#[test]
fn readers_of_an_image_have_a_device_each() {
    let Some(lab) = Lab::new() else { return };
    for domid in [5, 6] {
        assert_eq!(lab.add(&Device::vbd(domid), "r").code, Some(0));
    }
    assert_eq!(lab.bound_once(2).len(), 2);
    assert_eq!(lab.remove(&Device::vbd(5)).code, Some(0));
    let [left] = lab.bound_once(1).try_into().unwrap();
    assert_eq!(left.path.to_str(), lab.stage.node(&Device::vbd(6), "node").as_deref());
}

#[test]
fn add_again_keeps_the_device() {
    let Some(lab) = Lab::new() else { return };
    let device = Device::vbd(5);
    assert_eq!(lab.add(&device, "w").code, Some(0));
    let before = lab.bound();
    lab.stage.remove(&paths::join(&device.path(), "hotplug-status"));
    assert_eq!(lab.stage.run(&["block", "add"], &device).code, Some(0));
    assert_eq!((lab.bound(), lab.stage.answer(&device)), (before, connected()));
}

#[test]
fn add_after_a_crash_finds_the_device_that_was_bound() {
    let Some(lab) = Lab::new() else { return };
    let device = Device::vbd(5);
    let bound = lab.bind(&lab.image, &device, Access::Write);
    assert_eq!(lab.add(&device, "w").code, Some(0));
    assert_eq!(lab.bound(), std::slice::from_ref(&bound));
    assert_eq!(lab.stage.node(&device, "node").as_deref(), bound.path.to_str());
}

#[test]
fn add_replaces_a_device_that_does_not_fit() {
    let Some(lab) = Lab::new() else { return };
    let device = Device::vbd(5);
    let other = lab.stage.file("srv/other.img", &"x".repeat(8192));
    lab.bind(&other, &device, Access::Write);
    lab.bind(&lab.image, &device, Access::Read);
    assert_eq!(lab.add(&device, "w").code, Some(0));
    let [binding] = lab.bound_once(1).try_into().unwrap();
    assert!(binding.is_of(&fs::metadata(&lab.image).unwrap()));
    assert_eq!(binding.access(), Access::Write);
}

/// A scan of the host's devices may have it open when it is released: it is bound until that ends, and no longer.
#[test]
fn a_device_that_is_on_its_way_out_is_not_taken_again() {
    let Some(lab) = Lab::new() else { return };
    let device = Device::vbd(5);
    assert_eq!(lab.add(&device, "w").code, Some(0));
    let [old] = lab.bound().try_into().unwrap();
    let scan = fs::File::open(&old.path).unwrap();
    assert_eq!(lab.remove(&device).code, Some(0));
    let [going] = lab.bound().try_into().unwrap();
    assert!(going.is_going() && going.path == old.path);
    assert_eq!(lab.add(&device, "w").code, Some(0), "{}", lab.stage.log());
    let node = lab.stage.node(&device, "node");
    assert_ne!(node.as_deref(), old.path.to_str());
    drop(scan);
    let [new] = lab.bound_once(1).try_into().unwrap();
    assert_eq!(node.as_deref(), new.path.to_str());
}

#[test]
fn a_number_in_the_store_without_its_device_is_no_proof() {
    let Some(lab) = Lab::new() else { return };
    let device = Device::vbd(5);
    assert_eq!(lab.add(&device, "w").code, Some(0));
    assert_eq!(lab.remove(&device).code, Some(0));
    assert_eq!(lab.bound_once(0), []);
    assert_eq!(lab.stage.run(&["block", "add"], &device).code, Some(0));
    let [binding] = lab.bound_once(1).try_into().unwrap();
    assert_eq!(lab.stage.node(&device, "node").as_deref(), binding.path.to_str());
}

#[test]
fn remove_releases_what_the_store_never_learnt_of() {
    let Some(lab) = Lab::new() else { return };
    let device = Device::vbd(5);
    lab.bind(&lab.image, &device, Access::Write);
    lab.bind(&lab.image, &device, Access::Read);
    assert_eq!(lab.remove(&device).code, Some(0));
    assert_eq!(lab.bound_once(0), []);
    assert_eq!(lab.stage.read(&device.path()), None);
}

#[test]
fn remove_leaves_somebody_elses_device_alone() {
    let Some(lab) = Lab::new() else { return };
    let (gone, other) = (Device::vbd(5), Device::vbd(6));
    assert_eq!(lab.add(&other, "w").code, Some(0));
    let node = lab.stage.node(&other, "node").unwrap();
    let params = lab.image.to_str().unwrap();
    lab.stage.backend(&gone, &[("type", "file"), ("params", params), ("mode", "w"), ("node", &node)]);
    assert_eq!(lab.remove(&gone).code, Some(0));
    assert_eq!(lab.bound_once(1).len(), 1);
    let hostile = ["/dev/null", "/dev/sda", "../../etc", "", "/proc/self/mem"];
    for node in hostile {
        lab.stage.write(&paths::join(&gone.path(), "node"), node);
        assert_eq!(lab.remove(&gone).code, Some(0), "{node:?}");
    }
    assert_eq!(lab.bound_once(1).len(), 1);
}

#[test]
fn a_device_that_the_classic_script_bound_is_released_by_its_node() {
    let Some(lab) = Lab::new() else { return };
    let output = std::process::Command::new("losetup").args(["-f", "--show"]).arg(&lab.image).output();
    let Ok(output) = output else {
        eprintln!("skipped: losetup is not installed");
        return;
    };
    assert!(output.status.success(), "{output:?}");
    let node = String::from_utf8(output.stdout).unwrap();
    let device = Device::vbd(5);
    let params = lab.image.to_str().unwrap();
    lab.stage.backend(&device, &[("type", "file"), ("params", params), ("mode", "w"), ("node", node.trim())]);
    lab.stage.write(&paths::join(&device.path(), "physical-device"), "7:0");
    assert_eq!(lab.stage.run(&["block", "add"], &device).code, Some(0));
    assert_eq!(lab.bound_once(1).len(), 1, "add took its place");
    assert_eq!(lab.remove(&device).code, Some(0));
    assert_eq!(lab.bound_once(0), []);
}

#[test]
fn a_domain_on_its_way_out_gets_no_device() {
    let Some(lab) = Lab::new() else { return };
    let device = Device::vbd(5);
    lab.stage.backend(&device, &[("type", "file"), ("params", lab.image.to_str().unwrap()), ("mode", "w")]);
    for state in ["5", "6", "", "4"] {
        lab.stage.write(&paths::join(&device.path(), "state"), state);
        assert_eq!(lab.stage.run(&["block", "add"], &device).code, Some(1), "{state:?}");
        let text = format!("Path closed or removed during hotplug add: backend/vbd/5/51713 state: {state}");
        assert_eq!(lab.stage.answer(&device), failed("error", &text));
    }
    lab.stage.remove(&paths::join(&device.path(), "state"));
    assert_eq!(lab.stage.run(&["block", "add"], &device).code, Some(1));
    let text = "Path closed or removed during hotplug add: backend/vbd/5/51713 state: unknown";
    assert_eq!(lab.stage.answer(&device), failed("error", text));
    assert_eq!(lab.bound(), []);
}

#[test]
fn many_images_at_once_get_a_device_each_and_give_all_back() {
    let Some(lab) = Lab::new() else { return };
    let devices: Vec<_> = (1..=16).map(Device::vbd).collect();
    let start = |command: &str| {
        let children: Vec<_> = devices
            .iter()
            .map(|device| lab.stage.command(&["block", command], Some(device)).spawn().unwrap())
            .collect();
        for mut child in children {
            assert_eq!(child.wait().unwrap().code(), Some(0), "{}", lab.stage.log());
        }
    };
    for device in &devices {
        let image = lab.stage.file(&format!("srv/{}.img", device.domid), &"x".repeat(65536));
        let nodes = [("type", "file"), ("params", image.to_str().unwrap()), ("mode", "w")];
        lab.stage.backend(device, &nodes);
    }
    start("add");
    let mut nodes: Vec<_> = devices.iter().map(|device| lab.stage.node(device, "node").unwrap()).collect();
    nodes.sort();
    nodes.dedup();
    assert_eq!((nodes.len(), lab.bound_once(16).len()), (16, 16));
    start("remove");
    assert_eq!(lab.bound_once(0), []);
}

#[test]
fn what_the_guest_writes_is_in_the_image() {
    use std::os::unix::fs::FileExt;
    let Some(lab) = Lab::new() else { return };
    assert_eq!(lab.add(&Device::vbd(5), "w").code, Some(0));
    let node = lab.stage.node(&Device::vbd(5), "node").unwrap();
    let disk = OpenOptions::new().write(true).open(node).unwrap();
    disk.write_all_at(&[0x5a; 4096], 8192).unwrap();
    disk.sync_all().unwrap();
    drop(disk);
    assert_eq!(lab.remove(&Device::vbd(5)).code, Some(0));
    let content = fs::read(&lab.image).unwrap();
    assert_eq!(content.len(), 1 << 20);
    assert!(content[8192..12288].iter().all(|byte| *byte == 0x5a) && content[12288] == 0);
}

#[test]
fn killed_at_any_change_it_is_finished_by_add_and_undone_by_remove() {
    let Some(lab) = Lab::new() else { return };
    let device = Device::vbd(5);
    let params = lab.image.to_str().unwrap();
    let mut reached = 0;
    for change in [Change::Made, Change::Lost] {
        for (number, finish) in (0..).flat_map(|number| [(number, true), (number, false)]) {
            lab.stage.backend(&device, &[("type", "file"), ("params", params), ("mode", "w")]);
            let mut command = lab.stage.command(&["block", "add"], Some(&device));
            let was_killed = lab.stage.run_until_change(number, change, &mut command);
            reached += u32::from(was_killed);
            if finish {
                assert_eq!(lab.stage.run(&["block", "add"], &device).code, Some(0), "{number} {change:?}");
                let [binding] = lab.bound_once(1).try_into().unwrap();
                assert_eq!(lab.stage.node(&device, "node").as_deref(), binding.path.to_str());
                assert_eq!(lab.stage.answer(&device), connected());
            }
            assert_eq!(lab.remove(&device).code, Some(0));
            assert_eq!(lab.bound_once(0), [], "{number} {change:?}");
            lab.stage.remove(&device.path());
            if !was_killed {
                break;
            }
        }
    }
    assert!(reached >= 8, "killed {reached} times only");
}

#[test]
fn a_store_that_fails_at_any_change_costs_no_device() {
    let Some(lab) = Lab::new() else { return };
    let device = Device::vbd(5);
    let params = lab.image.to_str().unwrap();
    for count in 0.. {
        lab.stage.backend(&device, &[("type", "file"), ("params", params), ("mode", "w")]);
        lab.stage.server().fail_after(Some(count));
        let ended = lab.stage.run(&["block", "add"], &device);
        lab.stage.server().fail_after(None);
        if ended.code == Some(0) {
            assert!(count >= 4, "{count} changes were enough");
            assert_eq!(lab.bound_once(1).len(), 1);
            break;
        }
        assert_eq!((ended.code, lab.bound_once(0)), (Some(1), Vec::new()), "{count}");
        assert_eq!(lab.stage.answer(&device), (None, None), "{count}");
        assert!(lab.stage.log().contains("Writing backend/vbd/5/51713 to xenstore failed."));
        assert_eq!(lab.stage.run(&["block", "add"], &device).code, Some(0));
        assert_eq!(lab.stage.answer(&device), connected());
        assert_eq!(lab.remove(&device).code, Some(0));
        assert_eq!(lab.bound_once(0), [], "{count}");
        lab.stage.remove(&device.path());
    }
}
