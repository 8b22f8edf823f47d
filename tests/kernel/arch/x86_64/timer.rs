//! Each CPU's timer: the local APIC's.

use super::apic;
use super::calibration::Calibration;
use crate::counter;
use core::sync::atomic::{AtomicU64, Ordering};

static COUNTER_FREQUENCY: AtomicU64 = AtomicU64::new(0);
static TIMER_FREQUENCY: AtomicU64 = AtomicU64::new(0);

/// Takes over what was measured. Called by the first CPU.
pub fn init(calibration: &Calibration) {
    COUNTER_FREQUENCY.store(calibration.frequency, Ordering::Relaxed);
    TIMER_FREQUENCY.store(calibration.apic_frequency, Ordering::Relaxed);
}

/// One interrupt, when the counter reaches `deadline` or soon after.
pub fn arm(deadline: u64) {
    let wait = deadline.saturating_sub(counter::cycles());
    let (timer, counter) = (TIMER_FREQUENCY.load(Ordering::Relaxed), COUNTER_FREQUENCY.load(Ordering::Relaxed));
    // Rounded up: an interrupt that comes too early finds nothing due.
    let count = u128::from(wait) * u128::from(timer) / u128::from(counter) + 1;
    apic::arm_timer(u32::try_from(count).unwrap_or(u32::MAX));
}
