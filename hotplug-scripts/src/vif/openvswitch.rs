//! `vif-openvswitch`: the interface becomes a port of a bridge of Open vSwitch, by its program `ovs-vsctl`.

use super::parameters::Parameters;
use super::{Command, Done, Names, Port, Side, VifError, bridge, hooks, name};
use crate::netlink::{Switch, Vlan};
use std::process::{self, Stdio};
use xenstore::paths::node::NAME;
use xenstore::paths::node::vif::MAC;

pub(super) async fn connect(port: &Port<'_>, side: Side, command: Command) -> Result<(), VifError> {
    Parameters::of(port).await?;
    let (bridge, vlan) = bridge_of(port).await?;
    let names = Names::of(port, side).await?;
    let link = name(port, &names).await?;
    let words = words(port, (&link.name, &bridge), &vlan).await?;
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    port.faults.reach("add the interface to its bridge")?;
    run(port, &words).map_err(|says| VifError::OpenVswitch {
        dev: link.name.clone(),
        bridge: bridge.clone(),
        says,
    })?;
    port.links.switch(&link, Switch::On).await?;
    let done = Done { script: &port.call.script, command, dev: &link.name, bridge: &bridge };
    hooks::run(port, &done);
    port.log.info(&done.to_string());
    match side {
        Side::Paravirtual => Ok(port.backend.connected(&[]).await?),
        Side::Emulated => Ok(()),
    }
}

/// Whether the bridge is there; `ovs-vsctl` says so without an interface of ours.
pub(super) async fn check(port: &Port<'_>, dev: &str) -> Result<(), VifError> {
    let bridge = bridge_of(port).await?.0;
    let is_there = run(port, &["--timeout=5", "br-exists", &bridge]).is_ok();
    let says = format!("no bridge named {bridge}");
    if is_there { Ok(()) } else { Err(VifError::OpenVswitch { dev: dev.to_owned(), bridge, says }) }
}

/// The bridge that was asked for, once it is known that there is a program to ask about it.
async fn bridge_of(port: &Port<'_>) -> Result<(String, Vlan), VifError> {
    let asked = bridge::asked_for(port).await?.ok_or(VifError::NoBridge)?;
    let (bridge, vlan) = match bridge::with_vlan(&asked) {
        Some((bridge, vlan)) => (bridge.to_owned(), vlan),
        None => (asked, Vlan::default()),
    };
    match run(port, &["--version"]) {
        Ok(()) => Ok((bridge, vlan)),
        Err(_) => Err(VifError::NoOpenVswitch { bridge }),
    }
}

pub(super) async fn disconnect(port: &Port<'_>, side: Side, command: Command) -> Result<(), VifError> {
    let names = Names::of(port, side).await?;
    let dev = names.current();
    if let Err(error) = run(port, &["--timeout=30", "--", "--if-exists", "del-port", dev]) {
        port.log.debug(&format!("ignored: {error}"));
    }
    if let Some(link) = names.find(port).await? {
        let _ = port.links.switch(&link, Switch::Off).await;
    }
    let done = Done { script: &port.call.script, command, dev, bridge: "" };
    hooks::run(port, &done);
    port.log.info(&done.to_string());
    Ok(())
}

async fn words(port: &Port<'_>, (dev, bridge): (&str, &str), vlan: &Vlan) -> Result<Vec<String>, VifError> {
    let mut words: Vec<String> =
        ["--timeout=30", "--", "--if-exists", "del-port", dev, "--", "add-port", bridge, dev]
            .map(str::to_owned)
            .to_vec();
    words.extend(vlan.own.map(|tag| format!("tag={tag}")));
    if !vlan.tagged.is_empty() {
        let trunk: Vec<String> = vlan.tagged.iter().map(u16::to_string).collect();
        words.push(format!("trunk={}", trunk.join(",")));
    }
    let domid = port.backend.domid().unwrap_or_default().to_owned();
    let vm = port.backend.of_domain(&domid, "vm").await?;
    let known = [
        ("xen-vm-name", port.backend.of_domain(&domid, NAME).await?),
        ("xen-vm-uuid", vm.and_then(|vm| vm.rsplit('/').next().map(str::to_owned))),
        ("attached-mac", port.backend.read(MAC).await?),
    ];
    for (key, value) in known {
        // A quote would end the value; no name of a domain has one.
        let Some(value) = value.filter(|value| !value.contains(['"', '\\'])) else { continue };
        words.extend(["--", "set", "interface", dev].map(str::to_owned));
        words.push(format!("external-ids:\"{key}\"=\"{value}\""));
    }
    Ok(words)
}

/// What it complained of, when it did.
fn run(port: &Port<'_>, words: &[&str]) -> Result<(), String> {
    let mut command = process::Command::new("ovs-vsctl");
    command.args(words).env_clear().envs(port.call.environment()).stdin(Stdio::null());
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().replace('\n', " ")),
        Err(error) => Err(error.to_string()),
    }
}
