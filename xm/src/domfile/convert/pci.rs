//! PCI functions of the host that a domain gets (`xm-commands` §5.5).
//!
//! ```text
//!   [DOMAIN:]BUS:SLOT.FUNCTIONS[@VSLOT][,OPTION=VALUE…]     FUNCTIONS: *, or 0, 0-3, 2=0, several with , between
//! ```

use std::collections::HashSet;

use xend_api::Sxp;

use super::super::settings::Settings;
use super::faults::Faults;
use super::{ConvertError, Surroundings, pairs};

/// "Choose a virtual slot yourself", in place of one.
const AUTOMATIC: u16 = 0x100;
/// Slots that a bus has.
const SLOTS: u16 = 0x20;

/// One function, with the texts that the daemon wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    place: Slot,
    function: u8,
    vdevfn: u16,
    options: Vec<(String, String)>,
    key: String,
}

/// A slot of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Slot {
    /// The PCI domain (or segment).
    pub domain: u16,
    /// The bus.
    pub bus: u8,
    /// The slot.
    pub slot: u8,
}

/// A function of the host and what the guest sees it as.
#[derive(Clone, Copy, Debug)]
struct Mapped {
    physical: u8,
    seen_as: u8,
    /// Was the second number left to us?
    automatic: bool,
}

impl Function {
    fn options(&self) -> impl Iterator<Item = Sxp> {
        self.options.iter().map(|(key, value)| Sxp::pair(key, value.as_str()))
    }

    fn tuple(&self) -> Sxp {
        Sxp::List(vec![
            format!("{:#06x}", self.place.domain).into(),
            format!("{:#04x}", self.place.bus).into(),
            format!("{:#04x}", self.place.slot).into(),
            format!("{:#x}", self.function).into(),
            format!("{:#04x}", self.vdevfn).into(),
            Sxp::List(self.options().collect()),
            self.key.clone().into(),
        ])
    }

    fn device(&self) -> Sxp {
        let members = [
            Sxp::pair("slot", format!("{:#04x}", self.place.slot)),
            Sxp::pair("domain", format!("{:#06x}", self.place.domain)),
            Sxp::pair("key", self.key.clone()),
            Sxp::pair("bus", format!("{:#04x}", self.place.bus)),
            Sxp::pair("vdevfn", format!("{:#04x}", self.vdevfn)),
            Sxp::pair("func", format!("{:#x}", self.function)),
        ];
        Sxp::form("dev", members.into_iter().chain(self.options().map(|option| Sxp::form("opts", [option]))))
    }
}

/// The functions as the tuples of an HVM image.
pub(super) fn tuples(functions: &[Function]) -> Sxp {
    Sxp::List(functions.iter().map(Function::tuple).collect())
}

/// All functions in one `(pci …)`.
pub(super) fn device(functions: &[Function]) -> Option<Sxp> {
    (!functions.is_empty()).then(|| Sxp::form("pci", functions.iter().map(Function::device)))
}

/// All functions of the variable, in the order of writing.
pub(super) fn functions(settings: &Settings, around: &Surroundings, faults: &mut Faults) -> Vec<Function> {
    let mut all: Vec<Function> = Vec::new();
    let mut known = HashSet::new();
    pairs::each(settings, "pci", faults, |spec| {
        let found = parse(spec, around)?;
        let mut mine = HashSet::new();
        let again = |one: &Function| {
            let function = (one.place, one.function);
            known.contains(&function) || !mine.insert(function)
        };
        if found.iter().any(again) {
            return Err(ConvertError::PciDuplicate { spec: spec.to_owned() });
        }
        known.extend(mine);
        all.extend(found);
        Ok(())
    });
    all
}

