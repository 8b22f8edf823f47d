//! Reads while a writer stands still in the middle of a publish: at each of its loads, stores and barriers in turn.
//!
//! The reads are made by the writer's own thread at that place, as an interrupt would: on x86 another CPU sees the writer's
//! stores in their order, so it finds the page in one of just these states.

use super::calls::Calls;
use super::cpu;
use super::publisher::Feed;
use super::row::{Row, Unit};
use super::setup::{read, Setup};
use super::statistics::Spread;
use super::{progress::Progress, Effort};
use anyhow::{ensure, Context, Result};
use std::cell::{Cell, RefCell};
use vvar::memory::Barrier;
use vvar::{Clock, PageRead, PageWrite, RawPage, Timekeeper, Writer};

/// A page that stops its writer before one of its accesses and lets `visit` run.
struct FreezingPage<'a> {
    page: RawPage,
    accesses: Cell<u32>,
    stop_before: u32,
    visit: &'a dyn Fn(),
}

impl FreezingPage<'_> {
    fn access(&self) {
        if self.accesses.get() == self.stop_before {
            (self.visit)();
        }
        self.accesses.set(self.accesses.get() + 1);
    }
}

impl PageRead for FreezingPage<'_> {
    fn load_u32(&self, offset: usize) -> u32 {
        self.access();
        self.page.load_u32(offset)
    }
    fn load_u64(&self, offset: usize) -> u64 {
        self.access();
        self.page.load_u64(offset)
    }
    fn barrier(&self, barrier: Barrier) {
        self.access();
        barrier.issue();
    }
}

impl PageWrite for FreezingPage<'_> {
    fn store_u32(&self, offset: usize, value: u32) {
        self.access();
        self.page.store_u32(offset, value);
    }
    fn store_u64(&self, offset: usize, value: u64) {
        self.access();
        self.page.store_u64(offset, value);
    }
}

/// The hot formula is up to 1 ns behind the exact one, on which the next publish is anchored.
const ROUNDING: i128 = 1;

/// By how much REALTIME is set in the publish with a step.
const STEP: i64 = 3_600_000_000_000;

/// One row says whether every clock could be read, and was right, wherever the writer stood; one at how many places.
pub(crate) fn rows(setup: &Setup, mut feed: Feed, effort: Effort, progress: &mut Progress) -> Result<(Vec<Row>, Feed)> {
    let rounds = effort.rounds(20);
    let (mut ok, mut places) = (1.0, 0);
    for round in 0..rounds {
        progress.show("writer frozen at each step", round, rounds);
        match freeze_everywhere(setup, &mut feed.clocks) {
            Ok(found) => places = found,
            Err(error) => {
                eprintln!("bench: a frozen writer: {error:#}");
                ok = 0.0;
            }
        }
    }
    feed.publish()?;
    let places = Row::new("writer/frozen/places", Unit::Count, Spread::exactly(f64::from(places)));
    Ok((vec![Row::new("writer/frozen/ok", Unit::Ok, Spread::exactly(ok)), places], feed))
}

/// Publishes, plain and with REALTIME set to and fro, frozen before each access. How many places there were.
fn freeze_everywhere(setup: &Setup, clocks: &mut Timekeeper) -> Result<u32> {
    let mut places = 0;
    for size in [0, STEP] {
        let (mut stop_before, mut step) = (0, size);
        while let Some(()) = freeze(setup, clocks, step, stop_before)? {
            (stop_before, step) = (stop_before + 1, -step);
            places += 1;
        }
        if step < 0 {
            // The clocks as they were.
            freeze(setup, clocks, step, 0)?;
        }
    }
    Ok(places)
}

/// Publishes, with a look at every clock before access `stop_before`. `None` if the publish has fewer accesses.
fn freeze(setup: &Setup, clocks: &mut Timekeeper, step: i64, stop_before: u32) -> Result<Option<()>> {
    let before = clocks.clone();
    if step != 0 {
        clocks.step_realtime(cpu::rdtscp(), step).map_err(anyhow::Error::msg)?;
    }
    let seen = RefCell::new(None);
    let visit =
        || *seen.borrow_mut() = Some(Clock::ALL.into_iter().try_for_each(|clock| check(setup, &before, clock, step)));
    let writer = Writer::new(FreezingPage { page: setup.page, accesses: Cell::new(0), stop_before, visit: &visit });
    let _ = writer.publish(cpu::rdtscp, clocks).map_err(anyhow::Error::msg)?;
    let seen = seen.into_inner().transpose();
    seen.with_context(|| format!("before access {stop_before} of a publish with a step of {step} ns"))
}

/// The clock shows what it showed before the publish. If the publish steps it: that, or the time after the step, or, while
/// its line is off, what the system call says.
fn check(setup: &Setup, before: &Timekeeper, clock: Clock, step: i64) -> Result<()> {
    let range = || -> Result<(i128, i128)> {
        let of = |clock| before.now(cpu::rdtscp(), clock).map(|time| time.as_nanos() as i128);
        let fine = match clock {
            Clock::RealtimeCoarse => Clock::Realtime,
            Clock::MonotonicCoarse => Clock::Monotonic,
            fine => fine,
        };
        Ok((of(clock).map_err(anyhow::Error::msg)?, of(fine).map_err(anyhow::Error::msg)?))
    };
    let (system, (earliest, _)) = (read(&Calls::SYSTEM, clock)?, range()?);
    let seen = read(&setup.ours, clock)?;
    let ((_, latest), system) = (range()?, system..=read(&Calls::SYSTEM, clock)?);
    let shifted = |shift: i128| (earliest + shift - ROUNDING..=latest + shift + ROUNDING).contains(&seen);
    let steps = step != 0 && Clock::FOLLOW_REALTIME & clock.bit() != 0;
    let right = shifted(0) || steps && (shifted(step.into()) || system.contains(&seen));
    ensure!(right, "{clock:?} showed {seen} ns, where {earliest} to {latest} ns had been right");
    Ok(())
}
