//! Managed domains: defined, listed, started, ended, deleted; what is on disk of them; what a damaged store does.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod harness;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use harness::{Config, Daemon, Host, eventually, tree};
use hypervisor::{
    DomId, Domains, ShutdownCode,
    sim::fixture::{self, TinyGuest},
};
use xend_api::{Fault, FaultKind, Sxp};
use xenstore::{Batch, paths};

const UUID: &str = "11111111-2222-3333-4444-555555555555";
const OTHER: &str = "11111111-2222-3333-4444-666666666666";

fn config(host: &Host) -> Config {
    host.config("vm1").disk(&host.disk("a.img"), "xvda").vif("xenbr0").with(&format!("(uuid {UUID})"))
}

fn new(daemon: &Daemon, config: &Config) {
    let defined = daemon.call("xend.domain.new", &[config.tree()]);
    assert_eq!(defined, Ok(Sxp::Nil));
}

fn new_fault(daemon: &Daemon, config: &Config) -> Fault {
    daemon.call("xend.domain.new", &[config.tree()]).expect_err("it is refused")
}

fn start(daemon: &Daemon, name: &str) -> Result<Sxp, Fault> {
    daemon.call("xend.domain.start", &[Sxp::from(name), Sxp::Bool(false)])
}

fn text(answer: Result<Sxp, Fault>) -> String {
    answer.expect_err("it is refused").text
}

fn state(daemon: &Daemon, state: &str) -> Vec<String> {
    let listed = daemon.call("xend.domains_with_state", &[Sxp::Bool(false), Sxp::from(state), Sxp::Int(0)]);
    listed.unwrap().items().iter().filter_map(Sxp::atom).collect()
}

/// `halted` also while it is still being taken away; this waits until it is only managed.
fn is_inactive(daemon: &Daemon, name: &str) {
    eventually("it is only managed", || {
        daemon.tree(name).filter(|tree| tree.child("domid").is_none()).map(drop)
    });
}

fn stored(host: &Host, uuid: &str) -> PathBuf {
    host.places.managed_domains().join(uuid).join("config.sxp")
}

#[test]
fn a_managed_domain_is_defined_started_ended_and_deleted() {
    let host = Host::new();
    let daemon = host.daemon();
    let nothing = host.traces();
    new(&daemon, &config(&host));
    assert_eq!(daemon.names(), ["Domain-0", "vm1"]);
    assert_eq!(state(&daemon, "Halted"), ["vm1"]);
    assert_eq!(state(&daemon, "0"), ["vm1"]);
    assert_eq!(daemon.call("xend.domains", &[Sxp::Bool(false)]).unwrap().items().len(), 1);
    let shown = daemon.tree("vm1").unwrap();
    assert_eq!(shown.value("status"), Some(&Sxp::Int(0)));
    assert!(shown.child("domid").is_none() && shown.child("state").is_none(), "{shown}");
    let on_disk = fs::read_to_string(stored(&host, UUID)).unwrap();
    assert!(on_disk.starts_with("(domain\n    (name_label vm1)\n"), "{on_disk}");
    assert!(on_disk.lines().all(|line| line.len() <= 78) && on_disk.ends_with(")\n"), "{on_disk}");
    for life in 0..2 {
        assert_eq!(start(&daemon, "vm1"), Ok(Sxp::Nil));
        let tree = daemon.tree("vm1").unwrap();
        assert_eq!(tree.value("status"), Some(&Sxp::Int(2)));
        let domid = tree.value("domid").and_then(Sxp::int).unwrap() as u16;
        daemon.devices_connect(&host, domid, 2);
        assert_eq!(daemon.names(), ["Domain-0", "vm1"]);
        assert_eq!(text(start(&daemon, "vm1")), "Domain is already running");
        assert_eq!(text(daemon.ask("xend.domain.delete", "vm1")), "Domain is not halted.");
        if life == 0 {
            daemon.call("xend.domain.shutdown", &[Sxp::from("vm1"), Sxp::from("poweroff")]).unwrap();
        } else {
            daemon.destroy("vm1");
        }
        is_inactive(&daemon, "vm1");
        host.is_as(&nothing, "it has ended");
    }
    // Nothing of a life is left in what is stored.
    assert_eq!(fs::read_to_string(stored(&host, UUID)).unwrap(), on_disk);
    assert_eq!(daemon.ask("xend.domain.delete", UUID), Ok(Sxp::Nil));
    assert_eq!(daemon.names(), ["Domain-0"]);
    assert!(!stored(&host, UUID).parent().unwrap().exists());
}

