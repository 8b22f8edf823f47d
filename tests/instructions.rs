//! How many instructions each function of the image executes, counted by single-stepping: a figure that repeats to the digit
//! where nanoseconds do not, so that a change of the compiler or of the sources shows as a difference here.
#![cfg(target_arch = "x86_64")]

#[path = "../xtask/src/bench/calls.rs"]
#[allow(dead_code)]
mod calls;
#[path = "../xtask/src/bench/mapped.rs"]
#[allow(dead_code)]
mod mapped;

use calls::Calls;
use mapped::Mapped;
use nix::libc::{timespec, timeval};
use nix::sys::ptrace;
use nix::sys::signal::{raise, Signal};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ForkResult, Pid};
use std::arch::x86_64::{__cpuid, _rdtsc};
use std::fmt::Write;
use std::hint::black_box;
use std::ops::Range;
use vdso_image::x86_64::IMAGE;
use vvar::page::CpuNumber;
use vvar::{Clock, CounterKind, Source, Start, Synchronisation, Timekeeper, Writer};

/// The most that the hot path of a fine clock may take, every check included. (Linux 6.18: 61.)
const HOT_LIMIT: u32 = 46;

/// A frequency for which the shift is the hot path's. The clocks of this test need not be right.
const FREQUENCY: u64 = 2_596_000_000;

/// What the page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing: use the system call.
    Empty,
    /// Every clock, by this counter, published so often, just now.
    Published(CounterKind, CpuNumber, u32),
}

/// Slot 0 is in use.
const PUBLISHED: State = State::Published(CounterKind::Rdtscp, CpuNumber::Rdtscp, 2);
/// Slot 1 is.
const OTHER_SLOT: State = State::Published(CounterKind::Rdtscp, CpuNumber::Rdtscp, 1);

/// An image with a page of its own in the given state.
fn image(state: State) -> Mapped {
    let mapped = Mapped::new(IMAGE.as_bytes()).expect("mapping the image");
    if let State::Published(kind, cpu_number, publishes) = state {
        let source = Source { kind, frequency: FREQUENCY, bits: 64, synchronisation: Synchronisation::Architectural };
        let mut clocks = Timekeeper::new(source, counter(), Start::default()).expect("a good source");
        // At the start of a second: for the next one no read has to carry.
        clocks.set_realtime(counter(), 1_790_000_000, 0).expect("a good time");
        let writer = Writer::new(mapped.page());
        writer.init().expect("a new page");
        writer.set_resolution(1, 4_000_000);
        writer.set_timezone(-60, 1);
        writer.set_cpu_number(cpu_number);
        for _ in 0..publishes {
            let _ = writer.publish(counter, &mut clocks).expect("nobody else publishes");
        }
    }
    mapped
}

fn counter() -> u64 {
    // SAFETY: the instruction reads a register; its order does not matter here.
    unsafe { _rdtsc() }
}

/// Instructions of the image that `call` executes.
///
/// A publish long ago, or an interrupt between the publish and the call, can send a read another way: so the count is the
/// first that is found twice in a row.
fn instructions(state: State, call: impl Fn(&Calls)) -> u32 {
    let mut last = None;
    for _ in 0..10 {
        let image = image(state);
        // SAFETY: just mapped for good, with its page.
        let calls = unsafe { Calls::of_image(image.image(), image.bytes()) }.expect("our own image");
        let start = image.image().as_ptr() as u64;
        let count = count(start..start + image.bytes().len() as u64, || call(&calls));
        if last.replace(count) == Some(count) {
            return count;
        }
    }
    panic!("no two counts in a row are alike");
}

/// Steps through `call` in a child of this process, and counts the instructions that lie in `range`.
fn count(range: Range<u64>, call: impl Fn()) -> u32 {
    // SAFETY: the child makes system calls and calls into the image, and ends without returning; it takes no lock and
    // allocates nothing.
    match unsafe { fork() }.expect("fork") {
        ForkResult::Child => {
            let traced = ptrace::traceme().and_then(|()| raise(Signal::SIGSTOP));
            call();
            // SAFETY: ends the child, with none of this process's exit handlers.
            unsafe { libc::_exit(i32::from(traced.is_err())) }
        }
        ForkResult::Parent { child } => follow(child, &range),
    }
}