fn parse(spec: &str, around: &Surroundings) -> Result<Vec<Function>, ConvertError> {
    let wrong = || ConvertError::Pci { spec: spec.to_owned() };
    let split = address(spec, 3).or_else(|| address(spec, 2));
    let (place, rest) = split.ok_or_else(wrong)?;
    let (wanted, rest) = function_text(rest).ok_or_else(wrong)?;
    let (vslot, rest) = match rest.strip_prefix('@') {
        Some(rest) => {
            let end = rest.find(',').unwrap_or(rest.len());
            let vslot = hex(&rest[..end], 2).filter(|slot| *slot < SLOTS).ok_or_else(wrong)?;
            (Some(vslot), &rest[end..])
        }
        None => (None, rest),
    };
    let options = match rest.strip_prefix(',') {
        Some(options) => {
            options.split(',').filter(|text| !text.is_empty()).map(option).collect::<Result<Vec<_>, _>>()?
        }
        None if rest.is_empty() => Vec::new(),
        None => return Err(wrong()),
    };
    let mapped = if wanted == "*" {
        let here = (around.pci_functions)(place);
        if here.is_empty() {
            return Err(ConvertError::PciNotHere { spec: spec.to_owned() });
        }
        here.into_iter().map(|n| Mapped { physical: n, seen_as: n, automatic: true }).collect()
    } else {
        numbers(wanted).ok_or_else(wrong)?
    };
    let mapped =
        with_function_0(mapped).ok_or_else(|| ConvertError::PciNoFunction0 { spec: spec.to_owned() })?;
    let key = spec.split(',').next().unwrap_or_default();
    let one = |mapped: Mapped| Function {
        place,
        function: mapped.physical,
        vdevfn: vslot.map_or(AUTOMATIC, |vslot| vslot * 8) + u16::from(mapped.seen_as),
        options: options.clone(),
        key: key.to_owned(),
    };
    Ok(mapped.into_iter().map(one).collect())
}

/// The slot, written with so many numbers, and the text behind its full stop.
fn address(text: &str, numbers: usize) -> Option<(Slot, &str)> {
    let mut rest = text;
    let mut found = Vec::new();
    for at in 0..numbers {
        let end = rest.find(|c: char| !c.is_ascii_hexdigit())?;
        let digits = if numbers == 3 && at == 0 { 4 } else { 2 };
        found.push(hex(&rest[..end], digits)?);
        let between = if at + 1 == numbers { ['.', ','] } else { [':', ','] };
        rest = rest[end..].strip_prefix(between)?;
    }
    let [domain, bus, slot] = match found.as_slice() {
        [bus, slot] => [0, *bus, *slot],
        [domain, bus, slot] => [*domain, *bus, *slot],
        _ => return None,
    };
    Some((Slot { domain, bus: u8::try_from(bus).ok()?, slot: u8::try_from(slot).ok()? }, rest))
}

/// The functions at the front of a text, and what follows them: a comma belongs to them when a digit follows.
fn function_text(text: &str) -> Option<(&str, &str)> {
    if let Some(rest) = text.strip_prefix('*') {
        return Some((&text[..1], rest));
    }
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(|b| (b'0'..=b'7').contains(b));
    if !digit(0) {
        return None;
    }
    let mut end = 1;
    while bytes.get(end).is_some_and(|b| b",;-=".contains(b)) && digit(end + 1) {
        end += 2;
    }
    Some(text.split_at(end))
}

fn hex(text: &str, digits: usize) -> Option<u16> {
    let fine = (1..=digits).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    fine.then(|| u16::from_str_radix(text, 16).ok()).flatten()
}

/// Physical and virtual functions: `0`, `0-2`, `1=0`, `0-1=3-2`.
fn numbers(text: &str) -> Option<Vec<Mapped>> {
    let function = |text: &str| text.parse::<u8>().ok().filter(|n| *n < 8 && text.len() == 1);
    let range = |text: &str| -> Option<Vec<u8>> {
        let (from, to) = text.split_once('-').unwrap_or((text, text));
        let (from, to) = (function(from)?, function(to)?);
        Some(if from <= to { (from..=to).collect() } else { (to..=from).rev().collect() })
    };
    let mut found = Vec::new();
    for part in text.split([',', ';']) {
        let (physical, given) = part.split_once('=').map_or((part, None), |(a, b)| (a, Some(b)));
        let automatic = given.is_none();
        let physical = range(physical)?;
        let seen_as = given.map_or_else(|| Some(physical.clone()), range)?;
        if physical.len() != seen_as.len() {
            return None;
        }
        let pairs = physical.into_iter().zip(seen_as);
        found.extend(pairs.map(|(physical, seen_as)| Mapped { physical, seen_as, automatic }));
    }
    Some(found)
}

