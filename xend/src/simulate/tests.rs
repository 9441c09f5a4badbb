//! The simulated host as a toolstack meets it: domains are made through the traits, their nodes written by hand.

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hypervisor::sim::fixture::{Built, TinyGuest, build};
use hypervisor::sim::{HostConfig, Machine};
use hypervisor::{ConsoleRead, DomId, Domains, Host, ShutdownCode};
use uuid::Uuid;
use xenstore::server::{Limits, Server};
use xenstore::{Access, Batch, Permissions, Store, paths};

use super::World;
use crate::devices::{ScriptCall, ScriptRunner};

const LIMIT: Duration = Duration::from_secs(20);

struct Lab {
    world: World,
    machine: Machine,
    store: Store,
}

impl Lab {
    fn start() -> Self {
        let machine = Machine::new(HostConfig::default());
        let server = Server::new(Limits::default());
        let world = World::start(machine.clone(), server.clone());
        Self { world, machine, store: server.connect_as(0) }
    }

    /// A built, introduced and still paused domain.
    async fn domain(&self, cmd_line: &str) -> Built {
        let guest = TinyGuest {
            uuid: Uuid::new_v4(),
            memory_kib: 16 * 1024,
            vcpus: 1,
            cmd_line: cmd_line.to_owned(),
        };
        let built = build(&self.machine, &guest).unwrap();
        self.write_domain(&built).await;
        built
    }

    async fn write_domain(&self, built: &Built) {
        let domid = built.domid.0;
        let mut batch = Batch::new();
        batch.mkdir(paths::domain(domid)).permissions(paths::domain(domid), Permissions::readable_by(domid));
        for directory in paths::node::GUEST_DIRECTORIES {
            let path = paths::domain_node(domid, directory);
            batch.mkdir(&path).permissions(&path, Permissions::owned_by(domid));
        }
        let console = |name| paths::console_node(domid, name);
        batch.write(console("type"), "xenconsoled");
        batch.write(console("port"), built.console_port.to_string());
        batch.write(console("ring-ref"), built.console_mfn.to_string());
        self.store.commit(&batch).await.unwrap();
        self.store.introduce(domid, built.store_mfn, built.store_port).await.unwrap();
    }

    async fn device(&self, domid: DomId, class: &str, keys: &[(&str, &str)]) -> (String, String) {
        let domid = domid.0;
        let (frontend, backend) = (paths::frontend(domid, class, 0), paths::backend(0, class, domid, 0));
        let mut batch = Batch::new();
        batch.mkdir(&backend).permissions(&backend, Permissions::readable_by(domid));
        let of_guest = Permissions::owned_by(domid).and(0, Access::Read);
        batch.mkdir(&frontend).permissions(&frontend, of_guest);
        batch.write(paths::join(&frontend, "backend"), &backend).write(paths::join(&backend, "online"), "1");
        for (key, value) in keys {
            batch.write(paths::join(&backend, key), value);
        }
        batch.write(paths::join(&backend, "state"), "1").write(paths::join(&frontend, "state"), "1");
        self.store.commit(&batch).await.unwrap();
        (frontend, backend)
    }

    /// Waits until a node has a value.
    async fn until(&self, path: &str, wanted: &str) {
        let mut watch = self.store.watch(path).await.unwrap();
        let seen = async {
            while self.store.read(path).await.unwrap().as_deref() != Some(wanted) {
                watch.next().await.unwrap();
            }
        };
        if tokio::time::timeout(LIMIT, seen).await.is_err() {
            panic!("{path} is {:?}, wanted {wanted:?}", self.store.read(path).await);
        }
    }

    /// Waits until a node is there.
    async fn appears(&self, path: &str) -> String {
        let mut watch = self.store.watch(path).await.unwrap();
        let seen = async {
            loop {
                if let Some(value) = self.store.read(path).await.unwrap() {
                    return value;
                }
                watch.next().await.unwrap();
            }
        };
        tokio::time::timeout(LIMIT, seen).await.unwrap_or_else(|_| panic!("{path} did not appear"))
    }