fn follow(child: Pid, range: &Range<u64>) -> u32 {
    let mut count = 0;
    loop {
        match waitpid(child, None).expect("our child") {
            WaitStatus::Exited(_, status) => {
                assert_eq!(status, 0, "the child could not be traced");
                return count;
            }
            WaitStatus::Stopped(..) => {
                let at = ptrace::getregs(child).expect("a stopped child").rip;
                count += u32::from(range.contains(&at));
                ptrace::step(child, None).expect("a stopped child");
            }
            other => panic!("the child: {other:?}"),
        }
    }
}

fn clock_gettime(clock: Clock) -> impl Fn(&Calls) {
    move |calls| {
        let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
        calls.clock_gettime(black_box(clock.id() as i32), &mut time);
    }
}

fn clock_getres(clock: Clock) -> impl Fn(&Calls) {
    move |calls| {
        let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
        calls.clock_getres(black_box(clock.id() as i32), &mut time);
    }
}

fn gettimeofday(calls: &Calls) {
    calls.gettimeofday(&mut timeval { tv_sec: 0, tv_usec: 0 });
}

fn time(calls: &Calls) {
    black_box(calls.time());
}

fn getcpu(calls: &Calls) {
    let (mut cpu, mut node) = (0, 0);
    calls.getcpu(&mut cpu, &mut node);
}

/// CPUID leaf 8000_0001, EDX bit 27.
fn has_rdtscp() -> bool {
    __cpuid(0x8000_0000).eax >= 0x8000_0001 && __cpuid(0x8000_0001).edx >> 27 & 1 == 1
}

/// CPUID leaf 7, ECX bit 22.
fn has_rdpid() -> bool {
    __cpuid(0).eax >= 7 && __cpuid(7).ecx >> 22 & 1 == 1
}

#[test]
fn hot_path_is_short() {
    if !has_rdtscp() {
        vdso_tests::skip!("this CPU has no RDTSCP");
    }
    for (state, clock) in [PUBLISHED, OTHER_SLOT].into_iter().flat_map(|state| Clock::ALL.map(|clock| (state, clock))) {
        let count = instructions(state, clock_gettime(clock));
        assert!((10..=HOT_LIMIT).contains(&count), "clock_gettime({clock:?}) executes {count} instructions");
    }
}

#[test]
fn every_function_and_clock() {
    if !has_rdtscp() {
        vdso_tests::skip!("this CPU has no RDTSCP");
    }
    let mut table = String::new();
    let mut line = |name: &str, count: u32| writeln!(table, "{name:<44} {count:>4}").expect("a string");
    for clock in Clock::ALL {
        line(&format!("clock_gettime({clock:?})"), instructions(PUBLISHED, clock_gettime(clock)));
    }
    // Coarse clocks choose the slot by a branch.
    line("clock_gettime(RealtimeCoarse), other slot", instructions(OTHER_SLOT, clock_gettime(Clock::RealtimeCoarse)));
    line("gettimeofday", instructions(PUBLISHED, gettimeofday));
    line("time", instructions(PUBLISHED, time));
    line("clock_getres(Monotonic)", instructions(PUBLISHED, clock_getres(Clock::Monotonic)));
    line("clock_getres(MonotonicCoarse)", instructions(PUBLISHED, clock_getres(Clock::MonotonicCoarse)));
    line("getcpu, by RDTSCP", instructions(PUBLISHED, getcpu));
    // The slow path.
    let other = State::Published(CounterKind::LfenceRdtsc, CpuNumber::SystemCall, 2);
    line("clock_gettime(Monotonic), by LFENCE; RDTSC", instructions(other, clock_gettime(Clock::Monotonic)));
    line("gettimeofday, by LFENCE; RDTSC", instructions(other, gettimeofday));
    // The system call, as one instruction.
    line("clock_gettime(Monotonic), empty page", instructions(State::Empty, clock_gettime(Clock::Monotonic)));
    line("gettimeofday, empty page", instructions(State::Empty, gettimeofday));
    line("time, empty page", instructions(State::Empty, time));
    line("clock_getres(Monotonic), empty page", instructions(State::Empty, clock_getres(Clock::Monotonic)));
    line("getcpu, empty page", instructions(State::Empty, getcpu));
    let snapshots = vdso_tests::arch::x86_64::ARCHITECTURE.snapshots();
    insta::with_settings!({ snapshot_path => snapshots, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("instructions", table);
    });
}

#[test]
fn getcpu_by_rdpid() {
    if !has_rdtscp() || !has_rdpid() {
        vdso_tests::skip!("this CPU has no RDPID");
    }
    let state = State::Published(CounterKind::Rdtscp, CpuNumber::Rdpid, 2);
    insta::assert_snapshot!(instructions(state, getcpu).to_string(), @"16");
}
