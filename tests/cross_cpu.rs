//! Time stamps that two CPUs pass to each other, by the image itself, while the page is republished in a tight loop: no clock
//! may step back by more than the reader documents (`vvar::reader`, "The bound"). A test on one CPU sees none of this: there
//! even an unordered counter never runs backwards.
//!
//! `VDSO_CROSS_CPU_SAMPLES=100000000 cargo test --release -p vdso-tests --test cross_cpu` is the long form.
#![cfg(target_arch = "x86_64")]

#[path = "../xtask/src/bench/calls.rs"]
#[allow(dead_code)]
mod calls;
#[path = "../xtask/src/bench/mapped.rs"]
#[allow(dead_code)]
mod mapped;

use calls::Calls;
use mapped::Mapped;
use nix::libc::timespec;
use nix::sched::{sched_getaffinity, sched_setaffinity, CpuSet};
use nix::unistd::Pid;
use std::arch::asm;
use std::arch::x86_64::{__cpuid, __rdtscp, _rdtsc};
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::Mutex;
use std::time::{Duration, Instant};
use vdso_image::x86_64::IMAGE;
use vvar::rate::MAX_SLEW_PPB;
use vvar::writer::{Plan, Planner, Scope, LATE_NANOS};
use vvar::{Clock, CounterKind, Error, RawPage, Source, Start, Synchronisation, Timekeeper, Writer};

/// How many samples a test takes on each of the two CPUs together, unless this variable says otherwise.
const SAMPLES: u64 = 4_000_000;
const SAMPLES_VARIABLE: &str = "VDSO_CROSS_CPU_SAMPLES";

/// Of a clock whose rate changes by the most that a publish may change it: the hot formula's rounding, and 1 us of delay at
/// 0.1 %.
const BOUND_AT_CHANGES: u64 = 2;
/// Of a clock whose rate stays.
const BOUND: u64 = 0;

/// The tests need every CPU for themselves.
static ALONE: Mutex<()> = Mutex::new(());

fn samples() -> u64 {
    match std::env::var(SAMPLES_VARIABLE) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{SAMPLES_VARIABLE}={text:?} is no number")),
        Err(_) => SAMPLES,
    }
}

