//! Every function of the image for every kind of page, called in this process: what it returns and writes, against the
//! kernel's system calls and against the page's own reader.
//!
//! The pages here tell a time of their own: `vdso_tests::clocks`.

mod mapped;
mod system;

use libc::{c_int, c_long, timespec};
use mapped::{Mapped, Timezone};
use nix::sched::{sched_getaffinity, sched_setaffinity, CpuSet};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::cell::Cell;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use system::{apart, nanos, End, Outcome};
use vdso_tests::clocks::{self, is_the_pages, HOUR, REALTIME};
use vdso_tests::random::Random;
use vdso_tests::skip;
use vvar::arch::Tsc;
use vvar::memory::Barrier;
use vvar::page::{line_offset, offset, CpuNumber, Line};
use vvar::{Clock, Counter, CounterKind, PageRead, PageWrite, RawPage, Timekeeper, Writer};

/// Every id that has a line in the page, those that Linux knows, and some beyond on both sides.
const IDS: std::ops::RangeInclusive<c_int> = -8..=25;

/// The pages' clocks need not be right, only steady: any frequency near a TSC's will do.
const FREQUENCY: u64 = 2_600_000_000;

/// Every id of [`IDS`], and others all over the range.
fn ids() -> impl Iterator<Item = c_int> {
    let mut random = Random::new(1);
    let others = (0..2000).map(move |_| {
        let bits = random.number();
        (bits as c_int) >> (bits >> 32 & 31)
    });
    IDS.chain([c_int::MIN, c_int::MAX]).chain(others)
}

fn clocks(counter: u64) -> Timekeeper {
    clocks::since(counter, CounterKind::Rdtscp, FREQUENCY)
}

fn publish<P: PageWrite>(writer: &Writer<P>, clocks: &mut Timekeeper) {
    // Late, on a busy machine, is harmless: see vvar's documentation of the writer.
    let _ = writer.publish(|| Tsc.read_hot(), clocks).expect("nobody else publishes");
}

/// An image on a page that tells the time, and the timekeeper.
fn live() -> (Mapped, Timekeeper) {
    let mapped = Mapped::new().expect("memory");
    let writer = Writer::new(mapped.page());
    writer.init().expect("a fresh page");
    let mut clocks = clocks(Tsc.read_hot());
    clocks.describe(&writer);
    publish(&writer, &mut clocks);
    (mapped, clocks)
}

/// Whether the kernel names this feature of the CPU in /proc/cpuinfo.
fn cpu_has(feature: &str) -> bool {
    std::fs::read_to_string("/proc/cpuinfo").is_ok_and(|info| info.split_whitespace().any(|flag| flag == feature))
}

/// RDTSCP is what these pages count by.
macro_rules! need_rdtscp {
    () => {
        if !cpu_has("rdtscp") {
            skip!("needs a CPU with RDTSCP");
        }
    };
}

fn page_time(mapped: &Mapped, clock: Clock) -> i128 {
    vvar::read(&mapped.page(), &Tsc, clock).expect("nobody publishes now").as_nanos() as i128
}

/// Between two answers of the kernel's: the same error, or a time between.
fn is_between(before: &Outcome<timespec>, ours: &Outcome<timespec>, after: &Outcome<timespec>) -> bool {
    match (before, ours, after) {
        (Ok(before), Ok(ours), Ok(after)) => {
            (0..1_000_000_000).contains(&ours.tv_nsec)
                && nanos(*before) <= nanos(*ours)
                && nanos(*ours) <= nanos(*after)
        }
        // A clock of another process (a negative id) can go away between two calls.
        (Err(before), Err(ours), Err(after)) => ours == before || ours == after,
        (Ok(_), Err(_), Err(_)) | (Err(_), Ok(_), Ok(_)) => true,
        _ => false,
    }
}

fn assert_from_the_kernel(mapped: &Mapped, id: c_int) {
    let before = system::clock_gettime(id);
    let ours = mapped.time_of(id);
    let after = system::clock_gettime(id);
    assert!(is_between(&before, &ours, &after), "clock {id}: {before:?}, ours {ours:?}, {after:?}");
}

