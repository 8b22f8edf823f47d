//! Clocks that tell a time of their own, years from any host's and from each other's, so that every answer shows where it came
//! from.

use vvar::{Clock, CounterKind, Source, Start, Synchronisation, Timekeeper, Timespec};

/// Where REALTIME starts, in s.
pub const REALTIME: i64 = 1_000_000_000;
const MONOTONIC: u64 = 300_000_000;
const RAW: u64 = 400_000_000;
const BOOTTIME: u64 = 500_000_000;
const TAI_OFFSET: i32 = 37;

/// In ns: the pages' clocks and the host's are several apart.
pub const YEAR: i64 = 365 * 86400 * 1_000_000_000;

/// In ns: no test runs for as long.
pub const HOUR: i128 = 3_600_000_000_000;

/// A timekeeper of these clocks since the host's counter, which has that frequency in Hz, had that value.
///
/// # Panics
/// If `vvar` refuses the frequency.
pub fn since(counter: u64, kind: CounterKind, frequency: u64) -> Timekeeper {
    // Nothing is to be forgiven: Linux counts by it only if it has found that the CPUs agree.
    let synchronisation = Synchronisation::Checked { max_skew: 0 };
    let source = Source { kind, frequency, bits: 64, synchronisation };
    let start = Start {
        monotonic: Timespec { sec: MONOTONIC, nsec: 0 },
        raw: Timespec { sec: RAW, nsec: 0 },
        slept: Timespec { sec: BOOTTIME - MONOTONIC, nsec: 0 },
    };
    let mut clocks = Timekeeper::new(source, counter, start).expect("a source within bounds");
    clocks.set_realtime(counter, REALTIME, 0).expect("a time within bounds");
    clocks.set_tai_offset(TAI_OFFSET).expect("a time within bounds");
    clocks
}

/// Where a clock of these pages starts, in ns.
pub fn start_of(clock: Clock) -> i128 {
    let sec = match clock {
        Clock::Realtime | Clock::RealtimeCoarse => i128::from(REALTIME),
        Clock::Tai => i128::from(REALTIME) + i128::from(TAI_OFFSET),
        Clock::Monotonic | Clock::MonotonicCoarse => i128::from(MONOTONIC),
        Clock::MonotonicRaw => i128::from(RAW),
        Clock::Boottime => i128::from(BOOTTIME),
    };
    sec * 1_000_000_000
}

/// Whether it was a page of these clocks that told this time.
pub fn is_the_pages(clock: Clock, time: i128) -> bool {
    (0..HOUR).contains(&(time - start_of(clock)))
}
