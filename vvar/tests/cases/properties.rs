use super::Lines;
use crate::common::pages::page;
use crate::common::{kernel, mask, nanos, timespec, Counters, Random, FINE, SECOND};
use proptest::prelude::*;
use std::sync::atomic::Ordering::Relaxed;
use vvar::control::Control;
use vvar::memory::{self, Encoded};
use vvar::page::{line_offset, offset, Encoding, SIZE};
use vvar::rate::{MAX_FREQUENCY, MAX_SLEW_PPB, MIN_FREQUENCY};
use vvar::reader::{read_coarse, read_fast, read_hot, read_slow};
use vvar::writer::{Planner, Scope};
use vvar::{Clock, ClockSet, CounterKind, PageRead, PageWrite, Source, Synchronisation};

type Kernel = kernel::Kernel<Lines>;
type ByUsual = crate::common::ByUsual<Lines>;
type ByOther = crate::common::ByOther<Lines>;

const ENCODING: Encoding = <Lines as memory::Lines>::ENCODING;
const TSC: Source = Lines::TSC;
const DAY: i64 = 1_790_000_000;

/// Counters that machines other than x86 have: RISC-V's at 10 MHz, Arm's at the others.
const SLOW: [u64; 5] = [10_000_000, 24_000_000, 54_000_000, 62_500_000, 1_000_000_000];

/// Every order of magnitude alike, and those that machines have.
fn frequency() -> impl Strategy<Value = u64> {
    let edges = [
        MIN_FREQUENCY,
        999_999_999,
        1_303_000_000,
        1_304_000_000,
        2_596_000_000,
        3_740_000_000,
        MAX_FREQUENCY - 1,
        MAX_FREQUENCY,
    ];
    prop_oneof![
        4 => (MIN_FREQUENCY.ilog2()..=MAX_FREQUENCY.ilog2(), any::<u64>()).prop_map(|(bit, low)| {
            (1 << bit | low & ((1 << bit) - 1)).clamp(MIN_FREQUENCY, MAX_FREQUENCY)
        }),
        1 => prop::sample::select([&edges[..], &SLOW].concat()),
    ]
}

fn kind() -> impl Strategy<Value = CounterKind> {
    let too = Lines::TOO.unwrap_or(Lines::USUAL);
    prop_oneof![2 => Just(Lines::USUAL), 1 => Just(too), 1 => Just(Lines::OTHER)]
}

/// Any counter.
fn source() -> impl Strategy<Value = Source> {
    let bits = prop_oneof![3 => Just(64u32), 1 => Just(32u32), 1 => Just(33u32), 2 => 32..=64u32];
    (kind(), frequency(), bits).prop_map(|(kind, frequency, bits)| Source { kind, frequency, bits, ..TSC })
}

/// A counter of [`SLOW`] frequency, of full width or narrow.
fn slow_source() -> impl Strategy<Value = Source> {
    let bits = prop_oneof![2 => Just(64u32), 1 => Just(56u32), 1 => 32..=40u32];
    let frequency = prop::sample::select(&SLOW[..]);
    (kind(), frequency, bits).prop_map(|(kind, frequency, bits)| Source { kind, frequency, bits, ..TSC })
}

fn slew() -> impl Strategy<Value = i32> {
    prop_oneof![Just(0), Just(MAX_SLEW_PPB), Just(-MAX_SLEW_PPB), -MAX_SLEW_PPB..=MAX_SLEW_PPB]
}

/// Where a counter starts: anywhere, and where something wraps soon.
fn start() -> impl Strategy<Value = u64> {
    let soon = (any::<u32>(), 0..64u32).prop_map(|(before, bit)| (1u64 << bit).wrapping_sub(u64::from(before)));
    prop_oneof![any::<u64>(), soon, Just(0), Just(u64::MAX)]
}

/// The most cycles that may pass from one publish to the next: `seconds`, and less than half of the counter's range.
fn span(source: &Source, seconds: u64) -> u64 {
    (seconds * source.frequency).min(mask(source.bits) >> 1)
}

