//! One device of a domain: which one it is, how it is found by what people call it, and the changes that are under way
//! while the domain lives (`xend-daemon` §9.1, §9.2).

use xend_api::Sxp;

use super::{ConfigFault, DeviceConfig, DomainConfig, VbdMode, VbdNumber, config, door};

/// A device's place in the store: folder of its class and number inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DeviceId {
    /// `vbd` or `vif`; disks of the classes `tap` and `tap2` are vbds in the store.
    pub class: &'static str,
    /// Number.
    pub devid: u32,
}

/// A change of a live domain's devices that is not over: what a restart of the daemon has to undo or to finish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceChange {
    /// It is being given to the domain, and whoever asked has no answer yet: undone.
    Attaching(DeviceId),
    /// It is being taken from the domain: finished as soon as the guest lets go.
    Detaching(DeviceId),
    /// It is to have another medium, which the configuration has already: finished as soon as the guest lets go.
    Changing(DeviceId),
}

impl DeviceChange {
    /// The device.
    pub fn device(self) -> DeviceId {
        match self {
            Self::Attaching(device) | Self::Detaching(device) | Self::Changing(device) => device,
        }
    }

    /// `(attaching vbd 51728)`, as records have it.
    pub(super) fn to_sxp(self) -> Sxp {
        let (word, device) = match self {
            Self::Attaching(device) => ("attaching", device),
            Self::Detaching(device) => ("detaching", device),
            Self::Changing(device) => ("changing", device),
        };
        Sxp::form(word, [Sxp::from(device.class), Sxp::Int(device.devid.into())])
    }

    pub(super) fn from_sxp(form: &Sxp) -> Option<Self> {
        let [_, class, devid] = form.items() else { return None };
        let class = ["vbd", "vif"].into_iter().find(|known| class.text() == Some(known))?;
        let device = DeviceId { class, devid: u32::try_from(devid.int()?).ok()? };
        match form.name()? {
            "attaching" => Some(Self::Attaching(device)),
            "detaching" => Some(Self::Detaching(device)),
            "changing" => Some(Self::Changing(device)),
            _ => None,
        }
    }
}

/// The class of the store in which a device class of configurations and of the wire is found.
pub fn store_class(class: &str) -> Option<&'static str> {
    match class {
        "vbd" | "tap" | "tap2" => Some("vbd"),
        "vif" => Some("vif"),
        _ => None,
    }
}

impl DeviceConfig {
    /// Its place in the store.
    pub fn id(&self) -> DeviceId {
        match self {
            Self::Vbd(vbd) => DeviceId { class: "vbd", devid: vbd.number.devid },
            Self::Vif(vif) => DeviceId { class: "vif", devid: vif.devid },
        }
    }

    /// Its class in configurations and on the wire.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Vbd(vbd) => vbd.class.word(),
            Self::Vif(_) => "vif",
        }
    }
}

impl DomainConfig {
    /// The device at this place.
    pub fn device(&self, id: DeviceId) -> Option<&DeviceConfig> {
        self.devices.iter().find(|device| device.id() == id)
    }

    /// Reads a device that is to be added to this domain; every fault of it, also what it has in common with another.
    /// A vif gets the number `vif`.
    pub fn new_device(&self, form: &Sxp, vif: u32) -> Result<DeviceConfig, Vec<ConfigFault>> {
        let mut device = config::device(form).map_err(|fault| vec![fault])?;
        if let DeviceConfig::Vif(new) = &mut device {
            new.devid = vif;
        }
        let mut faults = Vec::new();
        let mut all = self.devices.clone();
        all.push(device);
        config::refuse_doubles(&mut all, &mut faults);
        // What an earlier version let in is no fault of the new one.
        let known = door::check(&self.devices);
        faults.extend(door::check(&all).into_iter().filter(|fault| !known.contains(fault)));
        match all.pop() {
            Some(device) if faults.is_empty() => Ok(device),
            _ => Err(faults),
        }
    }

    /// Reads what a drive is to become: the drive that is there, and it with another medium. `None` when it is no drive
    /// for media, or is to become something else.
    pub fn new_medium(&self, form: &Sxp) -> Result<Option<DeviceConfig>, Vec<ConfigFault>> {
        let device = config::device(form).map_err(|fault| vec![fault])?;
        let DeviceConfig::Vbd(mut new) = device else { return Ok(None) };
        let same = |vbd: &&super::VbdConfig| vbd.number == new.number;
        let Some(old) = self.vbds().find(same) else { return Ok(None) };
        let is_drive = |vbd: &super::VbdConfig| vbd.device_type == "cdrom" && vbd.mode == VbdMode::Read;
        if !is_drive(old) || !is_drive(&new) || old.name != new.name {
            return Ok(None);
        }
        (new.uuid, new.bootable, new.protocol) = (old.uuid.clone(), old.bootable, old.protocol.clone());
        let uname = new.uname();
        let taken =
            self.vbds().any(|vbd| vbd.number != new.number && !uname.is_empty() && vbd.uname() == uname);
        if taken {
            return Err(vec![ConfigFault::UnameTwice { uname }]);
        }
        Ok(Some(DeviceConfig::Vbd(new)))
    }

    /// Puts a device in place of the one with its number.
    pub fn replace_device(&mut self, new: DeviceConfig) -> Option<DeviceConfig> {
        let old = self.devices.iter_mut().find(|device| device.id() == new.id())?;
        Some(std::mem::replace(old, new))
    }