fn cpus() -> Vec<usize> {
    let set = sched_getaffinity(Pid::from_raw(0)).expect("this thread's CPUs");
    (0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect()
}

fn pin(cpu: usize) {
    let mut set = CpuSet::new();
    set.set(cpu).and_then(|()| sched_setaffinity(Pid::from_raw(0), &set)).expect("a CPU of this process");
}

/// CPUID leaf 8000_0001, EDX bit 27.
fn has_rdtscp() -> bool {
    __cpuid(0x8000_0000).eax >= 0x8000_0001 && __cpuid(0x8000_0001).edx >> 27 & 1 == 1
}

fn rdtscp() -> u64 {
    // SAFETY: the tests leave off where the CPU does not have it; it writes to a local.
    unsafe { __rdtscp(&mut 0) }
}

/// The latest time stamp of one thread and clock, alone in its cache line: the other thread's load of it misses, and what is
/// not ordered behind that load overtakes it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Mailbox(AtomicU64);

/// A step back that was seen.
#[derive(Debug, Clone, Copy)]
struct Step {
    clock: usize,
    size: u64,
    /// The counter then.
    at: u64,
}

/// What two threads exchange.
#[derive(Debug, Default)]
struct Exchange {
    mail: [[Mailbox; Clock::ALL.len()]; 2],
    stop: AtomicBool,
}

/// More need not be kept: the test has failed.
const MOST_STEPS: usize = 100_000;

/// A zero that the processor has only after some hundred cycles: a chain of square roots, which nothing shortens. An address
/// that is made of it keeps a load waiting, and a read of the counter that is not ordered behind that load overtakes it by
/// as much. (Without it the load waits for a cache miss at most, by which both threads are late alike.)
fn late_zero() -> usize {
    let root = (0..16).fold(black_box(2.0f64), |value, _| value.sqrt());
    (root.to_bits() >> 63) as usize
}

impl Exchange {
    /// One thread's part: takes `samples`, each later than the other thread's last one of that clock, and returns the steps
    /// back. Every other load is kept waiting, of the clocks for which the other thread's is not.
    fn take(&self, me: usize, samples: u64, stamp: impl Fn(usize) -> u64, mut between: impl FnMut()) -> Vec<Step> {
        let mut steps = vec![];
        for _ in 0..samples.div_ceil(Clock::ALL.len() as u64) {
            for clock in 0..Clock::ALL.len() {
                let wait = if clock % 2 == me { late_zero() } else { 0 };
                let other = self.mail[1 - me][clock + wait].0.load(Ordering::Acquire);
                let own = stamp(clock);
                if own < other && steps.len() < MOST_STEPS {
                    steps.push(Step { clock, size: other - own, at: rdtscp() });
                }
                self.mail[me][clock].0.store(own, Ordering::Release);
            }
            between();
        }
        steps
    }
}

/// Has two threads on two CPUs exchange time stamps. With three CPUs `publish` runs on the third, in a tight loop; with two
/// the first thread calls it between its samples.
fn exchange(cpus: &[usize], stamp: impl Fn(usize) -> u64 + Sync, publish: impl FnMut() + Send) -> Vec<Step> {
    let (exchange, each) = (Exchange::default(), samples() / 2);
    let (exchange, stamp, third) = (&exchange, &stamp, cpus.get(2).copied());
    let mut publish = Some(publish);
    std::thread::scope(|scope| {
        let publisher = third.and_then(|cpu| {
            let mut publish = publish.take()?;
            Some(scope.spawn(move || {
                pin(cpu);
                while !exchange.stop.load(Ordering::Relaxed) {
                    publish();
                }
            }))
        });
        let threads = [publish, None].into_iter().enumerate().map(|(me, mut publish)| {
            let cpu = cpus[me];
            scope.spawn(move || {
                pin(cpu);
                exchange.take(me, each, stamp, || {
                    if let Some(publish) = &mut publish {
                        publish();
                    }
                })
            })
        });
        let threads: Vec<_> = threads.collect();
        let steps = threads.into_iter().flat_map(|thread| thread.join().expect("no panic")).collect();
        exchange.stop.store(true, Ordering::Relaxed);
        if let Some(publisher) = publisher {
            publisher.join().expect("no panic");
        }
        steps
    })
}

/// An image, its page, and what publishes it.
struct Subject {
    calls: Calls,
    writer: Writer<RawPage>,
    clocks: Timekeeper,
}

impl Subject {
    fn new(image: &[u8]) -> Subject {
        let mapped = Mapped::new(image).expect("mapping the image");
        // SAFETY: just mapped for good, with its page.
        let calls = unsafe { Calls::of_image(mapped.image(), mapped.bytes()) }.expect("our own image");
        let source = Source {
            kind: CounterKind::Rdtscp,
            frequency: frequency(),
            bits: 64,
            synchronisation: Synchronisation::Architectural,
        };
        let mut clocks = Timekeeper::new(source, rdtscp(), Start::default()).expect("a good source");
        clocks.set_realtime(rdtscp(), 1_790_000_000, 0).expect("a good time");
        let writer = Writer::new(mapped.page());
        writer.init().expect("a new page");
        let _ = writer.publish(rdtscp, &mut clocks).expect("nobody else publishes");
        Subject { calls, writer, clocks }
    }

    /// Nanoseconds of the clock at that place in [`Clock::ALL`].
    fn stamp(calls: &Calls, clock: usize) -> u64 {
        let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
        let error = calls.clock_gettime(Clock::ALL[clock].id() as i32, &mut time);
        assert_eq!(error, 0, "clock_gettime({:?})", Clock::ALL[clock]);
        time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
    }
}

/// The counter's, to some parts in a thousand: it has to be near the truth only for the bound's microsecond.
fn frequency() -> u64 {
    let (start, before) = (Instant::now(), rdtscp());
    std::thread::sleep(Duration::from_millis(20));
    let (cycles, nanos) = (rdtscp() - before, start.elapsed().as_nanos() as u64);
    cycles * 1000 / (nanos / 1_000_000).max(1)
}

/// A publish that was not over in time: the machine had other work for its CPU. It may step clocks by more.
#[derive(Debug, Clone, Copy)]
struct Late {
    from: u64,
    to: u64,
}

impl Late {
    /// Whether the publish explains the step: seen while it went on or until a reader has caught up, and no larger than its
    /// delay at the largest change of rate.
    fn explains(&self, step: &Step, hz: u64) -> bool {
        let around = self.from..=self.to + hz / 10_000;
        let delay = (self.to - self.from) as u128 * 1_000_000_000 / u128::from(hz);
        let change = 2 * MAX_SLEW_PPB as u128;
        around.contains(&step.at)
            && u128::from(step.size) <= u128::from(BOUND_AT_CHANGES) + delay * change / 1_000_000_000
    }
}

/// Runs the exchange on an image, with publishes that `slew` and `planner` may change. The steps back beyond `bound` that no
/// late publish explains.
fn steps_back<N: Planner + Send>(
    image: &[u8],
    bound: u64,
    slew: fn(&mut Timekeeper, u32),
    planner: fn(Timekeeper) -> N,
    clocks_of: fn(&mut N) -> &mut Timekeeper,
) -> Vec<Step> {
    let Subject { calls, writer, clocks } = Subject::new(image);
    let hz = clocks.source().frequency;
    let late_after = hz * u64::from(LATE_NANOS) / 1_000_000_000;
    let (mut planner, mut publishes, mut late) = (planner(clocks), 0, vec![]);
    let mut publish = || {
        slew(clocks_of(&mut planner), publishes);
        publishes += 1;
        let from = rdtscp();
        let _ = writer.publish(rdtscp, &mut planner).expect("nobody else publishes");
        let to = rdtscp();
        if to - from > late_after {
            late.push(Late { from, to });
        }
    };
    // The first one may step: it is out before anybody reads.
    publish();
    let mut steps = exchange(&cpus(), |clock| Subject::stamp(&calls, clock), publish);
    assert!(publishes > 1000, "{publishes} publishes are no tight loop");
    steps.retain(|step| step.size > bound && (bound == 0 || !late.iter().any(|late| late.explains(step, hz))));
    steps
}

/// What most tests publish: the timekeeper's own plans.
fn of_image(image: &[u8], bound: u64, slew: fn(&mut Timekeeper, u32)) -> Vec<Step> {
    steps_back(image, bound, slew, |clocks| clocks, |clocks| clocks)
}

/// The largest step of some, in words.
fn worst(steps: &[Step]) -> String {
    match steps.iter().max_by_key(|step| step.size) {
        Some(step) => format!("{} steps back, by up to {} ns ({:?})", steps.len(), step.size, Clock::ALL[step.clock]),
        None => "no step back".into(),
    }
}

/// A guard to run alone, or an early return from a test that this machine cannot run.
macro_rules! alone {
    () => {{
        if cpus().len() < 2 {
            vdso_tests::skip!("needs two CPUs");
        }
        if !has_rdtscp() {
            vdso_tests::skip!("this CPU has no RDTSCP");
        }
        ALONE.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }};
}

#[test]
fn no_step_back_while_the_rate_stays() {
    let _alone = alone!();
    let steps = of_image(IMAGE.as_bytes(), BOUND, |_, _| ());
    assert!(steps.is_empty(), "{}", worst(&steps));
}

#[test]
fn no_step_back_beyond_the_bound_while_the_rate_changes() {
    let _alone = alone!();
    let slew = |clocks: &mut Timekeeper, publish: u32| {
        let ppb = if publish.is_multiple_of(2) { MAX_SLEW_PPB } else { -MAX_SLEW_PPB };
        clocks.slew(ppb).expect("the largest slew is allowed");
    };
    let steps = of_image(IMAGE.as_bytes(), BOUND_AT_CHANGES, slew);
    assert!(steps.is_empty(), "{}", worst(&steps));
}

// In slow motion. A time stamp takes 50 ns or more from one CPU to the other, and the clock is 50 ns ahead by then: a step
// back of 2 ns would go unseen. Of a clock that runs a thousand times slower than its counter it is a step of 2 us.

/// By how much slower than the counter the clocks run, as a power of two.
const SLOWER: u32 = 10;

/// A timekeeper to which the counter appears `2^SLOWER` times slower than to the readers.
struct SlowMotion {
    clocks: Timekeeper,
    publishes: u32,
    /// By how many ns every other publish is behind: a fault, unless 0.
    back: u64,
}

impl SlowMotion {
    fn new(clocks: Timekeeper, back: u64) -> SlowMotion {
        let mut slow = Timekeeper::new(*clocks.source(), rdtscp() >> SLOWER, Start::default()).expect("a good source");
        slow.set_realtime(rdtscp() >> SLOWER, 1_790_000_000, 0).expect("a good time");
        SlowMotion { clocks: slow, publishes: 0, back }
    }
}

impl Planner for SlowMotion {
    type State = <Timekeeper as Planner>::State;

    fn plan(&mut self, counter: u64, scope: Scope) -> Result<Plan<Self::State>, Error> {
        let mut plan = self.clocks.plan(counter >> SLOWER, scope)?;
        self.publishes += 1;
        let back = if self.publishes.is_multiple_of(2) { self.back << plan.fine.shift } else { 0 };
        for (slot, clock) in plan.slots.iter_mut().zip(Clock::ALL) {
            if !clock.is_coarse() {
                slot.start <<= SLOWER;
                slot.mult >>= SLOWER;
                slot.base = slot.base.saturating_sub(back);
            }
        }
        Ok(Plan { anchor: counter, ..plan })
    }

    fn commit(&mut self, plan: &Plan<Self::State>) -> bool {
        self.clocks.commit(plan)
    }
}

#[test]
fn no_step_back_in_slow_motion() {
    let _alone = alone!();
    let planner = |clocks| SlowMotion::new(clocks, 0);
    let steps = steps_back(IMAGE.as_bytes(), BOUND, |_, _| (), planner, |planner| &mut planner.clocks);
    assert!(steps.is_empty(), "{}", worst(&steps));
}

// The two mutants: faults that the tests have to see.

#[test]
fn a_writer_that_steps_back_by_2_ns_is_seen() {
    let _alone = alone!();
    let planner = |clocks| SlowMotion::new(clocks, 2);
    let steps = steps_back(IMAGE.as_bytes(), BOUND, |_, _| (), planner, |planner| &mut planner.clocks);
    assert!(!steps.is_empty(), "the test sees no step back of 2 ns");
}

/// The image with every RDTSCP made an RDTSC (and a NOP of one byte), which waits for nothing.
fn unordered_image() -> Vec<u8> {
    const RDTSCP: [u8; 3] = [0x0f, 0x01, 0xf9];
    const RDTSC_NOP: [u8; 3] = [0x0f, 0x31, 0x90];
    let mut image = IMAGE.as_bytes().to_vec();
    let mut replaced = 0;
    for at in 0..image.len() - RDTSCP.len() {
        if image[at..].starts_with(&RDTSCP) {
            image[at..at + RDTSCP.len()].copy_from_slice(&RDTSC_NOP);
            replaced += 1;
        }
    }
    assert!(replaced > 0, "the image reads its counter by RDTSCP");
    image
}

/// An RDTSC that the processor may execute before the loads that precede it.
fn bare_rdtsc() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads a register. Not `nomem`: the compiler is to keep its place.
    unsafe { asm!("rdtsc", out("eax") low, out("edx") high, options(nostack, preserves_flags)) };
    u64::from(high) << 32 | u64::from(low)
}