/// Reads each clock at places of its own up to `end` cycles from here, in the order of time.
fn check_on_the_way(kernel: &mut Kernel, random: &mut Random, end: u64) {
    let to_wrap = (1 << 32) - u64::from(kernel.counter as u32);
    let mut places: Vec<u64> = (0..8).map(|_| random.magnitude(end).min(end)).collect();
    places.extend([0, 1, end, end.saturating_sub(1), to_wrap - 1, to_wrap, to_wrap + 1]);
    // The hot formula ends 2^shift cycles after a publish; it is the same for all shifts to look at each power.
    places.extend((20..=33).flat_map(|shift| [(1 << shift) - 1, 1 << shift]));
    places.retain(|&place| place <= end);
    places.sort_unstable();
    let mut latest = FINE.map(|_| 0);
    let mut here = 0;
    for place in places {
        kernel.pass(place - here);
        here = place;
        for (clock, latest) in FINE.into_iter().zip(&mut latest) {
            let time = kernel.checked(clock);
            assert!(time >= *latest, "{clock:?} goes back from {latest} to {time}");
            *latest = time;
        }
    }
    kernel.pass(end - here);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Publishes at most a second apart.
    #[test]
    fn fine_clocks_are_within_a_nanosecond(
        source in source(),
        start in start(),
        publishes in prop::collection::vec((any::<u64>(), slew()), 1..8),
        seed: u64,
    ) {
        let mut random = Random(seed);
        let mut kernel = Kernel::set(source, start, DAY);
        for (gap, slew) in publishes {
            let gap = 1 + gap % span(&source, 1);
            check_on_the_way(&mut kernel, &mut random, gap);
            kernel.slew(slew);
            kernel.publish();
            for clock in FINE {
                prop_assert_eq!(Some(kernel.read(clock)), kernel.exact.at(clock, 0), "exact where it is anchored");
            }
        }
    }

    /// The last publish was long ago.
    #[test]
    fn fine_clocks_are_within_a_nanosecond_for_a_day(source in source(), start in start(), slew in slew(), seed: u64) {
        let mut random = Random(seed);
        let mut kernel = Kernel::set(source, start, DAY);
        kernel.slew(slew);
        kernel.pass(random.below(span(&source, 1)));
        kernel.publish();
        let end = span(&source, 24 * 3600);
        check_on_the_way(&mut kernel, &mut random, end);
    }

    /// A slow counter, publishes up to ten minutes apart, at every slew and over wraps of narrow ones.
    #[test]
    fn slow_counters_are_within_a_nanosecond(
        source in slow_source(),
        start in start(),
        publishes in prop::collection::vec((any::<u64>(), slew()), 1..8),
        seed: u64,
    ) {
        let mut random = Random(seed);
        let mut kernel = Kernel::set(source, start, DAY);
        for (gap, slew) in publishes {
            let longest = span(&source, [1, 10, 600][(gap % 3) as usize]);
            check_on_the_way(&mut kernel, &mut random, 1 + gap % longest);
            kernel.slew(slew);
            kernel.publish();
            for clock in FINE {
                prop_assert_eq!(Some(kernel.read(clock)), kernel.exact.at(clock, 0), "exact where it is anchored");
            }
        }
    }

    /// Ticks from a microsecond to a day apart: no error is left behind, and each publish starts from the exact time.
    #[test]
    fn rate_is_exact_in_the_long_run(
        source in source(),
        start in start(),
        seed: u64,
        publishes in prop::collection::vec(slew(), 1..200),
    ) {
        let mut random = Random(seed);
        let mut kernel = Kernel::set(source, start, DAY);
        for slew in publishes {
            kernel.slew(slew);
            kernel.pass(source.frequency / 1_000_000 + random.magnitude(span(&source, 24 * 3600) - 10_000));
            kernel.publish();
        }
        for clock in FINE {
            prop_assert_eq!(Some(kernel.read(clock)), kernel.exact.at(clock, 0));
        }
    }

    /// The timer's counter value is the first that shows the time, also on a CPU whose counter lags.
    #[test]
    fn counter_at_is_the_inverse_of_now(
        source in source(),
        lag in prop_oneof![Just(0), Just(1), 0..1_000u64],
        start in start(),
        slew in slew(),
        ahead in prop::collection::vec((0..63u32, any::<u64>()), 16),
        seed: u64,
    ) {
        let source = Source { synchronisation: Synchronisation::Checked { max_skew: lag }, ..source };
        let mut kernel = Kernel::set(source, start, DAY);
        kernel.slew(slew);
        kernel.pass(Random(seed).below(span(&source, 1)));
        kernel.publish();
        let anchor = kernel.counter;
        let at = |clock, delta: u64| {
            nanos(kernel.clocks.now(anchor.wrapping_add(delta) & mask(source.bits), clock).expect("in range"))
        };
        let anywhere = ahead.into_iter().map(|(magnitude, low)| 1 << magnitude | low & ((1 << magnitude) - 1));
        // Where the hot formula ends: the high half changes, or 2^shift cycles are over.
        let ends = (20..=33).map(|shift| 1 << shift).chain([(1 << 32) - u64::from(anchor as u32)]);
        for delta in anywhere.chain(ends) {
            // Up to 2^62 cycles; those that lie beyond half the range are brought back into it.
            let delta = delta & (mask(source.bits) >> 1);
            for clock in FINE {
                // No clock reaches 2^63 ns.
                let Ok(time) = kernel.clocks.now(anchor.wrapping_add(delta) & mask(source.bits), clock) else { continue };
                for due in [nanos(time) - 1, nanos(time), nanos(time) + 1] {
                    if !(0..1 << 63).contains(&due) {
                        continue;
                    }
                    let Ok(found) = kernel.clocks.counter_at(clock, timespec(due)) else {
                        let last = (mask(source.bits) >> 1) - lag;
                        prop_assert!(due > at(clock, last), "{:?}: {} is in reach", clock, due);
                        continue;
                    };
                    let found = found.wrapping_sub(anchor) & mask(source.bits);
                    prop_assert!(found == 0 || found > lag, "{:?} fires at {} cycles, lag {}", clock, found, lag);
                    // On the CPU that lags.
                    let found = found.saturating_sub(lag);
                    prop_assert!(at(clock, found) >= due, "{:?} fires at {} for {}", clock, at(clock, found), due);
                    let before = found.checked_sub(1).map(|before| at(clock, before));
                    prop_assert!(before.is_none_or(|before| before < due), "{:?} fires late for {}", clock, due);
                }
            }
        }
    }

    /// Who has not seen a publish is ahead of who has by no more than the documented bound, up to one cycle past the last one at
    /// which the publish is not counted late.
    #[test]
    fn change_of_rate_steps_back_within_the_bound(
        frequency in prop_oneof![frequency(), MIN_FREQUENCY..4_000_000u64],
        start in start(),
        slews in prop::sample::select(&[(MAX_SLEW_PPB, -MAX_SLEW_PPB), (MAX_SLEW_PPB, 0), (0, -MAX_SLEW_PPB), (7, 7)][..]),
        seed: u64,
    ) {
        let mut kernel = Kernel::set(Source { frequency, ..TSC }, start, DAY);
        kernel.slew(slews.0);
        kernel.publish();
        kernel.pass(Random(seed).below(frequency));
        let before = kernel.clocks.clone();
        kernel.slew(slews.1);
        let late_after = kernel.clocks.plan(kernel.counter, Scope::Full).expect("no time is out of range").late_after;
        kernel.publish();
        // Picoseconds, and 10^9 of them for the rates.
        let delay = u128::from(late_after + 1) * 1_000_000_000_000 / u128::from(frequency);
        let bound = (1000 + delay * u128::from((slews.0 - slews.1).unsigned_abs()) / 1_000_000_000) as i128 / 1000;
        prop_assert!(bound <= if frequency > 2_000_000 { 2 } else { 4 }, "{} ns", bound);
        let all = late_after + 1;
        for after in (0..=all.min(100)).chain(all.saturating_sub(100)..=all) {
            let counter = kernel.counter.wrapping_add(after) & mask(TSC.bits);
            for clock in FINE {
                let [old, new] = [&before, &kernel.clocks].map(|clocks| nanos(clocks.now(counter, clock).expect("in range")));
                prop_assert!(old - new <= bound, "{:?} steps back by {} ns, {} cycles later", clock, old - new, after);
                prop_assert!(slews.0 != slews.1 || old <= new, "{:?} steps back though its rate stays", clock);
            }
        }
    }

    /// The hot path takes what it can, and gives what the slow path gives. (Every read of the tests compares them where the
    /// hot path answers; here it must answer.)
    #[test]
    fn hot_path_serves_its_counters_and_no_other(
        kind in kind(),
        frequency in frequency(),
        start: u64,
        delta: u32,
        slew in slew(),
    ) {
        // From here on the shift is 32, the only one that split lines have on the hot path.
        let frequency = if ENCODING == Encoding::Split { frequency.max(1_305_000_000) } else { frequency };
        let mut kernel = Kernel::boot(Source { kind, frequency, ..TSC }, start);
        kernel.set_realtime(i128::from(DAY) * SECOND);
        kernel.slew(slew);
        kernel.publish();
        kernel.pass(u64::from(delta));
        let ctl = kernel.page.load_u32(offset::LINES + 64 * Clock::Monotonic.id() + line_offset::CTL);
        let shift = Control::decode(ctl, ENCODING).expect("on").shift;
        let in_span = u64::from(delta) >> shift == 0;
        // Less than a second at any slew: one second at most is to be carried.
        let soon = u64::from(delta) < frequency - frequency / 1000;
        let same_half = start >> 32 == kernel.counter >> 32;
        for clock in FINE {
            let (usual, other) = (ByUsual::at(kernel.counter), ByOther::at(kernel.counter));
            let by_usual = (read_fast(&kernel.memory, &usual, clock.id()), read_hot(&kernel.memory, &usual, clock.id()));
            let by_other = (read_fast(&kernel.memory, &other, clock.id()), read_hot(&kernel.memory, &other, clock.id()));
            let ((fast, hot), foreign) = if kind == Lines::OTHER { (by_other, by_usual) } else { (by_usual, by_other) };
            let due = timespec(kernel.checked(clock));
            prop_assert!(fast.is_none_or(|time| time == due && in_span), "{:?}: {:?}, not {:?}", clock, fast, due);
            prop_assert!(fast.is_some() || !(soon && in_span), "{:?}: no answer", clock);
            prop_assert_eq!(hot, fast.filter(|_| same_half || ENCODING == Encoding::Wide));
            prop_assert_eq!(foreign, (None, None));
        }
    }

    /// A page of arbitrary words, with control words of this layout: no reader panics or loops.
    #[test]
    fn readers_survive_any_page(seed: u64, kinds in prop::collection::vec(0..16u32, 24), counter: u64) {
        let page = &Encoded::<_, Lines>::new(page());
        let mut random = Random(seed);
        for at in (0..SIZE).step_by(8) {
            page.store_u64(at, random.next());
        }
        let layout = Control::COARSE.word(ENCODING) & 0xffff_0000;
        let hot = Control { kind: Lines::USUAL, bits: 64, shift: 0 }.word(ENCODING);
        for (line, kind) in page.memory().lines.iter().zip(kinds) {
            let word = if kind == 0 { hot } else { layout | kind << 12 | random.next() as u32 & 0xfc0 };
            line.ctl.store(word | random.next() as u32 & 0x3f, Relaxed);
        }
        page.memory().lines[1].ctl.store(hot | 32, Relaxed);
        let counter = ByUsual::at(counter);
        for index in 0..vvar::page::LINES {
            let _ = (read_fast(page, &counter, index), read_slow(page, &counter, index), read_coarse(page, index));
            let ctl = page.load_u32(offset::LINES + 64 * index + line_offset::CTL);
            let known = Control::decode(ctl, ENCODING).is_some();
            prop_assert!(known || read_slow(page, &counter, index).is_none());
        }
    }
}

