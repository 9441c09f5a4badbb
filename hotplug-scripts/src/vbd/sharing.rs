//! Who else uses a disk.
//!
//! A disk may be written by one party at a time. The host's own use is in its list of mounts (and of swap), that
//! of guests in the store: every connected vbd has its device's number at `physical-device`. The caller holds the
//! lock `block` from the check until its own number is in the store, so two scripts cannot both find a disk free.

use super::{Disk, VbdError};
use crate::backend::{Backend, BackendError};
use crate::host::Host;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use xenstore::paths::node::vbd::{MODE, PHYSICAL_DEVICE};
use xenstore::paths::node::{TARGET, VM};

/// Length of a domain's name for life, as text.
const UUID_LEN: usize = 36;

/// What a guest may do with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Read it, while nobody writes it.
    Read,
    /// Write it, while nobody else has it.
    Write,
    /// Write it, whoever else does: the owner knows what he does (`w!`).
    Unchecked,
}

impl Mode {
    /// Reads a `mode` node.
    pub fn parse(text: &str) -> Self {
        match (text.contains('w'), text.contains('!')) {
            (false, _) => Mode::Read,
            (true, false) => Mode::Write,
            (true, true) => Mode::Unchecked,
        }
    }
}

/// A block device's number, written in the store in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceNumber {
    major: u32,
    minor: u32,
}

impl DeviceNumber {
    /// From the number that `stat` gives.
    pub fn from_raw(number: u64) -> Self {
        DeviceNumber { major: libc::major(number), minor: libc::minor(number) }
    }

    /// Reads a `physical-device` node.
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_in(text, 16)
    }

    fn parse_in(text: &str, radix: u32) -> Option<Self> {
        let (major, minor) = text.trim().split_once(':')?;
        let part = |text| u32::from_str_radix(text, radix).ok();
        Some(DeviceNumber { major: part(major)?, minor: part(minor)? })
    }

    /// The number of the block device at `path`, if there is one.
    fn of(path: &Path) -> Option<Self> {
        let meta = fs::metadata(path).ok()?;
        meta.file_type().is_block_device().then(|| Self::from_raw(meta.rdev()))
    }
}

impl fmt::Display for DeviceNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}:{:x}", self.major, self.minor)
    }
}

/// The disk that is asked for, as a text names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// A block device.
    Device {
        /// Its node.
        path: PathBuf,
    },
    /// An image that a loop device is already bound to.
    File {
        /// The image.
        file: PathBuf,
        /// The device.
        through: PathBuf,
    },
}

/// Who has the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Another domain.
    Guest,
    /// This host itself.
    Host,
}

/// A refusal, with its classic text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What was asked for.
    pub subject: Subject,
    /// Who has it.
    pub holder: Holder,
    /// How it was asked for.
    pub asked: Mode,
}

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.subject {
            Subject::Device { path } => write!(f, "Device {} is mounted ", path.display())?,
            Subject::File { file, through } => {
                let (file, through) = (file.display(), through.display());
                write!(f, "File {file} is loopback-mounted through {through},\nwhich is mounted ")?;
            }
        }
        let (use_of_theirs, use_of_ours) = match self.asked {
            Mode::Read => ("read-write ", "read-only "),
            Mode::Write | Mode::Unchecked => ("", ""),
        };
        let (who, end) = match self.holder {
            Holder::Guest => ("a guest domain", "now."),
            Holder::Host => ("the privileged domain", "by a guest."),
        };
        write!(f, "{use_of_theirs}in {who},\nand so cannot be mounted {use_of_ours}{end}")
    }
}

/// Fails when somebody else's use of the device `number` rules out the use asked for.
pub(super) async fn check(
    disk: &Disk<'_>,
    subject: &Subject,
    number: DeviceNumber,
    asked: Mode,
) -> Result<(), VbdError> {
    if asked == Mode::Unchecked {
        return Ok(());
    }
    let in_use = |holder| VbdError::InUse(Conflict { subject: subject.clone(), holder, asked });
    if host_uses(disk.host)?.iter().any(|used| used.number == number && used.rules_out(asked)) {
        return Err(in_use(Holder::Host));
    }
    if guest_uses(disk.backend, number, asked).await? {
        return Err(in_use(Holder::Guest));
    }
    Ok(())
}

/// A device that this host uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct HostUse {
    number: DeviceNumber,
    mode: Mode,
}

impl HostUse {
    fn rules_out(self, asked: Mode) -> bool {
        match asked {
            Mode::Unchecked => false,
            Mode::Write => true,
            Mode::Read => self.mode != Mode::Read,
        }
    }
}