    /// The device that people mean: a number, a name (`xvdb`, `/dev/xvdb`), the end of a path (`vbd/51728`), for a
    /// vif also its address.
    pub fn find_device(&self, class: &'static str, designator: &str) -> Option<DeviceId> {
        let number = device_number(class, designator);
        let is_meant = |device: &&DeviceConfig| {
            device.id().class == class
                && match device {
                    DeviceConfig::Vbd(vbd) => number == Some(vbd.number.devid) || vbd.name == designator,
                    DeviceConfig::Vif(vif) => {
                        number == Some(vif.devid) || vif.mac.eq_ignore_ascii_case(designator)
                    }
                }
        };
        self.devices.iter().find(is_meant).map(DeviceConfig::id)
    }
}

/// The number that a designator of a device says, whether there is such a device or not.
pub fn device_number(class: &str, designator: &str) -> Option<u32> {
    let last = designator.rsplit('/').next().unwrap_or(designator);
    if let Ok(number) = last.parse() {
        return Some(number);
    }
    (class == "vbd").then(|| VbdNumber::from_name(designator)).flatten().map(|number| number.devid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> DomainConfig {
        let text = "(vm (name a) (memory 64) (image (linux (kernel /k)))
             (device (vbd (uname phy:a) (dev xvda) (mode w))) (device (vif (mac 00:16:3e:00:00:01)))
             (device (vif (mac 00:16:3E:00:00:02))))";
        DomainConfig::from_sxp(&xend_api::sxp::parse(text).unwrap().remove(0)).unwrap()
    }

    fn form(text: &str) -> Sxp {
        xend_api::sxp::parse(text).unwrap().remove(0)
    }

    #[test]
    fn a_device_is_found_by_all_that_people_call_it() {
        let config = config();
        let xvda = Some(DeviceId { class: "vbd", devid: 51712 });
        for name in ["xvda", "/dev/xvda", "51712", "vbd/51712", "0xca00"] {
            assert_eq!(config.find_device("vbd", name), xvda, "{name}");
        }
        let second = Some(DeviceId { class: "vif", devid: 1 });
        for name in ["1", "vif/1", "00:16:3e:00:00:02", "00:16:3E:00:00:02"] {
            assert_eq!(config.find_device("vif", name), second, "{name}");
        }
        for (class, name) in
            [("vbd", "xvdb"), ("vbd", "1"), ("vif", "2"), ("vif", "xvda"), ("vbd", ""), ("vif", "-1")]
        {
            assert_eq!(config.find_device(class, name), None, "{class} {name}");
        }
    }

    #[test]
    fn a_new_device_must_not_be_there_already() {
        let config = config();
        let fault = |text: &str| config.new_device(&form(text), 2).unwrap_err().remove(0).to_string();
        assert_eq!(
            fault("(vbd (uname phy:b) (dev xvda) (mode w))"),
            "The device \"xvda\" is already defined"
        );
        assert_eq!(
            fault("(vbd (uname phy:a) (dev xvdb) (mode w))"),
            "The uname \"phy:a\" is already defined"
        );
        assert!(fault("(vif (mac 00:16:3E:00:00:01))").contains("is already defined"));
        assert_eq!(fault("(vbd (uname phy:b) (dev xvdb) (mode x))"), "Invalid mode");
        let vif = config.new_device(&form("(vif)"), 7).unwrap();
        assert_eq!(vif.id(), DeviceId { class: "vif", devid: 7 });
        let vbd = config.new_device(&form("(vbd (uname phy:b) (dev xvdb) (mode r))"), 7).unwrap();
        assert_eq!(vbd.id(), DeviceId { class: "vbd", devid: 51728 });
    }

    #[test]
    fn only_the_medium_of_a_drive_is_changed() {
        let text = "(vm (name a) (memory 64) (image (linux (kernel /k)))
             (device (vbd (uname phy:a) (dev xvda) (mode r))) (device (vbd (uname '') (dev hdc:cdrom) (mode r))))";
        let config = DomainConfig::from_sxp(&form(text)).unwrap();
        let new = |text: &str| config.new_medium(&form(text));
        let medium = new("(vbd (uname file:/x.iso) (dev hdc:cdrom) (mode r))").unwrap().unwrap();
        let mut changed = config.clone();
        let old = changed.replace_device(medium.clone()).unwrap();
        assert_eq!((old, changed.device(medium.id())), (config.devices[1].clone(), Some(&medium)));
        let DeviceConfig::Vbd(medium) = medium else { panic!("a disk") };
        assert_eq!(medium.uname(), "file:/x.iso");
        for other in [
            "(vbd (uname file:/x.iso) (dev hdc) (mode r))",
            "(vbd (uname file:/x.iso) (dev hdc:cdrom) (mode w))",
            "(vbd (uname file:/x.iso) (dev xvda) (mode r))",
            "(vbd (uname file:/x.iso) (dev hdd:cdrom) (mode r))",
            "(vif)",
        ] {
            assert_eq!(new(other), Ok(None), "{other}");
        }
        assert!(new("(vbd (uname phy:a) (dev hdc:cdrom) (mode r))").is_err(), "another disk has it");
    }

    #[test]
    fn a_change_reads_back_and_nonsense_does_not() {
        let device = DeviceId { class: "vif", devid: 3 };
        let changes = [
            DeviceChange::Attaching(device),
            DeviceChange::Detaching(device),
            DeviceChange::Changing(device),
        ];
        for change in changes {
            assert_eq!(DeviceChange::from_sxp(&change.to_sxp()), Some(change));
        }
        for text in ["(attaching vbd)", "(attaching pci 0)", "(gone vbd 1)", "(detaching vif -1)", "()"] {
            assert_eq!(DeviceChange::from_sxp(&form(text)), None, "{text}");
        }
    }
}