#[test]
fn a_start_leaves_it_paused_with_its_devices_connected_unless_told_otherwise() {
    let host = Host::new();
    let daemon = host.daemon();
    new(&daemon, &config(&host));
    assert_eq!(daemon.ask("xend.domain.start", "vm1"), Ok(Sxp::Nil));
    assert_eq!(daemon.tree("vm1").unwrap().value("status"), Some(&Sxp::Int(1)));
    let domid = host.domid_of("vm1").unwrap();
    assert_eq!(
        host.node(&paths::join(&paths::backend(0, "vbd", domid, 51712), "hotplug-status")).as_deref(),
        Some("connected")
    );
    daemon.ask("xend.domain.unpause", "vm1").unwrap();
    daemon.devices_connect(&host, domid, 2);
    daemon.destroy(UUID);
    is_inactive(&daemon, "vm1");
    // A missing disk: the domain is taken away again, the text is that of the device.
    let gone = config(&host).disk("/no/such/file", "xvdb");
    new(&daemon, &gone);
    let before = host.traces();
    let fault = start(&daemon, "vm1").unwrap_err();
    assert!(fault.text.starts_with("Device 51728 (vbd) could not be connected."), "{fault:?}");
    is_inactive(&daemon, "vm1");
    host.is_as(&before, "the start has failed");
}

#[test]
fn a_reboot_keeps_it_and_a_crash_that_destroys_leaves_it_halted() {
    let host = Host::new();
    let daemon = host.daemon();
    new(&daemon, &config(&host).with("(on_crash destroy)"));
    start(&daemon, "vm1").unwrap();
    let first = host.domid_of("vm1").unwrap();
    host.guest_ends(first, ShutdownCode::Reboot);
    let second = eventually("it comes back", || {
        host.domid_of("vm1")
            .filter(|domid| *domid != first)
            .filter(|_| state(&daemon, "running").contains(&"vm1".to_owned()))
    });
    host.guest_ends(second, ShutdownCode::Crash);
    is_inactive(&daemon, "vm1");
    assert_eq!(state(&daemon, "halted"), ["vm1"]);
}

#[test]
fn names_belong_to_one_domain_whether_it_runs_or_not() {
    let host = Host::new();
    let daemon = host.daemon();
    new(&daemon, &config(&host));
    let taken = "VM name 'vm1' already exists";
    assert_eq!(new_fault(&daemon, &host.config("vm1")).text, taken);
    assert_eq!(daemon.create_fault(&host.config("vm1")).text, taken);
    assert_eq!(
        new_fault(&daemon, &host.config("Domain-0")).text,
        "VM name 'Domain-0' already exists as domain 0"
    );
    // The same UUID is the same domain: defined anew, created, renamed by a new definition.
    new(&daemon, &config(&host).memory("48"));
    assert_eq!(daemon.tree("vm1").unwrap().value("memory"), Some(&Sxp::Int(48)));
    let domid = daemon.create(&config(&host));
    assert_eq!(new_fault(&daemon, &host.config("vm1")).text, format!("{taken} as domain {domid}"));
    assert_eq!(
        daemon.create_fault(&host.config("vm1")).text,
        format!("Domain 'vm1' already exists with ID '{domid}'")
    );
    let renamed = host.config("vm2").with(&format!("(uuid {UUID})"));
    assert_eq!(new_fault(&daemon, &renamed).text, format!("Domain 'vm2' already exists with ID '{domid}'"));
    daemon.destroy("vm1");
    is_inactive(&daemon, "vm1");
    new(&daemon, &renamed);
    assert_eq!(daemon.names(), ["Domain-0", "vm2"]);
    new(&daemon, &host.config("vm1"));
    // One that runs without being managed.
    let domid = daemon.create(&host.config("vm3"));
    assert_eq!(
        new_fault(&daemon, &host.config("vm3")).text,
        format!("VM name 'vm3' already exists as domain {domid}")
    );
    assert_eq!(text(start(&daemon, "vm3")), "Domain is already running");
    assert_eq!(text(daemon.ask("xend.domain.delete", "vm3")), "Domain is not halted.");
    for (name, text) in [("a b", "Invalid VM Name"), ("", "Missing VM Name")] {
        assert_eq!(new_fault(&daemon, &host.config(name)).text, text);
    }
}

