//! What the clock functions of every image do for every kind of page, against the kernel's system calls and the page's own
//! reader. A guest that can call them ([`Calls`]) has these checks made into tests by
//! [`call_tests!`](crate::call_tests).

use crate::architecture::Function;
use crate::clocks::{is_the_pages, start_of, REALTIME};
use crate::guest::{Argument, End, Publisher, NULL, UNWRITTEN};
use crate::random::Random;
use libc::SIGSEGV;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use vvar::memory::{Encoded, SplitLines};
use vvar::page::{line_offset, offset, Encoding, Line};
use vvar::{Clock, CounterKind, PageRead, PageWrite, Source, Start, Synchronisation, Timekeeper, Writer};

/// A guest whose image has the clock functions.
pub trait Calls {
    /// Its page, and what publishes it.
    fn publisher(&self) -> &Publisher;
    /// The counters that the image reads.
    fn counters(&self) -> Counters;
    /// Calls a function of the image.
    fn ours(&mut self, function: Function, arguments: [Argument; 3]) -> End;
    /// Makes the system call of that function.
    fn kernels(&mut self, function: Function, arguments: [Argument; 3]) -> End;
    /// Reads a clock many times, by the image.
    fn readings(&mut self, clock: Clock, times: u32) -> Readings;
    /// Reads the counter in the guest.
    fn counter(&mut self) -> u64;
}

/// The counters that an image reads.
#[derive(Debug, Clone, Copy)]
pub struct Counters {
    /// The one of its hot path.
    pub hot: CounterKind,
    /// Others that the emulator has, too.
    pub slow: &'static [CounterKind],
    /// These and those that it has not.
    pub all: &'static [CounterKind],
}

/// Many readings of a clock, times in ns.
#[derive(Debug, Clone, Copy)]
pub struct Readings {
    /// The first.
    pub first: i64,
    /// The last one within a [year](crate::clocks::YEAR) of the first.
    pub last: i64,
    /// The largest step back among those within a year of the first.
    pub back: i64,
    /// How many are not: those that the kernel answered, if the page did the first.
    pub strays: i64,
}

/// Makes a test of each check: `call_tests! { START }`, with START an expression that gives a guest, or leaves the test.
/// The guest has a method `finish`, which panics if it does not end well.
#[macro_export]
macro_rules! call_tests {
    ($start:expr) => {
        $crate::call_tests! { $start;
            the_guests_counter_is_the_hosts
            an_unpublished_page_leaves_everything_to_the_kernel
            a_live_page_answers_for_its_clocks_and_the_kernel_for_the_others
            a_page_that_was_published_long_ago_answers_on_the_slow_path
            other_counters_are_read_on_the_slow_path
            gettimeofday_comes_from_realtime
            resolutions_come_from_the_page_once_it_has_them
            a_null_pointer_faults_or_is_refused
            a_page_of_another_layout_is_refused
            a_disabled_page_leaves_the_clocks_to_the_kernel
            time_does_not_run_backwards_while_a_writer_publishes
        }
    };
    ($start:expr; $($check:ident)*) => {
        $(
            #[test]
            fn $check() {
                let mut guest = $start;
                $crate::calls::$check(&mut guest);
                guest.finish();
            }
        )*
    };
}

/// Every id that has a line in the page, those that Linux knows, and some beyond on both sides; and others all over the range.
///
/// A negative one is `!pid << 3`, with the sort of clock in the lower bits (Linux `include/linux/posix-timers.h`,
/// `make_process_cpuclock`). From -8 on that is process 0, the caller's own, with or without a clock of that sort; the others
/// are of processes whose numbers are beyond any that Linux gives. So none comes or goes meanwhile.
fn ids() -> impl Iterator<Item = i32> {
    /// The largest `PID_MAX_LIMIT` (Linux `include/linux/threads.h`).
    const MOST_PROCESSES: i32 = 4 << 20;
    let mut random = Random::new(1);
    let others = (0..300).map(move |_| {
        let bits = random.number();
        bits as i32 >> (bits >> 32 & 31)
    });
    let others = [i32::MIN, i32::MIN + 1, i32::MAX].into_iter().chain(others);
    (-8..=25).chain(others.filter(|&id| id >= 0 || !(id >> 3) > MOST_PROCESSES))
}