fn assert_resolution_is_the_kernels(mapped: &Mapped, id: c_int) {
    let (kernel, ours) = (system::clock_getres(id), mapped.resolution_of(id));
    assert_eq!(ours.map(nanos), kernel.map(nanos), "clock {id}");
    let status = kernel.map_or_else(|error| error, |_| 0);
    // SAFETY: a null pointer means "do not write".
    let without_pointer = unsafe { mapped.clock_getres(id, null_mut()) };
    assert_eq!(c_long::from(without_pointer), status, "clock {id} without a pointer");
}

/// `call` on each CPU that this process may use.
fn on_each_cpu(call: impl Fn()) {
    let this_thread = Pid::from_raw(0);
    let allowed = sched_getaffinity(this_thread).expect("the CPUs of this thread");
    for cpu in (0..CpuSet::count()).filter(|&cpu| allowed.is_set(cpu).unwrap_or(false)) {
        let mut one = CpuSet::new();
        one.set(cpu).expect("within the set");
        sched_setaffinity(this_thread, &one).expect("an allowed CPU");
        call();
    }
    sched_setaffinity(this_thread, &allowed).expect("as before");
}

#[test]
fn an_unpublished_page_leaves_everything_to_the_kernel() {
    let mapped = Mapped::new().expect("memory");
    for id in ids() {
        assert_from_the_kernel(&mapped, id);
        assert_resolution_is_the_kernels(&mapped, id);
    }
    assert_time_of_day_is_the_kernels(&mapped);
    on_each_cpu(|| assert_eq!(mapped.cpu(), system::getcpu()));
}

fn assert_time_of_day_is_the_kernels(mapped: &Mapped) {
    let before = nanos(system::clock_gettime(libc::CLOCK_REALTIME).expect("REALTIME"));
    let (ours, zone) = mapped.time_of_day().expect("a time");
    let after = nanos(system::clock_gettime(libc::CLOCK_REALTIME).expect("REALTIME"));
    assert!(before - 999 <= ours && ours <= after, "{before}, {ours}, {after}");
    assert_eq!(zone, system::timezone());

    let before = system::time();
    let ours = mapped.seconds();
    assert!((before..=system::time()).contains(&ours));
}

#[test]
fn a_live_page_answers_for_its_clocks_and_the_kernel_for_the_others() {
    need_rdtscp!();
    let (mapped, _clocks) = live();
    for id in ids() {
        let Some(clock) = Clock::from_id(id) else {
            assert_from_the_kernel(&mapped, id);
            continue;
        };
        let before = page_time(&mapped, clock);
        let ours = mapped.time_of(id).expect("a clock of the page");
        let after = page_time(&mapped, clock);
        assert!((0..1_000_000_000).contains(&ours.tv_nsec));
        assert!(before <= nanos(ours) && nanos(ours) <= after, "{clock:?}: {before}, {}, {after}", nanos(ours));
    }
}

#[test]
fn a_live_page_holds_each_clock_in_its_place() {
    need_rdtscp!();
    let (mapped, _clocks) = live();
    // clock_gettime(2) and linux/time.h.
    for (id, clock) in [
        (libc::CLOCK_REALTIME, Clock::Realtime),
        (libc::CLOCK_REALTIME_COARSE, Clock::RealtimeCoarse),
        (libc::CLOCK_MONOTONIC, Clock::Monotonic),
        (libc::CLOCK_MONOTONIC_COARSE, Clock::MonotonicCoarse),
        (libc::CLOCK_MONOTONIC_RAW, Clock::MonotonicRaw),
        (libc::CLOCK_BOOTTIME, Clock::Boottime),
        (libc::CLOCK_TAI, Clock::Tai),
    ] {
        let ours = nanos(mapped.time_of(id).expect("a clock of the page"));
        assert!(is_the_pages(clock, ours), "clock {id}: {ours}");
    }
}

#[test]
fn gettimeofday_and_time_come_from_realtime() {
    need_rdtscp!();
    let (mapped, _clocks) = live();
    let zone = Timezone { minutes_west: -345, dst_time: 3 };
    // Not known yet: the kernel's.
    assert_eq!(mapped.time_of_day().expect("a time").1, system::timezone());
    Writer::new(mapped.page()).set_timezone(zone.minutes_west, zone.dst_time);
    for _ in 0..10_000 {
        let before = page_time(&mapped, Clock::Realtime);
        let (ours, its_zone) = mapped.time_of_day().expect("a time");
        let after = page_time(&mapped, Clock::Realtime);
        assert!(before - before % 1000 <= ours && ours <= after, "{before}, {ours}, {after}");
        assert_eq!((ours % 1000, its_zone), (0, zone));
    }
    let coarse = page_time(&mapped, Clock::RealtimeCoarse);
    assert_eq!(i128::from(mapped.seconds()), coarse / 1_000_000_000);
}

