//! What is measured: the same calls of our image, of the host's vDSO and of the system, and the floors under them.

use super::calls::Calls;
use super::cpu;
use nix::libc::{clockid_t, timespec, timeval};
use std::hint::black_box;

/// A call that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Call {
    /// clock_gettime, one call after the other.
    ClockGettime(clockid_t),
    /// clock_gettime, where each call's argument depends on the result of the one before.
    Dependent(clockid_t),
    Gettimeofday,
    Time,
    ClockGetres,
    Getcpu,
}

/// What no such call can be faster than.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Floor {
    /// RDTSCP, or LFENCE; RDTSC where that is faster.
    Counter,
    /// A call through a pointer that does nothing.
    EmptyCall,
}

impl Call {
    pub(crate) fn floor(self) -> Floor {
        const COARSE: [clockid_t; 2] = [nix::libc::CLOCK_REALTIME_COARSE, nix::libc::CLOCK_MONOTONIC_COARSE];
        match self {
            Call::ClockGettime(clock) | Call::Dependent(clock) if COARSE.contains(&clock) => Floor::EmptyCall,
            Call::ClockGettime(_) | Call::Dependent(_) | Call::Gettimeofday => Floor::Counter,
            Call::Time | Call::ClockGetres | Call::Getcpu => Floor::EmptyCall,
        }
    }

    /// Cycles that `count` calls take.
    #[inline(never)]
    pub(crate) fn cycles(self, calls: &Calls, count: u32) -> u64 {
        let calls = black_box(*calls);
        let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
        match self {
            Call::ClockGettime(clock) => repeat(count, || {
                calls.clock_gettime(clock, black_box(&mut time));
            }),
            Call::Dependent(clock) => {
                let none = black_box(0);
                repeat(count, || {
                    let clock = clock + (time.tv_nsec as clockid_t & none);
                    calls.clock_gettime(clock, &mut time);
                })
            }
            Call::Gettimeofday => {
                let mut time = timeval { tv_sec: 0, tv_usec: 0 };
                repeat(count, || {
                    calls.gettimeofday(black_box(&mut time));
                })
            }
            Call::Time => repeat(count, || {
                black_box(calls.time());
            }),
            Call::ClockGetres => repeat(count, || {
                calls.clock_getres(nix::libc::CLOCK_MONOTONIC, black_box(&mut time));
            }),
            Call::Getcpu => {
                let (mut cpu, mut node) = (0, 0);
                repeat(count, || {
                    calls.getcpu(black_box(&mut cpu), &mut node);
                })
            }
        }
    }
}

/// Cycles that `count` turns take.
#[inline(always)]
pub(crate) fn repeat(count: u32, mut turn: impl FnMut()) -> u64 {
    let start = cpu::rdtscp();
    for _ in 0..count {
        turn();
    }
    cpu::rdtscp() - start
}

/// Cycles of `count` RDTSCP.
#[inline(never)]
pub(crate) fn rdtscp_cycles(count: u32) -> u64 {
    repeat(count, || {
        black_box(cpu::rdtscp());
    })
}

/// Cycles of `count` LFENCE; RDTSC.
#[inline(never)]
pub(crate) fn lfence_rdtsc_cycles(count: u32) -> u64 {
    repeat(count, || {
        black_box(cpu::lfence_rdtsc());
    })
}

/// Cycles of `count` calls of an empty function.
#[inline(never)]
pub(crate) fn empty_call_cycles(count: u32) -> u64 {
    extern "C" fn empty(_: clockid_t, _: *mut timespec) -> i32 {
        0
    }
    let function = black_box(empty as extern "C" fn(clockid_t, *mut timespec) -> i32);
    let mut time = timespec { tv_sec: 0, tv_nsec: 0 };
    repeat(count, || {
        black_box(function(0, black_box(&mut time)));
    })
}