fn time_arguments(id: i32) -> [Argument; 3] {
    [Argument::Number(id.into()), Argument::Buffer(0), NULL]
}

fn clock_gettime(guest: &mut impl Calls, id: i32) -> Result<i128, i64> {
    guest.ours(Function::ClockGettime, time_arguments(id)).time()
}

fn kernel_time(guest: &mut impl Calls, id: i32) -> Result<i128, i64> {
    guest.kernels(Function::ClockGettime, time_arguments(id)).time()
}

/// What `gettimeofday` wrote: a time, and a timezone.
fn time_of_day(end: End) -> ([i64; 2], i64) {
    match end {
        End::Returned { result: 0, buffers: [time, [zone, UNWRITTEN]] } => (time, zone),
        other => panic!("{other:?}"),
    }
}

fn gettimeofday(guest: &mut impl Calls, time: Argument, zone: Argument) -> ([i64; 2], i64) {
    time_of_day(guest.ours(Function::Gettimeofday, [time, zone, NULL]))
}

fn assert_from_the_kernel(guest: &mut impl Calls, id: i32) {
    let before = kernel_time(guest, id);
    let ours = clock_gettime(guest, id);
    let after = kernel_time(guest, id);
    let good = match (before, ours, after) {
        (Ok(before), Ok(ours), Ok(after)) => before <= ours && ours <= after,
        (Err(before), Err(ours), Err(after)) => before == ours && ours == after,
        _ => false,
    };
    assert!(good, "clock {id}: {before:?}, ours {ours:?}, {after:?}");
}

fn assert_from_the_page(guest: &mut impl Calls, clock: Clock) {
    let before = guest.publisher().page_time(clock);
    let ours = clock_gettime(guest, clock.id() as i32).expect("a clock of the page");
    let after = guest.publisher().page_time(clock);
    assert!(before <= ours && ours <= after, "{clock:?}: {before}, {ours}, {after}");
    assert!(is_the_pages(clock, ours), "{clock:?}: {ours}");
}

fn assert_resolution_is_the_kernels(guest: &mut impl Calls, id: i32) {
    for at in [Argument::Buffer(0), NULL] {
        let arguments = [Argument::Number(id.into()), at, NULL];
        let kernel = guest.kernels(Function::ClockGetres, arguments);
        assert_eq!(guest.ours(Function::ClockGetres, arguments), kernel, "clock {id}, {at}");
    }
}

fn assert_time_of_day_is_the_kernels(guest: &mut impl Calls) {
    let arguments = [Argument::Buffer(0), Argument::Buffer(1), NULL];
    let before = time_of_day(guest.kernels(Function::Gettimeofday, arguments));
    let ours = time_of_day(guest.ours(Function::Gettimeofday, arguments));
    let after = time_of_day(guest.kernels(Function::Gettimeofday, arguments));
    assert!(before.0 <= ours.0 && ours.0 <= after.0, "{before:?}, {ours:?}, {after:?}");
    assert_eq!(ours.1, before.1, "the timezone");
}

/// What all others rest on.
pub fn the_guests_counter_is_the_hosts(guest: &mut impl Calls) {
    let host = guest.publisher().counter();
    for _ in 0..100 {
        let before = host.now();
        let counter = guest.counter();
        let after = host.now();
        assert!(before <= counter && counter <= after, "{before}, {counter}, {after}");
    }
}

