//! How fast the time-stamp counter and the local APIC's timer count: measured against the PIT.

use super::{apic, counter, pit};

/// How long the frequency is measured, in ns.
const CALIBRATION: u64 = 250_000_000;

/// So many looks that find the PIT at the same count: it does not count.
const STILL: u32 = 100_000;

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
        let before = counter::cycles();
        pit::latch();
        let after = counter::cycles();
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
pub fn measure() -> Result<Calibration, &'static str> {
    pit::start();
    apic::start_timer_for_calibration();
    for _ in 0..4 {
        if let Some(calibration) = try_measure()? {
            return Ok(calibration);
        }
    }
    Err("the machine is stopped too often to calibrate its counter: give it a CPU of its own")
}

/// `None`: the machine was stopped for too long. Fails if the PIT stands still.
fn try_measure() -> Result<Option<Calibration>, &'static str> {
    let start = Sample::best();
    let (mut last, mut ticks, mut longest) = (start.pit, 0, 0);
    let (mut looked, mut still) = (start.tsc, 0);
    while pit::nanoseconds(ticks) < CALIBRATION {
        let next = Sample::take();
        ticks += u64::from(last.wrapping_sub(next.pit));
        longest = longest.max(next.tsc - looked);
        // It counts once in 838 ns, and a look at it takes longer than that, or not much less.
        still = if next.pit == last { still + 1 } else { 0 };
        if still > STILL {
            return Err("the PIT does not count: the kernel needs one to calibrate the counter");
        }
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
        return Ok(None);
    }
    let uncertainty = start.uncertainty + end.uncertainty + frequency / pit::FREQUENCY;
    Ok(Some(Calibration {
        frequency,
        error_ppb: uncertainty * 1_000_000_000 / cycles,
        duration,
        apic_frequency: per_second(u64::from(start.apic.wrapping_sub(end.apic))),
    }))
}
