//! One timer a CPU, armed for the next thing that is due. Deadlines are values of the counter.

use crate::arch::per_cpu;
use crate::arch::timer as hardware;
use crate::counter;
use crate::cpus::MAX_CPUS;
use core::sync::atomic::{AtomicU64, Ordering};

static FREQUENCY: AtomicU64 = AtomicU64::new(0);
static NEXT_TICK: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

/// Takes over the counter's frequency in Hz. Called by the first CPU.
pub fn init(frequency: u64) {
    FREQUENCY.store(frequency, Ordering::Relaxed);
}

/// Nanoseconds as cycles of the counter.
#[must_use]
pub fn cycles(nanoseconds: u64) -> u64 {
    (u128::from(nanoseconds) * u128::from(FREQUENCY.load(Ordering::Relaxed)) / 1_000_000_000) as u64
}

/// Cycles of the counter as nanoseconds.
#[must_use]
pub fn nanoseconds(cycles: u64) -> u64 {
    (u128::from(cycles) * 1_000_000_000 / u128::from(FREQUENCY.load(Ordering::Relaxed))) as u64
}

/// Starts this CPU's tick.
pub fn start() {
    NEXT_TICK[per_cpu::index()].store(counter::read() + tick_cycles(), Ordering::Relaxed);
    arm(u64::MAX);
}

fn tick_cycles() -> u64 {
    cycles(u64::from(crate::embedding::TICK))
}

/// Arms this CPU's timer for its next tick, or for `deadline` if that is earlier.
pub fn arm(deadline: u64) {
    let now = counter::read();
    let next_tick = &NEXT_TICK[per_cpu::index()];
    // Further away than a tick: the counter has jumped.
    let tick = next_tick.load(Ordering::Relaxed).min(now + tick_cycles());
    next_tick.store(tick, Ordering::Relaxed);
    hardware::arm(counter::of_hardware(deadline.min(tick).max(now)));
}

/// The timer's interrupt: the first CPU publishes the clocks if its tick is due.
pub fn interrupt() {
    let (cpu, now) = (per_cpu::index(), counter::read());
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