/// As a process finds it whose kernel maps the page and has no clock yet.
pub fn an_unpublished_page_leaves_everything_to_the_kernel(guest: &mut impl Calls) {
    for id in ids() {
        assert_from_the_kernel(guest, id);
        assert_resolution_is_the_kernels(guest, id);
    }
    assert_time_of_day_is_the_kernels(guest);
}

/// The hot path, and ids that the page does not have.
pub fn a_live_page_answers_for_its_clocks_and_the_kernel_for_the_others(guest: &mut impl Calls) {
    let hot = guest.counters().hot;
    let mut clocks = guest.publisher().go_live(hot, 0);
    for _ in 0..20 {
        guest.publisher().publish(&mut clocks, 0);
        for clock in Clock::ALL {
            assert_from_the_page(guest, clock);
        }
    }
    for id in ids() {
        match Clock::from_id(id) {
            Some(clock) => assert_from_the_page(guest, clock),
            None => assert_from_the_kernel(guest, id),
        }
    }
}

/// Longer ago than the hot path's span, and than a second.
pub fn a_page_that_was_published_long_ago_answers_on_the_slow_path(guest: &mut impl Calls) {
    let hot = guest.counters().hot;
    for age in [1, 2, 5, 100, 3000] {
        let _clocks = guest.publisher().go_live(hot, age);
        for clock in Clock::ALL {
            assert_from_the_page(guest, clock);
            let since = guest.publisher().page_time(clock) - start_of(clock);
            let expected = if clock.is_coarse() { 0 } else { i128::from(age) * 1_000_000_000 };
            assert!((0..600_000_000_000).contains(&(since - expected)), "{clock:?}: {since} ns");
        }
    }
}

/// And those that the image does not read, which are another architecture's, are left to the kernel.
pub fn other_counters_are_read_on_the_slow_path(guest: &mut impl Calls) {
    let Counters { hot, slow, all } = guest.counters();
    assert!(all.contains(&hot) && slow.iter().all(|kind| all.contains(kind)), "{all:?}");
    for &kind in slow {
        let _clocks = guest.publisher().go_live(kind, 0);
        for clock in Clock::ALL {
            assert_from_the_page(guest, clock);
        }
    }
    // A page with these lines can name no other.
    let nameable = CounterKind::ALL.iter().filter(|kind| kind.is_counter() && kind.is_in(Encoding::Wide));
    for &kind in nameable.filter(|kind| !all.contains(kind)) {
        let _clocks = guest.publisher().go_live(kind, 0);
        for clock in Clock::ALL {
            match clock.is_coarse() {
                true => assert_from_the_page(guest, clock),
                false => assert_from_the_kernel(guest, clock.id() as i32),
            }
        }
    }
}

/// With and without a timezone of the page's, and with each pointer null.
pub fn gettimeofday_comes_from_realtime(guest: &mut impl Calls) {
    let hot = guest.counters().hot;
    for age in [0, 5] {
        let _clocks = guest.publisher().go_live(hot, age);
        let (time, zone) = (Argument::Buffer(0), Argument::Buffer(1));
        let kernels = time_of_day(guest.kernels(Function::Gettimeofday, [NULL, zone, NULL])).1;
        assert_eq!(gettimeofday(guest, time, zone).1, kernels, "not known yet: the kernel's");
        let (minutes_west, dst_time) = (-345, 3);
        Writer::new(guest.publisher().page()).set_timezone(minutes_west, dst_time);
        let known = i64::from(minutes_west as u32) | i64::from(dst_time) << 32;
        for _ in 0..100 {
            let before = guest.publisher().page_time(Clock::Realtime);
            let ([sec, usec], its_zone) = gettimeofday(guest, time, zone);
            let after = guest.publisher().page_time(Clock::Realtime);
            let ours = i128::from(sec) * 1_000_000_000 + i128::from(usec) * 1000;
            assert!(before - before % 1000 <= ours && ours <= after, "{before}, {ours}, {after}");
            assert_eq!(its_zone, known);
        }
        // Each pointer may be null, which means "do not write".
        assert_eq!(gettimeofday(guest, NULL, NULL), ([UNWRITTEN; 2], UNWRITTEN));
        assert_eq!(gettimeofday(guest, NULL, zone), ([UNWRITTEN; 2], known));
        let ([sec, usec], its_zone) = gettimeofday(guest, time, NULL);
        assert!(sec >= REALTIME && (0..1_000_000).contains(&usec) && its_zone == UNWRITTEN);
    }
}

