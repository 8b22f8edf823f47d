//! The counter that the clocks count by, and whether the CPUs agree about it.

use crate::arch::counter as hardware;
use core::sync::atomic::{AtomicU64, Ordering};
use vvar::counter::WarpTest;
use vvar::Synchronisation;

pub use hardware::cycles;

/// How long the CPUs compare their counters, in ns.
const WARP_TEST: u64 = 20_000_000;

/// For a test: added to what the kernel reads, as if the counter had been reset since (see `syscall::test`).
static SIMULATED_LEAD: AtomicU64 = AtomicU64::new(0);

/// The counter, in order: what the clocks and their timers count by. For durations there is [`cycles`].
#[must_use]
pub fn read() -> u64 {
    cycles().wrapping_add(SIMULATED_LEAD.load(Ordering::Relaxed))
}

/// Whether it counts at all. All that waits, waits for so many of its cycles.
#[must_use]
pub fn counts() -> bool {
    const PATIENCE: u32 = 1_000_000;
    let start = cycles();
    (0..PATIENCE).any(|_| cycles() != start)
}

/// Lets the kernel's reading of the counter lead the programs' by `cycles`.
pub fn simulate_lead(cycles: u64) {
    SIMULATED_LEAD.store(cycles, Ordering::Relaxed);
}

/// A value of the counter as the kernel [reads](read) it, as the hardware has it.
#[must_use]
pub fn of_hardware(counter: u64) -> u64 {
    counter.wrapping_sub(SIMULATED_LEAD.load(Ordering::Relaxed))
}

static WARP: WarpTest = WarpTest::new();

/// Compares this CPU's counter with those of the others that call this at the same time.
pub fn observe_warp(frequency: u64) {
    let start = read();
    while read().wrapping_sub(start) < frequency / 1000 * (WARP_TEST / 1_000_000) {
        WARP.observe(read);
    }
}

/// What is known of how the CPUs' counters agree, after every CPU's [`observe_warp`].
#[must_use]
pub fn synchronisation() -> Synchronisation {
    match WARP.max_warp() {
        0 if hardware::is_synchronised() => Synchronisation::Architectural,
        max_skew => Synchronisation::Checked { max_skew },
    }
}
