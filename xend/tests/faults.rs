//! Failures of Xen, of the store, of the disk and of scripts. A request that fails has left nothing; where the undoing
//! fails as well, it is tried again.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod harness;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::future::BoxFuture;
use harness::{Config, Host, Setup, eventually};
use hypervisor::sim::Call;
use xend::{
    devices::{CheckError, DeviceFault, DevicePlan, ScriptCall, ScriptError, ScriptRunner},
    settings::Settings,
};
use xend_api::{FaultKind, Sxp};

fn config(host: &Host) -> Config {
    host.config("vm1").disk(&host.disk("a.img"), "xvda1").vif("xenbr0")
}

const CALLS: [Call; 18] = [
    Call::PhysInfo,
    Call::Create,
    Call::Destroy,
    Call::Info,
    Call::List,
    Call::SetMaxVcpus,
    Call::SetMaxMem,
    Call::SetVcpuContext,
    Call::SetAddressSize,
    Call::Populate,
    Call::ClaimPages,
    Call::SetMemoryMap,
    Call::Map,
    Call::MapGrantTable,
    Call::InitHypercallPage,
    Call::PinL4Table,
    Call::AllocUnbound,
    Call::Unpause,
];

#[test]
fn a_creation_that_xen_refuses_at_any_call_leaves_nothing() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    let faults = host.machine().faults();
    let count = || CALLS.map(|call| faults.count(call));
    let start = count();
    daemon.create(&config(&host));
    let made = count();
    daemon.destroy("vm1");
    host.is_as(&before, "undisturbed");
    for (at, call) in CALLS.into_iter().enumerate() {
        for nth in 1..=made[at] - start[at] {
            faults.fail(call, nth, libc::EINVAL);
            let answer = daemon.call("xend.domain.create", &[config(&host).tree()]);
            match answer {
                Ok(_) => {
                    // The fault has struck nothing or does so now; then the second request goes on.
                    let gone = daemon.ask("xend.domain.destroy", "vm1");
                    gone.or_else(|_| daemon.ask("xend.domain.destroy", "vm1")).unwrap();
                }
                Err(fault) => {
                    assert_eq!(fault.kind, FaultKind::Generic, "{call:?} {nth}: {fault:?}");
                    let told = format!("{} {}", fault.text, fault.because.join(" "));
                    assert!(told.contains("Invalid argument"), "{call:?} {nth}: {fault:?}");
                }
            }
            host.is_as(&before, &format!("call {nth} of {call:?} refused"));
        }
    }
    daemon.create(&config(&host));
}

#[test]
fn a_creation_that_meets_one_failure_anywhere_leaves_nothing() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    for count in 0.. {
        host.gate.refuse_one_after(count);
        let made = daemon.call("xend.domain.create", &[config(&host).tree()]);
        let waited = made.as_ref().map(|_| daemon.ask("xend.domain.waitForDevices", "vm1"));
        let refused = host.gate.is_shut();
        host.gate.open();
        if made.is_ok() {
            daemon.destroy("vm1");
        }
        host.is_as(&before, &format!("side effect {count} failed: {made:?} {waited:?}"));
        if !refused {
            assert!(count > 50, "the gate was asked {count} times only");
            return;
        }
    }
}

#[test]
fn a_destruction_that_fails_anywhere_goes_on_when_it_is_asked_for_again() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    for count in 0.. {
        daemon.start_domain(&config(&host), "vm1");
        host.gate.shut_after(count);
        let gone = daemon.ask("xend.domain.destroy", "vm1");
        let refused = host.gate.is_shut();
        host.gate.open();
        let when = format!("destroyed again after {count} side effects");
        if refused {
            // A teardown may do without what was refused it, a script for example.
            if let Err(fault) = gone {
                assert_eq!(fault.kind, FaultKind::Generic, "{when}: {fault:?}");
                // Half a second later it goes on of itself, and there may be nothing left to ask for.
                let again = daemon.ask("xend.domain.destroy", "vm1");
                let has_gone = again.as_ref().is_err_and(|fault| fault.kind == FaultKind::NoDomain);
                assert!(again == Ok(Sxp::Nil) || has_gone, "{when}: {again:?}");
            }
        }
        host.is_as(&before, &when);
        if !refused {
            return;
        }
    }
}

