//! One timer a CPU: the local APIC's, armed for the next thing that is due. Deadlines are values of the counter.

use super::per_cpu::{self, MAX_CPUS};
use super::{apic, tsc};
use core::sync::atomic::{AtomicU64, Ordering};

static COUNTER_FREQUENCY: AtomicU64 = AtomicU64::new(0);
static TIMER_FREQUENCY: AtomicU64 = AtomicU64::new(0);
static NEXT_TICK: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

/// Takes over what was measured. Called by the first CPU.
pub fn init(calibration: &tsc::Calibration) {
    COUNTER_FREQUENCY.store(calibration.frequency, Ordering::Relaxed);
    TIMER_FREQUENCY.store(calibration.apic_frequency, Ordering::Relaxed);
}

/// Nanoseconds as cycles of the counter.
#[must_use]
pub fn cycles(nanoseconds: u64) -> u64 {
    (u128::from(nanoseconds) * u128::from(COUNTER_FREQUENCY.load(Ordering::Relaxed)) / 1_000_000_000) as u64
}

/// Cycles of the counter as nanoseconds.
#[must_use]
pub fn nanoseconds(cycles: u64) -> u64 {
    (u128::from(cycles) * 1_000_000_000 / u128::from(COUNTER_FREQUENCY.load(Ordering::Relaxed))) as u64
}

/// Starts this CPU's tick.
pub fn start() {
    NEXT_TICK[per_cpu::index()].store(tsc::read() + tick_cycles(), Ordering::Relaxed);
    arm(u64::MAX);
}

fn tick_cycles() -> u64 {
    cycles(u64::from(crate::embedding::TICK))
}

/// Arms this CPU's timer for its next tick, or for `deadline` if that is earlier.
pub fn arm(deadline: u64) {
    let now = tsc::read();
    let next_tick = &NEXT_TICK[per_cpu::index()];
    // Further away than a tick: the counter has jumped.
    let tick = next_tick.load(Ordering::Relaxed).min(now + tick_cycles());
    next_tick.store(tick, Ordering::Relaxed);
    let wait = deadline.min(tick).saturating_sub(now);
    let (timer, counter) = (TIMER_FREQUENCY.load(Ordering::Relaxed), COUNTER_FREQUENCY.load(Ordering::Relaxed));
    // Rounded up: an interrupt that comes too early finds nothing due.
    let count = u128::from(wait) * u128::from(timer) / u128::from(counter) + 1;
    apic::arm_timer(u32::try_from(count).unwrap_or(u32::MAX));
}

/// The timer's interrupt: the first CPU publishes the clocks if its tick is due.
pub fn interrupt() {
    let (cpu, now) = (per_cpu::index(), tsc::read());
    let due = NEXT_TICK[cpu].load(Ordering::Relaxed);
    if due > now {
        return;
    }
    // Ticks that were missed are not made up for.
    NEXT_TICK[cpu].store((due + tick_cycles()).max(now), Ordering::Relaxed);
    if cpu == 0 {
        crate::embedding::tick();
    }
}
