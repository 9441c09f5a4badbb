//! Devices of domains that run and of managed ones: attached, detached, listed, given another medium; with guests that do
//! not let go, scripts that fail, and a daemon that is killed anywhere.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod harness;

use std::{fs, time::Duration};

use harness::{Config, Daemon, Host, Killed, Setup, eventually, tree};
use xend::settings::Settings;
use xend_api::{Fault, Sxp};
use xenstore::paths;

const XVDB: u32 = 51728;

fn config(host: &Host) -> Config {
    host.config("vm1").disk(&host.disk("a.img"), "xvda").vif("xenbr0")
}

fn start(host: &Host, daemon: &Daemon) -> u16 {
    let domid = daemon.start_domain(&config(host), "vm1");
    daemon.devices_connect(host, domid, 2);
    domid
}

fn disk(host: &Host, name: &str, dev: &str) -> Sxp {
    tree(&format!("(vbd (uname 'file:{}') (dev {dev}) (mode w))", host.disk(name)))
}

fn attach(daemon: &Daemon, form: Sxp) -> Result<Sxp, Fault> {
    daemon.call("xend.domain.device_create", &[Sxp::from("vm1"), form])
}

fn detach(daemon: &Daemon, class: &str, device: &str, force: Sxp) -> Result<Sxp, Fault> {
    let params = ["vm1".into(), class.into(), device.into(), force, Sxp::Bool(true)];
    daemon.call("xend.domain.destroyDevice", &params)
}

fn change(daemon: &Daemon, form: &str) -> Result<Sxp, Fault> {
    daemon.call("xend.domain.device_configure", &[Sxp::from("vm1"), tree(form)])
}

/// The numbers that a listing of devices shows.
fn numbers(daemon: &Daemon, class: &str) -> Vec<String> {
    let listed = daemon.call("xend.domain.getDeviceSxprs", &["vm1".into(), class.into()]).unwrap();
    listed.items().iter().filter_map(|entry| entry.items()[0].atom()).collect()
}

/// The device forms of the domain's tree.
fn forms(daemon: &Daemon, class: &str) -> Vec<Sxp> {
    let tree = daemon.tree("vm1").unwrap();
    let forms = tree.children("device").filter_map(|device| device.items().get(1));
    forms.filter(|form| form.name() == Some(class)).cloned().collect()
}

fn in_use(settings: Duration) -> Setup {
    let settings = Settings { device_destroy_timeout: settings, ..Setup::default().settings };
    Setup { settings, ..Setup::default() }
}

#[test]
fn a_disk_and_an_interface_come_and_go_while_the_guest_runs() {
    let host = Host::new();
    let daemon = host.daemon();
    let domid = start(&host, &daemon);
    let before = host.traces();
    let answer = attach(&daemon, disk(&host, "b.img", "xvdb")).unwrap();
    let place = Sxp::List(vec!["dom".into(), i64::from(domid).into(), "id".into(), i64::from(XVDB).into()]);
    assert_eq!(answer, Sxp::List(vec!["vbd".into(), place]));
    let answer = attach(&daemon, tree("(vif (bridge xenbr0) (mac 00:16:3e:00:00:09))")).unwrap();
    assert_eq!(answer.items()[1].items()[3], Sxp::Int(1));
    daemon.devices_connect(&host, domid, 4);
    assert_eq!(
        (numbers(&daemon, "vbd"), numbers(&daemon, "vif")),
        (vec!["51712".into(), "51728".into()], vec!["0".into(), "1".into()])
    );
    assert_eq!(forms(&daemon, "vbd").len(), 2);
    assert_eq!(forms(&daemon, "vif")[1].value("mac"), Some(&"00:16:3e:00:00:09".into()));
    for device in ["xvdb", "/dev/xvdb", "51728", "vbd/51728"] {
        let class = daemon.call("xend.domain.getBlockDeviceClass", &["vm1".into(), device.into()]);
        assert_eq!(class, Ok("vbd".into()), "{device}");
    }
    assert_eq!(detach(&daemon, "vbd", "xvdb", Sxp::Nil), Ok(Sxp::Nil));
    assert_eq!(detach(&daemon, "vif", "1", Sxp::Nil), Ok(Sxp::Nil));
    assert_eq!((forms(&daemon, "vbd").len(), forms(&daemon, "vif").len()), (1, 1));
    host.is_as(&before, "after both went");
    // A number of an interface is not used twice while the domain lives, also by the next daemon.
    daemon.kill();
    let daemon = host.daemon();
    let answer = attach(&daemon, tree("(vif (bridge xenbr0))")).unwrap();
    assert_eq!(answer.items()[1].items()[3], Sxp::Int(2));
    daemon.devices_connect(&host, domid, 3);
}

