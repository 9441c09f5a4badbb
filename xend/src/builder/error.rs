//! Every way in which a guest can't be built. The texts name what was looked at; `hint` says what to do about it.

use std::{io, path::PathBuf};

use hypervisor::{DomId, HypervisorError, Mfn};

use super::kernel::Format;

/// A file that can't be used as a kernel or ramdisk.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// Not there, not readable.
    #[error("cannot open {path}")]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A directory, a pipe, a device.
    #[error("cannot use {path}: it is not a regular file")]
    NotAFile {
        /// What was named.
        path: PathBuf,
    },
    /// The disk or the file system failed.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Neither bzImage nor ELF nor anything compressed that is known.
    #[error(
        "cannot use {path} as a kernel: it begins with {begins}, which is neither bzImage nor ELF nor a known compression"
    )]
    NotAKernel {
        /// The file.
        path: PathBuf,
        /// First bytes, in hex.
        begins: String,
    },
    /// A bzImage older than Linux 2.6.24.
    #[error("cannot use kernel {path}: boot protocol {}.{:02} of this bzImage is older than 2.08", .version >> 8, .version & 255)]
    BootProtocol {
        /// The file.
        path: PathBuf,
        /// As in the header.
        version: u16,
    },
    /// The bzImage header points beyond the end of the file.
    #[error("cannot use kernel {path}: it has {size} bytes, its header asks for {wanted}")]
    Short {
        /// The file.
        path: PathBuf,
        /// Bytes there are.
        size: u64,
        /// Bytes there should be.
        wanted: u64,
    },
    /// A compression for which there is no decoder.
    #[error("cannot unpack kernel {path}: {format} compression is not supported")]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// Which.
        format: Format,
    },
    /// The compressed stream ends in the middle.
    #[error("cannot unpack kernel {path}: its {format} stream is truncated after {input} bytes")]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Which.
        format: Format,
        /// Compressed bytes there were.
        input: u64,
    },
    /// The compressed stream is damaged.
    #[error("cannot unpack kernel {path}: its {format} stream is damaged after {output} bytes of output")]
    Corrupt {
        /// The file.
        path: PathBuf,
        /// Which.
        format: Format,
        /// Bytes unpacked before.
        output: u64,
        /// What the decoder said.
        source: io::Error,
    },
    /// The unpacked size is not the one that the file announces.
    #[error("cannot unpack kernel {path}: its {format} stream gives {output} bytes, {wanted} were announced")]
    Size {
        /// The file.
        path: PathBuf,
        /// Which.
        format: Format,
        /// Bytes unpacked.
        output: u64,
        /// Bytes announced.
        wanted: u64,
    },
    /// More than a kernel can reasonably be.
    #[error("cannot unpack kernel {path}: it is larger than the limit of {limit} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// Somebody wrote to the file meanwhile.
    #[error("cannot use {path}: it was changed while it was read")]
    Changed {
        /// The file.
        path: PathBuf,
    },
    /// No place for the unpacked kernel.
    #[error("cannot store the unpacked kernel {path}")]
    Store {
        /// The kernel.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// An ELF file that can't be booted as a PV guest.
    #[error("cannot use kernel {path}")]
    Elf {
        /// The file.
        path: PathBuf,
        /// Why.
        source: ElfError,
    },
}

impl KernelError {
    /// What the operator can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Open { .. } | Self::NotAFile { .. } => Some("check the path in the domain file"),
            Self::Read { .. } => Some("check the disk and the host's kernel log"),
            Self::NotAKernel { .. } => Some("name a Linux bzImage (vmlinuz) or an ELF kernel built for Xen"),
            Self::BootProtocol { .. } => Some("use Linux 2.6.24 or later"),
            Self::Short { .. } | Self::Truncated { .. } | Self::Corrupt { .. } | Self::Size { .. } => {
                Some("copy or install the kernel file again and compare its checksum")
            }
            Self::Unsupported { .. } => {
                Some("unpack it with lzop first, or use a kernel with another compression")
            }
            Self::TooLarge { .. } => None,
            Self::Changed { .. } => Some("try again when the file is complete"),
            Self::Store { .. } => Some("make room in the cache folder or in memory"),
            Self::Elf { source, .. } => source.hint(),
        }
    }
}

