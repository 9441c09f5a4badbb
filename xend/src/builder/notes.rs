//! The notes with which a kernel tells a Xen builder what it is, and the text section that came before them.
//!
//! ```text
//! note          namesz u32 · descsz u32 · type u32 · name "Xen\0" · desc padded to 4
//! __xen_guest   KEY=value,KEY=value,…   (Linux 2.6.18 and its contemporaries)
//! ```

use std::collections::BTreeMap;

use super::{error::ElfError, features::Features};

pub(super) const ENTRY: u32 = 1;
pub(super) const HYPERCALL_PAGE: u32 = 2;
pub(super) const VIRT_BASE: u32 = 3;
pub(super) const PADDR_OFFSET: u32 = 4;
pub(super) const XEN_VERSION: u32 = 5;
pub(super) const GUEST_OS: u32 = 6;
pub(super) const LOADER: u32 = 8;
pub(super) const BSD_SYMTAB: u32 = 11;
pub(super) const INIT_P2M: u32 = 15;
pub(super) const MOD_START_PFN: u32 = 16;
pub(super) const PHYS32_ENTRY: u32 = 18;
const GUEST_VERSION: u32 = 7;
const PAE_MODE: u32 = 9;
const FEATURES: u32 = 10;
const HV_START_LOW: u32 = 12;
const SUSPEND_CANCEL: u32 = 14;
const SUPPORTED_FEATURES: u32 = 17;

/// Longer texts are no notes of any kernel.
const MAX_TEXT: usize = 1024;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Text,
}

/// Notes that are understood, under the names by which they appear in a domain's configuration.
const KNOWN: [(u32, &str, Kind); 17] = [
    (ENTRY, "ENTRY", Kind::Number),
    (HYPERCALL_PAGE, "HYPERCALL_PAGE", Kind::Number),
    (VIRT_BASE, "VIRT_BASE", Kind::Number),
    (PADDR_OFFSET, "PADDR_OFFSET", Kind::Number),
    (XEN_VERSION, "XEN_VERSION", Kind::Text),
    (GUEST_OS, "GUEST_OS", Kind::Text),
    (GUEST_VERSION, "GUEST_VERSION", Kind::Text),
    (LOADER, "LOADER", Kind::Text),
    (PAE_MODE, "PAE_MODE", Kind::Text),
    (FEATURES, "FEATURES", Kind::Text),
    (BSD_SYMTAB, "BSD_SYMTAB", Kind::Text),
    (HV_START_LOW, "HV_START_LOW", Kind::Number),
    (SUSPEND_CANCEL, "SUSPEND_CANCEL", Kind::Number),
    (INIT_P2M, "INIT_P2M", Kind::Number),
    (MOD_START_PFN, "MOD_START_PFN", Kind::Number),
    (SUPPORTED_FEATURES, "SUPPORTED_FEATURES", Kind::Number),
    (PHYS32_ENTRY, "PHYS32_ENTRY", Kind::Number),
];

/// Keys of `__xen_guest` and the notes that replaced them.
const LEGACY: [(&str, u32); 11] = [
    ("VIRT_BASE", VIRT_BASE),
    ("GUEST_OS", GUEST_OS),
    ("GUEST_VER", GUEST_VERSION),
    ("XEN_VER", XEN_VERSION),
    ("LOADER", LOADER),
    ("PAE", PAE_MODE),
    ("FEATURES", FEATURES),
    ("VIRT_ENTRY", ENTRY),
    ("ELF_PADDR_OFFSET", PADDR_OFFSET),
    ("HYPERCALL_PAGE", HYPERCALL_PAGE),
    ("BSD_SYMTAB", BSD_SYMTAB),
];

/// What the notes of one kernel say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Notes {
    numbers: BTreeMap<u32, u64>,
    texts: BTreeMap<u32, String>,
    pub(super) features: Features,
    /// They come from `__xen_guest`.
    pub(super) legacy: bool,
}

impl Notes {
    pub(super) fn is_empty(&self) -> bool {
        self.numbers.is_empty() && self.texts.is_empty()
    }

    pub(super) fn number(&self, note: u32) -> Option<u64> {
        self.numbers.get(&note).copied()
    }