/// A long life: random publishes, changes and sleeps, with programs that read in between.
struct Life {
    kernel: Kernel,
    random: Random,
    /// Each clock's latest reading, by its place in [`Clock::ALL`].
    latest: [i128; Clock::ALL.len()],
    /// The clocks that have been set, or stepped at a leap second, since they were last read.
    stepped: ClockSet,
}

impl Life {
    fn new(source: Source, seed: u64) -> Life {
        let mut random = Random(seed);
        let kernel = Kernel::set(source, random.next(), DAY);
        Life { kernel, random, latest: [0; Clock::ALL.len()], stepped: 0 }
    }

    /// Reads every clock and compares it with itself a while ago, with the others, and with the exact ones.
    fn look(&mut self) {
        let kernel = &self.kernel;
        for (clock, latest) in Clock::ALL.into_iter().zip(&mut self.latest) {
            let time = if clock.is_coarse() { kernel.read(clock) } else { kernel.checked(clock) };
            assert!(self.stepped & clock.bit() != 0 || time >= *latest, "{clock:?} goes back from {latest} to {time}");
            *latest = time;
        }
        self.stepped = 0;
        let [realtime, monotonic, _raw, boottime, tai, realtime_coarse, monotonic_coarse] = self.latest;
        let shown = &kernel.exact.shown;
        // One counter value: differences are exact, whatever each clock was rounded to.
        assert_eq!(Some(realtime - monotonic), shown.realtime);
        assert_eq!(Some(realtime_coarse - monotonic_coarse), shown.realtime);
        assert_eq!(boottime - monotonic, shown.slept);
        assert_eq!(tai - realtime, shown.tai * SECOND);
        assert!(monotonic_coarse <= monotonic && realtime_coarse <= realtime, "coarse is ahead of fine");
    }

