//! Xen itself, reached from dom0 through `/dev/xen/privcmd`. All `unsafe` code of the daemon is below this module.
//!
//! ```text
//!   Host, Domains, GuestMemory, EventChannels   (host, domains, memory: decide and translate, no unsafe)
//!                      |  abi::Request
//!                    Gate                       (gate: the narrow place; tests stand in for Xen here)
//!                      |
//!                    Device ── Pool of Bounce buffers ── Region     (ioctl and mmap)
//! ```
//!
//! Xen writes to a caller's memory while it can't take a page fault. So nothing of the caller is ever passed: a request
//! is copied to a bounce buffer that the kernel never moves, and the buffer stays in the frame of the function that
//! makes the call until Xen has answered. Calls block; an async caller moves the whole call to a worker thread.

mod bounce;
mod connection;
mod device;
mod domains;
mod gate;
mod host;
mod memory;
mod region;
#[cfg(test)]
mod tests;

pub use connection::Xen;
