//! The kernel's NBD devices: attached over generic netlink, found again by their mark.
//!
//! A mark is the backend identifier that Linux keeps since 5.14 at `/sys/block/nbdN/backend`. An older kernel has
//! only the number of the process that attached the device, which the caller wrote down beforehand.

use super::Export;
use super::generic_netlink::{Attributes, Family, attribute};
use crate::host::Host;
use crate::vbd::DeviceNumber;
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const FAMILY: &str = "nbd";
const CONNECT: u8 = 1;
const DISCONNECT: u8 = 2;

const INDEX: u16 = 1;
const SIZE_BYTES: u16 = 2;
const BLOCK_SIZE_BYTES: u16 = 3;
const TIMEOUT: u16 = 4;
const SERVER_FLAGS: u16 = 5;
const SOCKETS: u16 = 7;
const SOCKET_ITEM: u16 = 1;
const SOCKET_FD: u16 = 1;
const BACKEND_IDENTIFIER: u16 = 10;

/// Bytes of a sector, which partition tables inside count in. Left open, the kernel takes 1024.
const SECTOR: u64 = 512;
/// How long a device may take to let go.
const DETACH_LIMIT: Duration = Duration::from_secs(15);
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What can go wrong with NBD devices.
#[derive(Debug, thiserror::Error)]
pub enum NbdError {
    /// The kernel has no driver, and could not load it.
    #[error("cannot make a block device of a connection: the kernel has no module nbd")]
    NoDriver,
    /// The kernel refused.
    #[error("cannot {verb} {device}")]
    Refused {
        /// What was tried.
        verb: &'static str,
        /// Which device.
        device: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// A device did not let go in time.
    #[error("{device} is still attached after {DETACH_LIMIT:?}")]
    StillThere {
        /// Which device.
        device: String,
    },
}

/// A device and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attached {
    /// Its number among its kind.
    pub index: u32,
    /// Its node.
    pub path: PathBuf,
    /// Its number as a device.
    pub number: Option<DeviceNumber>,
}

/// Whose devices are meant.
#[derive(Clone, Copy, Debug)]
pub struct Mark<'a> {
    /// Written into the device.
    pub text: &'a str,
    /// Which process attached it, for a kernel that keeps no text.
    pub by: Option<u32>,
}

/// Makes a free device of a connection whose handshake is done, with a mark in it. A request that is not answered for
/// `patience` ends the connection; zero waits for ever.
pub fn attach(
    host: &Host,
    socket: BorrowedFd<'_>,
    export: Export,
    mark: &str,
    patience: Duration,
) -> Result<Attached, NbdError> {
    let family = family()?;
    let item = Attributes::default().u32(SOCKET_FD, socket.as_raw_fd().cast_unsigned());
    let sockets = Attributes::default().nested(SOCKET_ITEM, item);
    let wish = Attributes::default()
        .u64(SIZE_BYTES, export.bytes)
        .u64(BLOCK_SIZE_BYTES, SECTOR)
        .u64(TIMEOUT, patience.as_secs())
        .u64(SERVER_FLAGS, export.flags.into())
        .nested(SOCKETS, sockets)
        .text(BACKEND_IDENTIFIER, mark);
    let fail = |source| NbdError::Refused { verb: "attach", device: "a free nbd device".to_owned(), source };
    let answer = family.request(CONNECT, &wish).map_err(fail)?;
    let index = attribute(&answer, INDEX).and_then(|value| Some(u32::from_ne_bytes(value.try_into().ok()?)));
    let index = index.ok_or_else(|| fail(io::Error::from(io::ErrorKind::InvalidData)))?;
    Ok(device(host, index))
}

/// Every attached device with this mark.
pub fn attached(host: &Host, mark: Mark<'_>) -> Vec<Attached> {
    let entries = fs::read_dir(host.path("/sys/block")).into_iter().flatten().flatten();
    let mut found: Vec<_> = entries
        .filter_map(|entry| entry.file_name().to_str()?.strip_prefix(FAMILY)?.parse().ok())
        .filter(|index| is_marked(host, *index, mark))
        .map(|index| device(host, index))
        .collect();
    found.sort_by_key(|device| device.index);
    found
}

