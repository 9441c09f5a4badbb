//! The loop driver's ioctls, what a child inherits, and the only `unsafe` of this crate.
//!
//! `loop_device` above decides what to bind and when; here is one function per ioctl, over open files.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

use nix::sys::signal::SigSet;

/// Bytes of a name field of the loop driver, the closing NUL included.
pub const NAME_SIZE: usize = 64;

/// Bytes of a sector of every device that we bind. Left open, recent kernels take the backing disk's for direct
/// I/O, and on a disk with sectors of 4096 bytes a guest would misread the partition table in its image.
const BLOCK_SIZE: u32 = 512;

/// The device refuses writes.
pub const FLAG_READ_ONLY: u32 = 1;
/// The device reads and writes its file past the page cache.
pub const FLAG_DIRECT_IO: u32 = 16;

/// What the loop driver tells of a device and takes for it (`struct loop_info64`).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LoopInfo {
    /// Device that holds the backing file, in the kernel's 32-bit encoding.
    pub device: u64,
    /// Inode of the backing file.
    pub inode: u64,
    rdevice: u64,
    offset: u64,
    size_limit: u64,
    /// Number of the loop device.
    pub number: u32,
    encrypt_type: u32,
    encrypt_key_size: u32,
    /// `FLAG_*` bits.
    pub flags: u32,
    /// Free text kept with the device; `losetup` writes the file's name here.
    pub file_name: [u8; NAME_SIZE],
    crypt_name: [u8; NAME_SIZE],
    encrypt_key: [u8; 32],
    init: [u64; 2],
}

/// The argument of `LOOP_CONFIGURE` (`struct loop_config`).
#[repr(C)]
struct LoopConfig {
    fd: u32,
    block_size: u32,
    info: LoopInfo,
    reserved: [u64; 8],
}

impl LoopInfo {
    /// Settings for a new binding; everything that the kernel fills in is zero.
    pub fn settings(file_name: [u8; NAME_SIZE], flags: u32) -> Self {
        LoopInfo {
            device: 0,
            inode: 0,
            rdevice: 0,
            offset: 0,
            size_limit: 0,
            number: 0,
            encrypt_type: 0,
            encrypt_key_size: 0,
            flags,
            file_name,
            crypt_name: [0; NAME_SIZE],
            encrypt_key: [0; 32],
            init: [0; 2],
        }
    }
}

mod ioctls {
    use super::{LoopConfig, LoopInfo};

    nix::ioctl_write_int_bad!(set_fd, 0x4C00);
    nix::ioctl_none_bad!(clear_fd, 0x4C01);
    nix::ioctl_write_ptr_bad!(set_status64, 0x4C04, LoopInfo);
    nix::ioctl_read_bad!(get_status64, 0x4C05, LoopInfo);
    nix::ioctl_write_ptr_bad!(configure, 0x4C0A, LoopConfig);
    nix::ioctl_none_bad!(get_free, 0x4C82);
}

/// Number of a loop device that nothing is bound to; made when there is none.
/// Another process may bind it first: `configure` answers `EBUSY` then.
pub fn free_number(control: &File) -> io::Result<u32> {
    // SAFETY: the ioctl takes no pointer, and the descriptor is open for as long as `control` is borrowed.
    let number = unsafe { ioctls::get_free(control.as_raw_fd()) }?;
    u32::try_from(number).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))
}

/// Binds `backing` to `device` with `settings` in one step (Linux 5.8 and later).
pub fn configure(device: &File, backing: &File, settings: &LoopInfo) -> io::Result<()> {
    let config = LoopConfig { fd: raw(backing)?, block_size: BLOCK_SIZE, info: *settings, reserved: [0; 8] };
    // SAFETY: `config` is a `struct loop_config` (checked by `layouts_are_the_kernels`) that outlives the call;
    // the kernel only reads it, and takes its own reference to the file behind `fd`.
    unsafe { ioctls::configure(device.as_raw_fd(), &raw const config) }?;
    Ok(())
}

/// Binds `backing` to `device` without settings: the older half of `configure`.
pub fn set_fd(device: &File, backing: &File) -> io::Result<()> {
    // SAFETY: the argument is a descriptor number, not a pointer; the kernel takes its own reference to the file.
    unsafe { ioctls::set_fd(device.as_raw_fd(), backing.as_raw_fd()) }?;
    Ok(())
}

/// Gives a bound device its settings: the other half.
pub fn set_status(device: &File, settings: &LoopInfo) -> io::Result<()> {
    // SAFETY: `settings` is a `struct loop_info64` that outlives the call; the kernel only reads it.
    unsafe { ioctls::set_status64(device.as_raw_fd(), settings) }?;
    Ok(())
}

/// What `device` is bound to, or `None` when it is free.
pub fn status(device: &File) -> io::Result<Option<LoopInfo>> {
    let mut info = LoopInfo::settings([0; NAME_SIZE], 0);
    // SAFETY: `info` is a `struct loop_info64` that outlives the call, and every bit pattern is valid for it.
    match unsafe { ioctls::get_status64(device.as_raw_fd(), &raw mut info) } {
        Ok(_) => Ok(Some(info)),
        Err(nix::errno::Errno::ENXIO) => Ok(None),
        Err(errno) => Err(errno.into()),
    }
}

/// Lets `device` go of its file: at once, or when the last process that has it open closes it.
/// A free device is fine.
pub fn clear(device: &File) -> io::Result<()> {
    // SAFETY: the ioctl takes no pointer, and the descriptor is open for as long as `device` is borrowed.
    match unsafe { ioctls::clear_fd(device.as_raw_fd()) } {
        Ok(_) | Err(nix::errno::Errno::ENXIO) => Ok(()),
        Err(errno) => Err(errno.into()),
    }
}

fn raw(file: &File) -> io::Result<u32> {
    u32::try_from(file.as_raw_fd()).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))
}

/// A program that outlives us does not inherit the signals that we hold off: it could never be ended by one.
pub fn with_no_signal_held(command: &mut Command) {
    let release = || SigSet::empty().thread_set_mask().map_err(io::Error::from);
    // SAFETY: between fork and exec only functions that are safe in a signal handler may run; `pthread_sigmask`, all
    // that this calls, is one, and the closure takes no lock and no memory.
    unsafe {
        command.pre_exec(release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::mem::{offset_of, size_of};

    #[test]
    fn layouts_are_the_kernels() {
        assert_eq!(size_of::<LoopInfo>(), 232);
        assert_eq!(offset_of!(LoopInfo, number), 40);
        assert_eq!(offset_of!(LoopInfo, flags), 52);
        assert_eq!(offset_of!(LoopInfo, file_name), 56);
        assert_eq!(offset_of!(LoopInfo, init), 216);
        assert_eq!(size_of::<LoopConfig>(), 304);
        assert_eq!(offset_of!(LoopConfig, info), 8);
    }
}
