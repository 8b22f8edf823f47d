use super::Lines;
use crate::common::{self, nanos, Counters, Random, SECOND};
use crate::CPUS;
use rustix::thread::{sched_getaffinity, sched_setaffinity, CpuSet};
use std::fs::{read_to_string, OpenOptions};
use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Barrier, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use vvar::arch::Tsc;
use vvar::counter::WarpTest;
use vvar::memory::Encoded;
use vvar::rate::MAX_SLEW_PPB;
use vvar::writer::{Plan, Planner, Scope, LATE_NANOS};
use vvar::{read, Clock, Counter, CounterKind, Error, Page, Source, Start, Synchronisation, Timekeeper, Writer};

/// The documented bound of a step back, in ns, at the largest change of rate.
const BOUND: i64 = 2;

const RUN: Duration = Duration::from_millis(900);

/// The TSC of the CPU that executes, by the names that the counters of these lines have: the usual one by RDTSCP, the other one
/// by LFENCE; RDTSC.
struct ThisCpu;

impl Counter for ThisCpu {
    const HOT: CounterKind = Lines::USUAL;
    #[inline(always)]
    fn read_hot(&self) -> u64 {
        Tsc.read_hot()
    }
    #[inline(always)]
    fn read(&self, kind: CounterKind) -> Option<u64> {
        match kind {
            Lines::USUAL => Tsc.read(CounterKind::Rdtscp),
            Lines::OTHER => Tsc.read(CounterKind::LfenceRdtsc),
            _ => None,
        }
    }
}

/// Two CPUs whose counters agree.
struct Pair {
    cpus: [usize; 2],
    /// Hz, to within a few parts in a thousand; only how long "late" is depends on it.
    frequency: u64,
    _alone: MutexGuard<'static, ()>,
}

impl Pair {
    /// Two CPUs, or why there are none.
    fn find(kind: CounterKind) -> Result<Pair, &'static str> {
        let alone = CPUS.lock().unwrap_or_else(PoisonError::into_inner);
        let info = read_to_string("/proc/cpuinfo").map_err(|_| "/proc/cpuinfo cannot be read")?;
        let has = |flag| info.lines().any(|line| line.starts_with("flags") && line.split(' ').any(|word| word == flag));
        if !has("constant_tsc") || !has("nonstop_tsc") {
            return Err("the TSC is not invariant");
        }
        if kind == Lines::USUAL && !has("rdtscp") {
            return Err("the CPU has no RDTSCP");
        }
        let allowed = sched_getaffinity(None).map_err(|_| "the CPU set cannot be read")?;
        let mut cpus = (0..CpuSet::MAX_CPU).filter(|&cpu| allowed.is_set(cpu));
        let (Some(first), Some(second)) = (cpus.next(), cpus.next()) else {
            return Err("only one CPU may be used");
        };
        let pair = Pair { cpus: [first, second], frequency: calibrate(kind), _alone: alone };
        if pair.warp(kind) > 0 {
            return Err("the CPUs' TSCs disagree");
        }
        Ok(pair)
    }

    fn warp(&self, kind: CounterKind) -> u64 {
        let test = WarpTest::new();
        self.both(&|_| {
            let until = Instant::now() + Duration::from_millis(50);
            while Instant::now() < until {
                (0..100).for_each(|_| test.observe(|| counter(kind)));
            }
        });
        test.max_warp()
    }

    /// Runs `body` on both CPUs at the same time, with 0 on the first and 1 on the second.
    fn both(&self, body: &(dyn Fn(usize) + Sync)) {
        let start = &Barrier::new(2);
        thread::scope(|scope| {
            for (who, &cpu) in self.cpus.iter().enumerate() {
                scope.spawn(move || {
                    let mut only = CpuSet::new();
                    only.set(cpu);
                    sched_setaffinity(None, &only).expect("the CPU is in the allowed set");
                    start.wait();
                    body(who);
                });
            }
        });
    }
}

fn counter(kind: CounterKind) -> u64 {
    ThisCpu.read(kind).expect("an x86 counter")
}

fn calibrate(kind: CounterKind) -> u64 {
    let (time, cycles) = (Instant::now(), counter(kind));
    thread::sleep(Duration::from_millis(50));
    let cycles = counter(kind) - cycles;
    u64::try_from(u128::from(cycles) * 1_000_000_000 / time.elapsed().as_nanos()).expect("below 2^64 Hz")
}

/// The pair, or an early return from the test: counted as skipped, and refused with `CI=true`.
macro_rules! pair_or_skip {
    ($kind:expr, $test:literal) => {
        match Pair::find($kind) {
            Ok(pair) => pair,
            Err(reason) => return skipped($test, reason),
        }
    };
}

