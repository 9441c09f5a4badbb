//! Faults: the original's text first, then what was seen and what to do. The only place that knows their numbers.

use std::error::Error;

use xend_api::{Fault, classic::daemon as classic};

use super::devices;

use crate::{
    devices::DeviceFault,
    domain::ConfigFault,
    manager::{Refusal, RequestError},
    operations::{OperationError, chain},
};

/// Makes the fault of a request that failed. `designator` is the domain as the client named it.
pub(super) fn of_request(error: &RequestError, designator: &str) -> Fault {
    match error {
        RequestError::NoDomain { .. } => Fault::no_domain(designator),
        RequestError::Exists { name, domid } => exists(name, *domid),
        RequestError::NameTaken { name, domid } => {
            let fault = Fault::generic(classic::name_already_exists(name, *domid));
            fault
                .hint("`xm list` shows it; a domain file that gives the other's uuid as well means the other")
        }
        RequestError::Config { faults } => of_config(faults),
        RequestError::Managed { text, .. } => {
            with_causes(Fault::generic(text), error).hint("see whether the disk is full or read-only")
        }
        RequestError::Refused { name, refusal: Refusal::Foreign } => foreign(name),
        RequestError::Refused { refusal, .. } => Fault::generic(match refusal {
            Refusal::NotStarted => classic::not_started(designator),
            Refusal::HasEnded => classic::CANNOT_SHUTDOWN.to_owned(),
            Refusal::AlreadyRunning => classic::ALREADY_RUNNING.to_owned(),
            Refusal::NotHalted => classic::NOT_HALTED.to_owned(),
            Refusal::NotRunning => classic::NOT_RUNNING.to_owned(),
            Refusal::NotManaged => classic::NOT_MANAGED_LIFECYCLE.to_owned(),
            Refusal::Foreign => return foreign(designator),
            Refusal::InMotion => {
                return Fault::generic(format!("cannot change the devices of domain {designator}"))
                    .because("it is being started, or is just ending")
                    .hint("again in a moment");
            }
        }),
        RequestError::NoDevice { device } => Fault::generic(classic::not_connected(device))
            .hint("`xm block-list` and `xm network-list` show what there is"),
        RequestError::NoMedium { form } => devices::no_medium(form),
        RequestError::Privileged => Fault::generic(classic::DOMAIN_0_CANNOT_SHUTDOWN),
        RequestError::Failed { source, .. } => of_operation(source),
        RequestError::Device { fault, .. } => of_device(fault),
        RequestError::Xen { .. } | RequestError::Store { .. } | RequestError::WentAway { .. } => {
            Fault::generic(chain(error))
        }
    }
}

/// Every fault of a configuration in one: the first as the text, the others as reasons.
pub(super) fn of_config(faults: &[ConfigFault]) -> Fault {
    let mut texts = faults.iter().map(ToString::to_string);
    let first = texts.next().unwrap_or_else(|| "the configuration is not accepted".to_owned());
    texts.fold(Fault::generic(first), |fault, text| fault.because(format!("also: {text}")))
}

fn exists(name: &str, domid: Option<u16>) -> Fault {
    match domid {
        Some(domid) => Fault::generic(classic::already_exists(name, domid)).hint(format!(
            "`xm list` shows it; `xm destroy {name}` ends it, `xm create … name=OTHER` makes another"
        )),
        None => Fault::generic(classic::name_already_exists(name, None))
            .because("it is being created or taken away at this moment"),
    }
}

fn foreign(name: &str) -> Fault {
    Fault::generic(format!("cannot change the devices of domain {name}"))
        .because("it is domain 0 or was made by another tool, which keeps its devices")
        .hint("use that tool: `xl block-attach`, `xl network-attach`, …")
}

fn of_device(fault: &DeviceFault) -> Fault {
    let mut answer = Fault::generic(&fault.text);
    answer.because.clone_from(&fault.because);
    answer.hint.clone_from(&fault.hint);
    answer
}

fn of_operation(error: &OperationError) -> Fault {
    let fault = match error {
        OperationError::Device { fault, .. } => of_device(fault),
        // Texts of the original: scripts compare them, so what caused them follows apart.
        OperationError::KernelMissing { .. }
        | OperationError::RamdiskMissing { .. }
        | OperationError::Memory { .. }
        | OperationError::Create { .. } => with_causes(Fault::generic(error.to_string()), error),
        OperationError::InUse { device, .. } => {
            let (devid, class) = devices::place(*device);
            with_causes(Fault::generic(classic::could_not_disconnect(devid, class)), error)
        }
        OperationError::MediumInUse { device, .. } => {
            let (devid, class) = devices::place(*device);
            with_causes(Fault::generic(classic::could_not_reconfigure(devid, class)), error)
        }
        OperationError::ScriptMissing { .. }
        | OperationError::Build { .. }
        | OperationError::Xen { .. }
        | OperationError::Store { .. }
        | OperationError::Record { .. }
        | OperationError::Zombie { .. }
        | OperationError::Detach { .. } => Fault::generic(chain(error)),
    };
    match hint(error) {
        Some(hint) => fault.hint(hint),
        None => fault,
    }
}

fn hint(error: &OperationError) -> Option<String> {
    match error {
        OperationError::KernelMissing { .. } => {
            Some("correct `kernel` in the domain file; `ls /boot` shows this host's kernels".to_owned())
        }
        OperationError::RamdiskMissing { .. } => {
            Some("correct `ramdisk` in the domain file; `ls /boot` shows this host's".to_owned())
        }
        OperationError::ScriptMissing { .. } => {
            Some("install it in /etc/xend/scripts, or correct vif-script in xend-config.sxp".to_owned())
        }
        OperationError::Memory { free_kib, .. } => Some(format!(
            "give it at most {} MiB (`memory`), end another domain, or start the host with a smaller dom0_mem",
            free_kib.saturating_sub(1024) / 1024
        )),
        OperationError::Build { source, .. } => source.hint(),
        OperationError::Create { source, .. } | OperationError::Xen { source, .. } => match source.errno() {
            Some(libc::ENOMEM) => Some("Xen is out of memory; `xm info` shows what is free".to_owned()),
            _ => Some("`xm dmesg | tail` may have Xen's own words".to_owned()),
        },
        OperationError::Store { .. } => Some("see whether xenstored runs, and its quotas".to_owned()),
        OperationError::Device { fault, .. } => fault.hint.clone(),
        OperationError::MediumInUse { .. } => {
            Some("the guest still uses the drive: unmount it there, and the medium is changed by itself".to_owned())
        }
        OperationError::InUse { .. } => Some(
            "the guest still uses it: unmount it or take the interface down there, and it goes by itself; `-f` takes it by \
             force"
                .to_owned(),
        ),
        OperationError::Record { .. } => Some("see whether the disk is full or read-only".to_owned()),
        OperationError::Zombie { .. } | OperationError::Detach { .. } => {
            Some("`xm log` has the steps; the next `xm destroy` goes on where this one stopped".to_owned())
        }
    }
}

/// The chain of causes, without repeating the text itself.
fn with_causes(fault: Fault, error: &dyn Error) -> Fault {
    let mut fault = fault;
    let mut next = error.source();
    while let Some(cause) = next {
        fault = fault.because(cause.to_string());
        next = cause.source();
    }
    fault
}