/// And from the kernel for the clocks that are not the page's.
pub fn resolutions_come_from_the_page_once_it_has_them(guest: &mut impl Calls) {
    // Other ones than any host's, so that they are seen to come from the page.
    Writer::new(guest.publisher().page()).set_resolution(2, 10_000_000);
    for id in ids() {
        let Some(clock) = Clock::from_id(id) else {
            assert_resolution_is_the_kernels(guest, id);
            continue;
        };
        let expected = if clock.is_coarse() { 10_000_000 } else { 2 };
        let mut ours = |at| guest.ours(Function::ClockGetres, [Argument::Number(id.into()), at, NULL]);
        assert_eq!(ours(Argument::Buffer(0)).time(), Ok(expected), "{clock:?}");
        assert_eq!(ours(NULL).result(), 0, "{clock:?} without a pointer");
    }
}

/// As in Linux's vDSO: a fault for the clocks that the page holds, on either path, and the system call's -EFAULT (or another
/// error) for others.
pub fn a_null_pointer_faults_or_is_refused(guest: &mut impl Calls) {
    let hot = guest.counters().hot;
    let arguments = |id: i32| [Argument::Number(id.into()), NULL, NULL];
    for age in [0, 5] {
        let _clocks = guest.publisher().go_live(hot, age);
        for clock in Clock::ALL {
            let end = guest.ours(Function::ClockGettime, arguments(clock.id() as i32));
            assert_eq!(end, End::Signal(SIGSEGV), "{clock:?}, published {age} s ago");
        }
    }
    for id in ids().filter(|&id| Clock::from_id(id).is_none()) {
        let kernels = guest.kernels(Function::ClockGettime, arguments(id));
        assert_eq!(guest.ours(Function::ClockGettime, arguments(id)), kernels, "clock {id}");
    }
}

/// Each bit of a control word's half of the layout's hash, and a whole page with the lines of another encoding.
pub fn a_page_of_another_layout_is_refused(guest: &mut impl Calls) {
    let hot = guest.counters().hot;
    let _clocks = guest.publisher().go_live(hot, 0);
    let page = guest.publisher().page();
    for clock in Clock::ALL {
        let at = offset::LINES + clock.id() * size_of::<Line>() + line_offset::CTL;
        // The control word's upper half holds bits of the layout's hash: another hash differs in one of them at least.
        for bit in 16..32 {
            page.store_u32(at, page.load_u32(at) ^ 1 << bit);
            assert_from_the_kernel(guest, clock.id() as i32);
            page.store_u32(at, page.load_u32(at) ^ 1 << bit);
        }
        assert_from_the_page(guest, clock);
    }
    guest.publisher().clear();
    let counter = guest.publisher().counter();
    let source = Source {
        // By this image's counter, if such a page can name it.
        kind: if hot.is_in(Encoding::Split) { hot } else { CounterKind::Rdtscp },
        frequency: guest.publisher().frequency(),
        bits: 64,
        synchronisation: Synchronisation::Checked { max_skew: 0 },
    };
    let split: Encoded<_, SplitLines> = Encoded::new(*page.memory());
    let writer = Writer::new(split);
    writer.init().expect("a fresh page");
    let mut clocks = Timekeeper::new(source, counter.now(), Start::default()).expect("a source within bounds");
    clocks.set_realtime(counter.now(), REALTIME, 0).expect("a time within bounds");
    let _ = writer.publish(|| counter.now(), &mut clocks).expect("nobody else publishes");
    for clock in Clock::ALL {
        assert_from_the_kernel(guest, clock.id() as i32);
    }
    assert_time_of_day_is_the_kernels(guest);
}

