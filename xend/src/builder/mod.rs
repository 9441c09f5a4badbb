//! Builds PV guests: finds and unpacks the kernel, lays out memory, writes every page that the guest finds at its
//! first instruction. Below `operations`, above `hypervisor`; knows nothing of the store, of devices or of names.
//!
//! ```text
//! KernelFile::open ── before the domain exists: is it there, is it a kernel at all
//!        │
//!        ├── KernelFile::unpack (KernelCache) ──┐     these two may run at the same time,
//!        └── populate (memory of the domain) ───┤     on two threads
//!                                               └── build: layout → pages → page tables → pin → vcpu 0 → grants
//! ```
//!
//! Everything here blocks. A kernel is hostile input: whatever it contains ends in an error that names the file.

mod cache;
mod digest;
mod elf;
mod error;
mod features;
mod image;
mod kernel;
mod layout;
mod loader;
mod memory;
mod notes;
mod page_tables;
mod pages;
mod pv;
mod ramdisk;
mod unpack;
mod zstd;

#[cfg(test)]
mod fixtures;

pub use cache::{CacheLimits, KernelCache};
pub use elf::PvImage;
pub use error::{BuildError, ElfError, KernelError, LayoutError};
pub use image::Stamp;
pub use kernel::{Format, Kernel, KernelFile};
pub use layout::{Layout, LayoutRequest, PageRange};
pub use memory::{MemorySize, Populated, populate};
pub use pv::{Built, PvBuild, RingChannel, build};
pub use ramdisk::Ramdisk;
