//! `iscsi:iqn=IQN;portal=ADDRESS:PORT[;multipath=y]` disks, by the programs of open-iscsi; commas will do, too.
//!
//! ```text
//! add     record -> discovery -> log in -> wait for the device -> lock -> who else has it? -> node,
//!         physical-device, hotplug-status in one transaction
//! remove  log out of the session that the record names -> folder of the disk
//! ```

use super::sharing::{self, Subject};
use super::{Disk, Mode, VbdError, attached, phy};
use crate::host::is_executable;
use crate::image_server::{self, Record};
use crate::lock::{BLOCK, ISCSI, Lock};
use crate::program::{self, ProgramError};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;
use xenstore::paths::node::vbd::{MODE, NODE, PARAMS, PHYSICAL_DEVICE};

const PROGRAM: &str = "iscsiadm";
const FOLDERS: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/bin"];
/// How long the program may take for one of its works.
const PROGRAM_LIMIT: Duration = Duration::from_secs(40);
/// How long the kernel may take to find the disk behind a session.
const DEVICE_LIMIT: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// What iscsiadm ends with when there is no such record, or no session.
const NO_RECORD: i32 = 21;
const NO_SESSION: i32 = 2;
/// What it ends with when the session is there already.
const SESSION_EXISTS: i32 = 15;

/// A disk of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Target {
    iqn: String,
    portal: String,
    multipath: Paths,
}

/// Whether several ways lead to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paths {
    One,
    Several,
}

/// Opens a session and tells the backend the disk's number.
pub(super) async fn add(disk: &Disk<'_>) -> Result<(), VbdError> {
    let (params, mode, number) = tokio::join!(
        disk.backend.required(PARAMS),
        disk.backend.required(MODE),
        disk.backend.read(PHYSICAL_DEVICE)
    );
    let (params, mode) = (params?, Mode::parse(&mode?));
    let target = Target::parse(&params).ok_or(VbdError::IscsiTarget { params })?;
    let record = attached::record(disk);
    if number?.is_some() && record.as_ref().is_some_and(|record| target.is_session_of(record)) {
        return Ok(disk.backend.connected(&[]).await?);
    }
    if record.is_some() {
        remove(disk).await?;
    }
    // Whoever finds it closed opens it: another disk's script must not find it closed meanwhile, and then close ours.
    let alone = Lock::acquire(disk.host, ISCSI)?;
    if is_open(disk, &target).await? {
        return Err(VbdError::IscsiOpen { iqn: target.iqn });
    }
    let done = match open(disk, &target).await {
        Ok(()) => {
            drop(alone);
            connect(disk, &target, mode).await
        }
        // Opened by somebody else after all: it is not ours to close.
        Err(VbdError::Iscsi(ProgramError::Failed { code: Some(SESSION_EXISTS), .. })) => {
            attached::release(disk)?;
            return Err(VbdError::IscsiOpen { iqn: target.iqn });
        }
        failed => failed,
    };
    if done.is_err() {
        remove(disk).await?;
    }
    done
}

/// Ends the session that was opened for this disk. None there is fine.
pub(super) async fn remove(disk: &Disk<'_>) -> Result<(), VbdError> {
    let session = attached::record(disk).and_then(|record| record.session);
    // A script that was killed before it logged in may have written down what another disk's then opened.
    let own = disk.name().ok();
    let is_another_s = |session: &(String, String)| {
        let others = image_server::all(disk.host).into_iter();
        others
            .filter(|(name, _)| own.as_ref() != Some(name))
            .any(|(_, r)| r.session.as_ref() == Some(session))
    };
    if let Some((iqn, portal)) = session.filter(|session| !is_another_s(session)) {
        disk.faults.reach("log out of the target")?;
        match iscsiadm(disk, &["-m", "node", "-T", &iqn, "-p", &portal, "--logout"]).await {
            Err(VbdError::Iscsi(ProgramError::Failed { code: Some(NO_RECORD | NO_SESSION), .. })) => {}
            ended => drop(ended?),
        }
    }
    attached::release(disk)
}

async fn open(disk: &Disk<'_>, target: &Target) -> Result<(), VbdError> {
    let folder = image_server::folder(disk.host, &disk.name()?);
    let session = Some((target.iqn.clone(), target.portal.clone()));
    disk.faults.reach("write down the session")?;
    let written = Record { session, ..Record::default() }.write(&folder);
    written.map_err(|source| VbdError::File { verb: "write", path: folder, source })?;
    disk.faults.reach("discover the target")?;
    iscsiadm(disk, &["-m", "discovery", "-t", "sendtargets", "-p", &target.portal]).await?;
    disk.faults.reach("log in to the target")?;
    iscsiadm(disk, &["-m", "node", "-T", &target.iqn, "-p", &target.portal, "--login"]).await.map(drop)
}

async fn connect(disk: &Disk<'_>, target: &Target, mode: Mode) -> Result<(), VbdError> {
    let path = device(disk, target).await?;
    let (path, number) = phy::resolve(path)?;
    let _lock = Lock::acquire(disk.host, BLOCK)?;
    super::file::check_state(disk).await?;
    sharing::check(disk, &Subject::Device { path: path.clone() }, number, mode).await?;
    disk.faults.reach("tell the backend")?;
    let nodes = [(NODE, path.display().to_string()), (PHYSICAL_DEVICE, number.to_string())];
    Ok(disk.backend.connected(&nodes).await?)
}

