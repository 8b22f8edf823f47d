//! RISC-V: the CSR `time`.

use super::CounterKind;
use crate::counter::Counter;
use core::arch::asm;

/// The CSR `time`, which all harts see alike (Zicntr: "the real-time clocks of all harts must be synchronized to within one tick").
///
/// User mode may read it if bit 1, TM, of `mcounteren` and of `scounteren` is set. Where the processor does not have it, firmware
/// emulates it: each read is a trap then, and a program gains little over the system call.
#[derive(Debug, Clone, Copy, Default)]
pub struct Time;

impl Counter for Time {
    const HOT: CounterKind = CounterKind::RiscvTime;

    #[inline(always)]
    fn read_hot(&self) -> u64 {
        time()
    }

    #[inline(always)]
    fn read(&self, kind: CounterKind) -> Option<u64> {
        match kind {
            CounterKind::RiscvTime => Some(time()),
            _ => None,
        }
    }
}

/// Reads of CSRs are weakly ordered, also against loads; for FENCE they are device input (unprivileged ISA, Zicsr, "CSR Access
/// Ordering"). So `fence r, i` lets the counter be read after the loads before it, and `fence i, r` the loads behind it after
/// the counter. One `asm` that is not `nomem`, so that the compiler keeps the loads on their sides.
#[inline(always)]
fn time() -> u64 {
    let value;
    // SAFETY: reads a register, which the page names only if user mode may read it.
    unsafe { asm!("fence r, i", "rdtime {}", "fence i, r", out(reg) value, options(nostack, preserves_flags)) };
    value
}