#[test]
fn resolutions_come_from_the_page_once_it_has_them() {
    let mapped = Mapped::new().expect("memory");
    let writer = Writer::new(mapped.page());
    let resolution = |clock: Clock| nanos(system::clock_getres(clock.id() as c_int).expect("a clock of Linux")) as u32;
    // The host's own, so that every id agrees with the kernel.
    writer.set_resolution(resolution(Clock::Monotonic), resolution(Clock::MonotonicCoarse));
    for id in ids() {
        assert_resolution_is_the_kernels(&mapped, id);
    }
    // And others, so that they are seen to come from the page.
    writer.set_resolution(2, 10_000_000);
    for clock in Clock::ALL {
        let expected = if clock.is_coarse() { 10_000_000 } else { 2 };
        assert_eq!(mapped.resolution_of(clock.id() as c_int).map(nanos), Ok(expected), "{clock:?}");
    }
}

#[test]
fn getcpu_reads_the_number_that_the_kernel_set() {
    need_rdtscp!();
    let mapped = Mapped::new().expect("memory");
    let writer = Writer::new(mapped.page());
    let has_rdpid = cpu_has("rdpid");
    for by in [Some(CpuNumber::Rdtscp), has_rdpid.then_some(CpuNumber::Rdpid)].into_iter().flatten() {
        writer.set_cpu_number(by);
        on_each_cpu(|| {
            let (cpu, node) = system::getcpu();
            assert_eq!(mapped.cpu(), (cpu, node), "{by:?}");
            let (mut only_cpu, mut only_node) = (u32::MAX, u32::MAX);
            // SAFETY: each pointer is valid or null, which means "do not write".
            let status = unsafe {
                mapped.getcpu(&mut only_cpu, null_mut())
                    | mapped.getcpu(null_mut(), &mut only_node)
                    | mapped.getcpu(null_mut(), null_mut())
            };
            assert_eq!((status, only_cpu, only_node), (0, cpu, node), "{by:?}");
        });
    }
}

/// The same function of the host's own vDSO, which is Linux's.
fn host_function(name: &std::ffi::CStr) -> Option<*const ()> {
    // SAFETY: looks up names; the object is part of every process and has no code that runs on loading.
    let function = unsafe {
        let vdso = libc::dlopen(c"linux-vdso.so.1".as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD);
        if vdso.is_null() {
            return None;
        }
        libc::dlsym(vdso, name.as_ptr())
    };
    (!function.is_null()).then_some(function as *const ())
}

#[test]
fn clock_gettime_treats_a_null_pointer_as_linux_does() {
    need_rdtscp!();
    let Some(host) = host_function(c"__vdso_clock_gettime") else { skip!("needs a host with a vDSO") };
    let (mapped, _clocks) = live();
    for id in IDS {
        // SAFETY: makes one call, which may fault.
        let ours = unsafe { apart(|| c_long::from(mapped.clock_gettime(id, null_mut()))) };
        // SAFETY: as above; Linux's function has this type.
        let linux = unsafe {
            let host = std::mem::transmute::<*const (), extern "C" fn(c_int, *mut timespec) -> c_int>(host);
            apart(|| c_long::from(host(id, null_mut())))
        };
        assert_eq!(ours, linux, "clock {id}");
        if Clock::from_id(id).is_some() {
            assert_eq!(ours, End::Signal(Signal::SIGSEGV), "clock {id}");
        }
    }
}

#[test]
fn gettimeofday_writes_where_it_is_told_to() {
    need_rdtscp!();
    let (mapped, _clocks) = live();
    let zone = Timezone { minutes_west: 60, dst_time: 1 };
    Writer::new(mapped.page()).set_timezone(zone.minutes_west, zone.dst_time);
    let mut time = libc::timeval { tv_sec: 0, tv_usec: -1 };
    let mut its_zone = Timezone::default();
    // SAFETY: each pointer is valid or null, which means "do not write".
    let status = unsafe {
        mapped.gettimeofday(null_mut(), null_mut())
            | mapped.gettimeofday(&mut time, null_mut())
            | mapped.gettimeofday(null_mut(), &mut its_zone)
    };
    assert_eq!((status, its_zone), (0, zone));
    assert!(time.tv_sec >= REALTIME && (0..1_000_000).contains(&time.tv_usec));
}