#[test]
fn the_gate_refuses_the_unordered_image() {
    let manifest = vdso_tests::workspace().join("vdso-image/arch/x86_64/vdso.toml");
    let manifest = vdso_linker::Manifest::load(&manifest).expect("the manifest that ships");
    let length = vdso_image::x86_64::IMAGE_SIZE;
    let report = vdso_linker::gate::check(&unordered_image()[..length], &manifest, None);
    assert!(!report.is_accepted() && report.to_string().contains("rdtsc"), "{report}");
}

#[test]
fn an_image_with_an_unordered_counter_is_seen_where_the_cpu_reorders() {
    /// How often the exchange is tried: one shows ten thousand steps where the CPUs are its own, some hundred on a busy machine.
    const TRIES: u32 = 20;
    let _alone = alone!();
    let mut of_rdtsc_alone = 0;
    for _ in 0..TRIES {
        if !of_image(&unordered_image(), BOUND, |_, _| ()).is_empty() {
            return;
        }
        of_rdtsc_alone += exchange(&cpus(), |_| bare_rdtsc(), || ()).len();
    }
    if of_rdtsc_alone == 0 {
        vdso_tests::skip!("this CPU does not execute RDTSC early (or its hypervisor traps it)");
    }
    panic!("RDTSC alone steps back {of_rdtsc_alone} times in {TRIES} tries, the image never");
}

#[test]
fn the_ordered_counters_never_run_backwards() {
    let _alone = alone!();
    let lfence_rdtsc = || {
        // SAFETY: a barrier, and a register's value.
        unsafe {
            std::arch::x86_64::_mm_lfence();
            _rdtsc()
        }
    };
    for (name, steps) in [
        ("RDTSCP", exchange(&cpus(), |_| rdtscp(), || ())),
        ("LFENCE; RDTSC", exchange(&cpus(), |_| lfence_rdtsc(), || ())),
    ] {
        assert!(steps.is_empty(), "{name}: {} steps back on this machine: its CPUs' counters disagree", steps.len());
    }
}
