//! What a host does to its daemon at night: a full disk, a clock that is set, scripts that hang, names that look like
//! numbers. A domain must stay what it is, and whoever wants it gone must get that soon.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod harness;

use std::{
    fs,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use harness::{Daemon, Host, Setup, eventually};
use hypervisor::{Domains, ShutdownCode, sim::Call};
use xend::{
    devices::{ScriptCall, ScriptError, ScriptRunner},
    settings::Settings,
};
use xend_api::Sxp;
use xenstore::{paths, server::Server};

fn uuid(daemon: &Daemon) -> String {
    daemon.tree("vm1").unwrap().value("uuid").and_then(Sxp::atom).unwrap()
}

/// Waits until a domain of another number is there; whether it runs depends on `status`.
fn comes_again(daemon: &Daemon, old: u16, status: i64) -> u16 {
    eventually("the domain comes again", || {
        let tree = daemon.tree("vm1")?;
        let new = tree.value("domid").and_then(Sxp::int)? as u16;
        (new != old && tree.value("status") == Some(&Sxp::Int(status))).then_some(new)
    })
}

#[test]
fn a_creation_is_answered_with_its_own_domain_even_where_another_has_its_number_for_a_name() {
    let host = Host::new();
    let daemon = host.daemon();
    let first = daemon.create(&host.config("vm1"));
    daemon.create(&host.config(&(first + 2).to_string()));
    let made = daemon.call("xend.domain.create", &[host.config("vm3").tree()]).unwrap();
    assert_eq!(made.value("domid"), Some(&Sxp::Int(i64::from(first + 2))));
    assert_eq!(made.value("name"), Some(&Sxp::from("vm3")));
}

static HANGS: AtomicBool = AtomicBool::new(false);

/// Scripts that connect nothing and do not end while `HANGS` is set.
struct Sometimes(Arc<dyn ScriptRunner>);

impl ScriptRunner for Sometimes {
    fn run(&self, call: ScriptCall) -> BoxFuture<'static, Result<(), ScriptError>> {
        if HANGS.load(Ordering::Acquire) && call.args.last().is_some_and(|word| word == "online") {
            return Box::pin(std::future::pending());
        }
        self.0.run(call)
    }
}

#[test]
fn a_restart_that_waits_for_a_hanging_script_is_ended_by_a_destroy() {
    let host = Host::new();
    // Longer than a request may take in a test: a destroy that waits for either is noticed.
    let limit = Duration::from_secs(600);
    let (device_create_timeout, device_destroy_timeout) = (limit, limit);
    let settings = Settings { device_create_timeout, device_destroy_timeout, ..Setup::default().settings };
    let daemon = host.daemon_with(Setup { settings, scripts: |scripts| Arc::new(Sometimes(scripts)) });
    let before = host.traces();
    let old = daemon.start_domain(&host.config("vm1").vif("xenbr0"), "vm1");
    HANGS.store(true, Ordering::Release);
    host.guest_ends(old, ShutdownCode::Reboot);
    eventually("the new one is there", || {
        (daemon.tree("vm1")?.value("domid").and_then(Sxp::int)? != i64::from(old)).then_some(())
    });
    daemon.destroy("vm1");
    host.is_as(&before, "destroyed");
    HANGS.store(false, Ordering::Release);
    daemon.start_domain(&host.config("vm1").vif("xenbr0"), "vm1");
}

static STORE: OnceLock<Server> = OnceLock::new();

/// Scripts during which the store is lost, once there is a `STORE`.
struct Loses(Arc<dyn ScriptRunner>);

impl ScriptRunner for Loses {
    fn run(&self, call: ScriptCall) -> BoxFuture<'static, Result<(), ScriptError>> {
        if let Some(store) = STORE.get().filter(|_| call.args.last().is_some_and(|word| word == "online")) {
            store.disconnect_all();
        }
        self.0.run(call)
    }
}

#[test]
fn a_guest_that_reboots_as_the_store_is_lost_is_left_to_the_next_daemon() {
    let host = Host::new();
    let daemon = host.daemon_with(Setup { scripts: |scripts| Arc::new(Loses(scripts)), ..Setup::default() });
    let old = daemon.start_domain(&host.config("vm1").vif("xenbr0"), "vm1");
    let record = host.places.records().join(format!("{}.sxp", uuid(&daemon)));
    STORE.set(host.server().clone()).unwrap_or_else(|_| panic!("set twice"));
    // Counted, as the new domain may be gone before anybody looks for it.
    let count = |call| host.machine().faults().count(call);
    let (made, ended) = (count(Call::Create), count(Call::Destroy));
    host.guest_ends(old, ShutdownCode::Reboot);
    // The drivers of this host do not outlive its store, so the next daemon can't be asked; `kill.rs` shows that this
    // record is what brings the guest back.
    let domains = || host.machine().list().unwrap().len();
    eventually("the new one is made", || (count(Call::Create) > made).then_some(()));
    eventually("the old one and the new one are ended", || (count(Call::Destroy) > ended + 1).then_some(()));
    eventually("the restart has failed and been tried again", || (domains() == 1).then_some(()));
    let text = fs::read_to_string(&record).unwrap();
    assert!(text.contains("(phase restarting)"), "{text}");
}

/// As a full disk does: what is there can be removed, nothing can be written.
fn fill_disk(host: &Host, daemon: &Daemon) -> std::path::PathBuf {
    let in_the_way = host.places.records().join(format!("{}.new", uuid(daemon)));
    fs::create_dir(&in_the_way).unwrap();
    in_the_way
}

#[test]
fn a_domain_can_be_destroyed_while_the_disk_is_full() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    daemon.start_domain(&host.config("vm1").vif("xenbr0"), "vm1");
    let in_the_way = fill_disk(&host, &daemon);
    daemon.destroy("vm1");
    fs::remove_dir(in_the_way).unwrap();
    host.is_as(&before, "destroyed");
}

#[test]
fn a_guest_that_reboots_while_the_disk_is_full_comes_back_and_survives_the_daemon() {
    let host = Host::new();
    let daemon = host.daemon();
    let old = daemon.start_domain(&host.config("vm1").vif("xenbr0"), "vm1");
    fill_disk(&host, &daemon);
    host.guest_ends(old, ShutdownCode::Reboot);
    let new = comes_again(&daemon, old, 2);
    daemon.kill();
    let daemon = host.daemon();
    assert_eq!(comes_again(&daemon, old, 2), new);
}

#[test]
fn a_guest_that_reboots_after_the_clock_was_set_back_is_started_again() {
    let host = Host::new();
    let setup = || Setup { settings: Settings::default(), ..Setup::default() };
    let daemon = host.daemon_with(setup());
    let old = daemon.start_domain(&host.config("vm1"), "vm1");
    let start = daemon.tree("vm1").unwrap().value("start_time").and_then(Sxp::float).unwrap();
    let node = paths::join(&paths::vm(uuid(&daemon)), "start_time");
    daemon.kill();
    // Its start lies two hours ahead, as with a hardware clock that was taken for UTC and was not.
    host.block_on(host.store().write(&node, &format!("{:.2}", start + 7200.0))).unwrap();
    let daemon = host.daemon_with(setup());
    host.guest_ends(old, ShutdownCode::Reboot);
    comes_again(&daemon, old, 2);
}
