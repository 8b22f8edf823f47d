//! Random numbers for addresses and AT_RANDOM.

use super::cpu::feature;
use super::tsc;
use core::arch::asm;

/// A random number: from RDRAND; where that is missing or fails, from the counter, which is no secret to a program that runs
/// here. A kernel for production mixes what it has into a generator.
#[must_use]
pub fn number() -> u64 {
    rdrand().unwrap_or_else(|| mix(tsc::read()))
}

fn rdrand() -> Option<u64> {
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

/// The finaliser of SplitMix64.
const fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}