#[test]
fn what_is_attached_comes_back_with_a_restart_and_what_is_detached_does_not() {
    let host = Host::new();
    let daemon = host.daemon();
    let old = start(&host, &daemon);
    attach(&daemon, disk(&host, "b.img", "xvdb")).unwrap();
    attach(&daemon, tree("(vif (bridge xenbr0) (mac 00:16:3e:00:00:09))")).unwrap();
    detach(&daemon, "vif", "0", Sxp::Nil).unwrap();
    daemon.devices_connect(&host, old, 3);
    host.guest_ends(old, hypervisor::ShutdownCode::Reboot);
    let domid = eventually("it comes again", || host.domid_of("vm1").filter(|domid| *domid != old));
    daemon.devices_connect(&host, domid, 3);
    assert_eq!(numbers(&daemon, "vif"), ["0"], "they are numbered anew");
    assert_eq!(forms(&daemon, "vif")[0].value("mac"), Some(&"00:16:3e:00:00:09".into()));
}

#[test]
fn a_device_that_can_not_be_had_is_refused_and_leaves_nothing() {
    let host = Host::new();
    let daemon = host.daemon();
    start(&host, &daemon);
    let before = host.traces();
    let other = host.config("vm2").disk(&host.disk("c.img"), "xvda");
    let vm2 = daemon.start_domain(&other, "vm2");
    daemon.devices_connect(&host, vm2, 1);
    let with_vm2 = host.traces();
    let a = host.disk("a.img");
    let c = host.disk("c.img");
    for (form, text) in [
        (
            "(vbd (uname file:/x) (dev xvda) (mode w))".to_owned(),
            "The device \"xvda\" is already defined".to_owned(),
        ),
        (
            format!("(vbd (uname 'file:{a}') (dev xvdb) (mode w))"),
            format!("The uname \"file:{a}\" is already defined"),
        ),
        ("(vbd (uname file:/x) (dev xvdb) (mode rw))".to_owned(), "Invalid mode".to_owned()),
        (
            "(vbd (uname file:/x) (dev d0p1) (mode w))".to_owned(),
            "Unable to find number for device (d0p1)".to_owned(),
        ),
        (
            "(vbd (uname file:/no/such) (dev xvdb) (mode w))".to_owned(),
            "Device 51728 (vbd) could not be connected. /no/such does not exist.".to_owned(),
        ),
        (
            "(vif (bridge nosuch))".to_owned(),
            "Device 1 (vif) could not be connected. Could not find bridge device nosuch".to_owned(),
        ),
        (
            "(vif (mac 00:16:3e))".to_owned(),
            "Cannot create a new virtual network interface - MAC address is not valid! (00:16:3e)".to_owned(),
        ),
        ("(vif (script nosuch))".to_owned(), "cannot find the script nosuch".to_owned()),
        ("(vtpm)".to_owned(), "XendConfig: vtpm not a valid device type".to_owned()),
        (
            format!("(vbd (uname 'file:{c}') (dev xvdb) (mode w))"),
            format!("Device 51728 (vbd) could not be connected.\nFile {c} is loopback-mounted"),
        ),
    ] {
        let fault = attach(&daemon, tree(&form)).unwrap_err();
        assert!(fault.text.starts_with(&text), "{form}: {}", fault.text);
        host.is_as(&with_vm2, &form);
        assert_eq!((forms(&daemon, "vbd").len(), forms(&daemon, "vif").len()), (1, 1), "{form}");
    }
    for (class, device) in [("vbd", "xvdb"), ("vbd", "1"), ("vif", "1"), ("vif", "xvda")] {
        let fault = detach(&daemon, class, device, Sxp::Nil).unwrap_err();
        assert_eq!(fault.text, format!("Device {device} not connected"));
    }
    assert_eq!(detach(&daemon, "vtpm", "0", Sxp::Nil).unwrap_err().text, "Unknown device type: vtpm");
    daemon.destroy("vm2");
    host.is_as(&before, "at the end");
}