    /// Waits, on `@releaseDomain` as a toolstack does, until a domain has shut down.
    async fn ended(&self, domid: DomId) -> ShutdownCode {
        let mut watch = self.store.watch(paths::RELEASE_DOMAIN).await.unwrap();
        let seen = async {
            loop {
                if let Some(code) = self.machine.info(domid).unwrap().unwrap().shutdown {
                    return code;
                }
                watch.next().await.unwrap();
            }
        };
        tokio::time::timeout(LIMIT, seen).await.expect("the domain shuts down")
    }

    async fn run_script(&self, class: &str, relative: &str, command: &str) -> bool {
        let variable = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let call = ScriptCall {
            script: "/usr/lib/xend/scripts/block".into(),
            args: vec![command.to_owned()],
            env: vec![variable("XENBUS_TYPE", class), variable("XENBUS_PATH", relative)],
            time_limit: LIMIT,
        };
        self.world.scripts().run(call).await.is_ok()
    }
}

fn open_tty(path: &str) -> std::fs::File {
    std::fs::OpenOptions::new().read(true).write(true).custom_flags(libc::O_NOCTTY).open(path).unwrap()
}

/// Reads a console until it shows a text.
async fn shows(tty: &std::fs::File, wanted: &'static str) -> String {
    let mut tty = tty.try_clone().unwrap();
    let read = tokio::task::spawn_blocking(move || {
        let mut seen = Vec::new();
        let mut byte = [0];
        while !String::from_utf8_lossy(&seen).contains(wanted) {
            tty.read_exact(&mut byte).unwrap();
            seen.push(byte[0]);
        }
        String::from_utf8(seen).unwrap()
    });
    tokio::time::timeout(LIMIT, read)
        .await
        .unwrap_or_else(|_| panic!("no {wanted:?} on the console"))
        .unwrap()
}