#[test]
fn an_undoing_that_fails_is_tried_again_without_being_asked_for() {
    let host = Host::new();
    let daemon = host.daemon();
    let before = host.traces();
    host.gate.shut_after(30);
    assert_eq!(daemon.create_fault(&config(&host)).kind, FaultKind::Generic);
    assert!(host.gate.is_shut());
    host.gate.open();
    host.is_as(&before, "after a while");
    eventually("the name is free", || {
        daemon.call("xend.domain.create", &[config(&host).tree()]).ok().map(drop)
    });
}

/// Scripts that never end.
struct Silent;

impl ScriptRunner for Silent {
    fn run(&self, call: ScriptCall) -> BoxFuture<'static, Result<(), ScriptError>> {
        Box::pin(async move {
            tokio::time::sleep(call.time_limit).await;
            let (script, limit, log) = (call.script, call.time_limit, "xen-hotplug.log".into());
            Err(ScriptError::TimedOut { script, args: call.args.join(" "), limit, said: None, log })
        })
    }
}

#[test]
fn a_script_that_never_answers_costs_the_time_limit_and_leaves_nothing() {
    let host = Host::new();
    let limit = Duration::from_millis(300);
    let settings =
        Settings { device_create_timeout: limit, device_destroy_timeout: limit, ..Settings::default() };
    let daemon = host.daemon_with(Setup { settings, scripts: |_| Arc::new(Silent) });
    let before = host.traces();
    daemon.create(&host.config("vm1").vif("xenbr0"));
    let fault = daemon.ask("xend.domain.waitForDevices", "vm1").unwrap_err();
    assert_eq!(fault.text, "Device 0 (vif) could not be connected. Hotplug scripts not working.");
    assert!(fault.because[0].contains("vif-bridge online was killed after 2"), "{fault:?}");
    assert!(fault.hint.is_some(), "{fault:?}");
    daemon.destroy("vm1");
    host.is_as(&before, "destroyed");
}

#[test]
fn a_lost_store_is_named_in_the_fault() {
    let host = Host::new();
    let daemon = host.daemon();
    host.server().disconnect_all();
    let fault = daemon.create_fault(&host.config("vm1"));
    assert_eq!(fault.kind, FaultKind::Generic);
    assert!(fault.text.contains("xenstore, the connection is gone"), "{fault:?}");
}

/// Scripts that could connect no disk, which is seen before there is one; at the first look they can't say.
struct Refuses(Arc<dyn ScriptRunner>);

static REFUSES: AtomicBool = AtomicBool::new(false);

impl ScriptRunner for Refuses {
    fn run(&self, call: ScriptCall) -> BoxFuture<'static, Result<(), ScriptError>> {
        self.0.run(call)
    }

    fn check(&self, plans: Vec<DevicePlan>) -> BoxFuture<'static, Result<Vec<DeviceFault>, CheckError>> {
        Box::pin(async move {
            if !REFUSES.load(Ordering::Acquire) {
                return Err(CheckError::TimedOut { program: "xen-hotplug".to_owned() });
            }
            let fault = |plan: DevicePlan| DeviceFault {
                text: format!(
                    "Device {} ({}) could not be connected.\nIt is mounted",
                    plan.devid, plan.class
                ),
                because: vec![format!("{:?}", plan.backend.iter().find(|(key, _)| *key == "params"))],
                hint: Some("umount it".to_owned()),
            };
            Ok(plans.into_iter().filter(|plan| plan.class == "vbd").map(fault).collect())
        })
    }
}

#[test]
fn a_device_that_could_not_be_connected_is_refused_before_there_is_a_domain() {
    let host = Host::new();
    let daemon =
        host.daemon_with(Setup { scripts: |scripts| Arc::new(Refuses(scripts)), ..Setup::default() });
    let before = host.traces();
    let config = config(&host).disk(&host.disk("b.img"), "xvdb");
    // A look that cannot be had costs nothing.
    daemon.create(&config);
    daemon.destroy("vm1");
    REFUSES.store(true, Ordering::Release);
    let made = host.machine().faults().count(Call::Create);
    let fault = daemon.create_fault(&config);
    assert_eq!(fault.text, "Device 51713 (vbd) could not be connected.\nIt is mounted");
    assert!(fault.because[0].contains("a.img"), "{fault:?}");
    assert_eq!(fault.because[1], "also: Device 51728 (vbd) could not be connected. It is mounted");
    assert!(fault.because[2].contains("b.img"), "{fault:?}");
    assert_eq!(fault.hint.as_deref(), Some("umount it"));
    assert_eq!(host.machine().faults().count(Call::Create), made, "a domain was made");
    host.is_as(&before, "refused");
    daemon.create(&host.config("vm2").vif("xenbr0"));
    daemon.destroy("vm2");
}
