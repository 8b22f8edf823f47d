//! What a publish costs, with nobody else at work on the page.

use super::cpu;
use super::publisher::Feed;
use super::row::{Row, Unit};
use super::setup::Setup;
use super::statistics::Spread;
use super::subject::repeat;
use super::{progress::Progress, Effort};
use anyhow::Result;
use std::cell::Cell;
use std::hint::black_box;
use vvar::timekeeper::State;
use vvar::writer::{Plan, Planner, Scope, Word};
use vvar::{Error, RawPage, Timekeeper, Writer};

const BATCH: u32 = 200;

/// A plan that is always ready.
struct Prepared(Plan<State>);

impl Planner for Prepared {
    type State = State;
    #[inline(always)]
    fn plan(&mut self, _: u64, _: Scope) -> Result<Plan<State>, Error> {
        Ok(self.0)
    }
    #[inline(always)]
    fn commit(&mut self, _: &Plan<State>) -> bool {
        true
    }
}

/// An owner word without atomic operations, for a writer that has no rival.
#[derive(Debug, Default)]
struct PlainWord(Cell<u32>);

impl Word for PlainWord {
    #[inline(always)]
    fn exchange(&self, from: u32, to: u32) -> Result<u32, u32> {
        let found = self.0.get();
        if found != from {
            return Err(found);
        }
        self.0.set(to);
        Ok(found)
    }
    fn set(&self, bits: u32) {
        self.0.set(self.0.get() | bits);
    }
    #[inline(always)]
    fn clear(&self, bits: u32) -> u32 {
        self.0.set(self.0.get() & !bits);
        self.0.get()
    }
    #[inline(always)]
    fn get(&self) -> u32 {
        self.0.get()
    }
}

/// The rows.
///
/// | row | what |
/// |---|---|
/// | `publish/ns` | all of it: owner word, two counter reads, the plan, the stores; the floor is the counter reads |
/// | `publish/coarse/ns` | the same for the coarse clocks alone |
/// | `publish/plan/ns` | the timekeeper's arithmetic, and storing the plan |
/// | `publish/stores/ns` | every store and fence of all clocks, with a ready plan, a constant counter and no rival |
pub(crate) fn rows(setup: &Setup, feed: Feed, effort: Effort, progress: &mut Progress) -> Result<(Vec<Row>, Feed)> {
    let rounds = effort.rounds(10_000);
    let mut under_test = UnderTest::new(setup, feed)?;
    let mut values = [const { Vec::new() }; NAMES.len() + 1];
    for round in 0..rounds {
        progress.show("publish", round, rounds);
        let mut cycles = Ok([0; NAMES.len() + 1]);
        deeper(round % DEPTHS, &mut || cycles = under_test.measure());
        for (values, cycles) in values.iter_mut().zip(cycles?) {
            values.push(setup.calibration.nanos(cycles) / f64::from(BATCH));
        }
    }
    let [.., floors] = &values;
    let floor = Spread::of(floors.clone()).map(|floor| floor.median);
    let rows = NAMES.iter().zip(values).filter_map(|(name, values)| {
        let row = Row::new(*name, Unit::Ns, Spread::of(values)?);
        Some(Row { floor: floor.filter(|_| *name == "publish/ns"), ..row })
    });
    Ok((rows.collect(), under_test.feed))
}

const NAMES: [&str; 4] = ["publish/ns", "publish/coarse/ns", "publish/plan/ns", "publish/stores/ns"];

/// The measurements run at so many depths of the stack in turn, as the figures of one and the same program were seen to differ
/// from start to start, when nothing but its addresses had changed.
const DEPTHS: usize = 16;

/// Calls `measure` with the stack lower by `depth` times a sixteenth of a page.
#[inline(never)]
fn deeper(depth: usize, measure: &mut dyn FnMut()) {
    let filler = [0u8; 4096 / DEPTHS];
    black_box(&filler);
    match depth.checked_sub(1) {
        Some(depth) => deeper(depth, measure),
        None => measure(),
    }
}

/// What the measurements publish with.
struct UnderTest {
    feed: Feed,
    page: RawPage,
    plan: Plan<State>,
}

impl UnderTest {
    fn new(setup: &Setup, mut feed: Feed) -> Result<UnderTest> {
        let plan = feed.clocks.plan(cpu::rdtscp(), Scope::Full).map_err(anyhow::Error::msg)?;
        Ok(UnderTest { feed, page: setup.page, plan: Plan { steps: 0, ..plan } })
    }

    /// Cycles of a batch of each of [`NAMES`], and of two counter reads.
    fn measure(&mut self) -> Result<[u64; NAMES.len() + 1]> {
        let cycles = [
            full_cycles(&mut self.feed),
            coarse_cycles(&mut self.feed),
            plan_cycles(&mut self.feed.clocks),
            stores_cycles(self.page, &self.plan),
            counter_cycles(),
        ];
        // The prepared plan has put the clocks back to its anchor: they go on from the timekeeper's.
        self.feed.publish()?;
        Ok(cycles)
    }
}

/// The plan and the words are the function's own, so that the compiler can keep them where a publish has them, and nothing is
/// measured but the way from there to the page.
#[inline(never)]
fn stores_cycles(page: RawPage, plan: &Plan<State>) -> u64 {
    let mut prepared = Prepared(*plan);
    let alone = Writer::with_words(page, PlainWord::default(), PlainWord::default());
    let anchor = plan.anchor;
    repeat(BATCH, || {
        let _ = black_box(alone.publish(|| anchor, &mut prepared));
    })
}

#[inline(never)]
fn full_cycles(feed: &mut Feed) -> u64 {
    repeat(BATCH, || {
        let _ = black_box(feed.writer.publish(cpu::rdtscp, &mut feed.clocks));
    })
}

#[inline(never)]
fn coarse_cycles(feed: &mut Feed) -> u64 {
    repeat(BATCH, || {
        let _ = black_box(feed.writer.publish_coarse(cpu::rdtscp, &mut feed.clocks));
    })
}

#[inline(never)]
fn plan_cycles(clocks: &mut Timekeeper) -> u64 {
    let mut counter = cpu::rdtscp();
    repeat(BATCH, || {
        counter += 1;
        let _ = black_box(clocks.plan(black_box(counter), Scope::Full));
    })
}

#[inline(never)]
fn counter_cycles() -> u64 {
    repeat(BATCH, || {
        black_box((cpu::rdtscp(), cpu::rdtscp()));
    })
}