    fn change(&mut self) {
        let (kernel, random) = (&mut self.kernel, &mut self.random);
        match random.below(100) {
            0..=39 => kernel.slew(random.between(-i64::from(MAX_SLEW_PPB), i64::from(MAX_SLEW_PPB)) as i32),
            40 => {
                kernel.set_realtime(i128::from(random.between(1_000_000_000, 2_000_000_000)) * SECOND + 123_456_789);
                self.stepped |= Clock::FOLLOW_REALTIME;
            }
            41 => {
                kernel.step_realtime(random.between(-5_000_000_000, 5_000_000_000));
                self.stepped |= Clock::FOLLOW_REALTIME;
            }
            42 => {
                kernel.set_tai_offset(random.between(-900, 900) as i32);
                self.stepped |= Clock::Tai.bit();
            }
            43 if kernel.exact.wanted.tai.abs() < 990 => {
                // TAI must go on through it.
                kernel.leap(if random.below(2) == 0 { 1 } else { -1 });
                self.stepped |= Clock::Realtime.bit() | Clock::RealtimeCoarse.bit();
            }
            44 => {
                kernel.suspend();
                kernel.resume(random.next(), i128::from(random.below(10_000_000_000)));
            }
            45 => kernel.discontinuity(random.next()),
            46 => {
                // The same counter, measured again: by up to 100 ppm.
                let source = *kernel.clocks.source();
                let frequency = source.frequency + random.below(source.frequency / 5000) - source.frequency / 10_000;
                let source = Source { frequency: frequency.clamp(MIN_FREQUENCY, MAX_FREQUENCY), ..source };
                kernel.change_counter(source, kernel.counter);
            }
            _ => {}
        }
    }

