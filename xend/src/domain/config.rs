//! A domain's configuration, made of the S-expression that `xm` sends. Every fault in it is found at once, at the
//! door; everything below works on these typed values (`xend-daemon` §4.10, `xm-commands` §4.7, §4.10).

use std::collections::HashSet;

use uuid::Uuid;
use xend_api::Sxp;

use super::{ConfigFault, ExitActions, VbdConfig, VifConfig, door};

/// Most vcpus a PV domain gets here.
pub(super) const MAX_VCPUS: u32 = 8192;
/// Most memory, MiB: 16 TiB.
pub(super) const MAX_MEMORY_MIB: u64 = 16 << 20;
/// Image keys that have a field of their own in [`ImageConfig`].
const IMAGE_FIELDS: [&str; 7] = ["kernel", "ramdisk", "args", "root", "ip", "notes", "vcpus"];

/// What the builder starts from.
#[derive(Clone, Debug, PartialEq)]
pub struct ImageConfig {
    /// Word in front of the image's keys: `linux`, or what an old file said instead.
    pub kind: String,
    /// Path of the kernel.
    pub kernel: String,
    /// Path of the ramdisk.
    pub ramdisk: Option<String>,
    /// The guest's command line, `root=` and `ip=` included.
    pub args: String,
    /// Everything else, as it came.
    pub other: Vec<(String, Sxp)>,
}

/// A device of any class that this version builds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceConfig {
    /// A disk.
    Vbd(VbdConfig),
    /// A network interface.
    Vif(VifConfig),
}

/// A domain as it was asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct DomainConfig {
    /// Identity for life.
    pub uuid: Uuid,
    /// Unique among the domains of the host.
    pub name: String,
    /// Memory to start with, MiB.
    pub memory_mib: u64,
    /// Memory it may grow to, MiB.
    pub maxmem_mib: u64,
    /// Vcpus it may have.
    pub vcpus: u32,
    /// Vcpus that are up at the start: bit K for vcpu K, all when absent.
    pub vcpu_avail: Option<u64>,
    /// Processors each vcpu may run on, as configured (shown and stored; empty means any).
    pub cpus: Vec<Sxp>,
    /// Scheduler's weight.
    pub cpu_weight: i64,
    /// Scheduler's cap.
    pub cpu_cap: i64,
    /// What happens at its end.
    pub actions: ExitActions,
    /// What to start.
    pub image: ImageConfig,
    /// Disks and interfaces in the order of the configuration.
    pub devices: Vec<DeviceConfig>,
    /// Keys without an effect in this version that are shown and stored as they came.
    pub plain: Vec<(String, Sxp)>,
}

/// Keys of [`DomainConfig::plain`] with their defaults.
const PLAIN: [(&str, &str); 6] = [
    ("pool_name", "Pool-0"),
    ("description", ""),
    ("shadow_memory", "0"),
    ("features", ""),
    ("on_xend_start", "ignore"),
    ("on_xend_stop", "ignore"),
];
/// Image keys that every image has, in the order in which they are shown.
const IMAGE_SHOWN: [(&str, Option<i64>); 5] = [
    ("superpages", Some(0)),
    ("videoram", None),
    ("pci", None),
    ("nomigrate", Some(0)),
    ("tsc_mode", Some(0)),
];

impl DomainConfig {
    /// Reads and checks a configuration; all faults, the first one found first.
    pub fn from_sxp(tree: &Sxp) -> Result<Self, Vec<ConfigFault>> {
        Self::read(tree, door::check)
    }

    /// Reads one that was let in before, perhaps by an earlier version that asked for less.
    pub fn from_record(tree: &Sxp) -> Result<Self, Vec<ConfigFault>> {
        Self::read(tree, |_| Vec::new())
    }