/// A page whose kernel stops for ever after a number of stores.
struct Stopping {
    page: RawPage,
    stores_left: Cell<usize>,
}

impl Stopping {
    fn goes_on(&self) -> bool {
        let left = self.stores_left.get();
        self.stores_left.set(left.saturating_sub(1));
        left > 0
    }
}

impl PageRead for Stopping {
    fn load_u32(&self, offset: usize) -> u32 {
        self.page.load_u32(offset)
    }
    fn load_u64(&self, offset: usize) -> u64 {
        self.page.load_u64(offset)
    }
    fn barrier(&self, barrier: Barrier) {
        self.page.barrier(barrier);
    }
}

impl PageWrite for Stopping {
    fn store_u32(&self, offset: usize, value: u32) {
        if self.goes_on() {
            self.page.store_u32(offset, value);
        }
    }
    fn store_u64(&self, offset: usize, value: u64) {
        if self.goes_on() {
            self.page.store_u64(offset, value);
        }
    }
}

/// Publishes on the live page of `mapped` with a writer that stops after `stores` stores. False if it did not get so far.
fn publish_and_stop(mapped: &Mapped, clocks: &mut Timekeeper, stores: usize) -> bool {
    let writer = Writer::new(Stopping { page: mapped.page(), stores_left: Cell::new(stores) });
    publish(&writer, clocks);
    writer.page().stores_left.get() == 0
}

/// Each number of stores after which a publish can stop, with a page that was live before; `change` comes between.
fn at_every_store(change: impl Fn(&mut Timekeeper), check: impl Fn(&Mapped, &Timekeeper, &Timekeeper)) {
    let mapped = Mapped::new().expect("memory");
    let mut stores = 0;
    loop {
        mapped.clear();
        let mut before = clocks(Tsc.read_hot());
        publish(&Writer::new(mapped.page()), &mut before);
        let mut after = before.clone();
        change(&mut after);
        let stopped = publish_and_stop(&mapped, &mut after, stores);
        check(&mapped, &before, &after);
        if !stopped {
            break;
        }
        stores += 1;
    }
    // Five fine lines of six words, two coarse ones of two, and seven times `seq`.
    assert!(stores > 40, "only {stores} stores");
}

/// The clock by either timekeeper: the earlier and the later one, in ns.
fn either(before: &Timekeeper, after: &Timekeeper, clock: Clock) -> (i128, i128) {
    let at = Tsc.read_hot();
    let times = [before, after].map(|clocks| clocks.now(at, clock).expect("within bounds").as_nanos() as i128);
    (times[0].min(times[1]), times[0].max(times[1]))
}

#[test]
fn a_writer_that_stops_anywhere_leaves_every_clock_running() {
    need_rdtscp!();
    let slew = |clocks: &mut Timekeeper| clocks.slew(400_000).expect("within bounds");
    at_every_store(slew, |mapped, before, after| {
        for clock in Clock::ALL {
            let earliest = either(before, after, clock).0;
            let ours = nanos(mapped.time_of(clock.id() as c_int).expect("a clock of the page"));
            let latest = either(before, after, clock).1;
            // A coarse clock stands at the last publish or the one before it. 2 ns: vvar's bound.
            let earliest = if clock.is_coarse() { earliest - HOUR } else { earliest - 2 };
            assert!(earliest <= ours && ours <= latest + 2, "{clock:?}: {earliest}, {ours}, {latest}");
        }
    });
}

