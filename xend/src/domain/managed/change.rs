//! A managed domain's stored devices after one was attached, detached or given another medium, by the live domain or by
//! request while it does not run (`xend-daemon` §4.9, §7.4).

use xend_api::Sxp;

use super::{ManagedConfig, devices};
use crate::domain::{ConfigFault, DeviceConfig, VbdNumber, device_number, door, store_class};

impl ManagedConfig {
    /// With a device that the live domain was given, in place of one with its number.
    pub fn with_device(&self, device: &DeviceConfig) -> Self {
        let mut config = self.without_device(device);
        config.devices.push(devices::stored(&form_of(device)));
        devices::sort(&mut config.devices);
        config
    }

    /// Without a device that was taken from the live domain.
    pub fn without_device(&self, device: &DeviceConfig) -> Self {
        let mut config = self.clone();
        config.devices.retain(|form| !is_same(form, device));
        config
    }

    /// With one more device, which must not be there already; and the device, where this version can start it.
    pub fn with_form(&self, form: &Sxp) -> Result<(Self, Option<DeviceConfig>), Vec<ConfigFault>> {
        let tree = Sxp::form("domain", [Sxp::pair("device", form.clone())]);
        let mut faults = Vec::new();
        let mut new = devices::read(&tree, &mut faults);
        for form in &mut new {
            devices::come_later(form);
        }
        // What this version can't start is stored all the same; what nobody could start is not.
        let device = match crate::domain::config::device(form) {
            Ok(device) => Some(device),
            Err(fault) if is_not_yet(&fault) => None,
            Err(fault) => {
                faults.push(fault);
                None
            }
        };
        if let Some(DeviceConfig::Vif(vif)) = &device {
            faults.extend(door::check_vif(vif));
        }
        let mut config = self.clone();
        config.devices.extend(new);
        devices::refuse_doubles(&config.devices, &mut faults);
        devices::sort(&mut config.devices);
        if faults.is_empty() { Ok((config, device)) } else { Err(faults) }
    }

    /// Without the device that people mean by `designator`; `None` when there is none.
    pub fn without(&self, class: &str, designator: &str) -> Option<Self> {
        let at = self.find(class, designator)?;
        let mut config = self.clone();
        config.devices.remove(at);
        Some(config)
    }

    /// With another medium in a drive; `None` when the form is none of a drive that is there.
    pub fn with_medium(&self, form: &Sxp) -> Result<Option<Self>, Vec<ConfigFault>> {
        let fault = crate::domain::config::device(form).err().filter(|fault| !is_not_yet(fault));
        if let Some(fault) = fault {
            return Err(vec![fault]);
        }
        let dev = text(form, "dev");
        let Some(at) = self.find("vbd", name_of(&dev)) else { return Ok(None) };
        let is_drive =
            |form: &Sxp| text(form, "dev").ends_with(":cdrom") && matches!(&*text(form, "mode"), "" | "r");
        if !is_drive(&self.devices[at]) || !is_drive(form) {
            return Ok(None);
        }
        let mut config = self.clone();
        let Sxp::List(drive) = &mut config.devices[at] else { return Ok(None) };
        drive.retain(|pair| pair.name() != Some("uname"));
        drive.extend(form.child("uname").cloned());
        let mut faults = Vec::new();
        devices::refuse_doubles(&config.devices, &mut faults);
        if faults.is_empty() { Ok(Some(config)) } else { Err(faults) }
    }

    /// The devices of a class of the store, each with its number: a disk's own, the place of any other among its class.
    pub fn device_entries(&self, class: &str) -> Vec<(i64, &Sxp)> {
        let of_class =
            |form: &&Sxp| form.name().is_some_and(|name| name == class || store_class(name) == Some(class));
        let number = |(place, form): (usize, _)| {
            let number = disk_number(form).filter(|_| class == "vbd").map(i64::from);
            (number.unwrap_or(place as i64), form)
        };
        self.devices.iter().filter(of_class).enumerate().map(number).collect()
    }

    fn find(&self, class: &str, designator: &str) -> Option<usize> {
        let number = device_number(class, designator).map(i64::from);
        let is_meant = |(devid, form): &(i64, &Sxp)| {
            Some(*devid) == number || (class == "vif" && text(form, "mac").eq_ignore_ascii_case(designator))
        };
        let (_, meant) = self.device_entries(class).into_iter().find(is_meant)?;
        self.devices.iter().position(|form| std::ptr::eq(form, meant))
    }
}

fn is_not_yet(fault: &ConfigFault) -> bool {
    matches!(fault, ConfigFault::NotYet { .. })
}

fn text(form: &Sxp, key: &str) -> String {
    form.value(key).and_then(Sxp::atom).unwrap_or_default()
}

fn disk_number(form: &Sxp) -> Option<u32> {
    VbdNumber::from_name(name_of(&text(form, "dev"))).map(|number| number.devid)
}

/// `hdc` of `ioemu:hdc:cdrom`.
fn name_of(dev: &str) -> &str {
    let dev = dev.strip_prefix("ioemu:").unwrap_or(dev);
    dev.split(':').next().unwrap_or_default()
}

