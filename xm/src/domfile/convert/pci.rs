//! PCI functions of the host that a domain gets (`xm-commands` §5.5), without `*`, which needs the host's list.

use xend_api::Sxp;

use super::super::settings::Settings;
use super::{ConvertError, pairs};

/// "Choose a virtual slot yourself", in place of one.
const AUTOMATIC: u16 = 0x100;

/// One function, with the texts that the daemon wants.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Function {
    domain: u16,
    bus: u8,
    slot: u8,
    function: u8,
    vdevfn: u16,
    options: Vec<(String, String)>,
    key: String,
}

impl Function {
    fn options(&self) -> impl Iterator<Item = Sxp> {
        self.options.iter().map(|(key, value)| Sxp::pair(key, value.as_str()))
    }

    fn tuple(&self) -> Sxp {
        Sxp::List(vec![
            format!("{:#06x}", self.domain).into(),
            format!("{:#04x}", self.bus).into(),
            format!("{:#04x}", self.slot).into(),
            format!("{:#x}", self.function).into(),
            format!("{:#04x}", self.vdevfn).into(),
            Sxp::List(self.options().collect()),
            self.key.clone().into(),
        ])
    }

    fn device(&self) -> Sxp {
        let members = [
            Sxp::pair("slot", format!("{:#04x}", self.slot)),
            Sxp::pair("domain", format!("{:#06x}", self.domain)),
            Sxp::pair("key", self.key.clone()),
            Sxp::pair("bus", format!("{:#04x}", self.bus)),
            Sxp::pair("vdevfn", format!("{:#04x}", self.vdevfn)),
            Sxp::pair("func", format!("{:#x}", self.function)),
        ];
        Sxp::form("dev", members.into_iter().chain(self.options().map(|option| Sxp::form("opts", [option]))))
    }
}

/// The functions as the tuples of an HVM image.
pub(super) fn tuples(settings: &Settings) -> Result<Sxp, ConvertError> {
    Ok(Sxp::List(functions(settings)?.iter().map(Function::tuple).collect()))
}

/// All functions in one `(pci …)`.
pub(super) fn device(settings: &Settings) -> Result<Option<Sxp>, ConvertError> {
    let functions = functions(settings)?;
    Ok((!functions.is_empty()).then(|| Sxp::form("pci", functions.iter().map(Function::device))))
}

fn functions(settings: &Settings) -> Result<Vec<Function>, ConvertError> {
    let mut all: Vec<Function> = Vec::new();
    for spec in pairs::texts(settings, "pci")? {
        let found = parse(&spec)?;
        let same = |a: &Function, b: &Function| {
            (a.domain, a.bus, a.slot, a.function) == (b.domain, b.bus, b.slot, b.function)
        };
        if found.iter().any(|new| all.iter().any(|known| same(known, new))) {
            return Err(ConvertError::PciDuplicate { spec });
        }
        all.extend(found);
    }
    Ok(all)
}

/// `[DDDD:]BB:SS.FUNCTIONS[@VSLOT][,OPTION…]`.
fn parse(spec: &str) -> Result<Vec<Function>, ConvertError> {
    let wrong = || ConvertError::Pci { spec: spec.to_owned() };
    let mut parts = spec.split(',');
    let key = parts.next().unwrap_or_default().trim();
    let options = parts.map(option).collect::<Result<Vec<_>, _>>()?;
    let (address, vslot) = match key.split_once('@') {
        Some((address, vslot)) => {
            (address, Some(hex(vslot, 2).filter(|slot| *slot < 0x20).ok_or_else(wrong)?))
        }
        None => (key, None),
    };
    let (place, wanted) = address.rsplit_once('.').ok_or_else(wrong)?;
    if wanted == "*" {
        return Err(ConvertError::NotYet { variable: "pci with all functions of a slot (*)" });
    }
    let place: Vec<&str> = place.split(':').collect();
    let (domain, bus, slot) = match place.as_slice() {
        [bus, slot] => (Some(0), hex(bus, 2), hex(slot, 2)),
        [domain, bus, slot] => (hex(domain, 4), hex(bus, 2), hex(slot, 2)),
        _ => return Err(wrong()),
    };
    let (domain, bus, slot) = (domain.ok_or_else(wrong)?, bus.ok_or_else(wrong)?, slot.ok_or_else(wrong)?);
    let one = |(function, virtual_function): (u8, u8)| Function {
        domain,
        bus: u8::try_from(bus).unwrap_or(0),
        slot: u8::try_from(slot).unwrap_or(0),
        function,
        vdevfn: vslot.map_or(AUTOMATIC, |vslot| vslot * 8) + u16::from(virtual_function),
        options: options.clone(),
        key: key.to_owned(),
    };
    Ok(numbers(wanted).ok_or_else(wrong)?.into_iter().map(one).collect())
}

fn hex(text: &str, digits: usize) -> Option<u16> {
    let fine = (1..=digits).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_hexdigit());
    fine.then(|| u16::from_str_radix(text, 16).ok()).flatten()
}

/// Physical and virtual functions: `0`, `0-2`, `1=0`. A guest must see a function 0, so the lowest becomes it; that
/// one comes last, which is when the guest looks.
fn numbers(text: &str) -> Option<Vec<(u8, u8)>> {
    let function = |text: &str| text.parse::<u8>().ok().filter(|n| *n < 8 && text.len() == 1);
    let mut found = Vec::new();
    let mut manual = false;
    for part in text.split(';') {
        let (physical, given) = part.split_once('=').map_or((part, None), |(a, b)| (a, Some(b)));
        let range = |text: &str| -> Option<Vec<u8>> {
            let (from, to) = text.split_once('-').unwrap_or((text, text));
            let (from, to) = (function(from)?, function(to)?);
            Some(if from <= to { (from..=to).collect() } else { (to..=from).rev().collect() })
        };
        let physical = range(physical)?;
        let given = given.map_or_else(
            || Some(physical.clone()),
            |given| {
                manual = true;
                range(given)
            },
        )?;
        if physical.len() != given.len() {
            return None;
        }
        found.extend(physical.into_iter().zip(given));
    }
    if !manual && found.iter().all(|(_, given)| *given != 0) {
        found.iter_mut().min_by_key(|(physical, _)| *physical)?.1 = 0;
    }
    found.sort_by_key(|(_, given)| *given == 0);
    Some(found)
}

fn option(text: &str) -> Result<(String, String), ConvertError> {
    let wrong = || ConvertError::PciOption { option: text.trim().to_owned() };
    let (key, value) = text.trim().split_once('=').ok_or_else(wrong)?;
    let fine = matches!(key, "msitranslate" | "power_mgmt") && matches!(value, "0" | "1" | "yes" | "no");
    if fine { Ok((key.to_owned(), value.to_owned())) } else { Err(wrong()) }
}