/// Every device that is mounted here or swapped on.
fn host_uses(host: &Host) -> Result<Vec<HostUse>, VbdError> {
    let mounts = read(host.path("/proc/self/mountinfo"))?;
    // A kernel without swap lacks the list of it.
    let swaps = host.path("/proc/swaps");
    let swaps = if swaps.exists() { read(swaps)? } else { Vec::new() };
    let mut uses: Vec<HostUse> = mounts.split(|byte| *byte == b'\n').flat_map(mount).collect();
    let swapped = |line| DeviceNumber::of(&unescaped(words(line).next()?));
    let writing = |number| HostUse { number, mode: Mode::Write };
    uses.extend(swaps.split(|byte| *byte == b'\n').skip(1).filter_map(swapped).map(writing));
    Ok(uses)
}

fn read(path: PathBuf) -> Result<Vec<u8>, VbdError> {
    fs::read(&path).map_err(|source| VbdError::File { verb: "read", path, source })
}

/// A line of `mountinfo`: `ID PARENT MAJ:MIN ROOT POINT OPTIONS [TAG…] - TYPE SOURCE OPTIONS-OF-THE-FILESYSTEM`.
/// The filesystem's own options count: a read-only view of a filesystem does not keep others from writing it.
/// A filesystem over several devices has a made-up number, so its source counts too.
fn mount(line: &[u8]) -> Vec<HostUse> {
    let fields: Vec<&[u8]> = words(line).collect();
    let Some(dash) = fields.iter().position(|field| *field == b"-") else { return Vec::new() };
    let (Some(number), Some(source)) = (fields.get(2), fields.get(dash + 2)) else { return Vec::new() };
    let options = fields.get(dash + 3).copied().unwrap_or_default();
    let is_read_only = options.split(|byte| *byte == b',').any(|option| option == b"ro");
    let mode = if is_read_only { Mode::Read } else { Mode::Write };
    let listed = std::str::from_utf8(number).ok().and_then(|number| DeviceNumber::parse_in(number, 10));
    let named = source.starts_with(b"/").then(|| DeviceNumber::of(&unescaped(source))).flatten();
    listed
        .into_iter()
        .chain(named.filter(|_| named != listed))
        .map(|number| HostUse { number, mode })
        .collect()
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| *byte == b' ' || *byte == b'\t').filter(|word| !word.is_empty())
}