#[test]
fn a_writer_that_stops_in_a_step_leaves_the_old_time_the_new_one_or_the_kernels() {
    need_rdtscp!();
    const STEP: i64 = 100_000_000;
    let step = |clocks: &mut Timekeeper| {
        clocks.set_realtime(Tsc.read_hot(), REALTIME + STEP, 0).expect("within bounds");
    };
    at_every_store(step, |mapped, _, _| {
        for clock in Clock::ALL {
            let ours = nanos(mapped.time_of(clock.id() as c_int).expect("a time"));
            let kernel = nanos(system::clock_gettime(clock.id() as c_int).expect("a time"));
            let is_old = is_the_pages(clock, ours);
            let follows = Clock::FOLLOW_REALTIME & clock.bit() != 0;
            let is_new = is_the_pages(clock, ours - i128::from(STEP) * 1_000_000_000);
            assert!(is_old || follows && (is_new || (kernel - ours).abs() < HOUR), "{clock:?}: {ours}");
        }
    });
}

#[test]
fn a_page_of_another_layout_is_refused() {
    need_rdtscp!();
    let (mapped, _clocks) = live();
    let page = mapped.page();
    for clock in Clock::ALL {
        let at = offset::LINES + clock.id() * size_of::<Line>() + line_offset::CTL;
        // The control word's upper half holds bits of the layout's hash: another hash differs in one of them at least.
        for bit in 16..32 {
            page.store_u32(at, page.load_u32(at) ^ 1 << bit);
            assert_from_the_kernel(&mapped, clock.id() as c_int);
            page.store_u32(at, page.load_u32(at) ^ 1 << bit);
        }
        let again = nanos(mapped.time_of(clock.id() as c_int).expect("a clock of the page"));
        assert!((page_time(&mapped, clock) - again).abs() < HOUR, "as it was, the page is accepted");
    }
}

#[test]
fn a_disabled_page_leaves_the_clocks_to_the_kernel() {
    need_rdtscp!();
    let (mapped, _clocks) = live();
    Writer::new(mapped.page()).disable(Clock::EVERY);
    for clock in Clock::ALL {
        assert_from_the_kernel(&mapped, clock.id() as c_int);
    }
    let (ours, kernel) = (mapped.seconds(), system::time());
    assert!((kernel - 1..=kernel).contains(&ours));
}

/// How many calls, and how many of them the kernel answered.
#[derive(Debug, Default)]
struct Answers {
    calls: u64,
    from_the_kernel: u64,
    /// The latest answer for each clock of [`Clock::ALL`], in ns.
    latest: [i128; Clock::ALL.len()],
    /// Answers of the page that were earlier than one before.
    back: Vec<(Clock, i128, i128)>,
}

impl Answers {
    fn count(&mut self, clock: Clock, time: i128) {
        self.calls += 1;
        self.from_the_kernel += u64::from(!is_the_pages(clock, time));
    }

    /// Every function once.
    fn collect(&mut self, mapped: &Mapped) {
        for (index, clock) in Clock::ALL.into_iter().enumerate() {
            let ours = nanos(mapped.time_of(clock.id() as c_int).expect("a time"));
            self.count(clock, ours);
            if is_the_pages(clock, ours) {
                let latest = std::mem::replace(&mut self.latest[index], ours);
                if ours < latest {
                    self.back.push((clock, latest, ours));
                }
            }
        }
        self.count(Clock::Realtime, mapped.time_of_day().expect("a time").0);
        // SAFETY: a null pointer means "do not store".
        let sec = unsafe { mapped.time(null_mut()) };
        self.count(Clock::RealtimeCoarse, i128::from(sec) * 1_000_000_000);
    }
}

/// A writer that does nothing but publish is met in every function, and seldom in the way.
#[test]
fn a_busy_writer_seldom_sends_readers_to_the_kernel() {
    need_rdtscp!();
    let (mapped, mut clocks) = live();
    let stop = AtomicBool::new(false);
    let mut answers = Answers::default();
    let publishes = std::thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let writer = Writer::new(mapped.page());
            let mut publishes = 0u64;
            while !stop.load(Ordering::Relaxed) {
                publish(&writer, &mut clocks);
                publishes += 1;
            }
            publishes
        });
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(2) {
            answers.collect(&mapped);
        }
        stop.store(true, Ordering::Relaxed);
        publishing.join().expect("the writer does not panic")
    });
    let Answers { calls, from_the_kernel, back, .. } = answers;
    println!("{publishes} publishes, {calls} calls, {from_the_kernel} answered by the kernel");
    assert_eq!(back, []);
    assert!(publishes > 10_000, "{publishes} publishes");
    assert!(calls > 10_000 && from_the_kernel * 1000 < calls, "{from_the_kernel} of {calls} calls");
}