#[test]
fn names_that_look_like_numbers_and_uuids_are_names_first() {
    let host = Host::new();
    let daemon = host.daemon();
    new(&daemon, &config(&host));
    let domid = daemon.create(&host.config("runs"));
    new(&daemon, &host.config(&domid.to_string()));
    new(&daemon, &host.config(UUID));
    let name = |designator: &str| daemon.tree(designator).unwrap().value("name").and_then(Sxp::atom).unwrap();
    assert_eq!(name(&domid.to_string()), domid.to_string(), "a managed name goes before a live number");
    assert_eq!(name(UUID), UUID);
    assert_eq!(name("0"), "Domain-0");
    daemon.ask("xend.domain.delete", UUID).unwrap();
    assert_eq!(name(UUID), "vm1");
    daemon.ask("xend.domain.delete", &domid.to_string()).unwrap();
    assert_eq!(name(&domid.to_string()), "runs");
}

#[test]
fn what_wants_a_live_domain_says_so_of_one_that_is_not() {
    let host = Host::new();
    let daemon = host.daemon();
    new(&daemon, &config(&host).vcpus("2"));
    for method in ["xend.domain.pause", "xend.domain.unpause", "xend.domain.console_tty"] {
        assert_eq!(text(daemon.ask(method, "vm1")), "Domain 'vm1' is not started", "{method}");
    }
    for method in ["destroy", "waitForDevices", "setpauseflag", "getRestartCount"] {
        assert_eq!(daemon.ask(&format!("xend.domain.{method}"), "vm1"), Ok(Sxp::Nil), "{method}");
    }
    assert_eq!(daemon.ask("xend.domain.getpauseflag", "vm1"), Ok(Sxp::Bool(false)));
    let shutdown = daemon.call("xend.domain.shutdown", &[Sxp::from("vm1"), Sxp::from("poweroff")]);
    assert_eq!(text(shutdown), "Domain cannot be shutdown");
    let vcpus = daemon.ask("xend.domain.getVCPUInfo", "vm1").unwrap();
    assert_eq!((vcpus.children("vcpu").count(), vcpus.child("domid")), (2, None));
    let rows = daemon.call("xend.domains_with_state", &[Sxp::from("rows"), Sxp::from("all"), Sxp::Int(0)]);
    assert_eq!(rows.unwrap().items()[1].to_string(), "(row vm1 'None' 32 2 '' 0.0 'None' Pool-0 'None')");
    assert_eq!(text(daemon.ask("xend.domain.suspend", "vm1")), "Domain is not running");
    assert_eq!(
        text(daemon.ask("xend.domain.resume", "vm1")),
        "Error occurred when resuming: Cannot resume domain that is not suspended."
    );
}

