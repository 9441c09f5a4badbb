//! Variables to the `(vm …)` that the daemon gets, member for member in the order of the original (`xm-commands` §4.7).
//!
//! `image` writes the kernel and the platform; `devices`, `pci`, `vscsi` and `vtpm` the devices, `cpuid` its tables;
//! `pairs` reads the `key=value,…` texts; `faults` collects what is wrong. Nothing here opens a file; what the conversion
//! must know of the host comes in [`Surroundings`].

pub(crate) mod cpuid;
mod devices;
mod error;
mod faults;
mod image;
mod pairs;
mod pci;
mod vscsi;
mod vtpm;

use std::path::{Path, PathBuf};

use xend_api::Sxp;

pub use error::ConvertError;
use faults::Faults;
pub use faults::Finding;
pub use pci::Slot as PciSlot;

use super::settings::Settings;

/// What a conversion needs to know of the process and the host.
#[derive(Clone, Debug)]
pub struct Surroundings {
    /// The current folder.
    pub current_dir: PathBuf,
    /// `$DISPLAY`.
    pub display: Option<String>,
    /// `$XAUTHORITY`, or the file in the home folder that stands for it.
    pub xauthority: String,
    /// Will a console be attached? The boot loader is then not told to be quiet.
    pub console: bool,
    /// Is there such a file?
    pub exists: fn(&Path) -> bool,
    /// What a path leads to when its links are followed.
    pub real_path: fn(&Path) -> Option<PathBuf>,
    /// The functions of a PCI slot of the host.
    pub pci_functions: fn(PciSlot) -> Vec<u8>,
    /// The SCSI units of the host.
    pub scsi_units: fn() -> Vec<ScsiUnit>,
}

/// A SCSI unit of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScsiUnit {
    /// `H:C:T:L`.
    pub address: String,
    /// Its names in `/dev`, the best one first: `sdb`, `sg1`.
    pub names: Vec<String>,
    /// What `scsi_id` prints for it.
    pub id: Option<String>,
}

/// A converted domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// What the daemon gets.
    pub sxp: Sxp,
    /// What a person should be told on stderr, whole.
    pub warnings: Vec<String>,
}

/// Folders of programs that come with Xen.
const BOOTLOADER_DIRS: [&str; 6] = [
    "/usr/bin",
    "/usr/sbin",
    "/usr/lib/xen/bin",
    "/usr/libexec/xen/bin",
    "/usr/local/bin",
    "/usr/lib/xen-common/bin",
];

/// The members that are written when they are not empty, in order.
const IF_TRUTHY: [&str; 18] = [
    "name",
    "memory",
    "maxmem",
    "shadow_memory",
    "restart",
    "on_poweroff",
    "tsc_mode",
    "nomigrate",
    "on_reboot",
    "on_crash",
    "features",
    "on_xend_start",
    "on_xend_stop",
    "target",
    "cpuid",
    "cpuid_check",
    "machine_address_size",
    "suppress_spurious_page_faults",
];

/// The members that are written when they have a value at all, in order.
const IF_SET: [&str; 5] = ["uuid", "cpu", "cpus", "cpu_cap", "cpu_weight"];

/// Converts a domain's variables, or tells all that is wrong with them: first what the original would have told.
pub fn domain(settings: &Settings, around: &Surroundings) -> Result<Converted, Vec<Finding>> {
    let faults = &mut Faults::default();
    // These were read before anything else; the order decides which fault comes first.
    let disks = devices::disks(settings, faults);
    let functions = pci::functions(settings, around, faults);
    let scsi = vscsi::devices(settings, around, faults);
    let ports = devices::ioports(settings, faults);
    let mut settings = prepared(settings, around, faults);
    let tpm = vtpm::device(&settings, faults);
    let security = vtpm::security(&settings, faults);
    cpuid::replace(&mut settings, faults);
    let settings = &settings;

    let mut vm = head(settings, faults);
    vm.extend(bootloader(settings, around));
    if settings.truthy("builder") {
        vm.push(Sxp::form("image", [image::image(settings, around, &functions, faults)]));
    }
    vm.push(Sxp::pair("s3_integrity", settings.get("s3_integrity").clone()));
    vm.extend(security);
    let usb = devices::usb(settings, faults);
    let irqs = devices::irqs(settings, faults);
    let (interfaces, warning) = devices::interfaces(settings, faults);
    let framebuffers = devices::framebuffers(settings, around, faults);
    let devices = disks.into_iter().chain(pci::device(&functions)).chain(scsi).chain(usb).chain(ports);
    let devices = devices.chain(irqs).chain(interfaces).chain(tpm).chain(framebuffers);
    vm.extend(devices.map(|device| Sxp::form("device", [device])));
    let findings = std::mem::take(faults).into_findings();
    if findings.is_empty() {
        Ok(Converted { sxp: Sxp::List(vm), warnings: warning.into_iter().collect() })
    } else {
        Err(findings)
    }
}

