//! What the tests share: counters that say what the test wants, exact clocks to compare with, a kernel in small, and pages
//! that can be interrupted or stopped at any store.

// Each test program uses a part.
#![allow(dead_code)]

pub(crate) mod exact;
pub(crate) mod kernel;
pub(crate) mod pages;

use std::marker::PhantomData;
use vvar::memory::{Encoded, Lines, SplitLines, WideLines};
use vvar::page::{self, offset, split, wide, Encoding};
use vvar::{Clock, Counter, CounterKind, PageRead, Source, Synchronisation, Timespec};

/// The counters that the tests use for lines of an encoding.
pub(crate) trait Counters: Lines {
    /// What most tests count by.
    const USUAL: CounterKind;
    /// What machines of another kind count by.
    const OTHER: CounterKind;
    /// What some machines that know [`Counters::USUAL`] have as well, and their hot path reads.
    const TOO: Option<CounterKind>;

    /// The counter of most tests: a TSC as the machines of today have it, whatever it is called here.
    const TSC: Source = Source {
        kind: Self::USUAL,
        frequency: 2_596_000_000,
        bits: 64,
        synchronisation: Synchronisation::Architectural,
    };
}

impl Counters for SplitLines {
    const USUAL: CounterKind = CounterKind::Rdtscp;
    const OTHER: CounterKind = CounterKind::LfenceRdtsc;
    const TOO: Option<CounterKind> = None;
}

impl Counters for WideLines {
    const USUAL: CounterKind = CounterKind::Cntvct;
    const OTHER: CounterKind = CounterKind::RiscvTime;
    const TOO: Option<CounterKind> = Some(CounterKind::Cntvctss);
}

/// A counter that stands at a value, on a machine that reads [`Counters::USUAL`] fastest.
pub(crate) struct ByUsual<L>(pub(crate) u64, PhantomData<L>);

/// A counter that stands at a value, on a machine that reads [`Counters::OTHER`] fastest.
pub(crate) struct ByOther<L>(pub(crate) u64, PhantomData<L>);

impl<L> ByUsual<L> {
    pub(crate) fn at(value: u64) -> Self {
        ByUsual(value, PhantomData)
    }
}

impl<L> ByOther<L> {
    pub(crate) fn at(value: u64) -> Self {
        ByOther(value, PhantomData)
    }
}

fn any_counter(kind: CounterKind, value: u64) -> Option<u64> {
    kind.is_counter().then_some(value)
}

impl<L: Counters> Counter for ByUsual<L> {
    const HOT: CounterKind = L::USUAL;
    const HOT_TOO: Option<CounterKind> = L::TOO;
    fn read_hot(&self) -> u64 {
        self.0
    }
    fn read(&self, kind: CounterKind) -> Option<u64> {
        any_counter(kind, self.0)
    }
}

impl<L: Counters> Counter for ByOther<L> {
    const HOT: CounterKind = L::OTHER;
    fn read_hot(&self) -> u64 {
        self.0
    }
    fn read(&self, kind: CounterKind) -> Option<u64> {
        any_counter(kind, self.0)
    }
}

/// Where the slot in use of a fine clock's line starts.
pub(crate) fn start_of<P: PageRead, L: Lines>(memory: &Encoded<P, L>, clock: Clock) -> u64 {
    let line = offset::LINES + size_of::<page::Line>() * clock.id();
    let slot = memory.load_u32(line + page::line_offset::SEQ) as usize & 1;
    match L::ENCODING {
        Encoding::Split => {
            let half = |field| u64::from(memory.load_u32(line + field + 4 * slot));
            half(split::offset::HI) << 32 | half(split::offset::LO)
        }
        Encoding::Wide => memory.load_u64(line + wide::offset::CYC + 8 * slot),
    }
}

pub(crate) const FINE: [Clock; 5] =
    [Clock::Realtime, Clock::Monotonic, Clock::MonotonicRaw, Clock::Boottime, Clock::Tai];

pub(crate) fn mask(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

pub(crate) const SECOND: i128 = 1_000_000_000;

pub(crate) fn nanos(time: Timespec) -> i128 {
    i128::try_from(time.as_nanos()).expect("below 2^94")
}

pub(crate) fn timespec(nanos: i128) -> Timespec {
    let nanos = u64::try_from(nanos).expect("a time since the epoch");
    Timespec::from_nanos(nanos)
}

/// splitmix64 (Steele, Lea, Flood 2014): for loops that are too long for proptest.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(end)) >> 64) as u64
    }

    /// From `low` to `high`, both included.
    pub(crate) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below((high - low) as u64 + 1) as i64
    }

    /// 1 to about `end`, every order of magnitude alike.
    pub(crate) fn magnitude(&mut self, end: u64) -> u64 {
        let bits = 64 - end.leading_zeros();
        let shift = self.below(u64::from(bits)) as u32;
        1 + self.below((end >> shift).max(1))
    }
}
