//! What each CPU has for itself: its number, which the kernel keeps in TP.

use core::arch::asm;

/// The number of the CPU that executes.
#[must_use]
pub fn index() -> usize {
    let index: usize;
    // SAFETY: reads a register. The entry code sets it, and the compiler leaves it alone: it is the thread pointer, and the
    // kernel has no thread-local data (RISC-V calling convention).
    unsafe { asm!("mv {}, tp", out(reg) index, options(nomem, nostack, preserves_flags)) };
    index
}
