//! What disks behind an NBD device have in common: the device, its mark, and how both go again.

use super::{DeviceNumber, Disk, VbdError};
use crate::image_server::{self, Record};
use crate::nbd::{self, Attached, Export, Mark};
use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;
use xenstore::paths::node::vbd::{NODE, PHYSICAL_DEVICE};

/// Whether an earlier run has done all: a number in the store alone proves nothing, for `remove` leaves it there.
pub(super) async fn is_done(disk: &Disk<'_>) -> Result<bool, VbdError> {
    let Some(number) = disk.backend.read(PHYSICAL_DEVICE).await? else { return Ok(false) };
    let Some(record) = record(disk) else { return Ok(false) };
    let number = DeviceNumber::parse(&number);
    let is_served = record.server.is_none_or(|server| server.is_alive());
    Ok(is_served && devices(disk, &record).iter().any(|device| number.is_some() && device.number == number))
}

/// Makes a device of a connection and tells the backend.
pub(super) async fn attach(
    disk: &Disk<'_>,
    socket: &impl AsFd,
    export: Export,
    patience: Duration,
) -> Result<(), VbdError> {
    let folder = image_server::folder(disk.host, &disk.name()?);
    let mut record = Record::read(&folder).unwrap_or_default();
    record.connector = Some(std::process::id());
    record.write(&folder).map_err(|source| VbdError::File { verb: "write", path: folder, source })?;
    disk.faults.reach("attach the device")?;
    let device = nbd::attach(disk.host, socket.as_fd(), export, disk.tag.text(), patience)?;
    disk.faults.reach("tell the backend")?;
    let path = device.path.display().to_string();
    let number = device.number.ok_or_else(|| VbdError::File {
        verb: "look at",
        path: device.path,
        source: io::ErrorKind::NotFound.into(),
    })?;
    Ok(disk.backend.connected(&[(NODE, path), (PHYSICAL_DEVICE, number.to_string())]).await?)
}

/// Gives back the device, the server and the folder, as far as they are there. Every part is tried; the first error
/// is the answer.
pub(super) fn release(disk: &Disk<'_>) -> Result<(), VbdError> {
    let Ok(name) = disk.name() else { return Ok(()) };
    let folder = image_server::folder(disk.host, &name);
    let record = Record::read(&folder);
    let devices = devices(disk, &record.clone().unwrap_or_default());
    if record.is_none() && devices.is_empty() && !folder.exists() {
        return Ok(());
    }
    let record = record.unwrap_or_default();
    let detached = detach(disk, &devices);
    let ended = end(disk, &name, &record);
    // What could not be given back must be found again.
    detached.and(ended)?;
    disk.faults.reach("remove the folder of the disk")?;
    match fs::remove_dir_all(&folder) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(VbdError::File { verb: "remove", path: folder, source })
        }
        _ => Ok(()),
    }
}

fn detach(disk: &Disk<'_>, devices: &[Attached]) -> Result<(), VbdError> {
    disk.faults.reach("detach the device")?;
    let each = devices.iter().map(|device| nbd::detach(disk.host, device));
    // Each of them, before the first error is told.
    let all: Vec<_> = each.collect();
    Ok(all.into_iter().collect::<Result<(), _>>()?)
}

fn end(disk: &Disk<'_>, name: &str, record: &Record) -> Result<(), VbdError> {
    disk.faults.reach("end the image server")?;
    if let Some(messages) = image_server::stop(disk.host, name, record)? {
        disk.log.info(&format!("the image server of {name} said: {messages}"));
    }
    Ok(())
}

pub(super) fn record(disk: &Disk<'_>) -> Option<Record> {
    Record::read(&image_server::folder(disk.host, &disk.name().ok()?))
}

fn devices(disk: &Disk<'_>, record: &Record) -> Vec<Attached> {
    nbd::attached(disk.host, Mark { text: disk.tag.text(), by: record.connector })
}
