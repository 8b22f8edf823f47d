//! The processor's random numbers.

use super::cpu::feature;
use core::arch::asm;

/// A random number from RDRAND, if the processor has it and it works.
#[must_use]
pub fn number() -> Option<u64> {
    if !feature::rdrand() {
        return None;
    }
    // Ten tries: Intel, "Digital Random Number Generator Software Implementation Guide", 5.2.1.
    for _ in 0..10 {
        let (value, good): (u64, u8);
        // SAFETY: CPUID names the instruction.
        unsafe { asm!("rdrand {}", "setc {}", out(reg) value, out(reg_byte) good, options(nomem, nostack)) };
        if good != 0 {
            return Some(value);
        }
    }
    None
}