#[test]
fn a_domain_that_nobody_knows_is_told_in_the_original_s_three_ways() {
    let host = Host::new();
    let daemon = host.daemon();
    for method in ["start", "suspend"] {
        let fault = daemon.ask(&format!("xend.domain.{method}"), "nosuch").unwrap_err();
        assert_eq!((fault.kind, fault.text.as_str()), (FaultKind::NoDomain, "nosuch"), "{method}");
    }
    let fault = daemon.ask("xend.domain.delete", "nosuch").unwrap_err();
    assert_eq!((fault.kind, fault.text.as_str()), (FaultKind::Generic, "<Fault 3: 'nosuch'>"));
    let fault = daemon.ask("xend.domain.resume", "nosuch").unwrap_err();
    assert_eq!(fault.text, "Error occurred when resuming: <Fault 3: 'nosuch'>");
    assert_eq!(text(daemon.ask("xend.domain.suspend", "0")), "Cannot suspend privileged domain 0");
    assert_eq!(text(daemon.ask("xend.domain.delete", "0")), "Domain is not halted.");
    assert_eq!(text(daemon.ask("xend.domain.start", "0")), "Domain is already running");
}

#[test]
fn a_suspend_is_checked_before_it_is_refused() {
    let host = Host::new();
    let daemon = host.daemon();
    daemon.start_domain(&host.config("plain"), "plain");
    assert_eq!(
        text(daemon.ask("xend.domain.suspend", "plain")),
        "Domain is not managed by Xend lifecycle support."
    );
    new(&daemon, &config(&host));
    daemon.ask("xend.domain.start", "vm1").unwrap();
    assert_eq!(text(daemon.ask("xend.domain.suspend", "vm1")), "Domain is not running");
    daemon.ask("xend.domain.unpause", "vm1").unwrap();
    assert!(text(daemon.ask("xend.domain.suspend", "vm1")).contains("not there yet"));
}

#[test]
fn one_whose_memory_lies_beside_its_configuration_is_suspended() {
    let host = Host::new();
    let daemon = host.daemon();
    new(&daemon, &config(&host));
    let checkpoint = stored(&host, UUID).with_file_name("checkpoint.chk");
    fs::write(&checkpoint, "memory").unwrap();
    assert_eq!((state(&daemon, "suspended"), state(&daemon, "halted")), (vec!["vm1".to_owned()], vec![]));
    let fault = start(&daemon, "vm1").unwrap_err();
    assert_eq!(fault.text, "Domain is already running");
    assert!(fault.because[0].contains("checkpoint.chk"), "{fault:?}");
    assert_eq!(text(daemon.ask("xend.domain.delete", "vm1")), "Domain is not halted.");
    assert!(text(daemon.ask("xend.domain.resume", "vm1")).contains("not there yet"));
    fs::remove_file(&checkpoint).unwrap();
    start(&daemon, "vm1").unwrap();
}

#[test]
fn what_cannot_be_started_yet_is_defined_and_shown_and_its_start_names_why() {
    let host = Host::new();
    let daemon = host.daemon();
    let hvm = tree(
        "(vm (name win) (memory 64) (vcpus 1) (image (hvm (kernel hvmloader) (boot c) (vnc 1)))
             (device (vbd (uname phy:/dev/vg/win) (dev hda) (mode w))))",
    );
    assert_eq!(daemon.call("xend.domain.new", std::slice::from_ref(&hvm)), Ok(Sxp::Nil));
    daemon.kill();
    let daemon = host.daemon();
    assert_eq!(daemon.tree("win").unwrap().children("device").count(), 2, "a frame buffer was added");
    let before = host.traces();
    let fault = start(&daemon, "win").unwrap_err();
    assert!(fault.text.contains("an HVM guest (its image has a boot order) is not there yet"), "{fault:?}");
    assert!(fault.because.join(" ").contains("a vfb device"), "{fault:?}");
    host.is_as(&before, "nothing was begun");
    assert!(daemon.call("xend.domain.create", &[hvm]).unwrap_err().text.contains("not there yet"));
    daemon.ask("xend.domain.delete", "win").unwrap();
}