/// Ends a device's connection and waits until it is free. One that is free already is fine.
pub fn detach(host: &Host, device: &Attached) -> Result<(), NbdError> {
    let name = || format!("nbd{}", device.index);
    let result = family()?.request(DISCONNECT, &Attributes::default().u32(INDEX, device.index));
    match result {
        Err(source) if !matches!(source.raw_os_error(), Some(libc::EINVAL | libc::ENOENT | libc::ENODEV)) => {
            return Err(NbdError::Refused { verb: "detach", device: name(), source });
        }
        _ => {}
    }
    let deadline = Instant::now() + DETACH_LIMIT;
    while holder(host, device.index).is_some() {
        if Instant::now() >= deadline {
            return Err(NbdError::StillThere { device: name() });
        }
        std::thread::sleep(LOOK_EVERY);
    }
    Ok(())
}

/// The driver's family; its module is loaded where that is needed.
fn family() -> Result<Family, NbdError> {
    let find = || {
        Family::find(FAMILY).map_err(|source| NbdError::Refused {
            verb: "ask the kernel for",
            device: "its nbd driver".to_owned(),
            source,
        })
    };
    if let Some(family) = find()? {
        return Ok(family);
    }
    let mut modprobe = Command::new("modprobe");
    // Partitions are the guest's affair: this kernel shall not read its tables.
    modprobe.args([FAMILY, "max_part=0"]).env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
    let _ = modprobe.stdin(Stdio::null()).stdout(Stdio::null()).status();
    find()?.ok_or(NbdError::NoDriver)
}

fn device(host: &Host, index: u32) -> Attached {
    let number = sysfs(host, index, "dev").and_then(|text| DeviceNumber::parse_decimal(&text));
    Attached { index, path: host.path(format!("/dev/nbd{index}")), number }
}

fn is_marked(host: &Host, index: u32, mark: Mark<'_>) -> bool {
    let Some(by) = holder(host, index) else { return false };
    match sysfs(host, index, "backend") {
        Some(text) => text == mark.text,
        None => mark.by == Some(by),
    }
}

/// The process that attached the device; `None` while it is free.
fn holder(host: &Host, index: u32) -> Option<u32> {
    sysfs(host, index, "pid")?.parse().ok()
}

fn sysfs(host: &Host, index: u32, name: &str) -> Option<String> {
    let text = fs::read_to_string(host.path(format!("/sys/block/nbd{index}/{name}"))).ok()?;
    Some(text.trim_end_matches('\n').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Folder;

    #[test]
    fn a_device_is_known_by_its_mark_or_on_an_old_kernel_by_its_maker() {
        let folder = Folder::new("nbd");
        let file = |name: &str, text: &str| {
            let path = folder.path().join("sys/block").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        file("nbd0/dev", "43:0\n");
        file("nbd1/pid", "77\n");
        file("nbd1/backend", "mine\n");
        file("nbd1/dev", "43:32\n");
        file("nbd2/pid", "78\n");
        file("nbd2/backend", "other\n");
        file("nbd3/pid", "79\n");
        file("sda/pid", "77\n");
        let host = Host::new(folder.path());
        let of =
            |text, by| attached(&host, Mark { text, by }).iter().map(|one| one.index).collect::<Vec<_>>();
        assert_eq!(of("mine", None), [1]);
        assert_eq!(of("mine", Some(79)), [1, 3]);
        assert_eq!(of("none", Some(78)).len(), 0, "a mark of another's is stronger than a number");
        let one = &attached(&host, Mark { text: "mine", by: None })[0];
        assert_eq!(one.number.unwrap().to_string(), "2b:20");
        assert_eq!(one.path, folder.path().join("dev/nbd1"));
    }
}