#[test]
fn a_guest_that_keeps_a_device_is_told_of_and_the_device_goes_when_it_lets_go() {
    let host = Host::new();
    let daemon = host.daemon_with(in_use(Duration::from_millis(50)));
    let domid = daemon.start_domain(&config(&host).args("sim.lets_go_after=8000"), "vm1");
    daemon.devices_connect(&host, domid, 2);
    let fault = detach(&daemon, "vbd", "xvda", Sxp::Nil).unwrap_err();
    assert_eq!(fault.text, "Device 51712 (vbd) could not be disconnected. ");
    assert!(fault.because.iter().any(|line| line.contains("is still Closing (5)")), "{fault:?}");
    assert_eq!(forms(&daemon, "vbd").len(), 1, "it is still there");
    // The next life of the daemon goes on where this one stopped.
    daemon.kill();
    let daemon = host.daemon_with(in_use(Duration::from_millis(50)));
    eventually("it goes by itself", || forms(&daemon, "vbd").is_empty().then_some(()));
    assert_eq!(host.node(&paths::backend(0, "vbd", domid, 51712)), None);
    assert_eq!(numbers(&daemon, "vif"), ["0"]);
}

#[test]
fn a_device_is_taken_by_force_from_a_guest_that_keeps_it() {
    let host = Host::new();
    let daemon = host.daemon_with(in_use(Duration::from_millis(50)));
    let domid = daemon.start_domain(&config(&host).args("sim.lets_go_after=600000"), "vm1");
    daemon.devices_connect(&host, domid, 2);
    detach(&daemon, "vbd", "xvda", Sxp::Nil).unwrap_err();
    assert_eq!(detach(&daemon, "vbd", "xvda", Sxp::from("-f")), Ok(Sxp::Nil));
    assert_eq!((numbers(&daemon, "vbd"), forms(&daemon, "vbd")), (vec![], vec![]));
    // A guest without drivers holds nothing.
    let alone = host.config("vm2").disk(&host.disk("z.img"), "xvda").args("sim.no_frontend");
    daemon.start_domain(&alone, "vm2");
    let params = ["vm2".into(), "vbd".into(), "xvda".into()];
    assert_eq!(daemon.call("xend.domain.destroyDevice", &params), Ok(Sxp::Nil));
}

#[test]
fn a_drive_takes_another_medium_and_keeps_the_old_one_when_that_can_not_be_had() {
    let host = Host::new();
    let daemon = host.daemon();
    let (one, two) = (host.disk("one.iso"), host.disk("two.iso"));
    let drive = config(&host).with("(device (vbd (uname '') (dev xvdc:cdrom) (mode r)))");
    let domid = daemon.start_domain(&drive, "vm1");
    let params = || host.node(&format!("{}/params", paths::backend(0, "vbd", domid, 51744)));
    let state = || host.node(&format!("{}/state", paths::backend(0, "vbd", domid, 51744)));
    let connects = |what: &str| eventually(what, || (state().as_deref() == Some("4")).then_some(()));
    let medium = |path: &str| format!("(vbd (uname 'file:{path}') (dev xvdc:cdrom) (mode r))");
    // Into the empty drive, to another, to the same again.
    for path in [&one, &two, &two] {
        assert_eq!(change(&daemon, &medium(path)), Ok(Sxp::Bool(true)));
        assert_eq!(params().as_ref(), Some(path));
        connects(path);
    }
    let fault = change(&daemon, &medium("/no/such.iso")).unwrap_err();
    assert!(fault.text.contains("/no/such.iso does not exist."), "{fault:?}");
    assert_eq!(params().as_ref(), Some(&two));
    connects("the old one again");
    assert_eq!(change(&daemon, "(vbd (uname '') (dev xvdc:cdrom) (mode r))"), Ok(Sxp::Bool(true)));
    assert_eq!(params().as_deref(), Some(""));
    for (form, text) in [
        (
            "(vbd (uname file:/x) (dev xvda) (mode w))",
            "Refusing to reconfigure device vbd:51712 to {'uname': 'file:/x', 'dev': 'xvda', 'mode': 'w'}",
        ),
        (
            "(vbd (uname file:/x) (dev xvdq:cdrom) (mode r))",
            "Refusing to reconfigure device vbd:268439552 to ",
        ),
        ("(vbd (uname file:/x) (dev nosuch:cdrom) (mode r))", "Unable to find number for device (nosuch)"),
    ] {
        let fault = change(&daemon, form).unwrap_err();
        assert!(fault.text.starts_with(text), "{form}: {fault:?}");
    }
}