#[test]
fn the_next_daemon_knows_them_and_which_of_them_run() {
    let host = Host::new();
    let daemon = host.daemon();
    new(&daemon, &config(&host));
    new(&daemon, &host.config("halted"));
    start(&daemon, "vm1").unwrap();
    let shown = daemon.tree("halted").unwrap();
    daemon.kill();
    let daemon = host.daemon();
    assert_eq!(daemon.names(), ["Domain-0", "halted", "vm1"]);
    assert_eq!(state(&daemon, "halted"), ["halted"]);
    // Printed and read again: in a file every atom is a text.
    let same = |tree: &Sxp| tree.to_string();
    assert_eq!(same(&daemon.tree("halted").unwrap()), same(&shown));
    assert_eq!(text(start(&daemon, "vm1")), "Domain is already running");
    daemon.destroy("vm1");
    is_inactive(&daemon, "vm1");
    // One that ended while no daemon ran.
    start(&daemon, "vm1").unwrap();
    daemon.kill();
    host.guest_ends(host.domid_of("vm1").unwrap(), ShutdownCode::Poweroff);
    let daemon = host.daemon();
    is_inactive(&daemon, "vm1");
    start(&daemon, "vm1").unwrap();
}

#[test]
fn a_domain_that_runs_wins_over_a_stored_one_of_its_name() {
    let host = Host::new();
    let daemon = host.daemon();
    let domid = daemon.start_domain(&host.config("vm1"), "vm1");
    daemon.kill();
    let folder = stored(&host, OTHER).parent().unwrap().to_owned();
    fs::create_dir_all(&folder).unwrap();
    fs::write(
        folder.join("config.sxp"),
        format!("(domain (uuid {OTHER}) (name vm1) (memory 64) (image (linux (kernel /k))))"),
    )
    .unwrap();
    let daemon = host.daemon();
    assert_eq!(daemon.names(), ["Domain-0", "vm1"]);
    assert_eq!(host.domid_of("vm1"), Some(domid));
    daemon.destroy("vm1");
    assert_eq!(daemon.names(), ["Domain-0"]);
    daemon.kill();
    // Nothing was lost.
    assert_eq!(host.daemon().names(), ["Domain-0", "vm1"]);
}

#[test]
fn another_tool_s_domain_of_the_same_name_is_the_one_that_is_meant() {
    let host = Host::new();
    let daemon = host.daemon();
    new(&daemon, &config(&host));
    let uuid = uuid::Uuid::new_v4();
    let guest = TinyGuest { uuid, memory_kib: 16 << 10, vcpus: 1, cmd_line: String::new() };
    let foreign = fixture::build(host.machine(), &guest).unwrap().domid;
    let mut batch = Batch::new();
    batch.write(paths::domain_name(foreign.0), "vm1");
    host.block_on(async { host.store().commit(&batch).await }).unwrap();
    assert_eq!(daemon.tree("vm1").unwrap().value("domid"), Some(&Sxp::Int(foreign.0.into())));
    assert_eq!(daemon.names(), ["Domain-0", "vm1", "vm1"]);
    assert_eq!(text(start(&daemon, "vm1")), "Domain is already running");
    assert_eq!(text(start(&daemon, UUID)), format!("Domain 'vm1' already exists with ID '{}'", foreign.0));
    assert!(host.machine().info(DomId(foreign.0)).unwrap().is_some(), "it is left alone");
}

