//! What each CPU has for itself: reached through GS.

use super::cpu::{msr, write_msr};
use crate::cpus::MAX_CPUS;
use core::arch::asm;
use core::cell::UnsafeCell;

/// The entry code knows the offsets of the first two fields.
#[repr(C, align(64))]
struct PerCpu {
    /// Top of the stack for entries from user mode.
    kernel_stack: u64,
    /// The program's stack pointer, for a moment at a system call.
    user_stack: u64,
    index: u64,
}

struct Areas([UnsafeCell<PerCpu>; MAX_CPUS]);

// SAFETY: each CPU writes its own area only, in `init` and in the entry code.
unsafe impl Sync for Areas {}

static AREAS: Areas = Areas([const { UnsafeCell::new(PerCpu { kernel_stack: 0, user_stack: 0, index: 0 }) }; MAX_CPUS]);

/// Makes this CPU's area reachable. Called once a CPU, before its first trap.
pub fn init(index: usize, kernel_stack: u64) {
    let area = AREAS.0[index].get();
    // SAFETY: no other CPU uses this area, and this one does not yet. The GS bases are the kernel's to set: the current
    // one now, the program's, which the first return to user mode swaps in, 0.
    unsafe {
        (*area).kernel_stack = kernel_stack;
        (*area).index = index as u64;
        write_msr(msr::GS_BASE, area as u64);
        write_msr(msr::KERNEL_GS_BASE, 0);
    }
}

/// The number of the CPU that executes.
#[must_use]
pub fn index() -> usize {
    let index: usize;
    // SAFETY: in the kernel GS leads to this CPU's area.
    unsafe { asm!("mov {}, gs:[16]", out(reg) index, options(nostack, preserves_flags, readonly)) };
    index
}