/// A path as the kernel lists it: blanks and backslashes as `\ooo`.
fn unescaped(text: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let digits =
            after.get(..3).filter(|_| first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// Whether another domain's vbd has the device in a way that rules out the use asked for.
async fn guest_uses(backend: &Backend, number: DeviceNumber, asked: Mode) -> Result<bool, BackendError> {
    for other in backend.siblings(PHYSICAL_DEVICE).await? {
        if DeviceNumber::parse(&other.value) != Some(number) {
            continue;
        }
        let theirs = Mode::parse(&backend.read_at(&other.path, MODE).await?.unwrap_or_default());
        let rules_out = asked == Mode::Write || theirs == Mode::Write;
        if rules_out && !is_same_vm(backend, &other.domid).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether `other` is the same machine as ours: itself, its next incarnation (a relocation onto the same host), or
/// its device-model domain.
async fn is_same_vm(backend: &Backend, other: &str) -> Result<bool, BackendError> {
    let Some(own) = backend.domid() else { return Ok(false) };
    if own == other {
        return Ok(true);
    }
    let (own, other) = (identities(backend, own).await?, identities(backend, other).await?);
    let same = |one: &Option<String>, two: &Option<String>| one.is_some() && one == two;
    Ok(same(&own.vm, &other.vm) || same(&own.served, &other.vm) || same(&own.vm, &other.served))
}

/// Which machine a domain is, and which one it serves.
struct Identities {
    vm: Option<String>,
    served: Option<String>,
}

async fn identities(backend: &Backend, domid: &str) -> Result<Identities, BackendError> {
    let vm = backend.of_domain(domid, VM).await?;
    let served = match backend.of_domain(domid, TARGET).await? {
        Some(target) => backend.of_domain(&target, VM).await?,
        None => None,
    };
    Ok(Identities {
        vm: vm.as_deref().and_then(vm_identity),
        served: served.as_deref().and_then(vm_identity),
    })
}

/// A `/vm/UUID` path without the `-1` that tells a second incarnation from the first.
fn vm_identity(path: &str) -> Option<String> {
    let name = path.trim_end_matches('/').rsplit('/').next().filter(|name| !name.is_empty())?;
    let is_uuid = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    match (name.get(..UUID_LEN), name.get(UUID_LEN..)) {
        (Some(uuid), Some(rest)) if is_uuid(uuid) && is_incarnation(rest) => Some(uuid.to_ascii_lowercase()),
        _ => Some(name.strip_suffix("-1").unwrap_or(name).to_owned()),
    }
}

fn is_incarnation(rest: &str) -> bool {
    rest.is_empty()
        || rest
            .strip_prefix('-')
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflict(subject: Subject, holder: Holder, asked: Mode) -> String {
        Conflict { subject, holder, asked }.to_string()
    }

    #[test]
    fn a_device_in_use_is_refused_with_the_classic_text() {
        let device = || Subject::Device { path: "/dev/vg0/mail".into() };
        assert_eq!(
            conflict(device(), Holder::Guest, Mode::Write),
            "Device /dev/vg0/mail is mounted in a guest domain,\nand so cannot be mounted now."
        );
        assert_eq!(
            conflict(device(), Holder::Guest, Mode::Read),
            "Device /dev/vg0/mail is mounted read-write in a guest domain,\n\
             and so cannot be mounted read-only now."
        );
        assert_eq!(
            conflict(device(), Holder::Host, Mode::Write),
            "Device /dev/vg0/mail is mounted in the privileged domain,\nand so cannot be mounted by a guest."
        );
        assert_eq!(
            conflict(device(), Holder::Host, Mode::Read),
            "Device /dev/vg0/mail is mounted read-write in the privileged domain,\n\
             and so cannot be mounted read-only by a guest."
        );
    }

    #[test]
    fn a_file_in_use_is_refused_with_the_classic_text() {
        let file = Subject::File { file: "/srv/mail.img".into(), through: "/dev/loop3".into() };
        assert_eq!(
            conflict(file, Holder::Guest, Mode::Write),
            "File /srv/mail.img is loopback-mounted through /dev/loop3,\nwhich is mounted in a guest domain,\n\
             and so cannot be mounted now."
        );
    }

    #[test]
    fn modes_are_read_as_the_original_did() {
        for (text, mode) in [
            ("r", Mode::Read),
            ("", Mode::Read),
            ("r!", Mode::Read),
            ("w", Mode::Write),
            ("rw", Mode::Write),
            ("w!", Mode::Unchecked),
            ("!w", Mode::Unchecked),
        ] {
            assert_eq!(Mode::parse(text), mode, "{text:?}");
        }
    }

    #[test]
    fn device_numbers_are_hexadecimal_without_prefix() {
        let number = DeviceNumber::from_raw(libc::makedev(254, 300));
        assert_eq!(number.to_string(), "fe:12c");
        assert_eq!(DeviceNumber::parse("fe:12c"), Some(number));
        assert_eq!(DeviceNumber::parse("FE:012C"), Some(number));
        for bad in ["", ":", "1", "x:1", "1:2:3", "fffffffff:1", "-1:2", "0x1:2"] {
            assert_eq!(DeviceNumber::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn a_mount_counts_by_its_number_and_by_its_filesystems_options() {
        let of = |line: &str| mount(line.as_bytes());
        let number = |text| DeviceNumber::parse_in(text, 10).unwrap();
        let line = "36 35 254:18 / /mnt ro,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue";
        assert_eq!(of(line), [HostUse { number: number("254:18"), mode: Mode::Write }]);
        let line = "36 35 254:18 / /mnt ro - iso9660 /dev/none ro,relatime";
        assert_eq!(of(line), [HostUse { number: number("254:18"), mode: Mode::Read }]);
        for broken in
            ["", "-", "1 2 3", "1 2 x:y / / rw - ext4 none rw", "36 35 8:1 / /mnt rw ext3 /dev/root rw"]
        {
            assert_eq!(of(broken), [], "{broken:?}");
        }
    }

    #[test]
    fn a_read_only_mount_rules_out_writing_only() {
        let number = DeviceNumber::parse("8:1").unwrap();
        let table = [
            (Mode::Read, Mode::Read, false),
            (Mode::Read, Mode::Write, true),
            (Mode::Write, Mode::Read, true),
            (Mode::Write, Mode::Write, true),
            (Mode::Write, Mode::Unchecked, false),
        ];
        for (mounted, asked, refused) in table {
            assert_eq!(HostUse { number, mode: mounted }.rules_out(asked), refused, "{mounted:?} {asked:?}");
        }
    }

    #[test]
    fn escaped_names_are_read() {
        assert_eq!(unescaped(br"/dev/a\040b\134c"), Path::new(r"/dev/a b\c"));
        assert_eq!(unescaped(br"/dev/a\9\04"), Path::new(r"/dev/a\9\04"));
        assert_eq!(unescaped(br"\777"), Path::new(r"\777"));
    }

    #[test]
    fn incarnations_of_a_machine_are_one() {
        let uuid = "0a1b2c3d-0000-1111-2222-333344445555";
        let of = |text: &str| vm_identity(text);
        assert_eq!(of(&format!("/vm/{uuid}")), Some(uuid.to_owned()));
        assert_eq!(of(&format!("/vm/{uuid}-1")), Some(uuid.to_owned()));
        assert_eq!(of(&format!("/vm/{uuid}-12")), Some(uuid.to_owned()));
        assert_ne!(of(&format!("/vm/{uuid}-x")), Some(uuid.to_owned()));
        assert_eq!(of("/vm/old-1"), Some("old".to_owned()));
        assert_eq!(of("/"), None);
        assert_eq!(of(""), None);
    }
}
