//! Variables to the `(vm …)` that the daemon gets, member for member in the order of the original (`xm-commands` §4.7).
//!
//! `image` writes the kernel and the platform, `devices` the disks, interfaces and the rest, `pci` reads PCI addresses,
//! `pairs` the `key=value,…` texts. Nothing here opens a file; what the conversion must know of the host comes in
//! [`Surroundings`].

mod devices;
mod error;
mod image;
mod pairs;
mod pci;

use std::path::{Path, PathBuf};

use xend_api::Sxp;

pub use error::ConvertError;

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
}

/// A converted domain.
#[derive(Clone, Debug, PartialEq)]
pub struct Converted {
    /// What the daemon gets.
    pub sxp: Sxp,
    /// What a person should be told on stderr, whole.
    pub warnings: Vec<String>,
}

/// Where `bootloader = "pygrub"` is looked for.
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

/// Converts a domain's variables.
pub fn domain(settings: &Settings, around: &Surroundings) -> Result<Converted, ConvertError> {
    not_yet(settings)?;
    let settings = &prepared(settings, around)?;
    let mut vm = vec![Sxp::from("vm")];
    let truthy = IF_TRUTHY.iter().chain(["description"].iter()).filter(|name| settings.truthy(name));
    vm.extend(truthy.map(|name| Sxp::pair(name, settings.get(name).clone())));
    vm.extend(vcpus(settings)?);
    let set = IF_SET.iter().filter(|name| *settings.get(name) != Sxp::Nil);
    vm.extend(set.map(|name| Sxp::pair(name, settings.get(name).clone())));
    for role in ["blkif", "netif"] {
        if settings.truthy(role) {
            vm.push(Sxp::form("backend", [Sxp::form(role, [])]));
        }
    }
    for flag in ["localtime", "oos"] {
        if settings.truthy(flag) {
            vm.push(Sxp::pair(flag, 1));
        }
    }
    if settings.truthy("pool") {
        vm.push(Sxp::pair("pool_name", settings.get("pool").clone()));
    }
    vm.extend(bootloader(settings, around));
    if settings.truthy("builder") {
        vm.push(Sxp::form("image", [image::image(settings, around)?]));
    }
    vm.push(Sxp::pair("s3_integrity", settings.get("s3_integrity").clone()));
    vm.extend(security(settings)?);
    let (devices, warnings) = devices::devices(settings, around)?;
    vm.extend(devices.into_iter().map(|device| Sxp::form("device", [device])));
    Ok(Converted { sxp: Sxp::List(vm), warnings })
}

/// Refuses what this version would otherwise drop.
fn not_yet(settings: &Settings) -> Result<(), ConvertError> {
    let later = ["cpuid", "cpuid_check", "vscsi"].into_iter().find(|name| settings.truthy(name));
    later.map_or(Ok(()), |variable| Err(ConvertError::NotYet { variable }))
}

/// Fills in what depends on other variables or on the process.
fn prepared(settings: &Settings, around: &Surroundings) -> Result<Settings, ConvertError> {
    let mut settings = settings.clone();
    if settings.truthy("nfs_root") {
        let server = settings.text("nfs_server").filter(|server| !server.is_empty());
        let server = server.ok_or(ConvertError::NfsWithoutServer)?;
        let root = settings.text("nfs_root").unwrap_or_default();
        let extra = settings.text("extra").unwrap_or_default();
        settings.set("extra", format!("nfsroot={server}:{root} {extra}"));
    }
    if !settings.truthy("display")
        && let Some(display) = &around.display
    {
        settings.set("display", display.clone());
    }
    if !settings.truthy("xauthority") {
        settings.set("xauthority", around.xauthority.clone());
    }
    Ok(settings)
}

/// With `maxvcpus` the domain gets that many, of which the first `vcpus` are online.
fn vcpus(settings: &Settings) -> Result<Vec<Sxp>, ConvertError> {
    if !settings.truthy("maxvcpus") {
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

fn bootloader(settings: &Settings, around: &Surroundings) -> Vec<Sxp> {
    if !settings.truthy("bootloader") {
        return Vec::new();
    }
    let mut program = settings.get("bootloader").clone();
    if program.text() == Some("pygrub") {
        let found = BOOTLOADER_DIRS.iter().map(|dir| Path::new(dir).join("pygrub"));
        let found = found.into_iter().find(|path| (around.exists)(path));
        program = found.map_or(program, |path| Sxp::Text(path.to_string_lossy().into_owned()));
    }
    let quiet = if around.console { "" } else { "-q" };
    let args = if settings.truthy("bootargs") { settings.get("bootargs").clone() } else { Sxp::from(quiet) };
    vec![Sxp::pair("bootloader", program), Sxp::pair("bootloader_args", args)]
}

fn security(settings: &Settings) -> Result<Option<Sxp>, ConvertError> {
    let labels = pairs::texts(settings, "access_control")?;
    let wrong = |label: &str| ConvertError::AccessControl { spec: label.to_owned() };
    let label = match labels.as_slice() {
        [] => return Ok(None),
        [label] => label,
        _ => return Err(ConvertError::SeveralAccessControls),
    };
    let mut members = Vec::new();
    for part in label.split(',') {
        let (key, value) = part.split_once('=').ok_or_else(|| wrong(label))?;
        if !matches!(key.trim(), "policy" | "label") {
            return Err(wrong(label));
        }
        members.push((key.trim(), value.trim()));
    }
    let value = |wanted: &str| members.iter().find(|(key, _)| *key == wanted).map(|(_, value)| *value);
    let (Some(policy), Some(label)) = (value("policy"), value("label")) else { return Err(wrong(label)) };
    let control = Sxp::form("access_control", [Sxp::pair("policy", policy), Sxp::pair("label", label)]);
    Ok(Some(Sxp::pair("security", vec![control])))
}

#[cfg(test)]
mod tests {
    use super::super::variables;
    use super::*;

    fn around() -> Surroundings {
        Surroundings {
            current_dir: "/here".into(),
            display: Some(":0".to_owned()),
            xauthority: "/x".to_owned(),
            console: false,
            exists: |_| true,
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
    fn a_lone_physical_function_is_seen_as_function_0_and_comes_last() {
        let mut settings = Settings::new();
        settings.set("kernel", "/k");
        settings.set("pci", vec!["03:00.2".into()]);
        let sxp = domain(&settings, &around()).unwrap().sxp.to_string();
        assert!(sxp.contains("(vdevfn 0x100) (func 0x2)"), "{sxp}");
        settings.set("pci", vec!["03:00.0-2@5".into()]);
        let sxp = domain(&settings, &around()).unwrap().sxp.to_string();
        let order: Vec<_> = sxp.matches("(vdevfn 0x2").collect();
        assert_eq!(order.len(), 3);
        assert!(sxp.find("0x29").unwrap() < sxp.find("0x28").unwrap(), "{sxp}");
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