#[test]
fn of_a_thousand_stored_domains_ten_damaged_ones_are_left_out_and_left_alone() {
    let host = Host::new();
    let folder = host.places.managed_domains();
    let uuid = |n: usize| format!("00000000-0000-4000-8000-{n:012x}");
    for n in 0..1000 {
        fs::create_dir_all(folder.join(uuid(n))).unwrap();
        let text = format!(
            "(domain (uuid {}) (name vm{n}) (memory 64) (vcpus 1) (image (linux (kernel /k))))",
            uuid(n)
        );
        fs::write(folder.join(uuid(n)).join("config.sxp"), text).unwrap();
    }
    let file = |n: usize| folder.join(uuid(n)).join("config.sxp");
    type Damage = fn(&Path);
    let damages: [(&str, Damage); 10] = [
        ("empty", |path| fs::write(path, "").unwrap()),
        ("truncated", |path| fs::write(path, "(domain (name vm1) (mem").unwrap()),
        ("not SXP", |path| fs::write(path, "\u{0}\u{1}))) nonsense").unwrap()),
        ("no memory", |path| fs::write(path, "(domain (name vm3))").unwrap()),
        ("gone", |path| fs::remove_file(path).unwrap()),
        ("a folder", |path| {
            fs::remove_file(path).unwrap();
            fs::create_dir(path).unwrap();
        }),
        ("a link", |path| {
            fs::remove_file(path).unwrap();
            symlink("/etc/hostname", path).unwrap();
        }),
        ("another's", |path| {
            fs::write(path, format!("(domain (uuid {OTHER}) (name vm7) (memory 64))")).unwrap()
        }),
        ("another's name", |path| {
            let text = fs::read_to_string(path).unwrap().replace("(name vm8)", "(name vm999)");
            fs::write(path, text).unwrap();
        }),
        ("too large", |path| fs::write(path, vec![b' '; 2 << 20]).unwrap()),
    ];
    for (n, (_, damage)) in damages.iter().enumerate() {
        damage(&file(n));
    }
    let before = |n: usize| fs::symlink_metadata(file(n)).map(|meta| (meta.len(), meta.file_type())).ok();
    let all: Vec<_> = (0..1000).map(before).collect();
    let daemon = host.daemon();
    let names = daemon.names();
    // Of the two called vm999 one is there.
    assert_eq!(names.len(), 1 + 1000 - damages.len(), "{names:?}");
    assert!(names.iter().any(|name| name == "vm500") && !names.iter().any(|name| name == "vm0"));
    new(&daemon, &host.config("fresh"));
    start(&daemon, "fresh").unwrap();
    daemon.destroy("fresh");
    assert_eq!((0..1000).map(before).collect::<Vec<_>>(), all);
}

#[test]
fn what_comes_at_once_is_done_once() {
    let host = Host::new();
    let daemon = host.daemon();
    let at_once = |method: &'static str, params: Vec<Sxp>| {
        let calls = (0..8).map(|_| daemon.api.call(method, &params));
        let answers = daemon.block_on(futures_util::future::join_all(calls));
        let (done, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
        let texts: Vec<String> = refused.into_iter().map(|fault| fault.unwrap_err().text).collect();
        (done.len(), texts)
    };
    let (done, refused) = at_once("xend.domain.new", vec![host.config("vm1").tree()]);
    assert_eq!(done, 1);
    assert!(refused.iter().all(|text| text == "VM name 'vm1' already exists"), "{refused:?}");
    assert_eq!(fs::read_dir(host.places.managed_domains()).unwrap().count(), 1);
    let (done, refused) = at_once("xend.domain.start", vec![Sxp::from("vm1"), Sxp::Bool(false)]);
    assert_eq!(done, 1);
    assert!(refused.iter().all(|text| text == "Domain is already running"), "{refused:?}");
    daemon.destroy("vm1");
    let (done, refused) = at_once("xend.domain.delete", vec![Sxp::from("vm1")]);
    assert_eq!(done, 1);
    assert!(refused.iter().all(|text| text.starts_with("<Fault 3: ")), "{refused:?}");
    assert_eq!(fs::read_dir(host.places.managed_domains()).unwrap().count(), 0);
    // A new and a create of one name: one of them.
    for _ in 0..8 {
        let config = host.config("vm2").tree();
        let calls = ["xend.domain.new", "xend.domain.create"]
            .map(|method| daemon.api.call(method, std::slice::from_ref(&config)));
        let answers = daemon.block_on(futures_util::future::join_all(calls));
        assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 1, "{answers:?}");
        daemon.destroy("vm2");
        let _ = daemon.ask("xend.domain.delete", "vm2");
    }
}

