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
use vvar::{Error, Timekeeper, Writer};

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
/// | `publish/ns` | all of it: owner word, two counter reads, the plan, the stores |
/// | `publish/coarse/ns` | the same for the coarse clocks alone |
/// | `publish/plan/ns` | the timekeeper's arithmetic |
/// | `publish/stores/ns` | every store and fence of all clocks, with a ready plan, a constant counter and no rival |
pub(crate) fn rows(setup: &Setup, mut feed: Feed, effort: Effort, progress: &mut Progress) -> Result<(Vec<Row>, Feed)> {
    let rounds = effort.rounds(4000);
    let mut values = [const { Vec::new() }; 4];
    let plan = feed.clocks.plan(cpu::rdtscp(), Scope::Full).map_err(anyhow::Error::msg)?;
    let mut prepared = Prepared(Plan { steps: 0, ..plan });
    let alone = Writer::with_words(setup.page, PlainWord::default(), PlainWord::default());
    for round in 0..rounds {
        progress.show("publish", round, rounds);
        let cycles = [
            repeat(BATCH, || {
                let _ = black_box(feed.writer.publish(cpu::rdtscp, &mut feed.clocks));
            }),
            repeat(BATCH, || {
                let _ = black_box(feed.writer.publish_coarse(cpu::rdtscp, &mut feed.clocks));
            }),
            plan_cycles(&mut feed.clocks),
            repeat(BATCH, || {
                let anchor = prepared.0.anchor;
                let _ = black_box(alone.publish(|| anchor, &mut prepared));
            }),
        ];
        for (values, cycles) in values.iter_mut().zip(cycles) {
            values.push(setup.calibration.nanos(cycles) / f64::from(BATCH));
        }
        // The prepared plan has put the clocks back to its anchor: they go on from the timekeeper's.
        feed.publish()?;
    }
    let names = ["publish/ns", "publish/coarse/ns", "publish/plan/ns", "publish/stores/ns"];
    let rows =
        names.iter().zip(values).filter_map(|(name, values)| Some(Row::new(*name, Unit::Ns, Spread::of(values)?)));
    Ok((rows.collect(), feed))
}

fn plan_cycles(clocks: &mut Timekeeper) -> u64 {
    let mut counter = cpu::rdtscp();
    repeat(BATCH, || {
        counter += 1;
        let _ = black_box(clocks.plan(black_box(counter), Scope::Full));
    })
}