/// A guest must see a function 0, so the lowest that was left to us becomes it; the highest that it sees comes first,
/// function 0 last, which is when the guest looks.
fn with_function_0(mut mapped: Vec<Mapped>) -> Option<Vec<Mapped>> {
    if mapped.iter().all(|one| one.seen_as != 0) {
        let automatic = mapped.iter_mut().filter(|one| one.automatic);
        automatic.min_by_key(|one| one.physical)?.seen_as = 0;
    }
    mapped.sort_by_key(|one| std::cmp::Reverse(one.seen_as));
    Some(mapped)
}

fn option(text: &str) -> Result<(String, String), ConvertError> {
    let wrong = || ConvertError::PciOption { option: text.to_owned() };
    let (key, value) = text.split_once('=').ok_or_else(wrong)?;
    let fine = matches!(key, "msitranslate" | "power_mgmt") && matches!(value, "0" | "1" | "yes" | "no");
    if fine { Ok((key.to_owned(), value.to_owned())) } else { Err(wrong()) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::around;
    use super::*;

    /// Functions as `physical>vdevfn`, or the error.
    fn read(spec: &str) -> Result<String, String> {
        let around = Surroundings {
            pci_functions: |slot| if slot.bus == 4 { vec![0, 1, 3] } else { Vec::new() },
            ..around()
        };
        let found = parse(spec, &around).map_err(|error| error.to_string())?;
        let shown = found.iter().map(|one| format!("{}>{:x}", one.function, one.vdevfn));
        Ok(shown.collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn functions_are_mapped_and_function_0_comes_last() {
        let cases = [
            ("03:00.2", "2>100"),
            ("0000:03:00.0", "0>100"),
            ("03:00.0-2@5", "2>2a 1>29 0>28"),
            ("03:00.0,1=3,2", "1>103 2>102 0>100"),
            ("0000,3,0,1", "1>100"),
            ("03:00.1=0,2", "2>102 1>100"),
            ("03:00.0,2,msitranslate=0", "2>102 0>100"),
            ("03:00.2-0=0-2", "0>102 1>101 2>100"),
            ("03:00.1,2,3", "3>103 2>102 1>100"),
            ("03:00.0,,msitranslate=0,", "0>100"),
            ("04:00.*", "3>103 1>101 0>100"),
        ];
        for (spec, expected) in cases {
            assert_eq!(read(spec).as_deref(), Ok(expected), "{spec}");
        }
    }

    #[test]
    fn what_is_no_address_is_told() {
        let cases = [
            ("1", "Failed to parse pci device: 1"),
            ("03:00", "Failed to parse pci device: 03:00"),
            ("03:00.8", "Failed to parse pci device: 03:00.8"),
            ("03:00.0@20", "Failed to parse pci device: 03:00.0@20"),
            ("03:00.0@", "Failed to parse pci device: 03:00.0@"),
            ("03:00.0x", "Failed to parse pci device: 03:00.0x"),
            ("333:00.0", "Failed to parse pci device: 333:00.0"),
            ("03:00.0,msitranslate=2", "Invalid pci option msitranslate=2: "),
            ("03:00.0, power_mgmt=1", "Invalid pci option  power_mgmt=1: "),
            ("03:00.0,msitranslate", "Invalid pci option msitranslate: "),
            (" 03:00.1", "Failed to parse pci device:  03:00.1"),
            ("03:00.1=1", "Virtual device does not include virtual function 0: 03:00.1=1"),
            ("05:00.*", "cannot find any function of PCI device 05:00.* on this host"),
        ];
        for (spec, expected) in cases {
            assert_eq!(read(spec), Err(expected.to_owned()), "{spec}");
        }
    }

    #[test]
    fn a_function_can_be_given_once() {
        let mut settings = Settings::new();
        settings.set("pci", vec!["03:00.0,0".into(), "3:0.1".into(), "0000:03:00.1".into()]);
        let mut faults = Faults::default();
        assert_eq!(functions(&settings, &around(), &mut faults).len(), 1);
        let findings = faults.into_findings();
        assert_eq!(findings.iter().map(|one| one.entry).collect::<Vec<_>>(), [Some(0), Some(2)]);
        assert_eq!(findings[1].error.to_string(), "Duplicate functions: 0000:03:00.1");
    }
}
