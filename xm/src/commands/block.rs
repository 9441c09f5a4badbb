//! `xm block-attach`, `xm block-configure`, `xm block-detach`, `xm block-list` (`xm-commands` §3.13, §3.14).
//!
//! Disks are checked by the daemon, which knows those of the other domains as well; what is typed here goes to it as it is.

use xend_api::Sxp;

use super::Session;
use super::devices::{self, Device, Table};
use crate::report::Failure;

const TABLE: Table = Table { class: "vbd", header: "Vdev  BE handle state evt-ch ring-ref BE-path", row };

pub(super) fn list(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    devices::list(session, args, &TABLE)
}

pub(super) fn attach(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    send(session, args, "domain.device_create")
}

pub(super) fn configure(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    send(session, args, "domain.device_configure")
}

pub(super) fn detach(session: &mut Session<'_>, args: &[String]) -> Result<(), Failure> {
    let words = session.words(args, 2, 3)?;
    let device = || Sxp::from(words[1]);
    let answer = session.call("domain.getBlockDeviceClass", [Sxp::from(words[0]), device()])?;
    // Of a device that is not there it knows no class. It says so itself when that device is to be taken away.
    let class = answer.text().unwrap_or(TABLE.class);
    devices::detach(session, &words, class, device())
}

/// Sends the disk of the words `DOMAIN BACKDEV FRONTDEV MODE [BACKDOMAIN]`.
fn send(session: &mut Session<'_>, args: &[String], method: &str) -> Result<(), Failure> {
    let words = session.words(args, 4, 5)?;
    let names = ["uname", "dev", "mode", "backend"];
    let members = names.into_iter().zip(&words[1..]).map(|(name, word)| Sxp::pair(name, *word));
    let disk = Sxp::form(class(words[1]), members);
    session.call(method, [Sxp::from(words[0]), disk]).map(drop)
}

/// The class of a disk by where it lies.
fn class(source: &str) -> &'static str {
    match source.split_once(':') {
        Some(("tap2", _)) => "tap2",
        Some(("tap", _)) => "tap",
        _ => TABLE.class,
    }
}

fn row(device: &Device<'_>) -> String {
    let devid = device.devid();
    let (domid, handle) = (device.int("backend-id", -1), device.int("handle", 0));
    let (state, channel) = (device.int("state", -1), device.int("event-channel", -1));
    let (ring, path) = (device.int("ring-ref", -1), device.text("backend"));
    format!("{devid:<5}  {domid:<3}  {handle:<3}   {state:<3}    {channel:<3}    {ring:<5} {path:<30}  ")
}
