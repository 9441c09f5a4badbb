//! The loop driver's ioctls, what a child inherits, handles of processes, rights of root, and the only `unsafe` of
//! this crate.
//!
//! `loop_device` above decides what to bind and when; here is one function per ioctl, over open files.

#![allow(unsafe_code)]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
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
/// The device lets go of its file at the last close. Set by the kernel, too, when it is told to let go while somebody has it
/// open.
pub const FLAG_AUTOCLEAR: u32 = 4;
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

/// The next program that we start gets this descriptor, under the same number.
pub fn inherit(fd: &impl AsFd) -> io::Result<()> {
    nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::empty()))?;
    Ok(())
}

/// A handle of the process that has this number now, which no later one can take; `None` when there is none.
pub fn process(pid: u32) -> io::Result<Option<OwnedFd>> {
    let pid = i32::try_from(pid).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: the call takes two numbers; a result that is not negative is a descriptor that nobody else owns.
    match unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) } {
        -1 => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ESRCH) => Ok(None),
            error => Err(error),
        },
        // SAFETY: as above.
        fd => Ok(Some(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd).map_err(io::Error::other)?) })),
    }
}

/// Sends a signal to the process behind a handle; one that has ended is fine.
pub fn signal(process: &OwnedFd, signal: i32) -> io::Result<()> {
    let info = std::ptr::null::<libc::siginfo_t>();
    // SAFETY: the descriptor is open for as long as `process` is borrowed; no siginfo means that of `kill`.
    match unsafe { libc::syscall(libc::SYS_pidfd_send_signal, process.as_raw_fd(), signal, info, 0) } {
        -1 => match io::Error::last_os_error() {
            error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
            error => Err(error),
        },
        _ => Ok(()),
    }
}

/// The argument of `capset` (`struct __user_cap_header_struct`).
#[repr(C)]
struct CapabilityHeader {
    version: u32,
    pid: i32,
}

/// Half of its other argument (`struct __user_cap_data_struct`).
#[repr(C)]
#[derive(Clone, Copy)]
struct CapabilityData {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Of all rights only the one to open files of others stays, also for the program that we become.
pub fn keep_only_file_access() -> io::Result<()> {
    const VERSION_3: u32 = 0x2008_0522;
    const DAC_OVERRIDE: u32 = 1;
    const AMBIENT: libc::c_int = 47;
    const AMBIENT_RAISE: libc::c_ulong = 2;
    let header = CapabilityHeader { version: VERSION_3, pid: 0 };
    let one = 1 << DAC_OVERRIDE;
    let none = CapabilityData { effective: 0, permitted: 0, inheritable: 0 };
    let data = [CapabilityData { effective: one, permitted: one, inheritable: one }, none];
    // SAFETY: header and data have the layout of version 3, which takes two data, and outlive the call, which reads them.
    if unsafe { libc::syscall(libc::SYS_capset, &raw const header, data.as_ptr()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    let zero: libc::c_ulong = 0;
    // SAFETY: this option takes numbers only.
    if unsafe { libc::prctl(AMBIENT, AMBIENT_RAISE, libc::c_ulong::from(DAC_OVERRIDE), zero, zero) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
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
