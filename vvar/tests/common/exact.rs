//! The clocks by the definition: sums of whole numbers, nothing rounded before the last division.

use super::SECOND;
use vvar::{Clock, Source, Start};

/// What can be asked of the clocks, and becomes true with a publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) ppb: i32,
    /// REALTIME less MONOTONIC in ns.
    pub(crate) realtime: Option<i128>,
    /// BOOTTIME less MONOTONIC in ns.
    pub(crate) slept: i128,
    /// TAI less REALTIME in s.
    pub(crate) tai: i128,
}

/// The clocks at the last publish.
///
/// MONOTONIC and RAW count in units of `1 / hz` ns: in `cycles` cycles they grow by `cycles * (10^9 + ppb)` and
/// `cycles * 10^9`.
#[derive(Debug, Clone)]
pub(crate) struct Exact {
    hz: u128,
    monotonic: u128,
    raw: u128,
    pub(crate) shown: Settings,
    pub(crate) wanted: Settings,
}

impl Exact {
    pub(crate) fn new(source: &Source, start: Start) -> Exact {
        let hz = u128::from(source.frequency);
        let settings = Settings { ppb: 0, realtime: None, slept: start.slept.as_nanos() as i128, tai: 0 };
        Exact {
            hz,
            monotonic: start.monotonic.as_nanos() * hz,
            raw: start.raw.as_nanos() * hz,
            shown: settings,
            wanted: settings,
        }
    }

    /// Lets `cycles` pass, at the shown rate.
    pub(crate) fn pass(&mut self, cycles: u64) {
        self.monotonic += u128::from(cycles) * rate(self.shown.ppb);
        self.raw += u128::from(cycles) * rate(0);
    }

    /// What was wanted is shown from here on.
    pub(crate) fn publish(&mut self) {
        self.shown = self.wanted;
    }

    /// Goes on by a counter of `hz`. What cannot be said in its cycles, less than `1 / hz` ns, is dropped.
    pub(crate) fn change_counter(&mut self, hz: u64) {
        let hz = u128::from(hz);
        for instant in [&mut self.monotonic, &mut self.raw] {
            *instant = *instant / self.hz * hz + *instant % self.hz * hz / self.hz;
        }
        self.hz = hz;
    }

    pub(crate) fn sleep(&mut self, nanos: i128) {
        for settings in [&mut self.shown, &mut self.wanted] {
            settings.slept += nanos;
            settings.realtime = settings.realtime.map(|offset| offset + nanos);
        }
    }

    /// Wants REALTIME to be `nanos` at a moment `cycles` from here.
    pub(crate) fn want_realtime(&mut self, cycles: u64, nanos: i128) {
        let monotonic = self.at(Clock::Monotonic, cycles).expect("MONOTONIC is always set");
        self.wanted.realtime = Some(nanos - monotonic);
    }

    /// The fine clock's whole nanoseconds `cycles` after the last [`Exact::pass`]; `None` if it is not set.
    pub(crate) fn at(&self, clock: Clock, cycles: u64) -> Option<i128> {
        let (instant, ppb) = match clock {
            Clock::MonotonicRaw => (self.raw, 0),
            _ => (self.monotonic, self.shown.ppb),
        };
        let nanos = ((instant + u128::from(cycles) * rate(ppb)) / self.hz) as i128;
        Some(nanos + self.offset(clock)?)
    }

    /// What lies between the clock and MONOTONIC, in ns.
    pub(crate) fn offset(&self, clock: Clock) -> Option<i128> {
        match clock {
            Clock::Realtime | Clock::RealtimeCoarse => self.shown.realtime,
            Clock::Tai => Some(self.shown.realtime? + self.shown.tai * SECOND),
            Clock::Boottime => Some(self.shown.slept),
            Clock::Monotonic | Clock::MonotonicCoarse | Clock::MonotonicRaw => Some(0),
        }
    }
}

fn rate(ppb: i32) -> u128 {
    (SECOND + i128::from(ppb)) as u128
}
