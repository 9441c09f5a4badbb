//! Kernels for tests: a writer of small ELF files with Xen notes, bzImages around anything, and files to put them in.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU32, Ordering},
};

use nix::sys::memfd::{MFdFlags, memfd_create};

use super::notes;

pub(crate) const VIRT_BASE: u64 = 0xffff_ffff_8000_0000;
pub(crate) const PADDR: u64 = 0x100_0000;
pub(crate) const INIT_P2M: u64 = 0x80_0000_0000;
/// Offsets of the second segment behind the first, with a gap between them.
pub(crate) const DATA_OFFSET: u64 = 0x5000;

/// A file without a name.
pub(crate) fn file_of(bytes: &[u8]) -> File {
    let mut file = File::from(memfd_create(c"fixture", MFdFlags::MFD_CLOEXEC).unwrap());
    file.write_all(bytes).unwrap();
    file
}

/// A folder that goes away with the value.
pub(crate) struct TempFolder(PathBuf);

impl TempFolder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("xend-builder-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        // Left by a process that was killed and had the same number.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for TempFolder {
    fn drop(&mut self) {
        let _left_behind = fs::remove_dir_all(&self.0);
    }
}

/// One note, padded.
pub(crate) fn note(owner: &[u8], kind: u32, desc: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [owner.len() as u32, desc.len() as u32, kind] {
        bytes.extend(word.to_le_bytes());
    }
    for part in [owner, desc] {
        bytes.extend(part);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// A kernel of two segments, about 3 KiB in the file and 84 KiB in memory.
#[derive(Clone, Debug)]
pub(crate) struct TinyKernel {
    /// Type and value of each Xen note.
    pub(crate) notes: Vec<(u32, Vec<u8>)>,
    /// Put the notes into a section instead of a segment, or the text of the old section.
    pub(crate) place: NotesIn,
    /// Address of the first segment.
    pub(crate) paddr: u64,
    pub(crate) class: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NotesIn {
    Segment,
    Section,
    Legacy(String),
}

impl TinyKernel {
    /// As Debian's kernels are: p2m and ramdisk outside the mapping, no hypercall page.
    pub(crate) fn modern() -> Self {
        let mut kernel = Self::plain();
        kernel.set(notes::INIT_P2M, &INIT_P2M.to_le_bytes());
        kernel.set(notes::MOD_START_PFN, &1_u32.to_le_bytes());
        kernel
    }

    /// As kernels of 2008 were: everything inside the mapping, and a hypercall page.
    pub(crate) fn old() -> Self {
        let mut kernel = Self::plain();
        kernel.set(notes::HYPERCALL_PAGE, &(VIRT_BASE + PADDR + 0x1000).to_le_bytes());
        kernel
    }

    fn plain() -> Self {
        let mut kernel = Self { notes: Vec::new(), place: NotesIn::Segment, paddr: PADDR, class: 2 };
        kernel.set(notes::ENTRY, &(VIRT_BASE + PADDR + 0x40).to_le_bytes());
        kernel.set(notes::VIRT_BASE, &VIRT_BASE.to_le_bytes());
        kernel.set(notes::PADDR_OFFSET, &0_u64.to_le_bytes());
        kernel.set(notes::XEN_VERSION, b"xen-3.0\0");
        kernel.set(notes::GUEST_OS, b"linux\0");
        kernel.set(notes::LOADER, b"generic\0");
        kernel.set(10, b"!writable_page_tables|pae_pgdir_above_4gb\0");
        kernel.set(14, &1_u32.to_le_bytes());
        kernel.set(17, &0x8801_u32.to_le_bytes());
        kernel.set(notes::PHYS32_ENTRY, &0x100_0850_u64.to_le_bytes());
        kernel
    }

    pub(crate) fn set(&mut self, kind: u32, desc: &[u8]) {
        self.unset(kind);
        self.notes.push((kind, desc.to_vec()));
    }

    pub(crate) fn unset(&mut self, kind: u32) {
        self.notes.retain(|(known, _)| *known != kind);
    }

    /// Content of the first segment: code-like, with calls, so that the x86 filter of xz has something to do.
    pub(crate) fn text() -> Vec<u8> {
        let mut text = b"\xf4\xeb\xfd tiny kernel \0".repeat(4);
        for index in 0_u32..150 {
            text.push(0xe8);
            text.extend((0x1000 - index * 13).to_le_bytes());
            text.extend((index.wrapping_mul(2_654_435_761)).to_le_bytes());
        }
        text
    }

    /// Content of the second segment, the rest of whose memory is zero.
    pub(crate) fn data() -> Vec<u8> {
        (0..400_u32).map(|index| (index % 251) as u8).collect()
    }

    /// Memory of the second segment.
    pub(crate) const DATA_MEMORY: u64 = 0x10000;

    pub(crate) fn elf(&self) -> Vec<u8> {
        let (text, data) = (Self::text(), Self::data());
        let mut xen: Vec<u8> = note(b"GNU\0", 3, b"0123456789abcdef0123");
        for (kind, desc) in &self.notes {
            xen.extend(note(b"Xen\0", *kind, desc));
        }
        let names = b"\0.notes\0__xen_guest\0".to_vec();
        let legacy = match &self.place {
            NotesIn::Legacy(text) => text.as_bytes().to_vec(),
            _ => Vec::new(),
        };
        let parts = [&text, &data, &xen, &names, &legacy];
        let mut offsets = Vec::new();
        let mut at = 64 + 3 * 56;
        for part in parts {
            offsets.push(at as u64);
            at += part.len().next_multiple_of(8);
        }
        let mut elf = self.header(at as u64);
        let notes_kind = if self.place == NotesIn::Segment { 4 } else { 0x6474_e551 };
        let data_paddr = self.paddr + DATA_OFFSET;
        for (kind, index, paddr, memory) in [
            (1, 0, self.paddr, text.len() as u64),
            (1, 1, data_paddr, Self::DATA_MEMORY),
            (notes_kind, 2, self.paddr, xen.len() as u64),
        ] {
            elf.extend(u32::to_le_bytes(kind));
            elf.extend(5_u32.to_le_bytes());
            for value in [offsets[index], paddr, paddr, parts[index].len() as u64, memory, 8] {
                elf.extend(value.to_le_bytes());
            }
        }
        for part in parts {
            elf.extend(part);
            elf.resize(elf.len().next_multiple_of(8), 0);
        }
        let section_kind = if self.place == NotesIn::Section { 7 } else { 1 };
        for (name, kind, index) in [(1, section_kind, 2), (0, 3, 3), (8, 1, 4)] {
            elf.extend(u32::to_le_bytes(name));
            elf.extend(u32::to_le_bytes(kind));
            for value in [0, 0, offsets[index], parts[index].len() as u64, 0, 1, 0] {
                elf.extend(u64::to_le_bytes(value));
            }
        }
        elf
    }

    fn header(&self, sections: u64) -> Vec<u8> {
        let mut elf = b"\x7fELF".to_vec();
        elf.extend([self.class, 1, 1, 0]);
        elf.resize(16, 0);
        elf.extend([2, 0, 62, 0, 1, 0, 0, 0]);
        for value in [self.paddr, 64, sections] {
            elf.extend(value.to_le_bytes());
        }
        elf.extend(0_u32.to_le_bytes());
        for half in [64_u16, 56, 3, 64, 3, 1] {
            elf.extend(half.to_le_bytes());
        }
        elf
    }
}

/// A bzImage around a payload, with the size trailer that the kernel's build appends.
pub(crate) fn bz_image(packed: &[u8], unpacked: usize) -> Vec<u8> {
    let mut payload = packed.to_vec();
    // gzip has it already.
    if !packed.starts_with(b"\x1f\x8b") {
        payload.extend((unpacked as u32).to_le_bytes());
    }
    let mut file = vec![0; 5 * 512 + 0x40];
    file[0x1f1] = 4;
    file[0x202..0x206].copy_from_slice(b"HdrS");
    file[0x206..0x208].copy_from_slice(&0x20f_u16.to_le_bytes());
    file[0x248..0x24c].copy_from_slice(&0x40_u32.to_le_bytes());
    file[0x24c..0x250].copy_from_slice(&(payload.len() as u32).to_le_bytes());
    file.extend(payload);
    file.extend(b"signature");
    file
}

/// gzip of `bytes`.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// LZ4 as `lz4 -l` writes it.
pub(crate) fn lz4(bytes: &[u8]) -> Vec<u8> {
    let mut packed = 0x184c_2102_u32.to_le_bytes().to_vec();
    for block in bytes.chunks(8 << 20) {
        let block = lz4_flex::block::compress(block);
        packed.extend((block.len() as u32).to_le_bytes());
        packed.extend(block);
    }
    packed
}

/// The modern tiny kernel, packed by the tools that a kernel's build uses (see `fixtures/README`).
pub(crate) const PACKED: [(&str, &[u8]); 6] = [
    ("gzip", include_bytes!("fixtures/tiny.gz")),
    ("bzip2", include_bytes!("fixtures/tiny.bz2")),
    ("xz", include_bytes!("fixtures/tiny.xz")),
    ("zstd", include_bytes!("fixtures/tiny.zst")),
    ("lzma", include_bytes!("fixtures/tiny.lzma")),
    ("lz4", include_bytes!("fixtures/tiny.lz4")),
];

#[test]
#[ignore = "writes the file from which the packed fixtures are made"]
fn write_the_tiny_kernel() {
    let path = std::env::var_os("TINY_KERNEL").expect("TINY_KERNEL names the file to write");
    fs::write(path, TinyKernel::modern().elf()).unwrap();
}
