//! Real Xen, anywhere: Debian's hypervisor, kernel and tools booted under QEMU, driven from Rust.
//!
//! ```text
//!   packages (private apt folder) ──> image (dom0 initramfs, guest ramdisk, disks) ──> qemu
//!                                                                                       │ serial: logs only
//!   cases ──> Host::run/put/terminal ──> agent protocol over a virtio-serial port ──────┘
//! ```
//!
//! Every host starts from the tree that `cargo xtask install --destdir` made, so what is tested is what is
//! packaged. Nothing outside the cache folder is touched; each QEMU ends when its [`Host`] is dropped.

pub mod cache;
pub mod cases;
pub mod channel;
pub mod host;
pub mod image;
pub mod neighbour;
pub mod packages;
pub mod protocol;
pub mod qemu;
pub mod screen;
pub mod suite;

pub use host::{Host, HostOptions, Output};
pub use suite::Suite;

/// Where the slow parts say what they are doing; a terminal shows it as a spinner, a log as lines.
pub trait Progress: Sync {
    /// A new step has begun; the one before is done.
    fn step(&self, what: &str);
}

/// Progress that is not shown.
#[derive(Debug, Clone, Copy)]
pub struct Quiet;

impl Progress for Quiet {
    fn step(&self, _what: &str) {}
}