#[test]
fn the_stored_configuration_of_a_managed_domain_follows() {
    let host = Host::new();
    let daemon = host.daemon();
    let config = config(&host).with("(device (vbd (uname '') (dev xvdc:cdrom) (mode r)))");
    daemon.call("xend.domain.new", &[config.tree()]).unwrap();
    let stored = || {
        let folder = fs::read_dir(host.places.managed_domains()).unwrap().next().unwrap().unwrap().path();
        fs::read_to_string(folder.join("config.sxp")).unwrap()
    };
    // While it does not run.
    assert_eq!(attach(&daemon, disk(&host, "b.img", "xvdb")), Ok(Sxp::Nil));
    assert_eq!(numbers(&daemon, "vbd"), ["51712", "51744", "51728"]);
    assert_eq!(change(&daemon, "(vbd (uname file:/x.iso) (dev xvdc:cdrom) (mode r))"), Ok(Sxp::Bool(true)));
    assert!(stored().contains("b.img") && stored().contains("file:/x.iso"));
    let class = daemon.call("xend.domain.getBlockDeviceClass", &["vm1".into(), "xvdb".into()]);
    assert_eq!(class, Ok("vbd".into()));
    assert_eq!(detach(&daemon, "vbd", "xvdb", Sxp::Nil), Ok(Sxp::Nil));
    assert_eq!(detach(&daemon, "vbd", "xvdb", Sxp::Nil).unwrap_err().text, "Device xvdb not connected");
    assert_eq!(change(&daemon, "(vbd (uname '') (dev xvdc:cdrom) (mode r))"), Ok(Sxp::Bool(true)));
    assert!(!stored().contains("b.img") && !stored().contains("x.iso"));
    let unknown = tree("(vbd (uname nosuch:/x) (dev xvdb) (mode w))");
    assert_eq!(attach(&daemon, unknown).unwrap_err().text, "Block device type \"nosuch\" is invalid.");
    assert_eq!(
        attach(&daemon, disk(&host, "b.img", "xvda")).unwrap_err().text,
        "The device \"xvda\" is already defined"
    );
    // While it runs.
    daemon.call("xend.domain.start", &["vm1".into(), Sxp::Bool(false)]).unwrap();
    attach(&daemon, disk(&host, "b.img", "xvdb")).unwrap();
    attach(&daemon, tree("(vif (bridge xenbr0) (mac 00:16:3e:00:00:09))")).unwrap();
    assert!(stored().contains("b.img") && stored().contains("00:16:3e:00:00:09"));
    detach(&daemon, "vbd", "xvdb", Sxp::Nil).unwrap();
    detach(&daemon, "vif", "00:16:3e:00:00:09", Sxp::Nil).unwrap();
    assert!(!stored().contains("b.img") && !stored().contains("00:16:3e:00:00:09"));
}

/// What the only stored configuration says.
fn stored(host: &Host) -> String {
    let folder = fs::read_dir(host.places.managed_domains()).unwrap().next().unwrap().unwrap().path();
    fs::read_to_string(folder.join("config.sxp")).unwrap()
}

/// A managed domain that runs and keeps its devices for so long after it was asked for one.
fn start_managed(host: &Host, daemon: &Daemon, keeps_ms: u32) -> u16 {
    let config = config(host).args(&format!("sim.lets_go_after={keeps_ms}"));
    daemon.call("xend.domain.new", &[config.tree()]).unwrap();
    daemon.call("xend.domain.start", &["vm1".into(), Sxp::Bool(false)]).unwrap();
    let domid = host.domid_of("vm1").unwrap();
    daemon.devices_connect(host, domid, 2);
    domid
}