    fn read(tree: &Sxp, at_door: fn(&[DeviceConfig]) -> Vec<ConfigFault>) -> Result<Self, Vec<ConfigFault>> {
        let mut faults = Vec::new();
        let name = name(tree, &mut faults);
        let uuid = uuid(tree, &mut faults);
        let (memory_mib, maxmem_mib) = memory(tree, &mut faults);
        let vcpus = vcpus(tree, &mut faults);
        let image = image(tree, &mut faults);
        let actions = ExitActions::from_sxp(tree, &mut faults);
        let devices = devices(tree, &mut faults);
        faults.extend(at_door(&devices));
        refuse_what_is_not_there(tree, &mut faults);
        let int = |key: &str, default| tree.value(key).and_then(Sxp::int).unwrap_or(default);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            uuid,
            name,
            memory_mib,
            maxmem_mib,
            vcpus,
            vcpu_avail: tree.value("vcpu_avail").and_then(Sxp::int).and_then(|mask| u64::try_from(mask).ok()),
            cpus: match tree.value("cpus").map(Sxp::items) {
                Some(cpus) if !cpus.is_empty() => cpus.to_vec(),
                _ => vec![Sxp::List(Vec::new()); vcpus as usize],
            },
            cpu_weight: int("cpu_weight", 256),
            cpu_cap: int("cpu_cap", 0),
            actions,
            image,
            devices,
            plain: plain(tree),
        })
    }

    /// What can be said of a domain whose configuration another tool keeps: everything else is at its default.
    /// `shape` is the number of vcpus and the image's kind.
    pub fn known_from_outside(
        uuid: Uuid,
        name: &str,
        memory_mib: u64,
        maxmem_mib: u64,
        shape: (u32, &str),
    ) -> Self {
        let (vcpus, kind) = shape;
        Self {
            uuid,
            name: name.to_owned(),
            memory_mib,
            maxmem_mib,
            vcpus,
            vcpu_avail: None,
            cpus: vec![Sxp::List(Vec::new()); vcpus as usize],
            cpu_weight: 256,
            cpu_cap: 0,
            actions: ExitActions::default(),
            image: ImageConfig {
                kind: kind.to_owned(),
                kernel: String::new(),
                ramdisk: None,
                args: String::new(),
                other: other_image_keys(&Sxp::Nil),
            },
            devices: Vec::new(),
            plain: PLAIN
                .map(|(key, default)| (key.to_owned(), plain_value(key, default.to_owned())))
                .to_vec(),
        }
    }

    /// Disks in order.
    pub fn vbds(&self) -> impl Iterator<Item = &VbdConfig> {
        self.devices.iter().filter_map(|device| match device {
            DeviceConfig::Vbd(vbd) => Some(vbd),
            DeviceConfig::Vif(_) => None,
        })
    }

    /// Interfaces in order.
    pub fn vifs(&self) -> impl Iterator<Item = &VifConfig> {
        self.devices.iter().filter_map(|device| match device {
            DeviceConfig::Vif(vif) => Some(vif),
            DeviceConfig::Vbd(_) => None,
        })
    }

    /// Numbers the interfaces by their places, as a domain that is made anew has them.
    pub fn number_vifs(&mut self) {
        let vifs = self.devices.iter_mut().filter_map(|device| match device {
            DeviceConfig::Vif(vif) => Some(vif),
            DeviceConfig::Vbd(_) => None,
        });
        for (number, vif) in (0..).zip(vifs) {
            vif.devid = number;
        }
    }

    /// Whether vcpu `number` is up at the start.
    pub fn vcpu_is_available(&self, number: u32) -> bool {
        self.vcpu_avail.is_none_or(|mask| number < 64 && mask & (1 << number) != 0)
    }

    /// The value of one of the keys that are only shown and stored.
    pub fn plain_value(&self, key: &str) -> Option<&Sxp> {
        self.plain.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }
}

