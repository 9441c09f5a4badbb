//! `vcpu_guest_context` of a 64-bit PV guest: the registers a vcpu starts with (`hypervisor-interface` §3.8).

use super::bytes::Record;
use crate::VcpuContext;

/// Bytes of the structure, the same on every release.
pub const SIZE: usize = 5168;

const FLAGS: usize = 512;
const USER_REGS: usize = 520;
const RSI: usize = USER_REGS + 104;
const RIP: usize = USER_REGS + 128;
const CS: usize = USER_REGS + 136;
const RFLAGS: usize = USER_REGS + 144;
const RSP: usize = USER_REGS + 152;
const SS: usize = USER_REGS + 160;
const KERNEL_SS: usize = 4968;
const KERNEL_SP: usize = 4976;
const CTRLREG_3: usize = 4984 + 3 * 8;
const DEBUGREG_6: usize = 5048 + 6 * 8;
const DEBUGREG_7: usize = 5048 + 7 * 8;

/// `VGCF_in_kernel | VGCF_online`.
const IN_KERNEL_AND_ONLINE: u64 = 4 | 0x20;
/// Flat 64-bit segments that Xen has put into every guest's descriptor table.
const FLAT_KERNEL_CS: u16 = 0xe033;
const FLAT_KERNEL_SS: u16 = 0xe02b;
/// Interrupts on: a PV guest masks events, not interrupts.
const INITIAL_RFLAGS: u64 = 0x200;
/// What the processor holds after reset; zero would be refused or mean something else.
const INITIAL_DR6: u64 = 0xffff_0ff0;
const INITIAL_DR7: u64 = 0x400;

/// The registers, all others zero.
pub fn encode(context: &VcpuContext) -> [u8; SIZE] {
    Record::new()
        .u64(FLAGS, IN_KERNEL_AND_ONLINE)
        .u64(RSI, context.rsi)
        .u64(RIP, context.rip)
        .u16(CS, FLAT_KERNEL_CS)
        .u64(RFLAGS, INITIAL_RFLAGS)
        .u64(RSP, context.rsp)
        .u16(SS, FLAT_KERNEL_SS)
        .u64(KERNEL_SS, FLAT_KERNEL_SS.into())
        .u64(KERNEL_SP, context.rsp)
        .u64(CTRLREG_3, context.l4_mfn << 12)
        .u64(DEBUGREG_6, INITIAL_DR6)
        .u64(DEBUGREG_7, INITIAL_DR7)
        .done()
}