/// As after a suspend, or on a machine whose counters have drifted apart.
pub fn a_disabled_page_leaves_the_clocks_to_the_kernel(guest: &mut impl Calls) {
    let hot = guest.counters().hot;
    let _clocks = guest.publisher().go_live(hot, 0);
    Writer::new(guest.publisher().page()).disable(Clock::EVERY);
    for clock in Clock::ALL {
        assert_from_the_kernel(guest, clock.id() as i32);
    }
    assert_time_of_day_is_the_kernels(guest);
}

/// How often a clock is read while a writer publishes.
const READINGS: u32 = 50_000;

/// How many times that is done until the two have met. On a busy machine one of them can be without a CPU for as long, and the
/// kernel answers while the writer is held up within a publish.
const MOST_BATCHES: usize = 50;

/// How many publishes there are in a batch of readings, at least.
const PUBLISHES: u32 = 100;

/// The pauses between two publishes, in ns: up to these. Without any, a reader under QEMU would seldom find the time to read a
/// slot.
const PAUSES: u64 = 10_000;

/// A batch of readings.
#[derive(Debug)]
struct Batch {
    readings: Readings,
    /// How many publishes there were meanwhile.
    publishes: u32,
}

impl Batch {
    fn take(guest: &mut impl Calls, clock: Clock, publishes: &AtomicU32) -> Batch {
        let before = publishes.load(Ordering::Relaxed);
        let readings = guest.readings(clock, READINGS);
        Batch { readings, publishes: publishes.load(Ordering::Relaxed) - before }
    }

    /// Whether the page answered, while it was published.
    fn is_good(&self, clock: Clock) -> bool {
        let Readings { first, strays, .. } = self.readings;
        self.publishes >= PUBLISHES && is_the_pages(clock, first.into()) && strays <= i64::from(READINGS) / 2
    }
}

/// Stops the writer however the readers end.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A writer that does little but publish. The guest's loop sees no step back; a read that the kernel answers would be years
/// off, and is told by that.
pub fn time_does_not_run_backwards_while_a_writer_publishes(guest: &mut impl Calls) {
    let hot = guest.counters().hot;
    let mut clocks = guest.publisher().go_live(hot, 0);
    // Once without the writer, so that QEMU has translated it all: that takes longer than many publishes.
    for clock in Clock::ALL {
        guest.readings(clock, 100);
    }
    let (page, counter) = (guest.publisher().page(), guest.publisher().counter());
    let (publishes, stop) = (AtomicU32::new(0), AtomicBool::new(false));
    let pauses = guest.publisher().frequency() * PAUSES / 1_000_000_000;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (writer, mut random) = (Writer::new(page), Random::new(2));
            while !stop.load(Ordering::Relaxed) {
                let _ = writer.publish(|| counter.now(), &mut clocks).expect("nobody else publishes");
                publishes.fetch_add(1, Ordering::Relaxed);
                let next = counter.now() + random.number() % pauses.max(1);
                while counter.now() < next {}
            }
        });
        let _stop = Stop(&stop);
        for clock in Clock::ALL {
            let mut batches = vec![];
            while batches.len() < MOST_BATCHES && !batches.last().is_some_and(|batch: &Batch| batch.is_good(clock)) {
                batches.push(Batch::take(guest, clock, &publishes));
            }
            assert!(batches.last().is_some_and(|batch| batch.is_good(clock)), "{clock:?}: {batches:?}");
            for batch in batches {
                let Readings { first, last, back, .. } = batch.readings;
                assert!(first <= last && back == 0, "{clock:?}: {batch:?}");
            }
        }
    });
}