pub(super) fn name(tree: &Sxp, faults: &mut Vec<ConfigFault>) -> String {
    let name = match tree.value("name") {
        None => "Domain-Unnamed".to_owned(),
        Some(value) => value.atom().unwrap_or_default(),
    };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"_-.:+".contains(&b);
    if name.is_empty() {
        faults.push(ConfigFault::NoName);
    } else if !name.bytes().all(plain) || name.len() > 255 {
        faults.push(ConfigFault::Name);
    }
    name
}

pub(super) fn uuid(tree: &Sxp, faults: &mut Vec<ConfigFault>) -> Uuid {
    let Some(text) = tree.value("uuid").and_then(Sxp::atom).filter(|text| !text.is_empty()) else {
        return Uuid::new_v4();
    };
    // The nil UUID is domain 0's own handle in Xen: a domain of that name would be taken for it.
    Uuid::parse_str(&text).ok().filter(|uuid| !uuid.is_nil()).unwrap_or_else(|| {
        faults.push(ConfigFault::Uuid { text });
        Uuid::nil()
    })
}

pub(super) fn memory(tree: &Sxp, faults: &mut Vec<ConfigFault>) -> (u64, u64) {
    let mib = |key: &str| tree.value(key).and_then(Sxp::int).unwrap_or(0);
    let memory = mib("memory");
    let maxmem = match mib("maxmem") {
        0 => memory,
        maxmem => maxmem,
    };
    if memory <= 0 || maxmem <= 0 {
        faults.push(ConfigFault::NoMemory);
    } else if memory > maxmem {
        faults.push(ConfigFault::MemoryOrder);
    }
    if let Some(&mib) = [memory, maxmem].iter().find(|mib| mib.unsigned_abs() > MAX_MEMORY_MIB) {
        faults.push(ConfigFault::TooMuchMemory { mib });
    }
    (memory.unsigned_abs(), maxmem.unsigned_abs())
}

pub(super) fn vcpus(tree: &Sxp, faults: &mut Vec<ConfigFault>) -> u32 {
    let image = tree.value("image");
    let inside = image.and_then(|image| image.value("vcpus"));
    let vcpus = inside.or(tree.value("vcpus")).map_or(Some(1), Sxp::int).unwrap_or(0);
    if vcpus <= 0 {
        faults.push(ConfigFault::NoVcpus);
    } else if vcpus > i64::from(MAX_VCPUS) {
        faults.push(ConfigFault::TooManyVcpus { vcpus });
    }
    u32::try_from(vcpus).unwrap_or(0)
}

fn image(tree: &Sxp, faults: &mut Vec<ConfigFault>) -> ImageConfig {
    let empty = Sxp::List(Vec::new());
    let image = tree.value("image").unwrap_or(&empty);
    let text = |key: &str| image.value(key).and_then(Sxp::atom).filter(|text| !text.is_empty());
    if image.child("boot").is_some() {
        faults.push(ConfigFault::NotYet { what: "an HVM guest (its image has a boot order)".to_owned() });
    }
    let kernel = text("kernel").unwrap_or_default();
    let has_loader = tree.value("bootloader").and_then(Sxp::atom).is_some_and(|path| !path.is_empty());
    if kernel.is_empty() && !has_loader {
        faults.push(ConfigFault::NoKernel);
    }
    ImageConfig {
        kind: image.name().unwrap_or("linux").to_owned(),
        kernel,
        ramdisk: text("ramdisk"),
        args: command_line(text("root"), text("ip"), text("args").unwrap_or_default()),
        other: other_image_keys(image),
    }
}

/// Those that every image shows first, in their order, then the rest as it came.
fn other_image_keys(image: &Sxp) -> Vec<(String, Sxp)> {
    let shown = IMAGE_SHOWN.iter().filter_map(|(key, default)| {
        let value = match image.value(key) {
            Some(value) => number_or_as_it_came(value),
            None if *key == "pci" => Sxp::List(Vec::new()),
            None => Sxp::Int((*default)?),
        };
        Some(((*key).to_owned(), value))
    });
    let known = |name: &str| IMAGE_FIELDS.contains(&name) || IMAGE_SHOWN.iter().any(|(key, _)| *key == name);
    let rest = image.items().iter().skip(1).filter_map(|form| {
        let name = form.name().filter(|name| !known(name))?;
        Some((name.to_owned(), form.items().get(1)?.clone()))
    });
    shown.chain(rest).collect()
}