#[test]
fn a_delete_while_it_starts_and_a_start_while_it_is_deleted_do_not_meet() {
    let host = Host::new();
    let daemon = host.daemon();
    for _ in 0..8 {
        new(&daemon, &config(&host));
        let params = [Sxp::from("vm1"), Sxp::Bool(false)];
        let name = [Sxp::from("vm1")];
        let start = daemon.api.call("xend.domain.start", &params);
        let delete = daemon.api.call("xend.domain.delete", &name);
        let (started, deleted) = daemon.block_on(async { tokio::join!(start, delete) });
        assert!(started.is_ok() != deleted.is_ok(), "{started:?} {deleted:?}");
        assert_eq!(stored(&host, UUID).exists(), started.is_ok());
        if started.is_ok() {
            daemon.destroy("vm1");
            daemon.ask("xend.domain.delete", "vm1").unwrap();
        }
    }
}

#[test]
fn what_older_versions_stored_is_listed_and_what_is_too_long_is_not_stored() {
    let host = Host::new();
    let path = stored(&host, UUID);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let twice = "(device (vbd (uname phy:/dev/a) (dev xvda) (mode r))) (device (vbd (uname phy:/dev/a) (dev xvdb) (mode r)))";
    let text = format!("(domain (uuid {UUID}) (name old) (memory 64) (image (linux (kernel /k))) {twice})");
    fs::write(&path, text).unwrap();
    let daemon = host.daemon();
    assert_eq!(daemon.names(), ["Domain-0", "old"]);
    let fault = start(&daemon, "old").unwrap_err();
    assert!(fault.text.contains("already defined"), "{fault:?}");
    // What the next daemon would refuse to read is refused now.
    let long = format!("(description '{}')", "x".repeat(5 << 20));
    let fault = new_fault(&daemon, &config(&host).with(&long));
    assert!(format!("{fault:?}").contains("4 MiB"), "{fault:?}");
    assert_eq!(daemon.names(), ["Domain-0", "old"]);
}

#[test]
fn a_full_disk_keeps_a_domain_from_being_defined_and_no_other_from_running() {
    let host = Host::new();
    let daemon = host.daemon();
    new(&daemon, &config(&host));
    let folder = host.places.managed_domains();
    for count in 0..3 {
        host.gate.refuse_one_after(count);
        let fault = new_fault(&daemon, &host.config("vm2"));
        assert!(fault.text.starts_with("Failed to save configuration file to: "), "{fault:?}");
        host.gate.open();
        assert_eq!(daemon.names(), ["Domain-0", "vm1"]);
    }
    host.gate.refuse_one_after(0);
    let text = text(daemon.ask("xend.domain.delete", "vm1"));
    host.gate.open();
    assert_eq!(text, format!("Unable to remove managed configuration for domain: {UUID}"));
    start(&daemon, "vm1").unwrap();
    daemon.destroy("vm1");
    new(&daemon, &host.config("vm2"));
    daemon.kill();
    let daemon = host.daemon();
    assert_eq!(daemon.names(), ["Domain-0", "vm1", "vm2"]);
    assert_eq!(fs::read_dir(folder).unwrap().count(), 2, "no leftovers");
}

#[test]
fn those_that_ask_for_it_are_started_with_the_daemon() {
    let host = Host::new();
    let daemon = host.daemon();
    new(&daemon, &config(&host).with("(on_xend_start start)"));
    new(&daemon, &host.config("vm2").with("(auto_power_on 1)"));
    new(&daemon, &host.config("vm3").with("(auto_power_on False)"));
    new(&daemon, &host.config("vm4").kernel("/no/kernel").with("(on_xend_start start)"));
    daemon.kill();
    let daemon = host.daemon();
    daemon.block_on(daemon.manager.start_with_xend());
    assert_eq!(state(&daemon, "running"), ["Domain-0", "vm1", "vm2"]);
    assert_eq!(state(&daemon, "halted"), ["vm3", "vm4"]);
}
