//! Every function for every kind of page, against the kernel's system calls and the page's own reader.

use libc::SIGSEGV;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use vdso_tests::arch::ARCHITECTURES;
use vdso_tests::guest::{is_the_pages, start_of, Argument, End, Guest, NULL, REALTIME, UNWRITTEN};
use vdso_tests::random::Random;
use vdso_tests::{start, Emulated};
use vvar::memory::{Encoded, SplitLines};
use vvar::page::{line_offset, offset, Line};
use vvar::{Clock, PageRead, PageWrite, Source, Start, Synchronisation, Timekeeper, Writer};

for_each_architecture! {
    the_guests_counter_is_the_hosts,
    an_unpublished_page_leaves_everything_to_the_kernel,
    a_live_page_answers_for_its_clocks_and_the_kernel_for_the_others,
    a_page_that_was_published_long_ago_answers_on_the_slow_path,
    other_counters_are_read_on_the_slow_path,
    gettimeofday_comes_from_realtime,
    resolutions_come_from_the_page_once_it_has_them,
    a_null_pointer_faults_or_is_refused,
    a_page_of_another_layout_is_refused,
    a_disabled_page_leaves_the_clocks_to_the_kernel,
    time_does_not_run_backwards_while_a_writer_publishes,
    functions_that_have_no_page_make_the_system_call,
}

/// Every id that has a line in the page, those that Linux knows, and some beyond on both sides; and others all over the range.
fn ids() -> impl Iterator<Item = i32> {
    let mut random = Random::new(1);
    let others = (0..300).map(move |_| {
        let bits = random.number();
        bits as i32 >> (bits >> 32 & 31)
    });
    (-8..=25).chain([i32::MIN, i32::MAX]).chain(others)
}

fn clock_gettime(guest: &mut Guest, id: i32) -> Result<i128, i64> {
    let function = guest.functions.clock_gettime;
    guest.call(function, [Argument::Number(id.into()), Argument::Buffer(0), NULL]).time()
}

fn kernel_time(guest: &mut Guest, id: i32) -> Result<i128, i64> {
    guest
        .system_call(guest.emulated.numbers.clock_gettime, [Argument::Number(id.into()), Argument::Buffer(0), NULL])
        .time()
}

fn clock_getres(guest: &mut Guest, id: i32, at: Argument) -> End {
    let function = guest.functions.clock_getres;
    guest.call(function, [Argument::Number(id.into()), at, NULL])
}

fn kernel_resolution(guest: &mut Guest, id: i32, at: Argument) -> End {
    guest.system_call(guest.emulated.numbers.clock_getres, [Argument::Number(id.into()), at, NULL])
}

/// What `gettimeofday` wrote: a time in ns, and a timezone.
fn gettimeofday(guest: &mut Guest, time: Argument, zone: Argument) -> ([i64; 2], i64) {
    let function = guest.functions.gettimeofday;
    match guest.call(function, [time, zone, NULL]) {
        End::Returned { result: 0, buffers: [time, [zone, UNWRITTEN]] } => (time, zone),
        other => panic!("{other:?}"),
    }
}

fn assert_from_the_kernel(guest: &mut Guest, id: i32) {
    let before = kernel_time(guest, id);
    let ours = clock_gettime(guest, id);
    let after = kernel_time(guest, id);
    let good = match (before, ours, after) {
        (Ok(before), Ok(ours), Ok(after)) => before <= ours && ours <= after,
        (Err(before), Err(ours), Err(_)) => before == ours,
        // A clock of another process (a negative id) can come and go between two calls.
        _ => id < 0,
    };
    assert!(good, "clock {id}: {before:?}, ours {ours:?}, {after:?}");
}

fn assert_from_the_page(guest: &mut Guest, clock: Clock) {
    let before = guest.page_time(clock);
    let ours = clock_gettime(guest, clock.id() as i32).expect("a clock of the page");
    let after = guest.page_time(clock);
    assert!(before <= ours && ours <= after, "{clock:?}: {before}, {ours}, {after}");
    assert!(is_the_pages(clock, ours), "{clock:?}: {ours}");
}

