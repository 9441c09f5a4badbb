//! The methods of managed domains: `new`, `start`, `delete`, `suspend`, `resume` (`xend-daemon` §3.2, §4.1).

use xend_api::{Fault, FaultKind, Sxp, classic::daemon as classic, python};

use super::{
    Api,
    arguments::{Arguments, Truth},
    domains::{refuse_read_only, search},
    fault,
};
use crate::{
    domain::{ManagedConfig, PowerState},
    manager::{Known, Refusal, RequestError, Start},
};

type Answer = Result<Sxp, Fault>;

/// `xend.domain.new(config)`: defined, not started. Also of what this version can't start yet.
pub(super) async fn new(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.new", params, 1, 1)?;
    let config = ManagedConfig::from_sxp(arguments.tree(0)?).map_err(|faults| fault::of_config(&faults))?;
    let name = config.name.clone();
    api.manager.define(config).await.map_err(|error| fault::of_request(&error, &name))?;
    Ok(Sxp::Nil)
}

/// `xend.domain.start(dom, start_paused = True)`: its devices are connected when this answers.
pub(super) async fn start(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.start", params, 1, 2)?;
    let designator = arguments.designator(0)?;
    let how = match arguments.truth(1, Truth::Yes) {
        Truth::Yes => Start::Paused,
        Truth::No => Start::Running,
    };
    let known = search(api, &arguments).await?;
    let uuid = match &known {
        // One that has ended and is being taken away is halted in a moment; whatever else exists runs.
        Known::Live(listed) if !api.manager.is_managed(listed.info.uuid) => {
            return Err(Fault::generic(classic::ALREADY_RUNNING));
        }
        Known::Live(listed) => listed.info.uuid,
        Known::Inactive(inactive) => inactive.config.uuid,
    };
    refuse_read_only(api, known.name())?;
    let started = api.manager.start(uuid, how).await;
    let failed =
        |error| because_suspended(fault::of_request(&error, &designator), known.state(), &designator);
    started.map_err(failed)?;
    Ok(Sxp::Nil)
}

fn because_suspended(fault: Fault, state: PowerState, designator: &str) -> Fault {
    if state != PowerState::Suspended {
        return fault;
    }
    fault
        .because("it is suspended: its memory lies beside its configuration, in checkpoint.chk")
        .hint(format!("`xm resume {designator}`; to start it anew instead, move the file away"))
}

/// `xend.domain.delete(dom)`: whatever is wrong with the name is wrapped, as the original did it.
pub(super) async fn delete(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.delete", params, 1, 1)?;
    let designator = arguments.designator(0)?;
    let uuid = match search(api, &arguments).await {
        Ok(Known::Live(listed)) if api.manager.is_managed(listed.info.uuid) => listed.info.uuid,
        Ok(Known::Live(_)) => return Err(Fault::generic(classic::NOT_HALTED)),
        Ok(Known::Inactive(inactive)) => inactive.config.uuid,
        Err(fault) => return Err(wrapped(fault)),
    };
    let deleted = api.manager.delete(uuid).await;
    deleted.map_err(|error| wrapped(fault::of_request(&error, &designator)))?;
    Ok(Sxp::Nil)
}

/// A fault that says that there is no such domain, as the text of another.
fn wrapped(fault: Fault) -> Fault {
    match fault.kind {
        FaultKind::NoDomain => Fault::generic(format!("<Fault 3: {}>", python::repr(&fault.text))),
        FaultKind::Internal | FaultKind::Generic => fault,
    }
}

/// `xend.domain.suspend(dom)`: all that the original checked, then a refusal.
pub(super) async fn suspend(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.suspend", params, 1, 1)?;
    let designator = arguments.designator(0)?;
    let refused = |name: &str, refusal| {
        fault::of_request(&RequestError::Refused { name: name.to_owned(), refusal }, &designator)
    };
    let known = search(api, &arguments).await?;
    let Known::Live(listed) = &known else { return Err(refused(known.name(), Refusal::NotRunning)) };
    if listed.info.domid.0 == 0 {
        return Err(Fault::generic(classic::privileged("suspend", &designator)));
    }
    if known.state() != PowerState::Running {
        return Err(refused(known.name(), Refusal::NotRunning));
    }
    if !api.manager.is_managed(listed.info.uuid) {
        return Err(refused(known.name(), Refusal::NotManaged));
    }
    Err(not_there("xend.domain.suspend"))
}

/// `xend.domain.resume(dom, start_paused = False)`: the same; every fault of the original's stood behind the same words.
pub(super) async fn resume(api: &Api, params: &[Sxp]) -> Answer {
    let arguments = Arguments::new("xend.domain.resume", params, 1, 2)?;
    let designator = arguments.designator(0)?;
    let known = match search(api, &arguments).await {
        Ok(known) => known,
        Err(fault) => return Err(Fault::generic(classic::error_when_resuming(&wrapped(fault).text))),
    };
    let text = match &known {
        Known::Live(listed) if listed.info.domid.0 == 0 => classic::privileged("resume", &designator),
        _ if known.state() != PowerState::Suspended => classic::NOT_SUSPENDED.to_owned(),
        _ => return Err(not_there("xend.domain.resume")),
    };
    Err(Fault::generic(classic::error_when_resuming(&text)))
}

fn not_there(method: &str) -> Fault {
    Fault::generic(format!("{method} is not there yet in this version of xend-rs"))
}