/// On the wire these are numbers, also for clients that send texts.
fn number_or_as_it_came(value: &Sxp) -> Sxp {
    value.int().map_or_else(|| value.clone(), Sxp::Int)
}

/// The keys that are only shown and stored.
pub(super) fn plain(tree: &Sxp) -> Vec<(String, Sxp)> {
    let pair = |(key, default): (&str, &str)| {
        let value = tree.value(key).and_then(Sxp::atom).unwrap_or_else(|| default.to_owned());
        (key.to_owned(), plain_value(key, value))
    };
    PLAIN.map(pair).to_vec()
}

fn plain_value(key: &str, value: String) -> Sxp {
    let value = Sxp::Text(value);
    if key == "shadow_memory" { number_or_as_it_came(&value) } else { value }
}

/// `root=… ip=… args`, each only when `args` does not have it already; the blank behind them also stands where nothing
/// follows, as in the original. The root device is passed on as it stands.
pub(super) fn command_line(root: Option<String>, ip: Option<String>, args: String) -> String {
    let has = |key: &str| args.split_ascii_whitespace().any(|word| word.starts_with(key));
    let mut line = args.clone();
    for (key, value) in [("ip=", ip), ("root=", root)] {
        if let Some(value) = value.filter(|_| !has(key)) {
            line = format!("{key}{value} {line}");
        }
    }
    line
}

fn devices(tree: &Sxp, faults: &mut Vec<ConfigFault>) -> Vec<DeviceConfig> {
    let mut devices = Vec::new();
    let mut vifs = 0..;
    for form in tree.children("device").filter_map(|device| device.items().get(1)) {
        if form.name() == Some("console") {
            continue; // made by the daemon for every domain
        }
        match device(form) {
            Ok(mut device) => {
                if let DeviceConfig::Vif(vif) = &mut device {
                    vif.devid = vifs.next().unwrap_or_default();
                }
                devices.push(device);
            }
            Err(fault) => faults.push(fault),
        }
    }
    refuse_doubles(&mut devices, faults);
    devices
}

/// One device; a vif has the number 0 until its domain gives it another.
pub(super) fn device(form: &Sxp) -> Result<DeviceConfig, ConfigFault> {
    let new_uuid = || Uuid::new_v4().to_string();
    match form.name() {
        Some("vbd" | "tap" | "tap2") => VbdConfig::from_sxp(form, new_uuid).map(DeviceConfig::Vbd),
        Some("vif") => VifConfig::from_sxp(form, new_uuid, new_mac).map(DeviceConfig::Vif),
        Some(class @ ("vfb" | "vkbd" | "pci" | "vif2" | "vscsi" | "vusb" | "ioports" | "irq")) => {
            Err(ConfigFault::NotYet { what: format!("a {class} device") })
        }
        other => Err(ConfigFault::DeviceClass { class: other.unwrap_or_default().to_owned() }),
    }
}

/// No number, source or address twice; and the first disk is the one a boot loader reads.
pub(super) fn refuse_doubles(devices: &mut [DeviceConfig], faults: &mut Vec<ConfigFault>) {
    let (mut numbers, mut sources, mut macs) = (HashSet::new(), HashSet::new(), HashSet::new());
    let marked = devices.iter().any(|device| matches!(device, DeviceConfig::Vbd(vbd) if vbd.bootable));
    let mut first = !marked;
    for device in devices {
        match device {
            DeviceConfig::Vbd(vbd) => {
                if std::mem::take(&mut first) {
                    vbd.bootable = true;
                }
                if !numbers.insert(vbd.number.devid) {
                    faults.push(ConfigFault::VbdTwice { name: vbd.name.clone() });
                }
                if !vbd.kind.is_empty() && !sources.insert(vbd.uname()) {
                    faults.push(ConfigFault::UnameTwice { uname: vbd.uname() });
                }
            }
            DeviceConfig::Vif(vif) => {
                if !macs.insert(vif.mac.to_ascii_lowercase()) {
                    faults.push(ConfigFault::MacTwice { mac: vif.mac.clone() });
                }
            }
        }
    }
}