    pub(super) fn text(&self, note: u32) -> Option<&str> {
        self.texts.get(&note).map(String::as_str)
    }

    /// Names and values for the domain's configuration; numbers in decimal. The PVH entry is not part of it.
    pub(super) fn listed(&self) -> Vec<(String, String)> {
        let value = |note, kind| match kind {
            Kind::Number => self.number(note).map(|number| number.to_string()),
            Kind::Text => self.text(note).map(str::to_owned),
        };
        KNOWN
            .iter()
            .filter(|(note, ..)| *note != PHYS32_ENTRY)
            .filter_map(|(note, name, kind)| Some(((*name).to_owned(), value(*note, *kind)?)))
            .collect()
    }

    /// Adds the Xen notes of one note segment or section. A broken tail ends it.
    pub(super) fn add_segment(&mut self, mut bytes: &[u8]) -> Result<(), ElfError> {
        while let Some((note, rest)) = next_note(bytes) {
            if note.owner == b"Xen\0" {
                self.add(note.kind, note.desc)?;
            }
            bytes = rest;
        }
        Ok(())
    }

    fn add(&mut self, note: u32, desc: &[u8]) -> Result<(), ElfError> {
        let Some((_, name, kind)) = KNOWN.iter().find(|(known, ..)| *known == note) else { return Ok(()) };
        match kind {
            Kind::Number => {
                let number = match *desc {
                    [a, b, c, d] => u64::from(u32::from_le_bytes([a, b, c, d])),
                    [a, b, c, d, e, f, g, h] => u64::from_le_bytes([a, b, c, d, e, f, g, h]),
                    _ => return Err(wrong(name, format!("{} bytes long", desc.len()), "4 or 8 bytes")),
                };
                self.set_number(note, number);
                Ok(())
            }
            Kind::Text => self.set_text(note, name, desc),
        }
    }

    fn set_number(&mut self, note: u32, number: u64) {
        if note == SUPPORTED_FEATURES {
            self.features.supported |= number;
        }
        self.numbers.insert(note, number);
    }

    fn set_text(&mut self, note: u32, name: &'static str, desc: &[u8]) -> Result<(), ElfError> {
        let end = desc.iter().position(|byte| *byte == 0).unwrap_or(desc.len());
        if end > MAX_TEXT {
            return Err(wrong(name, format!("{end} bytes long"), "at most 1024 bytes"));
        }
        let text = String::from_utf8_lossy(&desc[..end]).into_owned();
        if note == FEATURES {
            self.features.add_text(&text)?;
        }
        self.texts.insert(note, text);
        Ok(())
    }

    /// Reads the content of a `__xen_guest` section.
    pub(super) fn add_legacy(&mut self, bytes: &[u8]) -> Result<(), ElfError> {
        self.legacy = true;
        let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
        for pair in bytes[..end].split(|byte| *byte == b',') {
            let at = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
            let (key, value) = (&pair[..at], pair.get(at + 1..).unwrap_or_default());
            let Some((name, note)) = LEGACY.iter().find(|(name, _)| name.as_bytes() == key) else { continue };
            if [ENTRY, VIRT_BASE, PADDR_OFFSET, HYPERCALL_PAGE].contains(note) {
                let text = String::from_utf8_lossy(value).into_owned();
                let number = parse_number(&text).ok_or_else(|| wrong(name, text, "a number"))?;
                self.set_number(*note, number);
            } else {
                self.set_text(*note, name, value)?;
            }
        }
        let base = self.number(VIRT_BASE).unwrap_or(0);
        // Here the page is given by its number, and addresses in the file are virtual ones.
        if let Some(page) = self.numbers.get_mut(&HYPERCALL_PAGE) {
            *page = base.wrapping_add(page.wrapping_mul(4096));
        }
        self.numbers.entry(PADDR_OFFSET).or_insert(base);
        Ok(())
    }
}

pub(super) fn wrong(note: &'static str, value: String, wanted: &'static str) -> ElfError {
    ElfError::Note { note, value, wanted }
}

struct Note<'a> {
    owner: &'a [u8],
    kind: u32,
    desc: &'a [u8],
}