/// Says so past the capture of the test harness, and in the file that `VDSO_SKIPPED` names, where `cargo xtask test` looks.
fn skipped(test: &str, reason: &str) {
    let line = format!("SKIPPED threads::{test}: {reason}\n");
    assert!(!std::env::var_os("CI").is_some_and(|ci| ci == "true"), "with CI=true nothing may be skipped: {line}");
    let _ = std::io::stderr().write_all(line.as_bytes());
    if let Some(list) = std::env::var_os("VDSO_SKIPPED") {
        let list = OpenOptions::new().create(true).append(true).open(list);
        list.and_then(|mut list| list.write_all(line.as_bytes())).expect("VDSO_SKIPPED names a file");
    }
}

/// A kernel that both CPUs use.
struct Kernel {
    page: Encoded<&'static Page, Lines>,
    writer: Writer<Encoded<&'static Page, Lines>>,
    clocks: Mutex<Timekeeper>,
    kind: CounterKind,
    /// Beginning and end, in ns, of publishes that took longer than a kernel's.
    long: Mutex<Vec<(i64, i64)>>,
}

impl Kernel {
    fn boot(pair: &Pair, kind: CounterKind) -> Kernel {
        let source =
            Source { kind, frequency: pair.frequency, bits: 64, synchronisation: Synchronisation::Architectural };
        let page = Encoded::new(common::pages::page());
        let mut clocks = Timekeeper::new(source, counter(kind), Start::default()).expect("the source is sound");
        clocks.set_tai_offset(37).expect("in range");
        clocks.set_realtime(counter(kind), 1_790_000_000, 0).expect("in range");
        let writer = Writer::new(page);
        writer.init().expect("a new page");
        clocks.describe(&writer);
        let _ = writer.publish(|| counter(kind), &mut clocks).expect("nobody else publishes");
        Kernel { page, writer, clocks: Mutex::new(clocks), kind, long: Mutex::new(Vec::new()) }
    }

    /// Publishes, and takes the time of it by `clock`.
    fn publish<N: Planner>(&self, mut planner: N, clock: Clock) {
        let begin = self.clock_gettime(clock);
        let _ = self.writer.publish(|| counter(self.kind), &mut planner).expect("nobody else publishes");
        let end = self.clock_gettime(clock);
        if end - begin > i64::from(LATE_NANOS) {
            self.long.lock().expect("no panic with it").push((begin, end));
        }
    }

    fn clocks(&self) -> MutexGuard<'_, Timekeeper> {
        self.clocks.lock().expect("no panic with it")
    }

    /// As a program has it: from the page, else by the system call. In ns.
    #[inline(always)]
    fn clock_gettime(&self, clock: Clock) -> i64 {
        let time = read(&self.page, &ThisCpu, clock).or_else(|_| {
            let clocks = self.clocks();
            clocks.now(counter(self.kind), clock)
        });
        nanos(time.expect("every clock is set")) as i64
    }
}

/// Plans of the timekeeper behind the lock; every other one starts `back` ns earlier than it should.
struct Plans<'k> {
    clocks: &'k Mutex<Timekeeper>,
    back: u64,
}

impl Planner for Plans<'_> {
    type State = <Timekeeper as Planner>::State;
    fn plan(&mut self, counter: u64, scope: Scope) -> Result<Plan<Self::State>, Error> {
        let mut plan = self.clocks.lock().expect("no panic with it").plan(counter, scope)?;
        let back = self.back << plan.fine.shift;
        plan.slots.iter_mut().filter(|slot| slot.mult != 0).for_each(|slot| slot.base = slot.base.saturating_sub(back));
        Ok(plan)
    }
    fn commit(&mut self, plan: &Plan<Self::State>) -> bool {
        self.clocks.lock().expect("no panic with it").commit(plan)
    }
}

/// A value in a cache line of its own.
#[repr(align(128))]
struct Stamp(AtomicI64);

/// What came of a run.
struct Outcome {
    samples: u64,
    publishes: u64,
    long: usize,
    /// The largest step back that nothing excuses, in ns.
    worst: i64,
}