async fn is_open(disk: &Disk<'_>, target: &Target) -> Result<bool, VbdError> {
    match iscsiadm(disk, &["-m", "session"]).await {
        Ok(said) => Ok(said.split_whitespace().any(|word| word == target.iqn)),
        // Its way to say that there is none at all.
        Err(VbdError::Iscsi(ProgramError::Failed { code: Some(NO_RECORD), .. })) => Ok(false),
        Err(error) => Err(error),
    }
}

async fn iscsiadm(disk: &Disk<'_>, words: &[&str]) -> Result<String, VbdError> {
    let places = FOLDERS.map(|folder| disk.host.path(folder).join(PROGRAM));
    let program = places.iter().find(|path| is_executable(path)).and_then(|path| path.to_str());
    Ok(program::run(program.ok_or(VbdError::NoIscsi)?, words, PROGRAM_LIMIT).await?)
}

/// The block device of the target's first unit, once the kernel (for several ways, multipathd) has made it.
async fn device(disk: &Disk<'_>, target: &Target) -> Result<PathBuf, VbdError> {
    let deadline = Instant::now() + DEVICE_LIMIT;
    loop {
        let found = first_unit(disk, target).and_then(|path| match target.multipath {
            Paths::One => Some(path),
            Paths::Several => mapped(disk, &path),
        });
        // The kernel shows a device a moment before it has a node.
        match found.filter(|path| path.exists()) {
            Some(path) => return Ok(path),
            None if Instant::now() >= deadline => {
                return Err(VbdError::NoIscsiDevice { iqn: target.iqn.clone(), limit: DEVICE_LIMIT });
            }
            None => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}

/// The first unit, where the kernel shows it: udev's names come later, and not on every host.
///
/// ```text
///   /sys/class/iscsi_session/session1/targetname
///                                     device/target2:0:0/2:0:0:0/block/sda
/// ```
fn first_unit(disk: &Disk<'_>, target: &Target) -> Option<PathBuf> {
    let is_target_s = |session: &PathBuf| {
        fs::read_to_string(session.join("targetname")).is_ok_and(|name| name.trim() == target.iqn)
    };
    let sessions = below(&disk.host.path("/sys/class/iscsi_session"), |_| true).filter(is_target_s);
    let targets =
        sessions.flat_map(|session| below(&session.join("device"), |name| name.starts_with("target")));
    let mut units = targets.flat_map(|target| below(&target, |name| name.ends_with(":0")));
    let block = units.find_map(|unit| below(&unit.join("block"), |_| true).next())?;
    Some(disk.host.path("/dev").join(block.file_name()?))
}

fn below(folder: &Path, passes: fn(&str) -> bool) -> impl Iterator<Item = PathBuf> + use<> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter(move |entry| passes(&entry.file_name().to_string_lossy())).map(|entry| entry.path())
}

/// The device that multipathd made over the disk.
fn mapped(disk: &Disk<'_>, path: &Path) -> Option<PathBuf> {
    let plain = fs::canonicalize(path).ok()?;
    let name = plain.file_name()?.to_str()?;
    let mut holders = fs::read_dir(disk.host.path(format!("/sys/block/{name}/holders"))).ok()?.flatten();
    let holder = holders.find_map(|entry| entry.file_name().into_string().ok())?;
    let name = fs::read_to_string(disk.host.path(format!("/sys/block/{holder}/dm/name"))).ok()?;
    Some(disk.host.path("/dev/mapper").join(name.trim()))
}

impl Target {
    fn parse(params: &str) -> Option<Self> {
        let (mut iqn, mut portal, mut multipath) = (None, None, Paths::One);
        // A comma ends the source in a domain file; a semicolon does not.
        for pair in params.split([',', ';']) {
            match pair.split_once('=')? {
                ("iqn", value) => iqn = Some(value),
                ("portal", value) => portal = Some(value),
                ("multipath", "y") => multipath = Paths::Several,
                ("multipath", "n") => {}
                _ => return None,
            }
        }
        // They become words of a program, and a line of a record.
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-:_[]%".contains(&byte);
        let is_word = |word: &&str| {
            !word.is_empty() && word.len() < 256 && !word.starts_with('-') && word.bytes().all(fits)
        };
        let (iqn, portal) = (iqn.filter(is_word)?.to_owned(), portal.filter(is_word)?.to_owned());
        Some(Target { iqn, portal, multipath })
    }

    fn is_session_of(&self, record: &Record) -> bool {
        record.session.as_ref().is_some_and(|(iqn, portal)| *iqn == self.iqn && *portal == self.portal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_named_by_its_iqn_and_portal() {
        let target =
            Target::parse("iqn=iqn.2001-04.com.example:a,portal=192.0.2.1:3260,multipath=y").unwrap();
        assert_eq!(target.iqn, "iqn.2001-04.com.example:a");
        assert_eq!((target.portal.as_str(), target.multipath), ("192.0.2.1:3260", Paths::Several));
        assert_eq!(Target::parse("portal=[2001:db8::1]:3260;iqn=a").unwrap().multipath, Paths::One);
        for bad in [
            "",
            "iqn.x",
            "iqn=a",
            "portal=b",
            "iqn=,portal=b",
            "iqn=-T,portal=b",
            "iqn=a b,portal=c",
            "iqn=a,portal=b,x=y",
            "iqn=a\nserver,portal=b",
        ] {
            assert_eq!(Target::parse(bad), None, "{bad:?}");
        }
    }
}