/// Everything before the boot loader.
fn head(settings: &Settings, faults: &mut Faults) -> Vec<Sxp> {
    let mut vm = vec![Sxp::from("vm")];
    let truthy = IF_TRUTHY.iter().chain(["description"].iter()).filter(|name| settings.truthy(name));
    vm.extend(truthy.map(|name| Sxp::pair(name, settings.get(name).clone())));
    vm.extend(faults.check(("vcpus", None), vcpus(settings)).unwrap_or_default());
    let set = IF_SET.iter().filter(|name| *settings.get(name) != Sxp::Nil);
    vm.extend(set.map(|name| Sxp::pair(name, settings.get(name).clone())));
    for role in ["blkif", "netif", "tpmif"] {
        if settings.truthy(role) {
            vm.push(Sxp::form("backend", [Sxp::form(role, [])]));
        }
    }
    let flags = ["localtime", "oos"].into_iter().filter(|name| settings.truthy(name));
    vm.extend(flags.map(|name| Sxp::pair(name, settings.get(name).clone())));
    if settings.truthy("pool") {
        vm.push(Sxp::pair("pool_name", settings.get("pool").clone()));
    }
    vm
}

/// Fills in what depends on other variables or on the process.
fn prepared(settings: &Settings, around: &Surroundings, faults: &mut Faults) -> Settings {
    let mut settings = settings.clone();
    if settings.truthy("nfs_root") {
        let server = settings.text("nfs_server").filter(|server| !server.is_empty());
        let server = faults.check(("nfs_root", None), server.ok_or(ConvertError::NfsWithoutServer));
        let root = settings.text("nfs_root").unwrap_or_default();
        let extra = settings.text("extra").unwrap_or_default();
        settings.set("extra", format!("nfsroot={}:{root} {extra}", server.unwrap_or_default()));
    }
    if !settings.truthy("display")
        && let Some(display) = &around.display
    {
        settings.set("display", display.clone());
    }
    if !settings.truthy("xauthority") {
        settings.set("xauthority", around.xauthority.clone());
    }
    settings
}

/// With `maxvcpus` the domain gets that many, of which the first `vcpus` are online.
fn vcpus(settings: &Settings) -> Result<Vec<Sxp>, ConvertError> {
    if !settings.truthy("maxvcpus") {
        if !settings.truthy("vcpus") {
            return Ok(Vec::new());
        }
        return Ok(vec![Sxp::pair("vcpus", settings.get("vcpus").clone())]);
    }
    let most = Sxp::pair("vcpus", settings.get("maxvcpus").clone());
    if !settings.truthy("vcpus") {
        return Ok(vec![most]);
    }
    let wrong = || ConvertError::NotANumber { variable: "vcpus", value: settings.get("vcpus").to_string() };
    let online = settings.get("vcpus").int().and_then(|n| u32::try_from(n).ok()).ok_or_else(wrong)?;
    let mask = 1u128.checked_shl(online).map(|bit| bit - 1).ok_or_else(wrong)?;
    // Beyond 31 bits no <int> of XML-RPC can carry it, so it travels as text, which prints the same.
    let mask = i32::try_from(mask).map_or_else(|_| Sxp::Text(mask.to_string()), |mask| Sxp::Int(mask.into()));
    Ok(vec![Sxp::pair("vcpu_avail", mask), most])
}

/// Where `bootloader = "pygrub"` is looked for.
pub fn bootloader_dirs() -> impl Iterator<Item = &'static Path> {
    BOOTLOADER_DIRS.iter().map(Path::new)
}

fn bootloader(settings: &Settings, around: &Surroundings) -> Vec<Sxp> {
    if !settings.truthy("bootloader") {
        return Vec::new();
    }
    let mut program = settings.get("bootloader").clone();
    if program.text() == Some("pygrub") {
        let found = bootloader_dirs().map(|dir| dir.join("pygrub")).find(|path| (around.exists)(path));
        program = found.map_or(program, |path| Sxp::Text(path.to_string_lossy().into_owned()));
    }
    let quiet = if around.console { "" } else { "-q" };
    let args = if settings.truthy("bootargs") { settings.get("bootargs").clone() } else { Sxp::from(quiet) };
    vec![Sxp::pair("bootloader", program), Sxp::pair("bootloader_args", args)]
}

#[cfg(test)]
mod tests {
    use super::super::variables;
    use super::*;

    pub(super) fn around() -> Surroundings {
        Surroundings {
            current_dir: "/here".into(),
            display: Some(":0".to_owned()),
            xauthority: "/x".to_owned(),
            console: false,
            exists: |_| true,
            real_path: |path| Some(path.to_owned()),
            pci_functions: |_| vec![0],
            scsi_units: || Vec::new(),
        }
    }

