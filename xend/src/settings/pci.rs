//! The two files beside the settings that say what a guest may do with PCI devices (`xend-daemon` §1.7). Devices are not
//! passed through yet; the files are read so that they can be checked.

use xend_api::sxp::{Located, Source};

use super::finding::{Finding, Findings, Weight, shown};

/// Vendor, device and, when given, their subsystem's two: hexadecimal, `FFFF` of a subsystem is any.
type PciIds = Vec<u16>;

/// Fields of the configuration space that guests of some devices may write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Quirk {
    /// What it is called.
    pub name: String,
    /// The devices.
    pub ids: Vec<PciIds>,
    /// `REGISTER:SIZE:MASK`, as the driver is told.
    pub fields: Vec<String>,
}

/// `xend-pci-quirks.sxp`.
#[derive(Clone, Debug, Default)]
pub struct Quirks {
    /// Its entries.
    pub quirks: Vec<Quirk>,
    /// What there is to say.
    pub findings: Findings,
}

/// `xend-pci-permissive.sxp`: devices whose whole configuration space may be written.
#[derive(Clone, Debug, Default)]
pub struct Permissive {
    /// The devices.
    pub ids: Vec<PciIds>,
    /// What there is to say.
    pub findings: Findings,
}

impl Quirks {
    /// Reads the text of the file.
    pub fn read(text: &[u8]) -> Self {
        let source = Source::read(text);
        let mut read = Self { quirks: Vec::new(), findings: Findings::of_source(&source) };
        for form in source.forms() {
            let Some(name) = form.tree().name() else {
                push(&mut read.findings, form, "wanted (NAME (pci_ids …) (pci_config_space_fields …))");
                continue;
            };
            let mut quirk = Quirk { name: name.to_owned(), ..Quirk::default() };
            for part in form.values() {
                match part.tree().name() {
                    Some("pci_ids") => quirk.ids.extend(list(part, &mut read.findings, IDS, ids)),
                    Some("pci_config_space_fields") => {
                        quirk.fields.extend(list(part, &mut read.findings, FIELD, field));
                    }
                    _ => push(&mut read.findings, part, "wanted pci_ids or pci_config_space_fields"),
                }
            }
            read.quirks.push(quirk);
        }
        read.findings.sort();
        read
    }
}

impl Permissive {
    /// Reads the text of the file.
    pub fn read(text: &[u8]) -> Self {
        let source = Source::read(text);
        let mut read = Self { ids: Vec::new(), findings: Findings::of_source(&source) };
        for form in source.forms() {
            match form.tree().name() {
                Some("unconstrained_dev_ids") => read.ids.extend(list(form, &mut read.findings, IDS, ids)),
                _ => push(&mut read.findings, form, "wanted (unconstrained_dev_ids ('VVVV:DDDD' …))"),
            }
        }
        read.findings.sort();
        read
    }
}

const IDS: &str = "wanted 'VVVV:DDDD' or 'VVVV:DDDD:SVVV:SDDD', four hexadecimal digits each";
const FIELD: &str = "wanted 'REGISTER:SIZE:MASK', a size of 1, 2 or 4 between two hexadecimal numbers";

/// The texts of the list that is a form's value.
fn list<T>(
    form: Located<'_>,
    findings: &mut Findings,
    wanted: &'static str,
    read: fn(&str) -> Option<T>,
) -> Vec<T> {
    let Some(value) = form.values().next().filter(|value| value.tree().text().is_none()) else {
        push(findings, form, "wanted a list of quoted texts in brackets");
        return Vec::new();
    };
    let mut found = Vec::new();
    for item in value.items() {
        match item.tree().text().and_then(read) {
            Some(one) => found.push(one),
            None => push(findings, item, wanted),
        }
    }
    found
}

fn push(findings: &mut Findings, at: Located<'_>, wanted: &str) {
    let text = format!("{} cannot be used", shown(at.tree()));
    findings.push(Finding::new(Weight::Fault, Some(at.place()), text).hint(wanted));
}

fn ids(text: &str) -> Option<PciIds> {
    let parts: Option<PciIds> =
        text.split(':').map(|part| hex(part, 4).and_then(|id| u16::try_from(id).ok())).collect();
    parts.filter(|parts| matches!(parts.len(), 2 | 4) && text.split(':').all(|part| part.len() == 4))
}

fn field(text: &str) -> Option<String> {
    let parts: Vec<&str> = text.split(':').collect();
    let [register, size @ ("1" | "2" | "4"), mask] = parts.as_slice() else { return None };
    hex(register, 8).and(hex(mask, 8))?;
    Some(format!("{register}:{size}:{mask}"))
}

fn hex(text: &str, most: usize) -> Option<u32> {
    let digits = !text.is_empty() && text.len() <= most && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    digits.then(|| u32::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quirks_are_read_and_odd_ones_are_told_with_their_place() {
        let read = Quirks::read(
            b"(tg3 (pci_ids ('14e4:1644' '14e4:1645:1028:00D1'))\n (pci_config_space_fields ('000000d8:4:0')))",
        );
        assert_eq!(read.findings.iter().count(), 0, "{:?}", read.findings);
        let ids = vec![vec![0x14e4, 0x1644], vec![0x14e4, 0x1645, 0x1028, 0xd1]];
        let fields = vec!["000000d8:4:0".to_owned()];
        assert_eq!(read.quirks, [Quirk { name: "tg3".to_owned(), ids, fields }]);
        let odd = Quirks::read(b"(a (pci_ids ('14e4'))\n (pci_config_space_fields ('d8:3:0'))\n (b)) c");
        let places: Vec<_> = odd.findings.iter().map(ToString::to_string).collect();
        let wanted = ["1:14: 14e4", "2:28: d8:3:0", "3:2: (b)", "3:7: c"];
        assert_eq!(places, wanted.map(|text| format!("{text} cannot be used")));
    }

    #[test]
    fn unconstrained_devices_are_read() {
        let read = Permissive::read(b"(unconstrained_dev_ids ('0123:4567' '89ab:cdef:ffff:FFFF'))");
        assert_eq!(read.ids, [vec![0x123, 0x4567], vec![0x89ab, 0xcdef, 0xffff, 0xffff]]);
        assert_eq!(read.findings.iter().count(), 0);
        let odd = Permissive::read(b"(unconstrained_dev_ids '0123:4567') (other ())");
        assert_eq!(odd.findings.iter().filter(|finding| finding.is_fault()).count(), 2);
    }
}
