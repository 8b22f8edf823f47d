//! The processor's random numbers.

use super::cpu::features;
use core::arch::asm;

/// A random number from RNDR, if the processor has it and it works.
#[must_use]
pub fn number() -> Option<u64> {
    if !features().random_numbers {
        return None;
    }
    // Where it "cannot be generated in a reasonable period of time" Z is set (Arm ARM, RNDR): then it is asked again.
    for _ in 0..10 {
        let (value, failed): (u64, u64);
        // SAFETY: ID_AA64ISAR0_EL1 names the register, which assemblers know by its name only with the feature.
        unsafe {
            asm!("mrs {}, s3_3_c2_c4_0", "cset {}, eq", out(reg) value, out(reg) failed, options(nomem, nostack))
        };
        if failed == 0 {
            return Some(value);
        }
    }
    None
}