fn assert_resolution_is_the_kernels(guest: &mut Guest, id: i32) {
    for at in [Argument::Buffer(0), NULL] {
        let (kernel, ours) = (kernel_resolution(guest, id, at), clock_getres(guest, id, at));
        assert_eq!(ours, kernel, "clock {id}, {at}");
    }
}

fn assert_time_of_day_is_the_kernels(guest: &mut Guest) {
    let kernel = |guest: &mut Guest| match guest
        .system_call(guest.emulated.numbers.gettimeofday, [Argument::Buffer(0), Argument::Buffer(1), NULL])
    {
        End::Returned { result: 0, buffers: [time, [zone, _]] } => (time, zone),
        other => panic!("{other:?}"),
    };
    let before = kernel(guest);
    let ours = gettimeofday(guest, Argument::Buffer(0), Argument::Buffer(1));
    let after = kernel(guest);
    assert!(before.0 <= ours.0 && ours.0 <= after.0, "{before:?}, {ours:?}, {after:?}");
    assert_eq!(ours.1, before.1, "the timezone");
}

/// What all other tests here rest on.
fn the_guests_counter_is_the_hosts(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    for _ in 0..100 {
        let before = guest.counter.now();
        let sample = guest.sample();
        let after = guest.counter.now();
        assert!(before <= sample.counter && sample.counter <= after, "{before}, {sample:?}, {after}");
        assert!(sample.before <= sample.after);
    }
    guest.finish();
}

fn an_unpublished_page_leaves_everything_to_the_kernel(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    for id in ids() {
        assert_from_the_kernel(&mut guest, id);
        assert_resolution_is_the_kernels(&mut guest, id);
    }
    assert_time_of_day_is_the_kernels(&mut guest);
    guest.finish();
}

fn a_live_page_answers_for_its_clocks_and_the_kernel_for_the_others(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    let mut clocks = guest.go_live(emulated.hot, 0);
    for _ in 0..20 {
        guest.publish(&mut clocks, 0);
        for clock in Clock::ALL {
            assert_from_the_page(&mut guest, clock);
        }
    }
    for id in ids() {
        match Clock::from_id(id) {
            Some(clock) => assert_from_the_page(&mut guest, clock),
            None => assert_from_the_kernel(&mut guest, id),
        }
    }
    guest.finish();
}

/// Longer ago than the hot path's span, and than a second.
fn a_page_that_was_published_long_ago_answers_on_the_slow_path(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    for age in [1, 2, 5, 100, 3000] {
        let _clocks = guest.go_live(emulated.hot, age);
        for clock in Clock::ALL {
            assert_from_the_page(&mut guest, clock);
            let since = guest.page_time(clock) - start_of(clock);
            let expected = if clock.is_coarse() { 0 } else { i128::from(age) * 1_000_000_000 };
            assert!((0..600_000_000_000).contains(&(since - expected)), "{clock:?}: {since} ns");
        }
    }
    guest.finish();
}

fn other_counters_are_read_on_the_slow_path(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    for &kind in emulated.slow {
        let _clocks = guest.go_live(kind, 0);
        for clock in Clock::ALL {
            assert_from_the_page(&mut guest, clock);
        }
    }
    // Another architecture's is none that the image could read.
    let own = emulated.architecture.counters;
    assert!(own.contains(&emulated.hot) && emulated.slow.iter().all(|kind| own.contains(kind)), "{own:?}");
    let kinds = ARCHITECTURES.iter().flat_map(|other| other.counters);
    for &kind in kinds.filter(|kind| !own.contains(kind)) {
        let _clocks = guest.go_live(kind, 0);
        for clock in Clock::ALL {
            match clock.is_coarse() {
                true => assert_from_the_page(&mut guest, clock),
                false => assert_from_the_kernel(&mut guest, clock.id() as i32),
            }
        }
    }
    guest.finish();
}

