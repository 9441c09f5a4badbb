//! Who else uses a disk.
//!
//! A disk may be written by one party at a time. The host's own use is in its list of mounts (and of swap), that
//! of guests in the store: every connected vbd has its device's number at `physical-device`. The caller holds the
//! lock `block` from the check until its own number is in the store, so two scripts cannot both find a disk free.
//! A use of a device that shares bytes with the one asked for counts as a use of it ([`super::kinship`]).

use super::kinship::{kin, name};
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
use xenstore::paths::node::{NAME, TARGET, VM};

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

    /// The word of configurations.
    pub fn word(self) -> &'static str {
        match self {
            Mode::Read => "r",
            Mode::Write => "w",
            Mode::Unchecked => "w!",
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

    /// The number that `stat` gives.
    pub fn raw(self) -> u64 {
        libc::makedev(self.major, self.minor)
    }

    /// Reads a `physical-device` node.
    pub fn parse(text: &str) -> Option<Self> {
        Self::parse_in(text, 16)
    }

    /// As the kernel's lists have it.
    pub(super) fn decimal(self) -> String {
        format!("{}:{}", self.major, self.minor)
    }

    /// Reads a device's number as the kernel lists it, in decimal.
    pub fn parse_decimal(text: &str) -> Option<Self> {
        Self::parse_in(text, 10)
    }

    pub(super) fn parse_in(text: &str, radix: u32) -> Option<Self> {
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// Another domain.
    Guest {
        /// Its number.
        domid: String,
        /// Its name.
        name: Option<String>,
        /// Its vbd.
        devid: String,
        /// What it may do.
        mode: Mode,
    },
    /// This host itself.
    Host {
        /// Where it is mounted; nothing where it is swapped on.
        mounted_at: Option<PathBuf>,
        /// What it may do.
        mode: Mode,
    },
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let way = |mode: &Mode| if *mode == Mode::Read { "read-only" } else { "read-write" };
        match self {
            Holder::Guest { domid, name, devid, mode } => {
                let name = name.as_ref().map_or_else(String::new, |name| format!(" ({name})"));
                write!(f, "is vbd {devid} of domain {domid}{name}, {}", way(mode))
            }
            Holder::Host { mounted_at: Some(place), mode } => {
                write!(f, "is mounted at {} on this host, {}", place.display(), way(mode))
            }
            Holder::Host { mounted_at: None, .. } => write!(f, "holds swap of this host"),
        }
    }
}

/// A refusal, with its classic text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// What was asked for.
    pub subject: Subject,
    /// Who has it.
    pub holder: Holder,
    /// The kernel's name of what he has, which may be a part of what was asked for, or the whole.
    pub held: String,
    /// How it was asked for.
    pub asked: Mode,
}

impl Conflict {
    /// Who has what, in one line.
    pub fn because(&self) -> String {
        format!("{} {}", self.held, self.holder)
    }

