//! Reads the ELF file of a kernel: what to load where, and from its notes whether and how it starts as a PV guest.
//! Every length is checked against the file before anything of that size is allocated.

use super::{
    error::ElfError,
    features::Features,
    image::Image,
    notes::{self, Notes, wrong},
};

const PAGE: u64 = hypervisor::PAGE_SIZE as u64;
const EHDR_SIZE: usize = 64;
const PHDR_SIZE: usize = 56;
const SHDR_SIZE: usize = 64;
const PT_LOAD: u32 = 1;
const PT_NOTE: u32 = 4;
const SHT_NOTE: u32 = 7;
const EM_X86_64: u64 = 62;
const MAX_PROGRAM_HEADERS: u64 = 128;
/// Notes of a kernel have a few hundred bytes.
const MAX_NOTES: u64 = 1 << 20;
const MAX_SECTION_NAMES: u64 = 4 << 20;

/// A piece of the file and its place in the guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub(super) file_offset: u64,
    pub(super) file_size: u64,
    pub(super) paddr: u64,
    pub(super) mem_size: u64,
}

/// A kernel that can start as a PV guest: what the builder needs to know of it. Addresses are virtual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PvImage {
    /// Where pfn 0 is mapped.
    pub virt_base: u64,
    /// First instruction.
    pub entry: u64,
    /// First byte of the kernel.
    pub kernel_start: u64,
    /// Behind its last byte.
    pub kernel_end: u64,
    /// Page to be filled with hypercall entries; new kernels do that themselves.
    pub hypercall_page: Option<u64>,
    /// Where the kernel wants its p2m mapped; checked to be usable.
    pub init_p2m: Option<u64>,
    /// The ramdisk may stay unmapped and be told by its pfn.
    pub mod_start_pfn: bool,
    /// Notes for the domain's configuration, as name and value.
    pub notes: Vec<(String, String)>,
    /// By address, without overlap.
    pub(super) segments: Vec<Segment>,
    features: Features,
}

impl PvImage {
    /// An error when `asked`, the domain's `features` text, names what this kernel or a PV guest can't do.
    pub fn check_features(&self, asked: &str) -> Result<(), ElfError> {
        self.features.check_asked(asked)
    }
}

/// Reads `image` and decides whether it can be a PV guest.
pub(super) fn read(image: &Image) -> Result<PvImage, ElfError> {
    let header = Header::read(image)?;
    let program_headers = header.program_headers(image)?;
    let segments = load_segments(image, &program_headers)?;
    let notes = find_notes(image, &header, &program_headers)?;
    check_guest(&notes)?;
    derive(&header, segments, &notes)
}

struct Header {
    entry: u64,
    phoff: u64,
    phnum: u64,
    shoff: u64,
    shnum: u64,
    shstrndx: u64,
}

struct ProgramHeader {
    kind: u32,
    segment: Segment,
}

struct Section {
    name: u32,
    kind: u32,
    offset: u64,
    size: u64,
}

impl Header {
    fn read(image: &Image) -> Result<Self, ElfError> {
        let bytes = image.bytes(0, EHDR_SIZE).map_err(|_| ElfError::NotElf)?;
        if !bytes.starts_with(b"\x7fELF") {
            return Err(ElfError::NotElf);
        }
        if bytes[4] == 1 {
            return Err(ElfError::Bits32);
        }
        let half = |at: usize| u64::from(u16::from_le_bytes([bytes[at], bytes[at + 1]]));
        let want = |field, value: u64, wanted: u64| {
            if value == wanted { Ok(()) } else { Err(ElfError::Header { field, value, wanted }) }
        };
        want("class", u64::from(bytes[4]), 2)?;
        want("byte order", u64::from(bytes[5]), 1)?;
        want("machine", half(18), EM_X86_64)?;
        // MiniOS and its relatives may be linked as shared objects.
        if half(16) != 3 {
            want("type", half(16), 2)?;
        }
        let (phnum, shnum) = (half(56), half(60));
        if phnum > 0 {
            want("program header size", half(54), PHDR_SIZE as u64)?;
        }
        if shnum > 0 {
            want("section header size", half(58), SHDR_SIZE as u64)?;
        }
        if phnum > MAX_PROGRAM_HEADERS {
            return Err(ElfError::TooMany {
                part: "program headers",
                count: phnum,
                limit: MAX_PROGRAM_HEADERS,
            });
        }
        let (phoff, shoff) = (le64(&bytes, 32), le64(&bytes, 40));
        Ok(Self { entry: le64(&bytes, 24), phoff, phnum, shoff, shnum, shstrndx: half(62) })
    }

