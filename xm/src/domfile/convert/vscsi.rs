//! SCSI devices of the host that a domain gets (`xm-commands` §5.6).
//!
//! ```text
//!   PHYSICAL,VIRTUAL[,BACKEND]     PHYSICAL: H:C:T:L, its beginning, /dev/sdX, sdX, sgN, or the id of the unit
//!                                  VIRTUAL:  H:C:T:L, or host: everything on PHYSICAL's adapter under its own numbers
//! ```
//!
//! Entries with the same virtual adapter are one device of the domain.

use std::collections::BTreeMap;
use std::path::Path;

use xend_api::Sxp;

use super::super::settings::Settings;
use super::faults::Faults;
use super::{ConvertError, ScsiUnit, Surroundings, pairs};

/// "Initialising": what xend expects of a unit that it is given.
const INITIALISING: i64 = 1;

/// A virtual adapter.
#[derive(Debug, Default)]
struct Adapter {
    whole_host: bool,
    backend: Option<String>,
    units: Vec<Unit>,
}

/// A unit on a virtual adapter.
#[derive(Clone, Debug)]
struct Unit {
    virtual_address: String,
    physical: ScsiUnit,
}

/// An entry, cut into its fields.
#[derive(Debug)]
struct Spec {
    physical: String,
    virtual_address: String,
    backend: Option<String>,
}

/// One `(vscsi …)` for each virtual adapter.
pub(super) fn devices(settings: &Settings, around: &Surroundings, faults: &mut Faults) -> Vec<Sxp> {
    let specs = pairs::entries(settings, "vscsi", faults);
    if specs.is_empty() {
        return Vec::new();
    }
    let host = (around.scsi_units)();
    let mut adapters = BTreeMap::new();
    for (at, text) in specs {
        let added = parse(&text).and_then(|spec| add(&mut adapters, &spec, &host, around));
        faults.check(("vscsi", at), added);
    }
    adapters.into_iter().map(|(number, adapter)| form(number, adapter)).collect()
}

fn parse(text: &str) -> Result<Spec, ConvertError> {
    let wrong = || ConvertError::Vscsi { spec: text.to_owned() };
    let fields: Vec<&str> = text.split(',').map(str::trim).collect();
    let (physical, virtual_address, backend) = match fields.as_slice() {
        [physical, virtual_address] => (physical, virtual_address, None),
        [physical, virtual_address, backend] => {
            (physical, virtual_address, Some((*backend).to_owned()).filter(|name| !name.is_empty()))
        }
        _ => return Err(wrong()),
    };
    if *virtual_address != "host" && address(virtual_address).is_none() {
        return Err(ConvertError::Vscsi { spec: (*virtual_address).to_owned() });
    }
    if physical.is_empty() {
        return Err(wrong());
    }
    Ok(Spec { physical: (*physical).to_owned(), virtual_address: (*virtual_address).to_owned(), backend })
}

/// The four numbers of `H:C:T:L`.
fn address(text: &str) -> Option<[u32; 4]> {
    let numbers: Option<Vec<u32>> = text.split(':').map(|number| number.parse().ok()).collect();
    numbers?.try_into().ok()
}

fn add(
    adapters: &mut BTreeMap<u32, Adapter>,
    spec: &Spec,
    host: &[ScsiUnit],
    around: &Surroundings,
) -> Result<(), ConvertError> {
    let missing = || ConvertError::VscsiNotHere { device: spec.physical.clone() };
    let found = find(host, &spec.physical, around).ok_or_else(missing)?;
    let whole_host = spec.virtual_address == "host";
    let number = |address_text: &str| address(address_text).map(|numbers| numbers[0]);
    let (adapter, units) = if whole_host {
        let adapter = number(&found.address).ok_or_else(missing)?;
        let beside = host.iter().filter(|unit| number(&unit.address) == Some(adapter));
        let as_itself =
            |unit: &ScsiUnit| Unit { virtual_address: unit.address.clone(), physical: unit.clone() };
        (adapter, beside.map(as_itself).collect())
    } else {
        let adapter = number(&spec.virtual_address).ok_or_else(missing)?;
        (adapter, vec![Unit { virtual_address: spec.virtual_address.clone(), physical: found.clone() }])
    };
    let clash = |what, device: &str| ConvertError::VscsiClash { what, device: device.to_owned() };
    for unit in &units {
        let mut known = adapters.values().flat_map(|adapter| &adapter.units);
        if known.any(|known| known.physical.address == unit.physical.address) {
            let device = &spec.physical;
            return Err(ConvertError::VscsiTwice { what: "physical", device: device.clone() });
        }
        let mut known = adapters.values().flat_map(|adapter| &adapter.units);
        if known.any(|known| known.virtual_address == unit.virtual_address) {
            let device = &spec.virtual_address;
            return Err(ConvertError::VscsiTwice { what: "virtual", device: device.clone() });
        }
    }
    let fresh = Adapter { whole_host, backend: spec.backend.clone(), units: Vec::new() };
    let adapter = adapters.entry(adapter).or_insert(fresh);
    if adapter.whole_host != whole_host {
        return Err(clash("mode", &spec.physical));
    }
    if adapter.backend != spec.backend {
        return Err(clash("backend", &spec.physical));
    }
    adapter.units.extend(units);
    Ok(())
}