    #[test]
    fn no_value_of_any_variable_makes_a_panic() {
        let texts = [
            "",
            "a",
            "=",
            ",",
            "a=b",
            "0",
            "-1",
            "99999999999999999999",
            "*",
            "1:2.3@4",
            "0000:00:00.0-7;1=2",
            "\u{e9}",
            "xx:yy.z",
            "1:2.*",
            "0:0.8",
            "@",
            "-",
            "a-b",
            "1,2,3",
            "1,2,3,4,5,6",
            "type=vnc",
            "usbver=9",
        ];
        let mut values: Vec<Sxp> = texts.iter().map(|text| Sxp::from(*text)).collect();
        values.extend(texts.iter().map(|text| Sxp::List(vec![(*text).into(), (*text).into()])));
        values.extend([i64::MIN, -1, 0, 1, 64, 200, i64::MAX].map(Sxp::Int));
        values.extend([f64::NAN, 1e300, -0.5].map(Sxp::Float));
        values.extend([
            Sxp::Nil,
            Sxp::List(vec![Sxp::Nil]),
            Sxp::List(vec![Sxp::List(vec![])]),
            Sxp::Struct(vec![]),
        ]);
        for builder in ["linux", "hvm"] {
            for name in variables::all().iter().map(|variable| variable.name).chain(["maxvcpus"]) {
                for value in &values {
                    let mut settings = Settings::new();
                    settings.set("builder", builder);
                    settings.set("kernel", "/k");
                    settings.set(name, value.clone());
                    // Either is fine; both texts must be writable.
                    let _ = domain(&settings, &around()).map(|domain| domain.sxp.to_pretty(80).len());
                }
            }
        }
    }

    #[test]
    fn all_faults_are_told_and_the_original_s_first() {
        let mut settings = Settings::new();
        settings.set("kernel", "/none");
        settings.set("disk", vec!["phy:a,xvda".into(), "phy:a,xvda,w".into(), "x".into()]);
        settings.set("vif", vec!["colour=red".into()]);
        settings.set("vscsi", "ab");
        let around = Surroundings { exists: |_| false, ..around() };
        let findings = domain(&settings, &around).unwrap_err();
        let found: Vec<_> = findings.iter().map(|one| (one.variable, one.entry)).collect();
        let expected =
            [("disk", Some(0)), ("disk", Some(2)), ("vscsi", None), ("kernel", None), ("vif", Some(0))];
        assert_eq!(found, expected);
        assert!(findings.iter().all(|one| one.error.hint().is_some()));
    }

    /// A domain with one variable set: its tree, or the first fault.
    fn made(name: &str, value: impl Into<Sxp>) -> Result<String, String> {
        let mut settings = Settings::new();
        settings.set("kernel", "/k");
        settings.set(name, value);
        let converted = domain(&settings, &around()).map_err(|found| found[0].error.to_string())?;
        Ok(converted.sxp.to_string())
    }

    #[test]
    fn values_of_the_wrong_kind_are_refused_where_the_original_fell_over_them() {
        let cases = [
            ("kernel", Sxp::Int(7), "cannot use kernel = 7: it is not a string"),
            ("ramdisk", Sxp::List(vec!["/r".into()]), "cannot use ramdisk = (/r): it is not a string"),
            ("root", Sxp::Int(1), "cannot use root = 1: it is not a string"),
            ("ip", Sxp::Int(10), "cannot use ip = 10: it is not a string"),
            ("dhcp", Sxp::Int(1), "cannot use dhcp = 1: it is not a string"),
            ("disk", Sxp::Int(0), "cannot use disk: it is not a list but 0"),
            ("pci", Sxp::Float(-0.0), "cannot use pci: it is not a list but -0.0"),
            ("nics", "2".into(), "cannot use nics = 2: it is not a number in the range of this variable"),
            (
                "nics",
                Sxp::Float(1.0),
                "cannot use nics = 1.0: it is not a number in the range of this variable",
            ),
        ];
        for (name, value, expected) in cases {
            assert_eq!(made(name, value), Err(expected.to_owned()));
        }
        assert!(made("nics", Sxp::Float(-1.5)).is_ok() && made("dhcp", "dhcp").is_ok());
    }

    #[test]
    fn flags_keep_what_was_written_and_no_processors_are_not_told() {
        let tree = made("localtime", 2).unwrap();
        assert!(tree.contains("(vcpus 1) (localtime 2) (oos 1)"), "{tree}");
        assert!(!made("vcpus", 0).unwrap().contains("(vcpus"));
    }

    #[test]
    fn many_processors_have_a_mask_that_the_wire_can_carry() {
        let mut settings = Settings::new();
        settings.set("kernel", "/k");
        settings.set("vcpus", 40);
        settings.set("maxvcpus", "64");
        let sxp = domain(&settings, &around()).unwrap().sxp;
        assert_eq!(sxp.value("vcpu_avail"), Some(&Sxp::from("1099511627775")));
    }
}