    fn program_headers(&self, image: &Image) -> Result<Vec<ProgramHeader>, ElfError> {
        let bytes = table(image, self.phoff, self.phnum as usize * PHDR_SIZE, "program header table")?;
        let one = |entry: &[u8]| ProgramHeader {
            kind: le32(entry, 0),
            segment: Segment {
                file_offset: le64(entry, 8),
                file_size: le64(entry, 32),
                paddr: le64(entry, 24),
                mem_size: le64(entry, 40),
            },
        };
        Ok(bytes.chunks_exact(PHDR_SIZE).map(one).collect())
    }

    fn sections(&self, image: &Image) -> Result<Vec<Section>, ElfError> {
        let bytes = table(image, self.shoff, self.shnum as usize * SHDR_SIZE, "section header table")?;
        let one = |entry: &[u8]| Section {
            name: le32(entry, 0),
            kind: le32(entry, 4),
            offset: le64(entry, 24),
            size: le64(entry, 32),
        };
        Ok(bytes.chunks_exact(SHDR_SIZE).map(one).collect())
    }
}

fn table(image: &Image, offset: u64, len: usize, part: &'static str) -> Result<Vec<u8>, ElfError> {
    image.bytes(offset, len).map_err(|source| ElfError::Outside { part, source })
}

fn load_segments(image: &Image, headers: &[ProgramHeader]) -> Result<Vec<Segment>, ElfError> {
    let loaded = headers.iter().filter(|header| header.kind == PT_LOAD && header.segment.mem_size > 0);
    let mut segments: Vec<Segment> = loaded.map(|header| header.segment).collect();
    segments.sort_by_key(|segment| segment.paddr);
    let mut free_from = 0;
    for segment in &segments {
        let wrong = |why| ElfError::Segment { paddr: segment.paddr, why };
        if segment.file_size > segment.mem_size {
            return Err(wrong("more in the file than in memory"));
        }
        if segment.file_offset.checked_add(segment.file_size).is_none_or(|end| end > image.len()) {
            return Err(wrong("its content lies outside the file"));
        }
        if segment.paddr < free_from {
            return Err(wrong("it overlaps another one"));
        }
        free_from = segment.paddr.checked_add(segment.mem_size).ok_or_else(|| wrong("it wraps around"))?;
    }
    if segments.is_empty() { Err(ElfError::Empty) } else { Ok(segments) }
}

/// Program headers first, then sections, then the old text section: the first that has any counts.
fn find_notes(image: &Image, header: &Header, headers: &[ProgramHeader]) -> Result<Notes, ElfError> {
    let mut notes = Notes::default();
    for ProgramHeader { kind, segment } in headers {
        if *kind == PT_NOTE && segment.file_offset != 0 {
            notes.add_segment(&note_bytes(image, segment.file_offset, segment.file_size)?)?;
        }
    }
    if !notes.is_empty() {
        return Ok(notes);
    }
    let sections = header.sections(image)?;
    for section in sections.iter().filter(|section| section.kind == SHT_NOTE) {
        notes.add_segment(&note_bytes(image, section.offset, section.size)?)?;
    }
    if notes.is_empty()
        && let Some(section) = find_section(image, header, &sections, b"__xen_guest\0")?
    {
        notes.add_legacy(&note_bytes(image, section.offset, section.size)?)?;
    }
    Ok(notes)
}

fn note_bytes(image: &Image, offset: u64, size: u64) -> Result<Vec<u8>, ElfError> {
    if size > MAX_NOTES {
        return Err(ElfError::TooMany { part: "bytes of notes", count: size, limit: MAX_NOTES });
    }
    table(image, offset, size as usize, "notes")
}