    /// `publishes` publishes, up to `seconds` apart.
    fn live(&mut self, publishes: u32, seconds: u64) {
        let source = *self.kernel.clocks.source();
        let gap = span(&source, seconds) / 2 - 1;
        for _ in 0..publishes {
            self.kernel.pass(self.random.magnitude(gap));
            self.look();
            if self.random.below(4) == 0 {
                self.kernel.publish_coarse();
                self.look();
            }
            self.kernel.pass(self.random.magnitude(gap));
            self.look();
            self.change();
            self.kernel.publish();
            self.look();
        }
        for clock in FINE {
            assert_eq!(Some(self.kernel.read(clock)), self.kernel.exact.at(clock, 0), "after {publishes} publishes");
        }
    }
}

#[test]
fn million_publishes_of_a_tsc() {
    Life::new(TSC, 1).live(1_000_000, 1);
}

#[test]
fn publishes_of_other_counters() {
    let counters = [
        (MIN_FREQUENCY, 32),
        (24_000_000, 56),
        (62_500_000, 64),
        (1_000_000_000, 64),
        (1_304_000_000, 40),
        (3_740_000_001, 33),
        (MAX_FREQUENCY - 3, 64),
    ];
    for (seed, (frequency, bits)) in counters.into_iter().enumerate() {
        let kind = if seed % 2 == 0 { Lines::USUAL } else { Lines::OTHER };
        Life::new(Source { kind, frequency, bits, ..TSC }, seed as u64).live(50_000, 1);
    }
}

/// A tickless kernel: minutes between publishes.
#[test]
fn publishes_of_a_tickless_kernel() {
    for frequency in [MIN_FREQUENCY, 54_000_000, 2_596_000_000, MAX_FREQUENCY] {
        Life::new(Source { frequency, ..TSC }, frequency).live(50_000, 600);
    }
}