    /// What to do about it.
    pub fn remedy(&self) -> String {
        let let_go = match &self.holder {
            Holder::Guest { domid, name, .. } => {
                format!("detach it from {} first", name.as_ref().unwrap_or(domid))
            }
            Holder::Host { mounted_at: Some(place), .. } => format!("umount {}", place.display()),
            Holder::Host { mounted_at: None, .. } => format!("swapoff /dev/{}", self.held),
        };
        match self.asked {
            Mode::Read => format!("{let_go}, or let its holder have it read-only"),
            Mode::Write | Mode::Unchecked => {
                format!(
                    "{let_go}; to share it, give it read-only (mode r) to all, or as w! if all know how to share"
                )
            }
        }
    }
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
        let (who, end) = match &self.holder {
            Holder::Guest { .. } => ("a guest domain", "now."),
            Holder::Host { .. } => ("the privileged domain", "by a guest."),
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
    let kin = kin(disk.host, number);
    let in_use = |held: DeviceNumber, holder| {
        let held = name(disk.host, held).unwrap_or_else(|| format!("device {}", held.decimal()));
        VbdError::InUse(Box::new(Conflict { subject: subject.clone(), holder, held, asked }))
    };
    let uses = host_uses(disk.host)?;
    if let Some(used) = uses.into_iter().find(|used| kin.contains(&used.number) && used.rules_out(asked)) {
        let HostUse { number, mode, mounted_at } = used;
        return Err(in_use(number, Holder::Host { mounted_at, mode }));
    }
    if let Some((held, holder)) = guest_use(disk.backend, &kin, asked).await? {
        return Err(in_use(held, holder));
    }
    Ok(())
}

/// A device that this host uses.
#[derive(Clone, Debug, PartialEq, Eq)]
struct HostUse {
    number: DeviceNumber,
    mode: Mode,
    mounted_at: Option<PathBuf>,
}

impl HostUse {
    fn rules_out(&self, asked: Mode) -> bool {
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
    let writing = |number| HostUse { number, mode: Mode::Write, mounted_at: None };
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
    let (Some(number), Some(place), Some(source)) = (fields.get(2), fields.get(4), fields.get(dash + 2))
    else {
        return Vec::new();
    };
    let mounted_at = Some(unescaped(place));
    let options = fields.get(dash + 3).copied().unwrap_or_default();
    let is_read_only = options.split(|byte| *byte == b',').any(|option| option == b"ro");
    let mode = if is_read_only { Mode::Read } else { Mode::Write };
    let listed = std::str::from_utf8(number).ok().and_then(|number| DeviceNumber::parse_in(number, 10));
    let named = source.starts_with(b"/").then(|| DeviceNumber::of(&unescaped(source))).flatten();
    listed
        .into_iter()
        .chain(named.filter(|_| named != listed))
        .map(|number| HostUse { number, mode, mounted_at: mounted_at.clone() })
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

/// Another domain's vbd that has one of the devices in a way that rules out the use asked for.
async fn guest_use(
    backend: &Backend,
    kin: &[DeviceNumber],
    asked: Mode,
) -> Result<Option<(DeviceNumber, Holder)>, BackendError> {
    for other in backend.siblings(PHYSICAL_DEVICE).await? {
        let Some(held) = DeviceNumber::parse(&other.value).filter(|number| kin.contains(number)) else {
            continue;
        };
        let mode = Mode::parse(&backend.read_at(&other.path, MODE).await?.unwrap_or_default());
        let rules_out = asked == Mode::Write || mode == Mode::Write;
        if rules_out && !is_same_vm(backend, &other.domid).await? {
            let name = backend.of_domain(&other.domid, NAME).await?;
            let devid = other.path.rsplit('/').next().unwrap_or_default().to_owned();
            return Ok(Some((held, Holder::Guest { domid: other.domid, name, devid, mode })));
        }
    }
    Ok(None)
}

/// Whether `other` is the same machine as ours: itself, its next incarnation (a relocation onto the same host), or
/// its device-model domain.
pub(super) async fn is_same_vm(backend: &Backend, other: &str) -> Result<bool, BackendError> {
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

    #[derive(Clone, Copy)]
    enum By {
        Guest,
        Host,
    }

    fn conflict(subject: Subject, by: By, asked: Mode) -> String {
        let holder = match by {
            By::Guest => Holder::Guest {
                domid: "5".to_owned(),
                name: Some("web".to_owned()),
                devid: "51713".to_owned(),
                mode: Mode::Write,
            },
            By::Host => Holder::Host { mounted_at: Some("/srv".into()), mode: Mode::Write },
        };
        Conflict { subject, holder, held: "sda1".to_owned(), asked }.to_string()
    }

    #[test]
    fn the_holder_is_named_and_what_to_do() {
        let conflict = |holder, asked| {
            let subject = Subject::Device { path: "/dev/sda".into() };
            let conflict = Conflict { subject, holder, held: "sda1".to_owned(), asked };
            (conflict.because(), conflict.remedy())
        };
        let guest = |name: Option<&str>, mode| Holder::Guest {
            domid: "5".to_owned(),
            name: name.map(str::to_owned),
            devid: "51713".to_owned(),
            mode,
        };
        let (because, remedy) = conflict(guest(Some("web"), Mode::Write), Mode::Read);
        assert_eq!(because, "sda1 is vbd 51713 of domain 5 (web), read-write");
        assert_eq!(remedy, "detach it from web first, or let its holder have it read-only");
        assert_eq!(
            conflict(guest(None, Mode::Read), Mode::Write).0,
            "sda1 is vbd 51713 of domain 5, read-only"
        );
        let host =
            |place: Option<&str>| Holder::Host { mounted_at: place.map(Into::into), mode: Mode::Write };
        let (because, remedy) = conflict(host(Some("/srv/a b")), Mode::Write);
        assert_eq!(because, "sda1 is mounted at /srv/a b on this host, read-write");
        assert!(remedy.starts_with("umount /srv/a b; to share it, give it read-only (mode r)"), "{remedy}");
        let (because, remedy) = conflict(host(None), Mode::Write);
        assert_eq!(because, "sda1 holds swap of this host");
        assert!(remedy.starts_with("swapoff /dev/sda1; "), "{remedy}");
    }

    #[test]
    fn a_device_in_use_is_refused_with_the_classic_text() {
        let device = || Subject::Device { path: "/dev/vg0/mail".into() };
        assert_eq!(
            conflict(device(), By::Guest, Mode::Write),
            "Device /dev/vg0/mail is mounted in a guest domain,\nand so cannot be mounted now."
        );
        assert_eq!(
            conflict(device(), By::Guest, Mode::Read),
            "Device /dev/vg0/mail is mounted read-write in a guest domain,\n\
             and so cannot be mounted read-only now."
        );
        assert_eq!(
            conflict(device(), By::Host, Mode::Write),
            "Device /dev/vg0/mail is mounted in the privileged domain,\nand so cannot be mounted by a guest."
        );
        assert_eq!(
            conflict(device(), By::Host, Mode::Read),
            "Device /dev/vg0/mail is mounted read-write in the privileged domain,\n\
             and so cannot be mounted read-only by a guest."
        );
    }

    #[test]
    fn a_file_in_use_is_refused_with_the_classic_text() {
        let file = Subject::File { file: "/srv/mail.img".into(), through: "/dev/loop3".into() };
        assert_eq!(
            conflict(file, By::Guest, Mode::Write),
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
        let at = Some(PathBuf::from("/mnt"));
        let line = "36 35 254:18 / /mnt ro,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue";
        assert_eq!(
            of(line),
            [HostUse { number: number("254:18"), mode: Mode::Write, mounted_at: at.clone() }]
        );
        let line = "36 35 254:18 / /mnt ro - iso9660 /dev/none ro,relatime";
        assert_eq!(of(line), [HostUse { number: number("254:18"), mode: Mode::Read, mounted_at: at }]);
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
            assert_eq!(
                HostUse { number, mode: mounted, mounted_at: None }.rules_out(asked),
                refused,
                "{mounted:?} {asked:?}"
            );
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