fn image_file(name: &str, mode: u32) -> PathBuf {
    let path = std::env::temp_dir().join(format!("xend-sim-{}-{name}", std::process::id()));
    let _old = std::fs::remove_file(&path);
    std::fs::OpenOptions::new().create(true).write(true).truncate(true).mode(mode).open(&path).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_boots_and_talks_on_its_console() {
    let lab = Lab::start();
    let built = lab.domain("root=/dev/xvda1 sim.fly").await;
    let tty = lab.appears(&paths::console_node(built.domid.0, "tty")).await;
    lab.machine.unpause(built.domid).unwrap();
    let mut tty = open_tty(&tty);
    let banner = shows(&tty, "sim# ").await;
    assert!(banner.contains("Command line: root=/dev/xvda1 sim.fly\r\n"), "{banner}");
    assert!(banner.contains("Memory: 16384K"), "{banner}");
    assert!(banner.contains("sim.fly means nothing"), "{banner}");
    tty.write_all(b"dance\r").unwrap();
    assert!(shows(&tty, "not found").await.starts_with("dance\r\n"));
    tty.write_all(b"poweroff\r").unwrap();
    assert_eq!(lab.ended(built.domid).await, ShutdownCode::Poweroff);
}

#[tokio::test(flavor = "multi_thread")]
async fn devices_connect_when_their_script_is_done_and_close_when_told() {
    let lab = Lab::start();
    let built = lab.domain("").await;
    let (vbd, vbd_backend) = lab.device(built.domid, "vbd", &[("type", "phy"), ("params", "")]).await;
    let (vif, vif_backend) = lab.device(built.domid, "vif", &[("bridge", "xenbr0")]).await;
    lab.until(&paths::join(&vbd_backend, "state"), "2").await;
    lab.machine.unpause(built.domid).unwrap();
    lab.until(&paths::join(&vbd, "state"), "3").await;
    assert!(lab.store.read(&paths::join(&vbd, "ring-ref")).await.unwrap().is_some());
    let port = lab.store.read(&paths::join(&vbd, "event-channel")).await.unwrap().unwrap();
    assert!(lab.machine.port_link(built.domid, port.parse().unwrap()).is_some());
    lab.store.write(&paths::join(&vbd_backend, "physical-device"), "7:0").await.unwrap();
    for backend in [&vbd_backend, &vif_backend] {
        lab.store.write(&paths::join(backend, "hotplug-status"), "connected").await.unwrap();
    }
    for end in [&vbd, &vbd_backend, &vif, &vif_backend] {
        lab.until(&paths::join(end, "state"), "4").await;
    }
    let mut batch = Batch::new();
    batch.write(paths::join(&vbd_backend, "online"), "0").write(paths::join(&vbd_backend, "state"), "5");
    lab.store.commit(&batch).await.unwrap();
    lab.until(&paths::join(&vbd_backend, "state"), "6").await;
    lab.until(&paths::join(&vbd, "state"), "6").await;
    assert_eq!(lab.machine.port_link(built.domid, port.parse().unwrap()), None);
    lab.until(&paths::join(&vif, "state"), "4").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backend_without_its_frontend_goes_at_once() {
    let lab = Lab::start();
    let built = lab.domain("sim.no_frontend").await;
    lab.machine.unpause(built.domid).unwrap();
    let (frontend, backend) = lab.device(built.domid, "vif", &[]).await;
    lab.until(&paths::join(&backend, "state"), "2").await;
    let mut batch = Batch::new();
    batch
        .write(paths::join(&backend, "online"), "0")
        .write(paths::join(&backend, "state"), "5")
        .remove(frontend);
    lab.store.commit(&batch).await.unwrap();
    lab.until(&paths::join(&backend, "state"), "6").await;
    lab.store.remove(&backend).await.unwrap();
    lab.until(&paths::console_node(built.domid.0, "type"), "xenconsoled").await;
    assert_eq!(lab.store.list(&backend).await.unwrap(), None, "removed nodes stay away");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_answers_the_toolstacks_requests() {
    for (request, code) in [
        ("poweroff", ShutdownCode::Poweroff),
        ("reboot", ShutdownCode::Reboot),
        ("halt", ShutdownCode::Poweroff),
    ] {
        let lab = Lab::start();
        let built = lab.domain("").await;
        lab.machine.unpause(built.domid).unwrap();
        lab.until(&paths::control_node(built.domid.0, "feature-poweroff"), "1").await;
        let path = paths::control_shutdown(built.domid.0);
        lab.store.write(&path, "dance").await.unwrap();
        lab.until(&path, "").await;
        lab.store.write(&path, request).await.unwrap();
        assert_eq!(lab.ended(built.domid).await, code);
        assert_eq!(lab.store.read(&path).await.unwrap().as_deref(), Some(""), "acknowledged");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_guest_answers_when_it_goes_on() {
    let lab = Lab::start();
    let built = lab.domain("").await;
    let domid = built.domid;
    lab.machine.unpause(domid).unwrap();
    lab.until(&paths::control_node(domid.0, "feature-poweroff"), "1").await;
    lab.machine.pause(domid).unwrap();
    let path = paths::control_shutdown(domid.0);
    lab.store.write(&path, "poweroff").await.unwrap();
    // Another guest's whole life passes meanwhile.
    let other = lab.domain("sim.poweroff_after=1").await;
    lab.machine.unpause(other.domid).unwrap();
    lab.ended(other.domid).await;
    assert_eq!(lab.store.read(&path).await.unwrap().as_deref(), Some("poweroff"));
    lab.machine.unpause(domid).unwrap();
    assert_eq!(lab.ended(domid).await, ShutdownCode::Poweroff);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_is_told_to_crash_does_and_one_that_ignores_requests_runs_on() {
    let lab = Lab::start();
    let deaf = lab.domain("sim.ignore_shutdown").await;
    lab.machine.unpause(deaf.domid).unwrap();
    let path = paths::control_shutdown(deaf.domid.0);
    lab.store.write(&path, "poweroff").await.unwrap();
    let crashing = lab.domain("sim.crash_after=1").await;
    lab.machine.unpause(crashing.domid).unwrap();
    assert_eq!(lab.ended(crashing.domid).await, ShutdownCode::Crash);
    assert_eq!(lab.store.read(&path).await.unwrap().as_deref(), Some("poweroff"));
    assert_eq!(lab.machine.info(deaf.domid).unwrap().unwrap().shutdown, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guest_that_was_built_wrong_crashes_and_the_hosts_console_says_why() {
    use hypervisor::{CreateDomain, VcpuContext};
    let lab = Lab::start();
    let domid = lab.machine.create(&CreateDomain::pv(Uuid::new_v4(), 1)).unwrap();
    lab.machine.set_max_vcpus(domid, 1).unwrap();
    lab.machine.set_vcpu_context(domid, 0, &VcpuContext { rip: 0, rsp: 0, rsi: 0, l4_mfn: 7 }).unwrap();
    lab.store.introduce(domid.0, 0, 0).await.unwrap();
    lab.machine.unpause(domid).unwrap();
    assert_eq!(lab.ended(domid).await, ShutdownCode::Crash);
    let console = String::from_utf8(lab.machine.read_console(ConsoleRead::Keep).unwrap()).unwrap();
    assert!(console.contains("does not boot: the L4 at mfn 0x7 is not pinned"), "{console}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_console_hangs_up_when_its_domain_is_gone() {
    let lab = Lab::start();
    let built = lab.domain("sim.poweroff_after=1").await;
    let mut tty = open_tty(&lab.appears(&paths::console_node(built.domid.0, "tty")).await);
    lab.machine.unpause(built.domid).unwrap();
    lab.ended(built.domid).await;
    // What was printed before the end can be read after it.
    shows(&tty, "sim# ").await;
    lab.machine.destroy(built.domid).unwrap();
    let hung_up = tokio::task::spawn_blocking(move || tty.read(&mut [0; 16]).is_ok_and(|read| read > 0));
    assert!(!tokio::time::timeout(LIMIT, hung_up).await.expect("the console hangs up").unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_block_script_finds_the_image_and_guards_it() {
    let lab = Lab::start();
    let image = image_file("guarded", 0o600);
    let keys = [("type", "file"), ("params", text(&image)), ("mode", "w")];
    let (first, second) = (DomId(11), DomId(12));
    let (_, backend) = lab.device(first, "vbd", &keys).await;
    assert!(lab.run_script("vbd", &paths::backend_relative("vbd", 11, 0), "add").await);
    lab.until(&paths::join(&backend, "hotplug-status"), "connected").await;
    assert_eq!(lab.appears(&paths::join(&backend, "physical-device")).await, "7:0");
    assert_eq!(lab.appears(&paths::join(&backend, "node")).await, "/dev/loop0");
    let (_, busy) = lab.device(second, "vbd", &keys).await;
    assert!(!lab.run_script("vbd", &paths::backend_relative("vbd", 12, 0), "add").await);
    lab.until(&paths::join(&busy, "hotplug-status"), "busy").await;
    let told = lab.appears(&paths::join(&busy, "hotplug-error")).await;
    assert!(told.ends_with("in a guest domain,\nand so cannot be mounted now."), "{told}");
    assert!(lab.run_script("vbd", &paths::backend_relative("vbd", 11, 0), "remove").await);
    lab.store.remove(&paths::join(&busy, "hotplug-error")).await.unwrap();
    assert!(lab.run_script("vbd", &paths::backend_relative("vbd", 12, 0), "add").await);
    lab.until(&paths::join(&busy, "hotplug-status"), "connected").await;
    std::fs::remove_file(image).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_whose_user_vanished_without_a_word_is_free_again() {
    let lab = Lab::start();
    let image = image_file("vanished", 0o600);
    let keys = [("type", "file"), ("params", text(&image)), ("mode", "w")];
    let (_, backend) = lab.device(DomId(11), "vbd", &keys).await;
    assert!(lab.run_script("vbd", &paths::backend_relative("vbd", 11, 0), "add").await);
    lab.store.remove(&backend).await.unwrap();
    lab.device(DomId(12), "vbd", &keys).await;
    assert!(lab.run_script("vbd", &paths::backend_relative("vbd", 12, 0), "add").await);
    std::fs::remove_file(image).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_script_cannot_find_it_names() {
    let lab = Lab::start();
    let cases = [
        (
            "vbd",
            vec![("type", "file"), ("params", "/no/such.img"), ("mode", "r")],
            "/no/such.img does not exist.",
        ),
        ("vbd", vec![("type", "phy"), ("params", "nosuch"), ("mode", "r")], "/dev/nosuch does not exist."),
        ("vbd", vec![("type", "phy"), ("params", "/"), ("mode", "r")], "/ is not a block device."),
        ("vif", vec![("bridge", "br77")], "Could not find bridge device br77"),
    ];
    for (number, (class, keys, wanted)) in (20..).zip(cases) {
        let (_, backend) = lab.device(DomId(number), class, &keys).await;
        let command = if class == "vif" { "online" } else { "add" };
        assert!(!lab.run_script(class, &paths::backend_relative(class, number, 0), command).await);
        assert_eq!(lab.appears(&paths::join(&backend, "hotplug-error")).await, wanted);
        lab.until(&paths::join(&backend, "hotplug-status"), "error").await;
    }
    lab.world.scripts().add_bridge("br77");
    assert!(lab.run_script("vif", &paths::backend_relative("vif", 23, 0), "online").await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_file_is_not_written_to() {
    let lab = Lab::start();
    let image = image_file("read-only", 0o400);
    lab.device(DomId(30), "vbd", &[("type", "file"), ("params", text(&image)), ("mode", "w")]).await;
    assert!(!lab.run_script("vbd", &paths::backend_relative("vbd", 30, 0), "add").await);
    let error = lab.appears(&paths::join(&paths::backend(0, "vbd", 30, 0), "hotplug-error")).await;
    assert!(
        error.ends_with("is read-only, and so I will not\nmount it read-write in a guest domain."),
        "{error}"
    );
    std::fs::remove_file(image).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_world_leaves_the_domains_as_they_are() {
    let lab = Lab::start();
    let built = lab.domain("sim.poweroff_after=3600000").await;
    lab.machine.unpause(built.domid).unwrap();
    lab.until(&paths::control_node(built.domid.0, "feature-poweroff"), "1").await;
    lab.world.stop().await;
    assert_eq!(lab.machine.info(built.domid).unwrap().unwrap().shutdown, None);
    lab.machine.destroy(built.domid).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_daemon_changes_nothing_while_the_host_goes_on() {
    let lab = Lab::start();
    let built = lab.domain("").await;
    let (_, backend) = lab.device(built.domid, "vif", &[]).await;
    lab.until(&paths::join(&backend, "state"), "2").await;
    let switch = lab.world.kill_switch();
    switch.kill_after(1);
    lab.machine.unpause(built.domid).unwrap();
    assert!(lab.machine.destroy(built.domid).is_err());
    assert!(lab.store.write("/x", "1").await.is_err());
    assert!(!lab.run_script("vif", &paths::backend_relative("vif", built.domid.0, 0), "online").await);
    lab.until(&paths::control_node(built.domid.0, "feature-poweroff"), "1").await;
    assert_eq!(lab.store.read(&paths::join(&backend, "hotplug-status")).await.unwrap(), None);
    switch.revive();
    assert!(lab.run_script("vif", &paths::backend_relative("vif", built.domid.0, 0), "online").await);
    lab.until(&paths::join(&backend, "state"), "4").await;
    lab.machine.destroy(built.domid).unwrap();
}
