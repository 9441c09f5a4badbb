//! The methods of `xend.domain` and their relatives.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use tracing::warn;
use xend_api::{Fault, FaultKind, Sxp, classic::daemon as classic};
use xenstore::paths::{self, node};

use super::{
    Api,
    arguments::{Arguments, Truth},
    fault, trees,
};
use crate::{
    domain::{Devices, DomainConfig, PowerState},
    manager::{Asked, Known, Listed, Owner, PausedBy, RequestError, ShutdownReason, View},
    operations::chain,
};

/// How long the console daemon may take to open a new domain's terminal.
const CONSOLE_LIMIT: Duration = Duration::from_secs(10);

type Answer = Result<Sxp, Fault>;

/// `xend.domain(dom, full = 0)`
pub(super) async fn one(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain", params, 1, 2)?;
    let known = search(api, &arguments).await?;
    Ok(trees::tree_of_known(&known, devices(arguments.truth(1, Truth::No))))
}

/// `xend.domains(detail = True, full = False)`: those in the running state.
pub(super) async fn running(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domains", params, 0, 2)?;
    answer_list(api, shape(&arguments, 1), |state| state == PowerState::Running).await
}

/// `xend.domains_with_state(detail, state, full)`
pub(super) async fn with_state(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domains_with_state", params, 3, 3)?;
    let wanted = arguments.text(1)?.to_ascii_lowercase();
    let fits =
        |state: PowerState| wanted == "all" || wanted == state.word() || wanted.parse() == Ok(state.number());
    answer_list(api, shape(&arguments, 2), fits).await
}

/// What a list holds of each domain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Names,
    Trees(Devices),
    /// What one line of `xm list` needs. Our own: an original daemon takes the word for true and sends trees.
    Rows,
}

/// From `detail`, the first argument, and `full`, the one at `full_at`.
fn shape(arguments: &Arguments<'_>, full_at: usize) -> Shape {
    if arguments.text(0).is_ok_and(|word| word == "rows") {
        return Shape::Rows;
    }
    match arguments.truth(0, Truth::Yes) {
        Truth::Yes => Shape::Trees(devices(arguments.truth(full_at, Truth::No))),
        Truth::No => Shape::Names,
    }
}

async fn answer_list(api: &Api, shape: Shape, fits: impl Fn(PowerState) -> bool) -> Answer {
    let known = api.manager.everything().await.map_err(|error| fault::of_request(&error, ""))?;
    let fitting = known.iter().filter(|one| fits(one.state()));
    let answer = fitting.map(|one| match shape {
        Shape::Names => Sxp::from(one.name()),
        Shape::Trees(devices) => trees::tree_of_known(one, devices),
        Shape::Rows => trees::row_of(one),
    });
    Ok(Sxp::List(answer.collect()))
}

fn devices(full: Truth) -> Devices {
    match full {
        Truth::Yes => Devices::Shown,
        Truth::No => Devices::LeftOut,
    }
}

/// `xend.domain.create(config)`: the domain is left paused, its devices may still be connecting.
pub(super) async fn create(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.create", params, 1, 1)?;
    let config = DomainConfig::from_sxp(arguments.tree(0)?).map_err(|faults| fault::of_config(&faults))?;
    refuse_read_only(api, &config.name)?;
    let (name, uuid) = (config.name.clone(), config.uuid);
    let failed = |error: RequestError| fault::of_request(&error, &name);
    api.manager.create(config).await.map_err(failed)?;
    // By its UUID: another domain may have its number for a name, and the client would start that one.
    match api.manager.find_by_uuid(uuid).await {
        Ok(listed) => Ok(trees::tree_of(&listed, Devices::Shown)),
        Err(error) => {
            // A client that is told of a failure does not look for a domain.
            if let Err(undone) = api.manager.destroy(uuid).await {
                warn!(%name, "{}", chain(&undone));
            }
            Err(failed(error))
        }
    }
}

pub(super) fn refuse_read_only(api: &Api, name: &str) -> Result<(), Fault> {
    let Some(reason) = api.manager.context().hypervisor.read_only_reason() else { return Ok(()) };
    let fault = Fault::generic(classic::creating_failed(name, None)).because(reason);
    Err(fault
        .hint("domains can be looked at; to make some, install a release of xend-rs that knows this Xen"))
}

/// `xend.domain.waitForDevices(dom)`
pub(super) async fn wait_for_devices(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.waitForDevices", params, 1, 1)?;
    let designator = arguments.designator(0)?;
    let Known::Live(listed) = search(api, &arguments).await? else { return Ok(Sxp::Nil) };
    if ours(&listed).is_some() {
        let waited = api.manager.wait_for_devices(listed.info.uuid).await;
        waited.map_err(|error| fault::of_request(&error, &designator))?;
    }
    Ok(Sxp::Nil)
}

