//! System calls that only this kernel has: what a test program asks of it. `programs/kernel.h` has the same numbers.

use super::{clock, write_user, Errno, Outcome};
use crate::arch::trap::Frame;
use crate::counter;
use crate::embedding;
use crate::process;
use crate::timer;
use core::ops::RangeInclusive;
use vvar::Timespec;

/// The first of their numbers.
const FIRST: u64 = 4096;

/// How many clock system calls the process has made.
const CLOCK_CALLS: u64 = FIRST;
/// Of the child that was waited for last, the fault that ended it: writes cause, error code and address.
const CHILD_FAULT: u64 = FIRST + 1;
/// The machine sleeps: for [`NAP`] by the counter, which goes on, and for as many seconds as the argument says by the clock
/// that does not stop.
const SUSPEND: u64 = FIRST + 2;
/// The counter is reset, and nobody has noticed yet: it stands this many cycles before where the clocks were published.
const RESET_COUNTER: u64 = FIRST + 3;
/// The kernel notices.
const NOTICE_RESET: u64 = FIRST + 4;
/// A leap second is inserted.
const LEAP_SECOND: u64 = FIRST + 5;
/// Sets the number that `__vdso_number` returns.
const SET_NUMBER: u64 = FIRST + 6;

/// The counter goes back by so many cycles, and nobody says so.
const LOSE_COUNTER: u64 = FIRST + 7;
/// `nanosleep` of a kernel that takes [`NAP`] from the program's call to the sleep.
const SLOW_SLEEP: u64 = FIRST + 8;

/// All of them.
pub const NUMBERS: RangeInclusive<u64> = FIRST..=SLOW_SLEEP;
/// From here on: the architecture's own.
#[allow(dead_code, reason = "not every architecture has some")]
pub const ARCH_CALLS: u64 = SLOW_SLEEP + 1;

/// In ns.
const NAP: u64 = 100_000_000;

/// Serves one.
pub fn handle(frame: &mut Frame, number: u64, argument: u64) -> Outcome {
    match number {
        CLOCK_CALLS => Ok(process::clock_calls()),
        CHILD_FAULT => {
            let fault = process::with_current(|it| it.child_fault).ok_or(Errno::CHILD)?;
            write_user(argument, [fault.cause, fault.error, fault.address])?;
            Ok(0)
        }
        SUSPEND => {
            embedding::suspend(|| nap(argument))?;
            Ok(0)
        }
        RESET_COUNTER => {
            // The page as it would be: anchored at what the counter showed before, which is where it will be again in
            // `argument` cycles.
            let before = counter::read();
            counter::simulate_lead(argument);
            embedding::counter_discontinuity(before, before.wrapping_add(argument))?;
            Ok(0)
        }
        LOSE_COUNTER => {
            let before = counter::read();
            counter::simulate_lead(argument);
            embedding::counter_discontinuity(before, before.wrapping_add(argument))?;
            counter::simulate_lead(0);
            Ok(0)
        }
        NOTICE_RESET => {
            let before = counter::read();
            counter::simulate_lead(0);
            embedding::counter_discontinuity(before, counter::read())?;
            Ok(0)
        }
        LEAP_SECOND => {
            embedding::change(|clocks, counter| clocks.insert_leap_second(counter))?;
            Ok(0)
        }
        SLOW_SLEEP => {
            nap(0);
            clock::nanosleep(frame, 1, 0, argument, 0)
        }
        SET_NUMBER => {
            embedding::set_number(argument);
            Ok(0)
        }
        _ => Err(Errno::NOSYS),
    }
}

fn nap(seconds: u64) -> Timespec {
    let start = counter::cycles();
    while counter::cycles().wrapping_sub(start) < timer::cycles(NAP) {
        core::hint::spin_loop();
    }
    Timespec { sec: seconds, nsec: 0 }
}