fn gettimeofday_comes_from_realtime(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    for age in [0, 5] {
        let _clocks = guest.go_live(emulated.hot, age);
        let (time, zone) = (Argument::Buffer(0), Argument::Buffer(1));
        let kernel = match guest.system_call(guest.emulated.numbers.gettimeofday, [NULL, zone, NULL]) {
            End::Returned { result: 0, buffers: [_, [zone, _]] } => zone,
            other => panic!("{other:?}"),
        };
        assert_eq!(gettimeofday(&mut guest, time, zone).1, kernel, "not known yet: the kernel's");
        let (minutes_west, dst_time) = (-345, 3);
        Writer::new(guest.page()).set_timezone(minutes_west, dst_time);
        let known = i64::from(minutes_west as u32) | i64::from(dst_time) << 32;
        for _ in 0..100 {
            let before = guest.page_time(Clock::Realtime);
            let ([sec, usec], its_zone) = gettimeofday(&mut guest, time, zone);
            let after = guest.page_time(Clock::Realtime);
            let ours = i128::from(sec) * 1_000_000_000 + i128::from(usec) * 1000;
            assert!(before - before % 1000 <= ours && ours <= after, "{before}, {ours}, {after}");
            assert_eq!(its_zone, known);
        }
        // Each pointer may be null, which means "do not write".
        assert_eq!(gettimeofday(&mut guest, NULL, NULL), ([UNWRITTEN; 2], UNWRITTEN));
        assert_eq!(gettimeofday(&mut guest, NULL, zone), ([UNWRITTEN; 2], known));
        let ([sec, usec], its_zone) = gettimeofday(&mut guest, time, NULL);
        assert!(sec >= REALTIME && (0..1_000_000).contains(&usec) && its_zone == UNWRITTEN);
    }
    guest.finish();
}

fn resolutions_come_from_the_page_once_it_has_them(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    let writer = Writer::new(guest.page());
    // Other ones than any host's, so that they are seen to come from the page.
    writer.set_resolution(2, 10_000_000);
    for id in ids() {
        let Some(clock) = Clock::from_id(id) else {
            assert_resolution_is_the_kernels(&mut guest, id);
            continue;
        };
        let expected = if clock.is_coarse() { 10_000_000 } else { 2 };
        assert_eq!(clock_getres(&mut guest, id, Argument::Buffer(0)).time(), Ok(expected), "{clock:?}");
        assert_eq!(clock_getres(&mut guest, id, NULL).result(), 0, "{clock:?} without a pointer");
    }
    guest.finish();
}

/// As in Linux's vDSO: a fault for the clocks that the page holds, and the system call's -EFAULT (or another error) for others.
fn a_null_pointer_faults_or_is_refused(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    let _clocks = guest.go_live(emulated.hot, 0);
    for id in ids() {
        let arguments = [Argument::Number(id.into()), NULL, NULL];
        let expected = match Clock::from_id(id) {
            Some(_) => End::Signal(SIGSEGV),
            None => guest.system_call(guest.emulated.numbers.clock_gettime, arguments),
        };
        assert_eq!(guest.call(guest.functions.clock_gettime, arguments), expected, "clock {id}");
    }
    guest.finish();
}

fn a_page_of_another_layout_is_refused(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    let _clocks = guest.go_live(emulated.hot, 0);
    let page = guest.page();
    for clock in Clock::ALL {
        let at = offset::LINES + clock.id() * size_of::<Line>() + line_offset::CTL;
        // The control word's upper half holds bits of the layout's hash: another hash differs in one of them at least.
        for bit in 16..32 {
            page.store_u32(at, page.load_u32(at) ^ 1 << bit);
            assert_from_the_kernel(&mut guest, clock.id() as i32);
            page.store_u32(at, page.load_u32(at) ^ 1 << bit);
        }
        assert_from_the_page(&mut guest, clock);
    }
    // A whole page with the other lines that there are, by this architecture's counter.
    guest.clear();
    let split: Encoded<_, SplitLines> = Encoded::new(*guest.page().memory());
    let source = Source {
        kind: emulated.hot,
        frequency: guest.frequency(),
        bits: 64,
        synchronisation: Synchronisation::Architectural,
    };
    let writer = Writer::new(split);
    writer.init().expect("a fresh page");
    let mut clocks = Timekeeper::new(source, guest.counter.now(), Start::default()).expect("a source within bounds");
    clocks.set_realtime(guest.counter.now(), REALTIME, 0).expect("a time within bounds");
    let _ = writer.publish(|| guest.counter.now(), &mut clocks).expect("nobody else publishes");
    for clock in Clock::ALL {
        assert_from_the_kernel(&mut guest, clock.id() as i32);
    }
    assert_time_of_day_is_the_kernels(&mut guest);
    guest.finish();
}