/// What would change the domain if it were obeyed and is not obeyed yet.
fn refuse_what_is_not_there(tree: &Sxp, faults: &mut Vec<ConfigFault>) {
    let empty = Sxp::List(Vec::new());
    let image = tree.value("image").unwrap_or(&empty);
    let text = |key: &str| tree.value(key).and_then(Sxp::atom).unwrap_or_default();
    let mut not_yet = |what: String| faults.push(ConfigFault::NotYet { what });
    if !text("bootloader").is_empty() {
        not_yet(format!("a boot loader ({})", text("bootloader")));
    }
    let pool = text("pool_name");
    if !pool.is_empty() && pool != "Pool-0" {
        not_yet(format!("the CPU pool {pool}"));
    }
    if tree.child("security").is_some() || tree.child("security_label").is_some() {
        not_yet("a security label".to_owned());
    }
    let pinned = |cpus: &Sxp| cpus.items().iter().any(|one| !one.items().is_empty() || one.atom().is_some());
    if tree.child("cpu").is_some()
        || tree.value("cpus").is_some_and(|cpus| pinned(cpus) || cpus.atom().is_some())
    {
        not_yet("pinning vcpus to processors (cpus)".to_owned());
    }
    let has_items = |tree: &Sxp, key: &str| match tree.value(key) {
        Some(Sxp::List(items)) => !items.is_empty(),
        Some(Sxp::Struct(pairs)) => !pairs.is_empty(),
        Some(_) | None => false,
    };
    for key in ["cpuid", "cpuid_check"] {
        if has_items(tree, key) || has_items(image, key) {
            not_yet(format!("a CPUID policy ({key})"));
        }
    }
    if text("on_xend_stop") == "suspend" {
        not_yet("on_xend_stop = suspend".to_owned());
    }
    // Their other value is what every domain has.
    let numbers = [("cpu_weight", 256), ("cpu_cap", 0), ("localtime", 0), ("machine_address_size", 0)];
    let image_numbers =
        [("superpages", 0), ("tsc_mode", 0), ("memory_sharing", 0), ("suppress_spurious_page_faults", 0)];
    let given = |tree: &Sxp, key: &str| tree.value(key).and_then(Sxp::int);
    for (key, usual) in numbers {
        if given(tree, key).is_some_and(|n| n != usual) {
            not_yet(format!("{key} = {}", text(key)));
        }
    }
    for (key, usual) in image_numbers {
        if given(image, key).or_else(|| given(tree, key)).is_some_and(|n| n != usual) {
            not_yet(format!("{key} other than {usual}"));
        }
    }
}