#[test]
fn what_goes_while_no_daemon_looks_goes_from_the_stored_configuration_too() {
    let host = Host::new();
    let daemon = host.daemon_with(in_use(Duration::from_millis(50)));
    let domid = start_managed(&host, &daemon, 3000);
    detach(&daemon, "vbd", "xvda", Sxp::Nil).unwrap_err();
    assert!(stored(&host).contains("a.img"));
    daemon.kill();
    let state = format!("{}/state", paths::frontend(domid, "vbd", 51712));
    eventually("the guest lets go", || (host.node(&state).as_deref() == Some("6")).then_some(()));
    let daemon = host.daemon();
    eventually("it goes", || forms(&daemon, "vbd").is_empty().then_some(()));
    eventually("it is not stored", || (!stored(&host).contains("a.img")).then_some(()));
}

#[test]
fn a_device_that_was_to_go_does_not_come_back_with_a_reboot_or_a_start() {
    let host = Host::new();
    let daemon = host.daemon_with(in_use(Duration::from_millis(50)));
    let old = start_managed(&host, &daemon, 600_000);
    detach(&daemon, "vbd", "xvda", Sxp::Nil).unwrap_err();
    host.guest_ends(old, hypervisor::ShutdownCode::Reboot);
    let domid = eventually("it comes again", || host.domid_of("vm1").filter(|domid| *domid != old));
    daemon.devices_connect(&host, domid, 1);
    assert!(!stored(&host).contains("a.img"));
    // The same when it ends instead.
    detach(&daemon, "vif", "0", Sxp::Nil).unwrap_err();
    daemon.destroy("vm1");
    assert!(!stored(&host).contains("xenbr0"), "{}", stored(&host));
}

#[test]
fn a_drive_that_waits_for_another_medium_can_be_taken_away() {
    let host = Host::new();
    let daemon = host.daemon_with(in_use(Duration::from_millis(50)));
    let (one, two) = (host.disk("one.iso"), host.disk("two.iso"));
    let drive = format!("(device (vbd (uname 'file:{one}') (dev xvdc:cdrom) (mode r)))");
    let config = config(&host).with(&drive).args("sim.lets_go_after=8000");
    let domid = daemon.start_domain(&config, "vm1");
    daemon.devices_connect(&host, domid, 3);
    let medium = format!("(vbd (uname 'file:{two}') (dev xvdc:cdrom) (mode r))");
    let fault = change(&daemon, &medium).unwrap_err();
    assert_eq!(fault.text, "Device 51744 (vbd) could not be reconfigured. ");
    assert!(fault.hint.unwrap().contains("the medium is changed by itself"));
    detach(&daemon, "vbd", "xvdc", Sxp::Nil).unwrap_err();
    assert_eq!(change(&daemon, &medium).unwrap_err().text, "Device 51744 not connected");
    eventually("it goes", || (forms(&daemon, "vbd").len() == 1).then_some(()));
    assert_eq!(numbers(&daemon, "vbd"), ["51712"]);
}

#[test]
fn a_guest_that_is_to_let_go_can_be_let_on_or_asked_to_end_meanwhile() {
    let host = Host::new();
    let daemon = host.daemon();
    let domid = start(&host, &daemon);
    daemon.ask("xend.domain.pause", "vm1").unwrap();
    let api = daemon.api.clone();
    let (told, answer) = std::sync::mpsc::channel();
    daemon.spawn(async move {
        let params = ["vm1".into(), "vbd".into(), "xvda".into()];
        let _ = told.send(api.call("xend.domain.destroyDevice", &params).await);
    });
    let state = format!("{}/state", paths::backend(0, "vbd", domid, 51712));
    eventually("it is asked for", || (host.node(&state).as_deref() == Some("5")).then_some(()));
    daemon.ask("xend.domain.unpause", "vm1").unwrap();
    assert_eq!(answer.recv_timeout(Duration::from_secs(20)).unwrap(), Ok(Sxp::Nil));
    assert_eq!(forms(&daemon, "vbd"), []);
}

