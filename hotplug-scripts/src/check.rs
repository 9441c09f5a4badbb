//! `check`: whether the devices of a domain that is still to be made could be connected, in one process for all of
//! them, by the same functions that connect them. Nothing is changed and no lock is taken: what somebody else does
//! between this look and the script's is the script's to find.
//!
//! ```text
//! in    CLASS/DEVID 0  script NAME 0  argument WORD 0 …  node NAME=VALUE 0 …  vm PATH 0  0      for each device
//! out   CLASS/DEVID 0  status error|busy 0  text TEXT 0  because TEXT 0  try TEXT 0  0          for each that can't be
//! ```
//!
//! Fields end with a zero byte, a device with an empty field. A script that is not of this program is passed over: what
//! a site's own would say only that knows.

use crate::backend::{Backend, Planned, Status};
use crate::host::Host;
use crate::invocation::Invocation;
use crate::report::{Failure, Log};
use crate::{Script, vbd, vif};
use xenstore::{Store, paths};

/// Name of the command.
pub const NAME: &str = "check";
/// Longest input.
pub const INPUT_MAX: u64 = 16 << 20;

/// One device that is to come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Plan {
    class: String,
    devid: u32,
    script: String,
    arguments: Vec<String>,
    planned: Planned,
}

/// Input that is none.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read device {number} of the input: {reason}")]
pub struct InputError {
    /// Which one, from 1.
    number: usize,
    /// What is wrong with it.
    reason: &'static str,
}

/// Looks at every device of `input` and answers for those that could not be connected now.
pub async fn run(input: &str, environment: &Environment<'_>) -> Result<String, InputError> {
    let mut answer = String::new();
    for plan in parse(input)? {
        let Err(failure) = look(&plan, environment).await else { continue };
        let status = match failure.status() {
            Some(Status::Busy) => "busy",
            _ => "error",
        };
        let mut field = |text: &str| {
            answer.extend(text.chars().filter(|c| *c != '\0'));
            answer.push('\0');
        };
        field(&format!("{}/{}", plan.class, plan.devid));
        field(&format!("status {status}"));
        field(&format!("text {}", failure.text(&plan.script)));
        failure.because().iter().for_each(|text| field(&format!("because {text}")));
        failure.remedy().iter().for_each(|text| field(&format!("try {text}")));
        field("");
    }
    Ok(answer)
}

/// What every look works with.
pub struct Environment<'a> {
    /// The host.
    pub host: &'a Host,
    /// The store.
    pub store: Store,
    /// Variables of this process.
    pub variables: &'a [(String, String)],
}

async fn look(plan: &Plan, environment: &Environment<'_>) -> Result<(), Failure> {
    let Environment { host, store, variables } = environment;
    let (command, variable) = if plan.class == "vbd" { ("add", None) } else { ("online", Some("vif")) };
    let arguments = plan.arguments.iter().cloned().chain([command.to_owned()]);
    let type_if = variable.map(|kind| ("type_if".to_owned(), kind.to_owned()));
    let call = Invocation::new(plan.script.as_str(), arguments, variables.iter().cloned().chain(type_if));
    let path = paths::backend_planned(&plan.class, plan.devid);
    let log = Log::new(host, NAME, &path);
    let backend = Backend::planned(store.clone(), path, plan.planned.clone());
    match crate::script(&call) {
        Ok(Script::Block(_)) => Ok(vbd::check(&vbd::Disk::new(&call, host, &backend, &log)).await?),
        Ok(Script::Vif(wiring, _)) => Ok(vif::check(wiring, &call, host, &backend, &log).await?),
        Ok(Script::Disk(..) | Script::Cleanup) | Err(_) => Ok(()),
    }
}

fn parse(input: &str) -> Result<Vec<Plan>, InputError> {
    let mut plans: Vec<Plan> = Vec::new();
    let mut open: Option<Plan> = None;
    let body = input.strip_suffix('\0').unwrap_or(input);
    for field in body.split('\0').filter(|_| !body.is_empty()) {
        let wrong = |reason| InputError { number: plans.len() + 1, reason };
        match &mut open {
            None => {
                let name = field.split_once('/').filter(|(class, _)| matches!(*class, "vbd" | "vif"));
                let name = name.and_then(|(class, devid)| Some((class.to_owned(), devid.parse().ok()?)));
                let (class, devid) = name.ok_or(wrong("it does not begin with CLASS/DEVID"))?;
                open = Some(Plan { class, devid, ..Plan::default() });
            }
            Some(_) if field.is_empty() => plans.extend(open.take()),
            Some(plan) => match field.split_once(' ') {
                Some(("script", name)) => plan.script = name.to_owned(),
                Some(("argument", word)) => plan.arguments.push(word.to_owned()),
                Some(("vm", path)) => plan.planned.vm = Some(path.to_owned()),
                Some(("node", pair)) => {
                    let (name, value) = pair.split_once('=').ok_or(wrong("a node has no value"))?;
                    plan.planned.nodes.insert(name.to_owned(), value.to_owned());
                }
                _ => return Err(wrong("a field is unknown")),
            },
        }
    }
    match open {
        None => Ok(plans),
        Some(_) => Err(InputError { number: plans.len() + 1, reason: "its end is missing" }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_read() {
        let input = "vbd/768\0script block\0node type=phy\0node params=/dev/a=b\0vm /vm/x\0\0\
                     vif/0\0script vif-bridge\0argument bridge=br1\0\0";
        let plans = parse(input).unwrap();
        assert_eq!(plans.len(), 2);
        assert_eq!(plans[0].planned.nodes["params"], "/dev/a=b");
        assert_eq!(plans[0].planned.vm.as_deref(), Some("/vm/x"));
        assert_eq!((plans[1].class.as_str(), plans[1].devid), ("vif", 0));
        assert_eq!(plans[1].arguments, ["bridge=br1"]);
        assert_eq!(parse(""), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_device_is_named_by_its_place() {
        for (input, text) in [
            ("x", "cannot read device 1 of the input: it does not begin with CLASS/DEVID"),
            ("vbd/../1\0\0", "cannot read device 1 of the input: it does not begin with CLASS/DEVID"),
            ("vbd/1\0\0vif/0\0node x\0\0", "cannot read device 2 of the input: a node has no value"),
            ("vbd/1\0script block", "cannot read device 1 of the input: its end is missing"),
            ("vbd/1\0what\0\0", "cannot read device 1 of the input: a field is unknown"),
        ] {
            assert_eq!(parse(input).unwrap_err().to_string(), text, "{input:?}");
        }
    }
}