/// `xend.domain.pause(dom, state = False)`: with `state` the answer is the state it was in.
pub(super) async fn pause(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.pause", params, 1, 2)?;
    let before = set_running(api, &arguments, Asked::Pause).await?;
    Ok(match arguments.truth(1, Truth::No) {
        Truth::Yes => Sxp::Int(before.number()),
        Truth::No => Sxp::Nil,
    })
}

/// `xend.domain.unpause(dom)`
pub(super) async fn unpause(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.unpause", params, 1, 1)?;
    set_running(api, &arguments, Asked::Unpause).await?;
    Ok(Sxp::Nil)
}

async fn set_running(api: &Api, arguments: &Arguments<'_>, asked: Asked) -> Result<PowerState, Fault> {
    let designator = arguments.designator(0)?;
    let listed = find(api, arguments).await?;
    let verb = if asked == Asked::Pause { "pause" } else { "unpause" };
    refuse_privileged(&listed, verb, &designator)?;
    let done = match ours(&listed) {
        Some(_) => api.manager.vcpus(listed.info.uuid, asked).await,
        None => api.manager.vcpus_of_foreign(&listed, asked).await,
    };
    done.map_err(|error| fault::of_request(&error, &designator))?;
    Ok(PowerState::of(&listed.facts()))
}

/// `xend.domain.setpauseflag(dom, flag = False)`
pub(super) async fn set_pause_flag(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.setpauseflag", params, 1, 2)?;
    let designator = arguments.designator(0)?;
    let Known::Live(listed) = search(api, &arguments).await? else { return Ok(Sxp::Nil) };
    let by = if arguments.truth(1, Truth::No) == Truth::Yes { PausedBy::Admin } else { PausedBy::Nobody };
    if ours(&listed).is_some() {
        let set = api.manager.set_paused_by(listed.info.uuid, by).await;
        set.map_err(|error| fault::of_request(&error, &designator))?;
    }
    Ok(Sxp::Nil)
}

/// `xend.domain.getpauseflag(dom)`
pub(super) async fn pause_flag(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.getpauseflag", params, 1, 1)?;
    let Known::Live(listed) = search(api, &arguments).await? else { return Ok(Sxp::Bool(false)) };
    Ok(Sxp::Bool(ours(&listed).is_some_and(|view| view.paused_by_admin)))
}

/// `xend.domain.shutdown(dom, reason)`: success means that the request was written.
pub(super) async fn shutdown(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.shutdown", params, 2, 2)?;
    let designator = arguments.designator(0)?;
    let word = arguments.text(1)?;
    let known = search(api, &arguments).await?;
    let reason =
        ShutdownReason::parse(&word).ok_or_else(|| Fault::generic(classic::invalid_reason(&word)))?;
    let Known::Live(listed) = known else { return Err(Fault::generic(classic::CANNOT_SHUTDOWN)) };
    if listed.info.domid.0 == 0 {
        return Err(Fault::generic(classic::DOMAIN_0_CANNOT_SHUTDOWN));
    }
    let done = match ours(&listed) {
        Some(_) => api.manager.shutdown(listed.info.uuid, reason).await,
        None => api.manager.shutdown_foreign(&listed, reason).await,
    };
    done.map_err(|error| fault::of_request(&error, &designator))?;
    Ok(Sxp::Nil)
}

/// `xend.domain.destroy(dom)`: it is gone when this answers.
pub(super) async fn destroy(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.destroy", params, 1, 1)?;
    let designator = arguments.designator(0)?;
    let done = match search(api, &arguments).await {
        // Halted already, unless an earlier destroy has not ended well.
        Ok(Known::Inactive(inactive)) => match api.manager.remains_of(&inactive.config.uuid.to_string()) {
            Some(uuid) => api.manager.destroy(uuid).await,
            None => Ok(()),
        },
        Ok(Known::Live(listed)) => {
            refuse_privileged(&listed, "destroy", &designator)?;
            match ours(&listed) {
                Some(_) => api.manager.destroy(listed.info.uuid).await,
                None => api.manager.destroy_foreign(listed.info.domid, listed.info.uuid).await,
            }
        }
        // Xen has let go of it, an earlier destroy has not ended well: this one goes on where that one stopped.
        Err(fault) => match api.manager.remains_of(&designator) {
            Some(uuid) if fault.kind == FaultKind::NoDomain => api.manager.destroy(uuid).await,
            _ => return Err(fault),
        },
    };
    done.map_err(|error| fault::of_request(&error, &designator))?;
    Ok(Sxp::Nil)
}

/// `xend.domain.getRestartCount(dom)`
pub(super) async fn restart_count(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.getRestartCount", params, 1, 1)?;
    // Also of one that is between two lives: it is not lost, and whoever waits for it must not think so.
    if let Some(count) = api.manager.restart_count(&arguments.designator(0)?) {
        return Ok(Sxp::from(count.to_string()));
    }
    search(api, &arguments).await?;
    Ok(Sxp::Nil)
}

