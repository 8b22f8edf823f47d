//! The time-stamp counter: reading it, its frequency, and whether the CPUs agree about it.

use super::apic;
use super::cpu::{self, feature, msr};
use super::pit;
use core::sync::atomic::{AtomicU64, Ordering};
use vvar::counter::WarpTest;
use vvar::{Counter, Synchronisation};

/// How long the frequency is measured, in ns.
const CALIBRATION: u64 = 250_000_000;

/// How long the CPUs compare their counters, in ns.
const WARP_TEST: u64 = 20_000_000;

/// For a test: added to what the kernel reads, as if the counter had been reset since (see `syscall::test`).
static SIMULATED_LEAD: AtomicU64 = AtomicU64::new(0);

/// The counter, in order: what the clocks and their timers count by.
#[must_use]
pub fn read() -> u64 {
    cycles().wrapping_add(SIMULATED_LEAD.load(Ordering::Relaxed))
}

/// The counter, in order: for durations.
#[must_use]
pub fn cycles() -> u64 {
    vvar::arch::Tsc.read_hot()
}

/// Lets the kernel's reading of the counter lead the programs' by `cycles`.
pub fn simulate_lead(cycles: u64) {
    SIMULATED_LEAD.store(cycles, Ordering::Relaxed);
}

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub struct Calibration {
    /// The counter's frequency in Hz.
    pub frequency: u64,
    /// By how much it may be wrong, in parts per billion.
    pub error_ppb: u64,
    /// How long was measured, in ns.
    pub duration: u64,
    /// The frequency of the local APIC's timer in Hz.
    pub apic_frequency: u64,
}

/// One look at all three clocks.
struct Sample {
    tsc: u64,
    /// Cycles by which `tsc` may differ from the moment of the PIT's reading.
    uncertainty: u64,
    pit: u16,
    apic: u32,
}

impl Sample {
    fn take() -> Sample {
        let before = read();
        pit::latch();
        let after = read();
        Sample {
            tsc: before + (after - before) / 2,
            uncertainty: (after - before).div_ceil(2),
            pit: pit::latched(),
            apic: apic::timer_count(),
        }
    }

    /// The one of several that took the least time: a hypervisor may stop the machine within any.
    fn best() -> Sample {
        let first = Sample::take();
        (0..15).fold(first, |best, _| {
            let next = Sample::take();
            if next.uncertainty < best.uncertainty {
                next
            } else {
                best
            }
        })
    }
}

/// Measures the counter and the local APIC's timer against the PIT.
///
/// The PIT counts 16 bits, 55 ms. If the machine was stopped for as long between two looks, a turn of it was missed: then the
/// measurement is taken again.
pub fn calibrate() -> Result<Calibration, &'static str> {
    pit::start();
    apic::start_timer_for_calibration();
    for _ in 0..4 {
        if let Some(calibration) = try_calibrate() {
            return Ok(calibration);
        }
    }
    Err("the machine is stopped too often to calibrate its counter: give it a CPU of its own")
}

fn try_calibrate() -> Option<Calibration> {
    let start = Sample::best();
    let (mut last, mut ticks, mut longest) = (start.pit, 0, 0);
    let mut looked = start.tsc;
    while pit::nanoseconds(ticks) < CALIBRATION {
        let next = Sample::take();
        ticks += u64::from(last.wrapping_sub(next.pit));
        longest = longest.max(next.tsc - looked);
        (last, looked) = (next.pit, next.tsc);
    }
    let end = Sample::best();
    ticks += u64::from(last.wrapping_sub(end.pit));
    longest = longest.max(end.tsc - looked);

    let duration = pit::nanoseconds(ticks);
    let cycles = end.tsc - start.tsc;
    let per_second = |count: u64| (u128::from(count) * 1_000_000_000 / u128::from(duration)) as u64;
    let frequency = per_second(cycles);
    // A turn missed makes the frequency seem higher by up to a fifth for each, and a gap of 55 ms shorter by as much.
    if longest > frequency / 25 {
        return None;
    }
    let uncertainty = start.uncertainty + end.uncertainty + frequency / pit::FREQUENCY;
    Some(Calibration {
        frequency,
        error_ppb: uncertainty * 1_000_000_000 / cycles,
        duration,
        apic_frequency: per_second(u64::from(start.apic.wrapping_sub(end.apic))),
    })
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
        0 if feature::invariant_tsc() => Synchronisation::Architectural,
        max_skew => Synchronisation::Checked { max_skew },
    }
}

/// Lets programs read the counter, and their CPU's number with it. On every CPU, and again after a suspend.
pub fn init(index: usize) {
    const TIME_STAMP_DISABLE: u64 = 1 << 2;
    // SAFETY: changes what programs may do, and nothing for the kernel.
    unsafe { cpu::write_cr4(cpu::read_cr4() & !TIME_STAMP_DISABLE) };
    // Node 0, as Linux has it: node << 12 | cpu.
    // SAFETY: the processor has RDTSCP, and this register with it: boot.rs asks first.
    unsafe { cpu::write_msr(msr::TSC_AUX, index as u64) };
}