/// The unit that a text means.
fn find<'a>(host: &'a [ScsiUnit], wanted: &str, around: &Surroundings) -> Option<&'a ScsiUnit> {
    let by_name = |name: &str| host.iter().find(|unit| unit.names.iter().any(|known| known == name));
    if wanted.starts_with("/dev/") {
        let real = (around.real_path)(Path::new(wanted));
        let path = real.as_deref().unwrap_or(Path::new(wanted));
        let name = path.file_name()?.to_string_lossy().into_owned();
        // A partition stands for its disk.
        return by_name(&name).or_else(|| by_name(name.trim_end_matches(|c: char| c.is_ascii_digit())));
    }
    let exact = host.iter().find(|unit| unit.address == wanted || unit.id.as_deref() == Some(wanted));
    exact.or_else(|| by_name(wanted)).or_else(|| {
        let beginning = wanted.contains(':') && wanted.bytes().all(|b| b.is_ascii_digit() || b == b':');
        host.iter().find(|unit| beginning && unit.address.starts_with(wanted))
    })
}

fn form(number: u32, adapter: Adapter) -> Sxp {
    let mut members = vec![Sxp::pair("feature-host", i64::from(adapter.whole_host))];
    for unit in adapter.units {
        let device = unit.physical.names.first().cloned().unwrap_or_default();
        members.push(Sxp::form(
            "dev",
            [
                Sxp::pair("state", INITIALISING),
                Sxp::pair("devid", i64::from(number)),
                Sxp::pair("p-dev", unit.physical.address),
                Sxp::pair("p-devname", device),
                Sxp::pair("v-dev", unit.virtual_address),
            ],
        ));
    }
    members.extend(adapter.backend.map(|backend| Sxp::pair("backend", backend)));
    Sxp::form("vscsi", members)
}

#[cfg(test)]
mod tests {
    use super::super::tests::around;
    use super::*;

    fn unit(address: &str, name: &str) -> ScsiUnit {
        ScsiUnit {
            address: address.to_owned(),
            names: vec![name.to_owned(), "sg9".to_owned()],
            id: Some(format!("id-{name}")),
        }
    }

    fn converted(specs: &[&str]) -> (String, Vec<String>) {
        let around = Surroundings {
            scsi_units: || vec![unit("2:0:0:0", "sdb"), unit("2:0:1:0", "sdc"), unit("3:0:0:0", "st0")],
            real_path: |path| Some(if path.ends_with("tape") { "/dev/st0".into() } else { path.to_owned() }),
            ..around()
        };
        let mut settings = Settings::new();
        settings.set("vscsi", specs.iter().map(|spec| Sxp::from(*spec)).collect::<Vec<_>>());
        let mut faults = Faults::default();
        let devices = devices(&settings, &around, &mut faults);
        let texts = faults.into_findings().iter().map(|one| one.error.to_string()).collect();
        (devices.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "), texts)
    }

    #[test]
    fn a_unit_is_found_by_address_beginning_name_link_and_id() {
        let expected = "(vscsi (feature-host 0) (dev (state 1) (devid 0) (p-dev 3:0:0:0) (p-devname st0) \
                        (v-dev 0:0:0:0)))";
        for physical in ["3:0:0:0", "3:0", "/dev/st0", "st0", "/dev/tape", "id-st0"] {
            assert_eq!(
                converted(&[&format!("{physical}, 0:0:0:0")]),
                (expected.to_owned(), vec![]),
                "{physical}"
            );
        }
    }

    #[test]
    fn units_of_one_virtual_adapter_share_a_device_and_host_takes_all_of_a_real_one() {
        let (sxp, faults) = converted(&["sdb,5:0:0:0,dom", "sdc1,1:0:0:0", "/dev/sdc1,5:0:0:1,dom"]);
        assert_eq!(faults, ["Cannot find device \"sdc1\""]);
        assert_eq!(sxp.matches("(vscsi ").count(), 1);
        assert!(sxp.ends_with("(v-dev 5:0:0:1)) (backend dom))"), "{sxp}");
        let (sxp, faults) = converted(&["sdb,host"]);
        assert!(faults.is_empty() && sxp.starts_with("(vscsi (feature-host 1) "), "{sxp}");
        assert_eq!(sxp.matches("(dev ").count(), 2);
    }

    #[test]
    fn clashes_are_told() {
        let cases = [
            (["sdb,0:0:0:0", "2:0:0:0,0:0:0:1"], "The physical device \"2:0:0:0\" is already defined"),
            (["sdb,0:0:0:0", "sdc,0:0:0:0"], "The virtual device \"0:0:0:0\" is already defined"),
            (
                ["sdb,0:0:0:0", "sdc,0:0:0:1,x"],
                "The physical device \"sdc\" cannot define because backend is different",
            ),
            (
                ["sdb,host", "st0,2:7:7:7"],
                "The physical device \"st0\" cannot define because mode is different",
            ),
            (["sdb,0:0:0:0", "sdc"], "vscsi syntax error \"sdc\""),
            (["sdb,0:0:0:0", "sdc,0:0:0"], "vscsi syntax error \"0:0:0\""),
        ];
        for (specs, expected) in cases {
            assert_eq!(converted(&specs).1, [expected], "{specs:?}");
        }
    }
}