fn a_disabled_page_leaves_the_clocks_to_the_kernel(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    let _clocks = guest.go_live(emulated.hot, 0);
    Writer::new(guest.page()).disable(Clock::EVERY);
    for clock in Clock::ALL {
        assert_from_the_kernel(&mut guest, clock.id() as i32);
    }
    assert_time_of_day_is_the_kernels(&mut guest);
    guest.finish();
}

/// How many batches of readings are asked for until one begins and ends with the page's. The kernel answers while the writer is
/// held up within a publish, for as long as another program has its CPU.
const MOST_BATCHES: usize = 50;

fn is_between_pages(clock: Clock, [first, last, _]: [i64; 3]) -> bool {
    is_the_pages(clock, first.into()) && is_the_pages(clock, last.into())
}

/// A writer that does nothing but publish. The guest's loop sees no step back; a read that the kernel answers would be years
/// off, and is told by that.
fn time_does_not_run_backwards_while_a_writer_publishes(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    let mut clocks = guest.go_live(emulated.hot, 0);
    let (page, counter, stop) = (guest.page(), guest.counter, AtomicBool::new(false));
    std::thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let writer = Writer::new(page);
            let mut publishes = 0u32;
            while !stop.load(Ordering::Relaxed) {
                let _ = writer.publish(|| counter.now(), &mut clocks).expect("nobody else publishes");
                publishes += 1;
            }
            publishes
        });
        let batches = Clock::ALL.map(|clock| {
            let mut batches = vec![guest.monotonic(clock, 20_000)];
            while batches.len() < MOST_BATCHES && !is_between_pages(clock, batches[batches.len() - 1]) {
                batches.push(guest.monotonic(clock, 20_000));
            }
            (clock, batches)
        });
        stop.store(true, Ordering::Relaxed);
        let publishes = publishing.join().expect("the writer does not panic");
        assert!(publishes > 1000, "{publishes} publishes");
        for (clock, batches) in batches {
            assert!(batches.last().is_some_and(|batch| is_between_pages(clock, *batch)), "{clock:?}: {batches:?}");
            for [_, _, back] in batches {
                // A reading that the kernel answered, once in a while, shows as a step of years there and back.
                assert!(!(1..i64::from(u32::MAX)).contains(&back), "{clock:?}: {back} ns back");
            }
        }
    });
    guest.finish();
}

/// With these and those of the other tests, every function of the image is called here.
fn functions_that_have_no_page_make_the_system_call(emulated: &'static Emulated) {
    let mut guest = start!(emulated);
    for function in emulated.system_calls {
        let offset = emulated.architecture.image.symbol(function.function).expect("a function of the image");
        for pointers in [[Argument::Buffer(0), Argument::Buffer(1)], [NULL; 2]] {
            // As a third argument, flags: some that there are for a call that has any, and some that there are not.
            for flags in [0, 1, 2, -1] {
                let arguments = [pointers[0], pointers[1], Argument::Number(flags)];
                let mut calls = || (guest.call(offset, arguments), guest.system_call(function.number, arguments));
                // The guest's thread can be moved to another CPU between two calls, but not always.
                let same = (0..20).map(|_| calls()).find(|(ours, kernels)| ours == kernels);
                assert!(same.is_some(), "{}, {arguments:?}: {:?}", function.name, calls());
            }
        }
    }
    guest.finish();
    let called = emulated.system_calls.iter().map(|function| function.function).chain(emulated.functions.names());
    let exported = emulated.architecture.image.symbols.iter().map(|symbol| symbol.0);
    assert_eq!(called.collect::<BTreeSet<_>>(), exported.collect());
}