/// Both CPUs pass time stamps of `clock` to each other; the first one also publishes, with another slew each time. Every
/// other publish is `back` ns early.
fn pass_stamps(pair: &Pair, kind: CounterKind, clock: Clock, back: u64) -> Outcome {
    let kernel = Kernel::boot(pair, kind);
    let stamps = [Stamp(AtomicI64::new(0)), Stamp(AtomicI64::new(0))];
    let stop = AtomicBool::new(false);
    let totals = Mutex::new((0, 0));
    let steps = Mutex::new(Vec::new());
    pair.both(&|who| {
        let until = Instant::now() + RUN;
        let mut random = Random(1);
        let (mut samples, mut publishes) = (0, 0);
        let mut found: Vec<(i64, i64)> = Vec::new();
        let mut own = 0;
        while !stop.load(Ordering::Relaxed) {
            if who == 0 && samples % 4 == 0 {
                let ppb = random.between(-i64::from(MAX_SLEW_PPB), i64::from(MAX_SLEW_PPB)) as i32;
                // The extremes one after the other give the largest change of rate.
                let ppb =
                    if random.below(2) == 0 { ppb } else { MAX_SLEW_PPB * if publishes % 2 == 0 { 1 } else { -1 } };
                kernel.clocks().slew(ppb).expect("in range");
                let back = if publishes % 2 == 0 { back } else { 0 };
                kernel.publish(Plans { clocks: &kernel.clocks, back }, clock);
                publishes += 1;
            }
            // Acquire, so that this read takes place after the one that gave the stamp, if the counter read is ordered.
            let seen = own.max(stamps[1 - who].0.load(Ordering::Acquire));
            let time = kernel.clock_gettime(clock);
            own = time;
            stamps[who].0.store(time, Ordering::Release);
            if time + BOUND < seen && found.len() < 10_000 {
                found.push((seen, time));
            }
            samples += 1;
            if samples % 1024 == 0 && Instant::now() > until {
                stop.store(true, Ordering::Relaxed);
            }
        }
        let mut totals = totals.lock().expect("no panic with it");
        *totals = (totals.0 + samples, totals.1 + publishes);
        steps.lock().expect("no panic with it").extend(found);
    });
    let long = kernel.long.into_inner().expect("no panic with it");
    let excess = |&(seen, time): &(i64, i64)| {
        // Who reads the old slot during a long publish is ahead for a time that is shorter than the publish.
        let during = |&&(begin, end): &&(i64, i64)| begin <= seen && seen <= end + (end - begin) + 1000;
        let took = long.iter().filter(during).map(|(begin, end)| end - begin).max().unwrap_or(0);
        seen - time - BOUND - took / 1000
    };
    let steps = steps.into_inner().expect("no panic with it");
    let worst = steps.iter().filter(|step| excess(step) > 0).map(|(seen, time)| seen - time).max().unwrap_or(0);
    let (samples, publishes) = totals.into_inner().expect("no panic with it");
    Outcome { samples, publishes, long: long.len(), worst }
}

/// Runs each clock and expects no step back beyond the bound.
fn no_step_back(pair: &Pair, kind: CounterKind, clocks: &[Clock]) {
    for &clock in clocks {
        let Outcome { samples, publishes, long, worst } = pass_stamps(pair, kind, clock, 0);
        println!("{clock:?}: {samples} samples, {publishes} publishes, {long} of them long");
        assert_eq!(worst, 0, "{clock:?} went back by {worst} ns between two CPUs, bound {BOUND} ns");
        assert!(samples > 10_000 && publishes > 1_000, "too few: {samples} samples, {publishes} publishes");
    }
}

#[test]
fn stamps_by_rdtscp_never_go_back() {
    let pair = pair_or_skip!(Lines::USUAL, "stamps_by_rdtscp_never_go_back");
    no_step_back(&pair, Lines::USUAL, &common::FINE);
}

#[test]
fn stamps_by_lfence_rdtsc_never_go_back() {
    let pair = pair_or_skip!(Lines::OTHER, "stamps_by_lfence_rdtsc_never_go_back");
    no_step_back(&pair, Lines::OTHER, &[Clock::Monotonic, Clock::MonotonicRaw]);
}

/// The test bites: a writer whose publishes step back, by the time that some ten reads take, is found out.
#[test]
fn writer_that_steps_back_is_found_out() {
    let pair = pair_or_skip!(Lines::USUAL, "writer_that_steps_back_is_found_out");
    let Outcome { worst, .. } = pass_stamps(&pair, Lines::USUAL, Clock::Monotonic, 500);
    assert!(worst > BOUND, "no step back was seen");
}

/// REALTIME is set again and again, always forward, so that its clocks seen out of step would go back.
#[test]
fn set_is_seen_on_all_its_clocks_at_once() {
    let pair = pair_or_skip!(Lines::USUAL, "set_is_seen_on_all_its_clocks_at_once");
    let kernel = Kernel::boot(&pair, Lines::USUAL);
    let stop = AtomicBool::new(false);
    pair.both(&|who| {
        if who == 0 {
            let until = Instant::now() + RUN;
            let mut turns = 0;
            while Instant::now() < until {
                let now = counter(kernel.kind);
                kernel.clocks().step_realtime(now, SECOND as i64).expect("in range");
                kernel.publish(Plans { clocks: &kernel.clocks, back: 0 }, Clock::Monotonic);
                turns += 1;
            }
            stop.store(true, Ordering::Relaxed);
            assert!(turns > 1_000, "too few: {turns} sets");
            return;
        }
        let order = [Clock::Tai, Clock::RealtimeCoarse, Clock::Realtime, Clock::Tai, Clock::Realtime];
        let mut latest = 0;
        while !stop.load(Ordering::Relaxed) {
            for clock in order {
                let time = kernel.clock_gettime(clock) - if clock == Clock::Tai { 37 * SECOND as i64 } else { 0 };
                // A coarse clock is behind, but not by a second.
                let allowed = if clock == Clock::RealtimeCoarse { SECOND as i64 / 2 } else { 1 };
                assert!(time + allowed >= latest, "{clock:?} shows {time}, after another clock showed {latest}");
                latest = latest.max(time);
            }
        }
    });
}