/// Disks are the same by their number, interfaces by their address.
fn is_same(form: &Sxp, device: &DeviceConfig) -> bool {
    form.name().and_then(store_class) == Some(device.id().class)
        && match device {
            DeviceConfig::Vbd(vbd) => disk_number(form) == Some(vbd.number.devid),
            DeviceConfig::Vif(vif) => text(form, "mac").eq_ignore_ascii_case(&vif.mac),
        }
}

/// As it was given: without what only a live domain has.
fn form_of(device: &DeviceConfig) -> Sxp {
    let (form, without) = match device {
        DeviceConfig::Vbd(vbd) if vbd.protocol.is_some() => (vbd.to_sxp(), &["VDI"][..]),
        DeviceConfig::Vbd(vbd) => (vbd.to_sxp(), &["VDI", "protocol"][..]),
        DeviceConfig::Vif(vif) if vif.script.is_some() => {
            (vif.to_sxp(vif.script.as_deref().unwrap_or_default()), &[][..])
        }
        DeviceConfig::Vif(vif) => (vif.to_sxp(""), &["script"][..]),
    };
    let Sxp::List(mut pairs) = form else { return Sxp::Nil };
    pairs.retain(|pair| !pair.name().is_some_and(|name| without.contains(&name)));
    Sxp::List(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::DomainConfig;

    fn form(text: &str) -> Sxp {
        xend_api::sxp::parse(text).unwrap().remove(0)
    }

    fn config() -> ManagedConfig {
        let text = "(vm (name a) (memory 64) (image (linux (kernel /k)))
             (device (tap (uname tap:aio:/a) (dev xvda) (mode w))) (device (vif (mac 00:16:3e:00:00:01)))
             (device (vbd (uname '') (dev hdc:cdrom) (mode r))))";
        ManagedConfig::from_sxp(&form(text)).unwrap()
    }

    fn numbers(config: &ManagedConfig, class: &str) -> Vec<i64> {
        config.device_entries(class).into_iter().map(|(number, _)| number).collect()
    }

    #[test]
    fn what_a_live_domain_was_given_and_lost_is_stored() {
        let live =
            "(vm (name a) (memory 64) (image (linux (kernel /k))) (device (vif (mac 00:16:3e:00:00:02)))
             (device (vbd (uname phy:b) (dev xvdb) (mode w))))";
        let live = DomainConfig::from_sxp(&form(live)).unwrap();
        let before = config();
        let mut after = before.clone();
        for device in &live.devices {
            after = after.with_device(device);
            assert_eq!(after.with_device(device), after, "once is enough");
        }
        assert_eq!((numbers(&after, "vbd"), numbers(&after, "vif")), (vec![51712, 5632, 51728], vec![0, 1]));
        let stored = ManagedConfig::from_stored(&form(&after.to_text())).unwrap();
        assert_eq!(stored.to_text(), after.to_text(), "it reads back");
        for device in &live.devices {
            after = after.without_device(device);
        }
        assert_eq!(after, before);
    }

    #[test]
    fn a_domain_that_does_not_run_is_changed_by_request() {
        let config = config();
        let (with, _) = config.with_form(&form("(vif (bridge br0))")).unwrap();
        assert_eq!(numbers(&with, "vif"), [0, 1]);
        let (with, _) = with.with_form(&form("(vbd (uname phy:b) (dev sda1) (mode w))")).unwrap();
        assert_eq!(numbers(&with, "vbd"), [51712, 5632, 2049]);
        let fault = |text: &str| config.with_form(&form(text)).unwrap_err().remove(0).to_string();
        assert_eq!(
            fault("(vbd (uname phy:b) (dev xvda) (mode w))"),
            "The device \"xvda\" is already defined"
        );
        assert_eq!(fault("(vbd (uname phy:b) (dev xvdb) (mode ro))"), "Invalid mode");
        assert!(fault("(vif (mac 01:00:5e:00:00:01))").contains("address of a group"));
        for name in ["xvda", "51712", "vbd/51712"] {
            assert_eq!(numbers(&config.without("vbd", name).unwrap(), "vbd"), [5632], "{name}");
        }
        for name in ["0", "00:16:3E:00:00:01"] {
            assert_eq!(numbers(&config.without("vif", name).unwrap(), "vif"), [0; 0], "{name}");
        }
        assert_eq!(config.without("vbd", "xvdb"), None);
    }

    #[test]
    fn a_drive_is_given_another_medium() {
        let config = config();
        let changed = config.with_medium(&form("(vbd (uname file:/x.iso) (dev ioemu:hdc:cdrom) (mode r))"));
        let changed = changed.unwrap().unwrap();
        assert_eq!(text(changed.device_entries("vbd")[1].1, "uname"), "file:/x.iso");
        for other in
            ["(vbd (uname file:/x) (dev xvda) (mode r))", "(vbd (uname file:/x) (dev hdd:cdrom) (mode r))"]
        {
            assert_eq!(config.with_medium(&form(other)).unwrap(), None, "{other}");
        }
    }
}