#[test]
fn devices_of_other_tools_domains_are_listed_and_left_alone() {
    let host = Host::new();
    let daemon = host.daemon();
    let ask = |method: &str, params: &[Sxp]| daemon.call(method, params);
    assert_eq!(ask("xend.domain.getDeviceSxprs", &["0".into(), "vbd".into()]), Ok(Sxp::List(vec![])));
    assert_eq!(ask("xend.domain.getDeviceSxprs", &["0".into(), "pci".into()]), Ok(Sxp::List(vec![])));
    assert_eq!(
        ask("xend.domain.getDeviceSxprs", &["0".into(), "x".into()]).unwrap_err().text,
        "Unknown device type: x"
    );
    let fault = ask("xend.domain.device_create", &["0".into(), tree("(vif)")]).unwrap_err();
    assert!(fault.text.contains("cannot change the devices of domain Domain-0"), "{fault:?}");
    let fault = ask("xend.domain.destroyDevice", &["0".into(), "vif".into(), "0".into()]).unwrap_err();
    assert!(fault.hint.unwrap().contains("xl"));
}

#[test]
fn a_destruction_does_not_wait_for_a_device_that_does_not_come() {
    let host = Host::new();
    let daemon = host.daemon_with(Setup { scripts: harness_hang, ..Setup::default() });
    let domid = daemon.start_domain(&host.config("vm1").disk(&host.disk("a.img"), "xvda"), "vm1");
    daemon.devices_connect(&host, domid, 1);
    let api = daemon.api.clone();
    let (told, answer) = std::sync::mpsc::channel();
    daemon.spawn(async move {
        let params = ["vm1".into(), tree("(vif (bridge xenbr0))")];
        let _ = told.send(api.call("xend.domain.device_create", &params).await);
    });
    eventually("its nodes are there", || host.node(&format!("{}/state", paths::backend(0, "vif", domid, 0))));
    daemon.destroy("vm1");
    assert!(answer.recv_timeout(Duration::from_secs(20)).unwrap().is_err());
    assert_eq!(daemon.tree("vm1"), None);
}

/// Scripts of interfaces never end.
fn harness_hang(
    inner: std::sync::Arc<dyn xend::devices::ScriptRunner>,
) -> std::sync::Arc<dyn xend::devices::ScriptRunner> {
    struct Hang(std::sync::Arc<dyn xend::devices::ScriptRunner>);
    impl xend::devices::ScriptRunner for Hang {
        fn run(
            &self,
            call: xend::devices::ScriptCall,
        ) -> futures_util::future::BoxFuture<'static, Result<(), xend::devices::ScriptError>> {
            if call.args.last().is_some_and(|word| word == "online") {
                return Box::pin(std::future::pending());
            }
            self.0.run(call)
        }
    }
    std::sync::Arc::new(Hang(inner))
}

/// Kills a daemon after 0, 1, 2 … side effects of an operation until it ends undisturbed; `after` judges what the next one
/// makes of it. Whatever that is, the domain runs on, and without it nothing is left.
fn at_every_side_effect(
    before: impl Fn(&Host, &Daemon),
    operation: impl AsyncFn(&Host, &Daemon) -> bool,
    after: impl Fn(&Host, &Daemon, bool, &str),
) {
    let host = Host::new();
    host.daemon().kill();
    let nothing = host.traces();
    for count in 0.. {
        let daemon = host.daemon();
        let drive = config(&host).with("(device (vbd (uname '') (dev xvdc:cdrom) (mode r)))");
        let domid = daemon.start_domain(&drive, "vm1");
        daemon.devices_connect(&host, domid, 2);
        before(&host, &daemon);
        host.gate.shut_after(count);
        let done = daemon.until_killed(operation(&host, &daemon));
        daemon.kill();
        host.gate.open();
        let daemon = host.daemon();
        let when = format!("killed after {count} side effects");
        assert_eq!(host.domid_of("vm1"), Some(domid), "{when}");
        after(&host, &daemon, done.as_ref().is_ok_and(|told| *told), &when);
        daemon.destroy("vm1");
        host.is_as(&nothing, &when);
        daemon.kill();
        if !matches!(done, Err(Killed)) {
            assert!(count > 5, "the gate was asked {count} times only");
            return;
        }
    }
}

