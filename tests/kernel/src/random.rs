//! Random numbers for addresses and AT_RANDOM.

use crate::arch::random as hardware;
use crate::counter;
use core::sync::atomic::{AtomicU64, Ordering};

/// What the numbers are made from where the processor gives none.
static STATE: AtomicU64 = AtomicU64::new(0);

/// The increment of SplitMix64.
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A random number: the processor's own; where it gives none, from [`seed`] and the counter, which is no secret to a program
/// that runs here. A kernel for production mixes what it has into a generator.
#[must_use]
pub fn number() -> u64 {
    hardware::number().unwrap_or_else(|| {
        let state = STATE.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mix(state ^ mix(counter::read()))
    })
}

/// Takes over random bits that the loader brought, or whatever else differs from one start to the next.
pub fn seed(value: u64) {
    STATE.fetch_xor(value, Ordering::Relaxed);
}

/// The finaliser of SplitMix64.
const fn mix(value: u64) -> u64 {
    let value = (value ^ value >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ value >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ value >> 31
}
