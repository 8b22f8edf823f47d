//! The way of a system call into the kernel: the SYSCALL instruction (Intel SDM volume 3, 5.8.8).

use super::cpu::{msr, read_msr, write_msr};
use super::gdt::{KERNEL_CODE, SYSRET_BASE};
use super::trap::Frame;

extern "C" {
    fn syscall_entry();
}

/// Switches SYSCALL on, on this CPU.
pub fn init() {
    const SYSCALL_ENABLE: u64 = 1;
    /// Trap, interrupt enable, direction, nested task, resume, alignment check.
    const CLEARED: u64 = 0x0005_4700;
    // SAFETY: the entry code and the segments are in place.
    unsafe {
        write_msr(msr::EFER, read_msr(msr::EFER) | SYSCALL_ENABLE);
        write_msr(msr::STAR, u64::from(SYSRET_BASE) << 48 | u64::from(KERNEL_CODE) << 32);
        write_msr(msr::LSTAR, syscall_entry as *const () as u64);
        write_msr(msr::SFMASK, CLEARED);
    }
}

/// From trap.s.
#[no_mangle]
extern "C" fn system_call_entry(frame: &mut Frame) {
    crate::syscall::handle(frame);
}