fn find_section<'a>(
    image: &Image,
    header: &Header,
    sections: &'a [Section],
    wanted: &[u8],
) -> Result<Option<&'a Section>, ElfError> {
    let Some(names) = sections.get(header.shstrndx as usize) else { return Ok(None) };
    if names.size > MAX_SECTION_NAMES {
        let (count, limit) = (names.size, MAX_SECTION_NAMES);
        return Err(ElfError::TooMany { part: "bytes of section names", count, limit });
    }
    let bytes = table(image, names.offset, names.size as usize, "section names")?;
    let named =
        |section: &&Section| bytes.get(section.name as usize..).is_some_and(|at| at.starts_with(wanted));
    Ok(sections.iter().find(named))
}

fn check_guest(notes: &Notes) -> Result<(), ElfError> {
    let has_pv = notes.number(notes::ENTRY).is_some() || notes.number(notes::VIRT_BASE).is_some();
    if !has_pv && notes.number(notes::PHYS32_ENTRY).is_some() {
        return Err(ElfError::PvhOnly);
    }
    let Some(version) = notes.text(notes::XEN_VERSION) else { return Err(ElfError::NotPv) };
    if version != "xen-3.0" {
        return Err(wrong("XEN_VERSION", version.to_owned(), "xen-3.0"));
    }
    let loader = notes.text(notes::LOADER).unwrap_or_default();
    if loader != "generic" && notes.text(notes::GUEST_OS) != Some("linux") {
        return Err(wrong("LOADER", loader.to_owned(), "generic"));
    }
    if notes.text(notes::BSD_SYMTAB).is_some_and(|wanted| wanted.starts_with("yes")) {
        return Err(ElfError::BsdSymtab);
    }
    notes.features.check_guest()
}

fn derive(header: &Header, segments: Vec<Segment>, notes: &Notes) -> Result<PvImage, ElfError> {
    let virt_base = notes.number(notes::VIRT_BASE).unwrap_or(0);
    let offset = virt_base.wrapping_sub(notes.number(notes::PADDR_OFFSET).unwrap_or(0));
    let paddr_start = segments[0].paddr;
    let paddr_end = segments.iter().map(|s| s.paddr + s.mem_size).max().unwrap_or(paddr_start);
    let kernel_start = paddr_start.wrapping_add(offset);
    let kernel_end = paddr_end.wrapping_add(offset);
    let entry = notes.number(notes::ENTRY).unwrap_or(header.entry);
    let hex = |value: u64| format!("{value:#x}");
    if !virt_base.is_multiple_of(PAGE) {
        return Err(wrong("VIRT_BASE", hex(virt_base), "the start of a page"));
    }
    if virt_base > kernel_start || kernel_start > kernel_end {
        return Err(wrong("VIRT_BASE", hex(virt_base), "an address below the kernel"));
    }
    if !(kernel_start..=kernel_end).contains(&entry) {
        return Err(wrong("ENTRY", hex(entry), "an address in the kernel"));
    }
    let hypercall_page = notes.number(notes::HYPERCALL_PAGE);
    let usable = |page: u64| {
        page.is_multiple_of(PAGE)
            && page >= kernel_start
            && page.checked_add(PAGE).is_some_and(|e| e <= kernel_end)
    };
    if let Some(page) = hypercall_page.filter(|page| !usable(*page)) {
        return Err(wrong("HYPERCALL_PAGE", hex(page), "a page in the kernel"));
    }
    let init_p2m = notes.number(notes::INIT_P2M);
    // Below virt_base is outside the kernel too.
    let init_p2m = init_p2m.filter(|base| base % PAGE == 0 && *base < virt_base);
    let mod_start_pfn = notes.number(notes::MOD_START_PFN).unwrap_or(0) != 0;
    Ok(PvImage {
        virt_base,
        entry,
        kernel_start,
        kernel_end,
        hypercall_page,
        init_p2m,
        mod_start_pfn,
        notes: notes.listed(),
        segments,
        features: notes.features,
    })
}

fn le32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn le64(bytes: &[u8], at: usize) -> u64 {
    u64::from(le32(bytes, at)) | u64::from(le32(bytes, at + 4)) << 32
}

#[cfg(test)]
mod tests;