#[test]
fn a_daemon_killed_anywhere_in_an_attachment_leaves_a_whole_device_or_none() {
    at_every_side_effect(
        |_, _| {},
        async |host, daemon| {
            let params = [Sxp::from("vm1"), disk(host, "b.img", "xvdb")];
            daemon.api.call("xend.domain.device_create", &params).await.is_ok()
        },
        |host, daemon, told, when| {
            let there = forms(daemon, "vbd").len() == 3;
            assert!(!told || there, "{when}: whoever asked knows of it");
            assert_eq!(
                numbers(daemon, "vbd").len(),
                2 + usize::from(there),
                "{when}: {:?}",
                forms(daemon, "vbd")
            );
            let again = attach(daemon, disk(host, "b.img", "xvdb"));
            assert_eq!(again.is_ok(), !there, "{when}: {again:?}");
        },
    );
}

#[test]
fn a_daemon_killed_anywhere_in_a_detachment_leaves_a_whole_device_or_none() {
    at_every_side_effect(
        |_, _| {},
        async |_, daemon| {
            let params = ["vm1".into(), "vbd".into(), "xvda".into(), Sxp::Nil, Sxp::Bool(true)];
            daemon.api.call("xend.domain.destroyDevice", &params).await.is_ok()
        },
        |host, daemon, told, when| {
            let domid = host.domid_of("vm1").unwrap();
            let state = |end: String| host.node(&paths::join(&end, "state"));
            eventually(when, || {
                let listed = numbers(daemon, "vbd").contains(&"51712".to_owned());
                let configured = forms(daemon, "vbd").len() == 2;
                let whole = state(paths::backend(0, "vbd", domid, 51712)).as_deref() == Some("4");
                assert!(!told || !configured, "{when}: whoever asked was told that it went");
                (listed == configured && configured == whole).then_some(())
            });
        },
    );
}

#[test]
fn a_daemon_killed_anywhere_in_a_change_of_media_leaves_the_drive_with_one_of_them() {
    let medium = |host: &Host, name: &str| {
        tree(&format!("(vbd (uname 'file:{}') (dev xvdc:cdrom) (mode r))", host.disk(name)))
    };
    at_every_side_effect(
        |host, daemon| {
            let params = [Sxp::from("vm1"), medium(host, "one.iso")];
            daemon.call("xend.domain.device_configure", &params).unwrap();
        },
        async |host, daemon| {
            let params = [Sxp::from("vm1"), medium(host, "two.iso")];
            daemon.api.call("xend.domain.device_configure", &params).await.is_ok()
        },
        |host, daemon, told, when| {
            let domid = host.domid_of("vm1").unwrap();
            let backend = paths::backend(0, "vbd", domid, 51744);
            eventually(when, || {
                let state = host.node(&paths::join(&backend, "state"))?;
                let params = host.node(&paths::join(&backend, "params"))?;
                let drive = forms(daemon, "vbd")
                    .into_iter()
                    .find(|f| f.value("dev") == Some(&"xvdc:cdrom".into()))?;
                let uname = drive.value("uname").and_then(Sxp::atom)?;
                assert!(!told || uname.ends_with("two.iso"), "{when}: whoever asked was told of the new one");
                (state == "4" && uname.ends_with(&params)).then_some(())
            });
        },
    );
}

#[test]
fn a_daemon_killed_anywhere_in_an_attachment_stores_what_the_domain_has() {
    let host = Host::new();
    for count in 0.. {
        let daemon = host.daemon();
        start_managed(&host, &daemon, 0);
        host.gate.shut_after(count);
        let params = [Sxp::from("vm1"), disk(&host, "b.img", "xvdb")];
        let done = daemon.until_killed(daemon.api.call("xend.domain.device_create", &params));
        daemon.kill();
        host.gate.open();
        let daemon = host.daemon();
        let (has, stores) = (forms(&daemon, "vbd").len() == 2, stored(&host).contains("b.img"));
        assert_eq!(has, stores, "killed after {count} side effects");
        daemon.destroy("vm1");
        daemon.ask("xend.domain.delete", "vm1").unwrap();
        daemon.kill();
        if done.is_ok() {
            assert!(count > 5 && has, "the gate was asked {count} times only");
            return;
        }
    }
}