/// One note and what follows; `None` at the end and where lengths make no sense.
fn next_note(bytes: &[u8]) -> Option<(Note<'_>, &[u8])> {
    let word = |at: usize| Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let (name_len, desc_len) = (word(0)? as usize, word(4)? as usize);
    let kind = word(8)?;
    let (owner, rest) = padded(&bytes[12..], name_len)?;
    let (desc, rest) = padded(rest, desc_len)?;
    Some((Note { owner, kind, desc }, rest))
}

fn padded(bytes: &[u8], len: usize) -> Option<(&[u8], &[u8])> {
    let content = bytes.get(..len)?;
    // The padding of the last note may be missing.
    Some((content, bytes.get(len.checked_next_multiple_of(4)?..).unwrap_or_default()))
}

fn parse_number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::builder::fixtures::note;

    #[test]
    fn numbers_come_as_four_or_eight_bytes_and_other_owners_notes_are_skipped() {
        let mut bytes = note(b"GNU\0", 3, b"build-id");
        bytes.extend(note(b"Xen\0", VIRT_BASE, &0xffff_ffff_8000_0000_u64.to_le_bytes()));
        bytes.extend(note(b"Xen\0", MOD_START_PFN, &1_u32.to_le_bytes()));
        bytes.extend(note(b"Linux\0", ENTRY, &7_u64.to_le_bytes()));
        bytes.extend(note(b"Xen\0", XEN_VERSION, b"xen-3.0\0"));
        bytes.extend(note(b"Xen\0", SUPPORTED_FEATURES, &0x8801_u32.to_le_bytes()));
        let mut notes = Notes::default();
        notes.add_segment(&bytes).unwrap();
        assert_eq!(notes.number(VIRT_BASE), Some(0xffff_ffff_8000_0000));
        assert_eq!(notes.number(ENTRY), None);
        assert_eq!(notes.features.supported, 0x8801);
        let listed = notes.listed();
        let listed: Vec<(&str, &str)> = listed.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let wanted = [
            ("VIRT_BASE", "18446744071562067968"),
            ("XEN_VERSION", "xen-3.0"),
            ("MOD_START_PFN", "1"),
            ("SUPPORTED_FEATURES", "34817"),
        ];
        assert_eq!(listed, wanted);
    }

    #[test]
    fn a_note_whose_length_leaves_the_segment_ends_the_segment() {
        let mut bytes = note(b"Xen\0", ENTRY, &7_u64.to_le_bytes());
        let mut broken = note(b"Xen\0", VIRT_BASE, &8_u64.to_le_bytes());
        broken[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        bytes.extend(broken);
        let mut notes = Notes::default();
        notes.add_segment(&bytes).unwrap();
        assert_eq!((notes.number(ENTRY), notes.number(VIRT_BASE)), (Some(7), None));
    }

    #[test]
    fn a_number_of_three_bytes_is_refused_by_name() {
        let error = Notes::default().add_segment(&note(b"Xen\0", ENTRY, b"abc")).unwrap_err();
        assert_eq!(error.to_string(), "its note ENTRY is 3 bytes long, wanted 4 or 8 bytes");
    }

    #[test]
    fn the_old_section_gives_the_same_facts() {
        let mut notes = Notes::default();
        let text = b"GUEST_OS=linux,GUEST_VER=2.6,XEN_VER=xen-3.0,VIRT_BASE=0xffffffff80000000,\
                     HYPERCALL_PAGE=0x202,FEATURES=writable_page_tables,LOADER=generic\0rest=1";
        notes.add_legacy(text).unwrap();
        assert_eq!(notes.text(GUEST_OS), Some("linux"));
        assert_eq!(notes.number(HYPERCALL_PAGE), Some(0xffff_ffff_8020_2000));
        assert_eq!(notes.number(PADDR_OFFSET), Some(0xffff_ffff_8000_0000));
        assert_eq!(notes.features.supported, 1);
        let error = Notes::default().add_legacy(b"VIRT_BASE=here").unwrap_err();
        assert_eq!(error.to_string(), "its note VIRT_BASE is here, wanted a number");
    }
}
