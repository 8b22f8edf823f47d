//! What each CPU has for itself: reached through TPIDR_EL1.

use super::cpu::{read, write};
use crate::cpus::MAX_CPUS;
use core::cell::UnsafeCell;

/// The entry code knows the offsets of the first two fields.
#[repr(C, align(64))]
struct PerCpu {
    /// Top of the stack for entries from user mode.
    kernel_stack: u64,
    /// Top of the stack for an exception in the kernel.
    emergency_stack: u64,
    index: usize,
}

struct Areas([UnsafeCell<PerCpu>; MAX_CPUS]);

// SAFETY: each CPU writes its own area only, in `init`.
unsafe impl Sync for Areas {}

static AREAS: Areas =
    Areas([const { UnsafeCell::new(PerCpu { kernel_stack: 0, emergency_stack: 0, index: 0 }) }; MAX_CPUS]);

/// Makes this CPU's area reachable. Called once a CPU, before its first trap.
pub fn init(index: usize, kernel_stack: u64, emergency_stack: u64) {
    let area = AREAS.0[index].get();
    // SAFETY: no other CPU uses this area, and this one does not yet. The register is for the kernel to use.
    unsafe {
        area.write(PerCpu { kernel_stack, emergency_stack, index });
        write!("tpidr_el1", area);
    }
}

/// The number of the CPU that executes.
#[must_use]
pub fn index() -> usize {
    let area = read!("tpidr_el1") as *const PerCpu;
    // SAFETY: `init` has set it to an area that nobody writes any more.
    unsafe { (*area).index }
}
