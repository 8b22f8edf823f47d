//! Every function for every kind of page, against the kernel's system calls and the page's own reader.

use crate::guest::{start, Guest, GuestCounter, Readings, FREQUENCY, HOT};
use crate::shared::{need_core, with_counter_function, COUNTER_FUNCTION};
use std::sync::atomic::{AtomicBool, Ordering};
use vdso_loongarch64::image;
use vdso_tests::architecture::SystemCalls;
use vdso_tests::guest::{is_the_pages, start_of, Argument, End, NULL, REALTIME, UNWRITTEN};
use vvar::page::{line_offset, offset, Line};
use vvar::{Clock, Counter, CounterKind, PageRead, PageWrite, Writer};

const NUMBERS: SystemCalls = SystemCalls::ASM_GENERIC;
const GETCPU: usize = 168;

/// How often a clock is read while a writer publishes.
const READINGS: i64 = 200_000;

/// Every id that has a line in the page, those that Linux knows, and some beyond on both sides.
///
/// A negative one is `!pid << 3`, with the sort of clock in the lower bits (Linux `include/linux/posix-timers.h`,
/// `make_process_cpuclock`). From -8 on that is process 0, the caller's own, with or without a clock of that sort; the last two
/// are of a process whose number is beyond any that Linux gives (`PID_MAX_LIMIT`). So none comes or goes meanwhile.
fn ids() -> impl Iterator<Item = i32> {
    (-8..=25).chain([i32::MIN, i32::MIN + 1, 1 << 16, i32::MAX])
}

fn clock_gettime(guest: &mut Guest, id: i32) -> Result<i128, i64> {
    guest.call("__vdso_clock_gettime", [Argument::Number(id.into()), Argument::Buffer(0), NULL]).time()
}

fn kernel_time(guest: &mut Guest, id: i32) -> Result<i128, i64> {
    guest.system_call(NUMBERS.clock_gettime, [Argument::Number(id.into()), Argument::Buffer(0), NULL]).time()
}

/// What `gettimeofday` wrote: a time, and a timezone.
fn gettimeofday(end: End) -> ([i64; 2], i64) {
    match end {
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
        (Err(before), Err(ours), Err(after)) => before == ours && ours == after,
        _ => false,
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
        let arguments = [Argument::Number(id.into()), at, NULL];
        let kernel = guest.system_call(NUMBERS.clock_getres, arguments);
        assert_eq!(guest.call("__vdso_clock_getres", arguments), kernel, "clock {id}, {at}");
    }
}

fn assert_time_of_day_is_the_kernels(guest: &mut Guest) {
    let arguments = [Argument::Buffer(0), Argument::Buffer(1), NULL];
    let before = gettimeofday(guest.system_call(NUMBERS.gettimeofday, arguments));
    let ours = gettimeofday(guest.call("__vdso_gettimeofday", arguments));
    let after = gettimeofday(guest.system_call(NUMBERS.gettimeofday, arguments));
    assert!(before.0 <= ours.0 && ours.0 <= after.0, "{before:?}, {ours:?}, {after:?}");
    assert_eq!(ours.1, before.1, "the timezone");
}

/// What all other tests here rest on.
#[test]
fn the_guests_counter_is_the_hosts() {
    let mut guest = start!();
    for _ in 0..100 {
        let before = GuestCounter.read_hot();
        let counter = guest.counter();
        let after = GuestCounter.read_hot();
        assert!(before <= counter && counter <= after, "{before}, {counter}, {after}");
    }
    guest.finish();
}

/// The image's counter, read without the page's hot path, which is the only one that the image itself has for it.
#[test]
fn the_images_counter_is_the_guests() {
    let core = need_core!();
    let counter = image::FUNCTION_FILES.iter().find(|(path, _)| *path == "arch/counter.rs").expect("the counter").1;
    let built = with_counter_function(counter).build().unwrap_or_else(|error| panic!("{error}"));
    let mut guest = match Guest::start_on(&built.image, core, &[]) {
        Ok(guest) => guest,
        Err(missing) => vdso_tests::skip!(missing),
    };
    for _ in 0..100 {
        let before = guest.counter();
        let end = guest.call(COUNTER_FUNCTION, [Argument::Buffer(0), NULL, NULL]);
        let after = guest.counter();
        let End::Returned { result: 1, buffers: [[hot, named], _] } = end else { panic!("{end:?}") };
        let [hot, named] = [hot, named].map(|counter| counter as u64);
        assert!(before <= hot && hot <= named && named <= after, "{before}, {hot}, {named}, {after}");
    }
    guest.finish();
}