/// `xend.domain.getVCPUInfo(dom)`
pub(super) async fn vcpu_info(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.getVCPUInfo", params, 1, 1)?;
    let listed = match search(api, &arguments).await? {
        Known::Live(listed) => listed,
        Known::Inactive(inactive) => return Ok(trees::vcpus_of_inactive(&inactive)),
    };
    let (domid, count) = (listed.info.domid, listed.info.max_vcpu_id.map_or(0, |highest| highest + 1));
    let asked = api.manager.context().with_xen(move |xen| {
        let vcpus = (0..count).map(|vcpu| xen.vcpu_info(domid, vcpu)).collect::<Result<Vec<_>, _>>()?;
        Ok((vcpus, xen.phys_info()?.nr_cpus))
    });
    let failed = |source| RequestError::Xen { act: "look at the vcpus", source };
    let (vcpus, nr_cpus) = asked.await.map_err(|error| fault::of_request(&failed(error), ""))?;
    let mut tree = vec![
        Sxp::from("domain"),
        Sxp::pair("domid", i64::from(domid.0)),
        Sxp::pair("name", listed.name()),
        Sxp::pair("vcpu_count", i64::from(count)),
    ];
    let all_cpus: Vec<Sxp> = (0..nr_cpus).map(|cpu| Sxp::Int(i64::from(cpu))).collect();
    for (number, vcpu) in (0i64..).zip(vcpus) {
        let online = vcpu.filter(|vcpu| vcpu.online);
        let flag = |set: bool| Sxp::Int(i64::from(set));
        tree.push(Sxp::form(
            "vcpu",
            [
                Sxp::pair("number", number),
                Sxp::pair("online", flag(online.is_some())),
                Sxp::pair("blocked", flag(online.is_some_and(|vcpu| vcpu.blocked))),
                Sxp::pair("running", flag(online.is_some_and(|vcpu| vcpu.running))),
                Sxp::pair("cpu_time", online.map_or(0.0, |vcpu| vcpu.cpu_time_ns as f64 / 1e9)),
                Sxp::pair("cpu", online.map_or(-1, |vcpu| i64::from(vcpu.cpu))),
                Sxp::pair("cpumap", Sxp::List(all_cpus.clone())),
            ],
        ));
    }
    Ok(Sxp::List(tree))
}

/// `xend.domain.console_tty(dom)`, a method of ours: the terminal of its console, waited for if it is new.
pub(super) async fn console_tty(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.console_tty", params, 1, 1)?;
    let designator = arguments.designator(0)?;
    let listed = find(api, &arguments).await?;
    if listed.info.domid.0 == 0 {
        return Err(
            Fault::generic(classic::not_started(&designator)).because("domain 0 has no console of its own")
        );
    }
    let store = &api.manager.context().store;
    let path = paths::console_node(listed.info.domid.0, node::console::TTY);
    let failed = |source| {
        fault::of_request(&RequestError::Store { act: "find the console's terminal", source }, &designator)
    };
    let deadline = Instant::now() + CONSOLE_LIMIT;
    let mut watch = store.watch(&path).await.map_err(failed)?;
    loop {
        if let Some(tty) = store.read(&path).await.map_err(failed)?.filter(|tty| !tty.is_empty()) {
            return Ok(Sxp::from(tty));
        }
        match timeout_at(deadline, watch.next()).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(failed(error)),
            Err(_) => {
                return Err(Fault::generic(format!(
                    "cannot find the terminal of domain {designator}'s console"
                ))
                .because(format!("nothing has been written to {path} for {CONSOLE_LIMIT:?}"))
                .hint("see whether xenconsoled runs: `pgrep xenconsoled`"));
            }
        }
    }
}

/// The domain that a call is about.
pub(super) async fn search(api: &Api, arguments: &Arguments<'_>) -> Result<Known, Fault> {
    let designator = arguments.designator(0)?;
    api.manager.find(&designator).await.map_err(|error| fault::of_request(&error, &designator))
}

/// The same for what only a domain in Xen can do.
async fn find(api: &Api, arguments: &Arguments<'_>) -> Result<Box<Listed>, Fault> {
    match search(api, arguments).await? {
        Known::Live(listed) => Ok(listed),
        Known::Inactive(_) => Err(Fault::generic(classic::not_started(&arguments.designator(0)?))),
    }
}

pub(super) fn ours(listed: &Listed) -> Option<&View> {
    match &listed.owner {
        Owner::Ours(view) => Some(view),
        Owner::Foreign { .. } => None,
    }
}

fn refuse_privileged(listed: &Listed, verb: &str, designator: &str) -> Result<(), Fault> {
    if listed.info.domid.0 == 0 {
        return Err(Fault::generic(classic::privileged(verb, designator)));
    }
    Ok(())
}