/// An ELF file that is no PV kernel, or one that is broken.
#[derive(Debug, thiserror::Error)]
pub enum ElfError {
    /// Wrong first four bytes.
    #[error("what it contains is not an ELF file")]
    NotElf,
    /// Class 1.
    #[error("it is a 32-bit kernel, only 64-bit guests can be built")]
    Bits32,
    /// Big endian, another processor, an object file.
    #[error("its ELF header has {field} {value}, wanted {wanted}")]
    Header {
        /// Which field.
        field: &'static str,
        /// Seen.
        value: u64,
        /// Wanted.
        wanted: u64,
    },
    /// A table or segment reaches beyond the end.
    #[error("its {part} lies outside the file")]
    Outside {
        /// Which.
        part: &'static str,
        /// What reading gave.
        source: io::Error,
    },
    /// More than any real kernel has.
    #[error("it has {count} {part}, more than {limit}")]
    TooMany {
        /// Of what.
        part: &'static str,
        /// Seen.
        count: u64,
        /// Allowed.
        limit: u64,
    },
    /// Nothing to load.
    #[error("it has nothing to load")]
    Empty,
    /// Two segments claim the same memory, or one is smaller than its content.
    #[error("its segment at physical address {paddr:#x} is impossible ({why})")]
    Segment {
        /// Where.
        paddr: u64,
        /// What is wrong.
        why: &'static str,
    },
    /// No notes at all, or none that speak of PV.
    #[error("it is not built to run as a PV guest: it has no Xen notes for that")]
    NotPv,
    /// Only the PVH entry is there.
    #[error("it can run as a PVH guest only: it has the PVH entry point and no PV one")]
    PvhOnly,
    /// Requires to be the privileged domain.
    #[error("it can run as the privileged domain only")]
    Dom0Only,
    /// A `!feature` that PV guests don't get or that is not known.
    #[error("it requires the feature {name}, which a PV guest does not have")]
    Feature {
        /// As in the note.
        name: String,
    },
    /// `features` of the domain file asks for what the kernel can't do.
    #[error("it does not support the feature {name} that the domain asks for")]
    Asked {
        /// As in the domain file.
        name: String,
    },
    /// A note with a value that can't be used.
    #[error("its note {note} is {value}, wanted {wanted}")]
    Note {
        /// Which.
        note: &'static str,
        /// Seen.
        value: String,
        /// Wanted.
        wanted: &'static str,
    },
    /// The symbol table of BSD kernels.
    #[error("it wants its symbol table loaded (note BSD_SYMTAB), which is not supported")]
    BsdSymtab,
}

impl ElfError {
    /// What the operator can do.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Bits32 | Self::Header { .. } => Some("use an x86-64 kernel"),
            Self::NotPv => Some("use a kernel with CONFIG_XEN_PV"),
            Self::PvhOnly => Some("use a kernel with CONFIG_XEN_PV; PVH guests are not supported yet"),
            Self::Dom0Only | Self::Feature { .. } => Some("use a kernel made for unprivileged PV guests"),
            Self::Asked { .. } => Some("remove it from `features` in the domain file"),
            Self::BsdSymtab => Some("use a kernel without symbol table, or a Linux kernel"),
            Self::Note { .. } => Some("use a kernel with CONFIG_XEN_PV"),
            Self::NotElf
            | Self::Outside { .. }
            | Self::TooMany { .. }
            | Self::Empty
            | Self::Segment { .. } => Some("copy or install the kernel file again and compare its checksum"),
        }
    }
}

/// A guest whose memory can't be laid out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// Kernel, ramdisk and tables don't fit.
    #[error(
        "cannot fit the guest into {have_kib} KiB of memory: kernel, ramdisk and tables need {need_kib} KiB"
    )]
    TooSmall {
        /// Memory of the domain.
        have_kib: u64,
        /// Least that would do.
        need_kib: u64,
    },
    /// The mapping would leave the addresses that a guest kernel may use.
    #[error(
        "cannot map {what} of the guest at {start:#x}: the {bytes} bytes reach an address that a guest kernel can't have"
    )]
    Address {
        /// Which part.
        what: &'static str,
        /// From where.
        start: u64,
        /// How much.
        bytes: u64,
    },
}

/// A guest that can't be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Kernel or ramdisk.
    #[error(transparent)]
    Kernel(#[from] KernelError),
    /// Sizes.
    #[error("cannot lay out the memory of domain {domid}")]
    Layout {
        /// For whom.
        domid: DomId,
        /// Why.
        source: LayoutError,
    },
    /// The host has not enough free memory.
    #[error("cannot give domain {domid} {wanted_kib} KiB of memory: the host had only {got_kib} KiB")]
    OutOfMemory {
        /// For whom.
        domid: DomId,
        /// Asked.
        wanted_kib: u64,
        /// Got before it ended.
        got_kib: u64,
    },
    /// A memory size that no guest can have.
    #[error("cannot give domain {domid} {kib} KiB of memory: 1 page to 16 TiB is possible")]
    Size {
        /// For whom.
        domid: DomId,
        /// Asked.
        kib: u64,
    },
    /// The domain went away while it was built.
    #[error("cannot build domain {domid}: it does not exist any more")]
    Gone {
        /// Which.
        domid: DomId,
    },
    /// A ring page so high that a grant can't name it.
    #[error("cannot grant frame {mfn:#x} of domain {domid}: it lies beyond 16 TiB")]
    Grant {
        /// Whose.
        domid: DomId,
        /// Which.
        mfn: Mfn,
    },
    /// Xen refused.
    #[error("cannot {step} of domain {domid}")]
    Hypervisor {
        /// Verb and object.
        step: &'static str,
        /// Whose.
        domid: DomId,
        /// What it said.
        source: HypervisorError,
    },
}

impl BuildError {
    /// What the operator can do.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Kernel(error) => error.hint().map(str::to_owned),
            Self::Layout { source: LayoutError::TooSmall { need_kib, .. }, .. } => {
                Some(format!("set memory to at least {}", need_kib.div_ceil(1024)))
            }
            Self::OutOfMemory { .. } => {
                Some("lower `memory` of this domain, or shut down or balloon another one".to_owned())
            }
            Self::Hypervisor { step: super::pv::PIN, .. } => {
                Some("`xm dmesg` says which page-table entry Xen refused".to_owned())
            }
            Self::Layout { .. }
            | Self::Size { .. }
            | Self::Gone { .. }
            | Self::Grant { .. }
            | Self::Hypervisor { .. } => None,
        }
    }
}