/// An address of Xen's range: `00:16:3e`, a byte below 0x80, two bytes.
pub(super) fn new_mac() -> String {
    let random = Uuid::new_v4().into_bytes();
    format!("00:16:3e:{:02x}:{:02x}:{:02x}", random[0] & 0x7f, random[1], random[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<DomainConfig, Vec<ConfigFault>> {
        DomainConfig::from_sxp(&xend_api::sxp::parse(text).unwrap()[0])
    }

    #[test]
    fn every_fault_of_a_configuration_is_reported_at_once() {
        let faults = parse(
            "(vm (name 'a b') (memory 0) (vcpus 0) (device (vbd (uname phy:x) (dev zz) (mode w))) (device (floppy)))",
        )
        .unwrap_err();
        let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "Invalid VM Name",
                "memory_dynamic_max must be greater than zero",
                "Zero or less VCPUs is invalid",
                "cannot create the domain: its configuration has no kernel and no boot loader",
                "Unable to find number for device (zz)",
                "XendConfig: floppy not a valid device type",
            ]
        );
    }

    #[test]
    fn an_empty_tree_has_the_original_s_first_fault() {
        let faults = parse("()").unwrap_err();
        assert!(faults.contains(&ConfigFault::NoMemory));
    }

    #[test]
    fn root_and_ip_go_before_the_arguments_unless_they_are_there_already() {
        let line = |r: &str, i: &str, a: &str| {
            let some = |t: &str| (!t.is_empty()).then(|| t.to_owned());
            command_line(some(r), some(i), a.to_owned())
        };
        assert_eq!(line("/dev/hda1 ro", "", "4"), "root=/dev/hda1 ro 4");
        assert_eq!(line("/dev/hda1", "dhcp", "quiet"), "root=/dev/hda1 ip=dhcp quiet");
        assert_eq!(line("/dev/hda1", "", "root=/dev/hda2 x"), "root=/dev/hda2 x");
        assert_eq!(
            line("/dev/nfs", "", "nfsroot=192.0.2.1:/srv x"),
            "root=/dev/nfs nfsroot=192.0.2.1:/srv x"
        );
        assert_eq!(line("/dev/hda1 ro", "", ""), "root=/dev/hda1 ro ");
        assert_eq!(line("", "", ""), "");
    }

    #[test]
    fn the_same_disk_number_source_or_address_twice_is_refused() {
        let faults = parse(
            "(vm (name a) (memory 64) (vcpus 1) (image (linux (kernel /k)))
               (device (vbd (uname phy:a) (dev hda1) (mode w))) (device (vbd (uname phy:a) (dev 769) (mode w)))
               (device (vif (mac 00:16:3e:00:00:01))) (device (vif (mac 00:16:3E:00:00:01))))",
        )
        .unwrap_err();
        let texts: Vec<String> = faults.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "The device \"769\" is already defined",
                "The uname \"phy:a\" is already defined",
                "The mac \"00:16:3E:00:00:01\" is already defined",
            ]
        );
    }

    #[test]
    fn what_is_not_built_yet_is_refused_by_name() {
        let faults = parse(
            "(vm (name a) (memory 64) (bootloader /usr/bin/pygrub) (image (hvm (kernel /k) (boot c))) (device (vfb)))",
        )
        .unwrap_err();
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(faults.iter().all(|fault| fault.to_string().contains("not there yet")), "{faults:?}");
    }

    #[test]
    fn an_option_that_would_have_no_effect_is_refused_and_its_usual_value_is_not() {
        let with =
            |extra: &str| parse(&format!("(vm (name a) (memory 64) (image (linux (kernel /k))) {extra})"));
        for extra in [
            "(cpus (0 1))",
            "(cpus ((0 1)))",
            "(cpu 3)",
            "(cpu_weight 512)",
            "(localtime 1)",
            "(tsc_mode 2)",
            "(cpuid ((1 ((eax 0x0)))))",
        ] {
            let faults = with(extra).expect_err(extra);
            assert!(faults[0].to_string().contains("not there yet"), "{extra}: {}", faults[0]);
        }
        with("(cpus (())) (cpu_weight 256) (cpu_cap 0) (localtime 0)").unwrap();
    }

    #[test]
    fn the_first_disk_is_bootable_and_generated_addresses_are_in_xens_range() {
        let config = parse(
            "(vm (name a) (memory '64') (vcpus 2) (image (linux (kernel /k)))
               (device (vbd (uname phy:a) (dev xvda) (mode w))) (device (vbd (uname phy:b) (dev xvdb) (mode r)))
               (device (vif)))",
        )
        .unwrap();
        let bootable: Vec<bool> = config.vbds().map(|vbd| vbd.bootable).collect();
        assert_eq!(bootable, [true, false]);
        assert!(config.vifs().all(|vif| vif.mac.starts_with("00:16:3e:")));
    }
}