#[test]
fn an_unpublished_page_leaves_everything_to_the_kernel() {
    let mut guest = start!();
    for id in ids() {
        assert_from_the_kernel(&mut guest, id);
        assert_resolution_is_the_kernels(&mut guest, id);
    }
    assert_time_of_day_is_the_kernels(&mut guest);
    guest.finish();
}

#[test]
fn a_live_page_answers_for_its_clocks_and_the_kernel_for_the_others() {
    let mut guest = start!();
    let mut clocks = guest.go_live(HOT, 0);
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
#[test]
fn a_page_that_was_published_long_ago_answers_on_the_slow_path() {
    let mut guest = start!();
    for age in [1, 5, 100, 3000] {
        let _clocks = guest.go_live(HOT, age);
        for clock in Clock::ALL {
            assert_from_the_page(&mut guest, clock);
            let since = guest.page_time(clock) - start_of(clock);
            let expected = if clock.is_coarse() { 0 } else { i128::from(age) * 1_000_000_000 };
            assert!((0..600_000_000_000).contains(&(since - expected)), "{clock:?}: {since} ns");
        }
    }
    guest.finish();
}

/// Neither another architecture's nor the second one for private use is one that this image could read.
#[test]
fn pages_of_other_counters_leave_the_fine_clocks_to_the_kernel() {
    let mut guest = start!();
    for &kind in CounterKind::ALL.iter().filter(|kind| kind.is_counter() && **kind != HOT) {
        if !kind.is_in(vvar::page::Encoding::Wide) {
            continue; // no page with these lines can name it
        }
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

#[test]
fn gettimeofday_comes_from_realtime() {
    let mut guest = start!();
    for age in [0, 5] {
        let _clocks = guest.go_live(HOT, age);
        let (time, zone) = (Argument::Buffer(0), Argument::Buffer(1));
        let kernels = gettimeofday(guest.system_call(NUMBERS.gettimeofday, [NULL, zone, NULL])).1;
        let ours = gettimeofday(guest.call("__vdso_gettimeofday", [time, zone, NULL]));
        assert_eq!(ours.1, kernels, "not known yet: the kernel's");
        let (minutes_west, dst_time) = (-345, 3);
        Writer::new(guest.page()).set_timezone(minutes_west, dst_time);
        let known = i64::from(minutes_west as u32) | i64::from(dst_time) << 32;
        for _ in 0..100 {
            let before = guest.page_time(Clock::Realtime);
            let ([sec, usec], its_zone) = gettimeofday(guest.call("__vdso_gettimeofday", [time, zone, NULL]));
            let after = guest.page_time(Clock::Realtime);
            let ours = i128::from(sec) * 1_000_000_000 + i128::from(usec) * 1000;
            assert!(before - before % 1000 <= ours && ours <= after, "{before}, {ours}, {after}");
            assert_eq!(its_zone, known);
        }
        // Each pointer may be null, which means "do not write".
        let mut ours = |time, zone| gettimeofday(guest.call("__vdso_gettimeofday", [time, zone, NULL]));
        assert_eq!(ours(NULL, NULL), ([UNWRITTEN; 2], UNWRITTEN));
        assert_eq!(ours(NULL, zone), ([UNWRITTEN; 2], known));
        let ([sec, usec], its_zone) = ours(time, NULL);
        assert!(sec >= REALTIME && (0..1_000_000).contains(&usec) && its_zone == UNWRITTEN);
    }
    guest.finish();
}

#[test]
fn resolutions_come_from_the_page_once_it_has_them() {
    let mut guest = start!();
    // Other ones than any host's, so that they are seen to come from the page.
    Writer::new(guest.page()).set_resolution(2, 10_000_000);
    for id in ids() {
        let Some(clock) = Clock::from_id(id) else {
            assert_resolution_is_the_kernels(&mut guest, id);
            continue;
        };
        let expected = if clock.is_coarse() { 10_000_000 } else { 2 };
        let mut ours = |at| guest.call("__vdso_clock_getres", [Argument::Number(id.into()), at, NULL]);
        assert_eq!(ours(Argument::Buffer(0)).time(), Ok(expected), "{clock:?}");
        assert_eq!(ours(NULL).result(), 0, "{clock:?} without a pointer");
    }
    guest.finish();
}

/// As in Linux's vDSO: a fault for a clock that the page holds, on either path.
#[test]
fn a_null_pointer_faults() {
    for age in [0, 5] {
        let mut guest = start!();
        let _clocks = guest.go_live(HOT, age);
        let arguments = [Argument::Number(Clock::Monotonic.id() as i64), NULL, NULL];
        assert_eq!(guest.call("__vdso_clock_gettime", arguments), End::Signal(nix::libc::SIGSEGV));
    }
}

#[test]
fn a_page_of_another_layout_leaves_the_clocks_to_the_kernel() {
    let mut guest = start!();
    let _clocks = guest.go_live(HOT, 0);
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
    Writer::new(guest.page()).disable(Clock::EVERY);
    for clock in Clock::ALL {
        assert_from_the_kernel(&mut guest, clock.id() as i32);
    }
    assert_time_of_day_is_the_kernels(&mut guest);
    guest.finish();
}

/// How many batches of readings are asked for until one begins and ends with the page's: strays are told by the first.
const MOST_BATCHES: u32 = 20;

fn is_between_pages(clock: Clock, readings: &Readings) -> bool {
    is_the_pages(clock, readings.first.into()) && is_the_pages(clock, readings.last.into())
}

/// A writer that publishes as often as still leaves QEMU the time to read a slot between two publishes. The guest's loop sees
/// no step back; a read that the kernel answers is years off, and is told by that.
#[test]
fn time_does_not_run_backwards_while_a_writer_publishes() {
    let mut guest = start!();
    let mut clocks = guest.go_live(HOT, 0);
    // Once without the writer, so that QEMU has translated it all: that takes longer than many publishes.
    for clock in Clock::ALL {
        guest.monotonic(clock, 100);
    }
    let (page, stop) = (guest.page(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let writer = Writer::new(page);
            let mut publishes = 0u32;
            while !stop.load(Ordering::Relaxed) {
                let _ = writer.publish(|| GuestCounter.read_hot(), &mut clocks).expect("nobody else publishes");
                publishes += 1;
                let next = GuestCounter.read_hot() + FREQUENCY / 200_000; // 5 µs, or so
                while GuestCounter.read_hot() < next {}
            }
            publishes
        });
        let reads = Clock::ALL.map(|clock| {
            let mut batches = 1;
            let mut readings = guest.monotonic(clock, READINGS);
            while batches < MOST_BATCHES && !is_between_pages(clock, &readings) {
                (batches, readings) = (batches + 1, guest.monotonic(clock, READINGS));
            }
            (clock, readings)
        });
        stop.store(true, Ordering::Relaxed);
        let publishes = publishing.join().expect("the writer does not panic");
        assert!(publishes > 1000, "{publishes} publishes");
        for (clock, readings) in reads {
            assert!(is_between_pages(clock, &readings), "{clock:?}: {readings:?}");
            let Readings { back, strays, .. } = readings;
            assert_eq!(back, 0, "{clock:?}: {readings:?}");
            // The kernel answers while the writer is held up within a publish, for as long as another program has its CPU.
            assert!(strays <= READINGS / 2, "{clock:?}: {readings:?}");
        }
    });
    guest.finish();
}

/// The CPU can change between two calls, and the node with it: each is compared with what the kernel can say.
#[test]
fn getcpu_makes_the_system_call() {
    let mut guest = start!();
    let cpus = 0..std::thread::available_parallelism().map_or(1, usize::from).max(1024) as u32;
    for arguments in [
        [Argument::Buffer(0), Argument::Buffer(1), NULL],
        [Argument::Buffer(0), NULL, NULL],
        [NULL, Argument::Buffer(1), NULL],
        [NULL; 3],
        [Argument::Number(8), NULL, NULL],
    ] {
        let written = |end: End| match end {
            End::Returned { result, buffers } => {
                (result, buffers.map(|[word, next]| (word != UNWRITTEN, word >> 32, next)))
            }
            other => panic!("{other:?}"),
        };
        let ours = guest.call("__vdso_getcpu", arguments);
        if let (Argument::Buffer(0), End::Returned { buffers: [[cpu, _], _], .. }) = (arguments[0], ours) {
            assert!(cpus.contains(&(cpu as u32)), "{cpu}");
        }
        assert_eq!(written(ours), written(guest.system_call(GETCPU, arguments)), "{arguments:?}");
    }
    guest.finish();
}
