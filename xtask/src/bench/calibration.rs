//! The TSC against the host's clocks: how long a cycle is, and where the clocks stand.

use super::cpu;
use anyhow::{ensure, Context, Result};
use nix::time::{clock_gettime, ClockId};
use std::time::Duration;
use vvar::{Clock, CounterKind, Source, Start, Synchronisation, Timekeeper, Timespec};

/// The longer, the more exact: readings are good to some 50 ns.
const SPAN: Duration = Duration::from_millis(200);

/// Readings for one good one.
const TRIES: usize = 16;

/// What a cycle is worth.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Calibration {
    frequency: u64,
}

impl Calibration {
    /// Takes [`SPAN`].
    pub(crate) fn take() -> Result<Calibration> {
        let (before, counter) = reading(Clock::MonotonicRaw)?;
        std::thread::sleep(SPAN);
        let (after, later) = reading(Clock::MonotonicRaw)?;
        let nanos = after.as_nanos() - before.as_nanos();
        let frequency = u128::from(later.wrapping_sub(counter)) * 1_000_000_000 / nanos.max(1);
        let frequency = u64::try_from(frequency).context("the TSC does not run evenly")?;
        ensure!(
            (vvar::rate::MIN_FREQUENCY..=vvar::rate::MAX_FREQUENCY).contains(&frequency),
            "the TSC seems to run at {frequency} Hz: it does not run evenly on this machine"
        );
        Ok(Calibration { frequency })
    }

    /// Hz.
    pub(crate) fn frequency(&self) -> u64 {
        self.frequency
    }

    /// So many cycles in ns.
    pub(crate) fn nanos(&self, cycles: u64) -> f64 {
        cycles as f64 * 1e9 / self.frequency as f64
    }

    /// A timekeeper by this counter, with the clocks as the host has them.
    pub(crate) fn timekeeper(&self) -> Result<Timekeeper> {
        let source = Source {
            kind: CounterKind::Rdtscp,
            frequency: self.frequency,
            bits: 64,
            synchronisation: Synchronisation::Architectural,
        };
        let (monotonic, counter) = reading(Clock::Monotonic)?;
        let at = |clock| {
            let (time, read) = reading(clock)?;
            let passed = self.nanos(read - counter) as u128;
            timespec((time.as_nanos()).saturating_sub(passed))
        };
        let (raw, boottime) = (at(Clock::MonotonicRaw)?, at(Clock::Boottime)?);
        let slept = timespec(boottime.as_nanos().saturating_sub(monotonic.as_nanos()))?;
        let (realtime, tai) = (at(Clock::Realtime)?, at(Clock::Tai)?);
        let start = Start { monotonic, raw, slept };
        let mut clocks = Timekeeper::new(source, counter, start).map_err(anyhow::Error::msg)?;
        clocks.set_realtime(counter, realtime.sec as i64, realtime.nsec).map_err(anyhow::Error::msg)?;
        let ahead = (tai.as_nanos() as i128 - realtime.as_nanos() as i128) as f64 / 1e9;
        clocks.set_tai_offset(ahead.round() as i32).map_err(anyhow::Error::msg)?;
        Ok(clocks)
    }
}

fn timespec(nanos: u128) -> Result<Timespec> {
    u64::try_from(nanos).map(Timespec::from_nanos).context("the host's clocks are past the year 2554")
}

/// The host's clock and the counter half way through the tightest of a few readings.
fn reading(clock: Clock) -> Result<(Timespec, u64)> {
    let id = ClockId::from_raw(clock.id() as nix::libc::clockid_t);
    let mut best: Option<(u64, Timespec, u64)> = None;
    for _ in 0..TRIES {
        let before = cpu::rdtscp();
        let time = clock_gettime(id).with_context(|| format!("the host has no {clock:?}"))?;
        let width = cpu::rdtscp() - before;
        if best.is_none_or(|(least, ..)| width < least) {
            let time = Timespec { sec: time.tv_sec() as u64, nsec: time.tv_nsec() as u32 };
            best = Some((width, time, before + width / 2));
        }
    }
    let (_, time, counter) = best.context("no reading")?;
    Ok((time, counter))
}
