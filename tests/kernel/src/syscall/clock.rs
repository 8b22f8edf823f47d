//! Clocks: every answer comes from `embedding::now`, so that it is what the vDSO answers.

use super::{read_user, write_user, Errno, Outcome};
use crate::arch::per_cpu;
use crate::arch::trap::Frame;
use crate::counter;
use crate::embedding::{self, TICK};
use crate::process::{self, State};
use crate::timer;
use vvar::clock::NSEC_PER_SEC;
use vvar::{Clock, Error, Timespec};

/// `struct timespec` and `struct timeval`.
type Pair = [i64; 2];

const PROCESS_CPU_TIME: i32 = 2;
const THREAD_CPU_TIME: i32 = 3;
const REALTIME_ALARM: i32 = 8;
const BOOTTIME_ALARM: i32 = 9;

/// A clock of the page by its id; the alarm clocks show the time of those that they are named after.
fn clock_of(id: i32) -> Option<Clock> {
    match id {
        REALTIME_ALARM => Some(Clock::Realtime),
        BOOTTIME_ALARM => Some(Clock::Boottime),
        id => Clock::from_id(id),
    }
}

/// A clock's time. Where the time of day is not known, REALTIME counts from 1970 at boot.
pub fn now(clock: Clock) -> Result<Timespec, Errno> {
    match embedding::now(clock) {
        Err(Error::NotSet) => Ok(embedding::now(Clock::Monotonic)?),
        time => Ok(time?),
    }
}

fn pair(time: Timespec) -> Pair {
    [time.sec as i64, i64::from(time.nsec)]
}

fn read_time(address: u64) -> Result<Timespec, Errno> {
    let [sec, nsec]: Pair = read_user(address)?;
    match (u64::try_from(sec), u32::try_from(nsec)) {
        (Ok(sec), Ok(nsec)) if nsec < NSEC_PER_SEC => Ok(Timespec { sec, nsec }),
        _ => Err(Errno::INVAL),
    }
}

fn cpu_time() -> Timespec {
    let cycles = process::with_current(|it| it.used + counter::cycles().wrapping_sub(it.entered));
    Timespec::from_nanos(timer::nanoseconds(cycles))
}

pub fn gettime(id: i32, address: u64) -> Outcome {
    process::count_clock_call();
    let time = match (id, clock_of(id)) {
        (_, Some(clock)) => now(clock)?,
        // A process has one thread.
        (PROCESS_CPU_TIME | THREAD_CPU_TIME, _) => cpu_time(),
        _ => return Err(Errno::INVAL),
    };
    write_user(address, pair(time))?;
    Ok(0)
}

pub fn getres(id: i32, address: u64) -> Outcome {
    process::count_clock_call();
    let nsec = match (id, clock_of(id)) {
        (_, Some(clock)) if clock.is_coarse() => i64::from(TICK),
        (_, Some(_)) | (PROCESS_CPU_TIME | THREAD_CPU_TIME, _) => 1,
        _ => return Err(Errno::INVAL),
    };
    if address != 0 {
        write_user::<Pair>(address, [0, nsec])?;
    }
    Ok(0)
}

pub fn gettimeofday(address: u64, zone: u64) -> Outcome {
    process::count_clock_call();
    if address != 0 {
        let time = now(Clock::Realtime)?;
        write_user::<Pair>(address, [time.sec as i64, i64::from(time.nsec / 1000)])?;
    }
    if zone != 0 {
        write_user::<[u32; 2]>(zone, [0, 0])?;
    }
    Ok(0)
}

pub fn getcpu(cpu: u64, node: u64) -> Outcome {
    process::count_clock_call();
    if cpu != 0 {
        write_user(cpu, per_cpu::index() as u32)?;
    }
    if node != 0 {
        write_user(node, 0u32)?;
    }
    Ok(0)
}

pub fn settime(id: i32, address: u64) -> Outcome {
    let time = read_time(address)?;
    if Clock::from_id(id) != Some(Clock::Realtime) {
        return Err(Errno::INVAL);
    }
    embedding::change(|clocks, counter| clocks.set_realtime(counter, time.sec as i64, time.nsec))?;
    Ok(0)
}

/// Places in `struct timex`, in words of 64 bits.
mod timex {
    pub const WORDS: usize = 26;
    pub const MODES: usize = 0;
    pub const FREQUENCY: usize = 2;
    pub const CONSTANT: usize = 6;
    pub const TIME_SEC: usize = 9;
    pub const TIME_NSEC: usize = 10;

    pub const ADJ_FREQUENCY: u64 = 0x0002;
    pub const ADJ_TAI: u64 = 0x0080;
    pub const ADJ_SETOFFSET: u64 = 0x0100;
    pub const ADJ_NANO: u64 = 0x2000;
}

/// `adjtimex(2)`: the rate, a step, the TAI offset. Reports rate and time.
pub fn adjtime(id: i32, address: u64) -> Outcome {
    use timex::{ADJ_FREQUENCY, ADJ_NANO, ADJ_SETOFFSET, ADJ_TAI};
    if Clock::from_id(id) != Some(Clock::Realtime) {
        return Err(Errno::OPNOTSUPP);
    }
    let mut request: [i64; timex::WORDS] = read_user(address)?;
    let modes = request[timex::MODES] as u64 & 0xffff_ffff;
    if modes & !(ADJ_FREQUENCY | ADJ_TAI | ADJ_SETOFFSET | ADJ_NANO) != 0 {
        return Err(Errno::INVAL);
    }
    let mut ppb = 0;
    embedding::change(|clocks, counter| {
        if modes & ADJ_FREQUENCY != 0 {
            clocks.slew(ppb_of(request[timex::FREQUENCY]))?;
        }
        if modes & ADJ_SETOFFSET != 0 {
            let fraction = request[timex::TIME_NSEC].saturating_mul(if modes & ADJ_NANO != 0 { 1 } else { 1000 });
            let nanos = request[timex::TIME_SEC].saturating_mul(i64::from(NSEC_PER_SEC)).saturating_add(fraction);
            clocks.step_realtime(counter, nanos)?;
        }
        if modes & ADJ_TAI != 0 {
            clocks.set_tai_offset(i32::try_from(request[timex::CONSTANT]).unwrap_or(i32::MAX))?;
        }
        ppb = clocks.slew_ppb();
        Ok(())
    })?;
    let time = now(Clock::Realtime)?;
    request[timex::FREQUENCY] = (i64::from(ppb) << 16) / 1000;
    request[timex::TIME_SEC] = time.sec as i64;
    request[timex::TIME_NSEC] = i64::from(time.nsec) / if modes & ADJ_NANO != 0 { 1 } else { 1000 };
    write_user(address, request)?;
    Ok(0)
}

/// From parts per million, times 2^16; out of range stays out of range.
fn ppb_of(scaled: i64) -> i32 {
    i32::try_from(scaled.saturating_mul(1000) >> 16).unwrap_or(if scaled < 0 { i32::MIN } else { i32::MAX })
}

pub fn nanosleep(frame: &mut Frame, id: i32, flags: u64, address: u64) -> Outcome {
    const ABSOLUTE: u64 = 1;
    let time = read_time(address)?;
    let clock = match Clock::from_id(id) {
        Some(Clock::MonotonicRaw | Clock::RealtimeCoarse | Clock::MonotonicCoarse) => return Err(Errno::OPNOTSUPP),
        Some(clock) => clock,
        None => return Err(Errno::INVAL),
    };
    let (clock, until) = if flags & ABSOLUTE != 0 {
        (clock, time)
    } else {
        // A sleep for a duration is not changed by setting the time of day (POSIX, clock_nanosleep).
        let clock = if clock == Clock::Boottime { clock } else { Clock::Monotonic };
        (clock, sum(now(clock)?, time))
    };
    frame.set_result(0);
    process::leave(frame, |it| it.state = State::Sleeping(clock, until))
}

fn sum(a: Timespec, b: Timespec) -> Timespec {
    let nsec = a.nsec + b.nsec;
    Timespec {
        sec: a.sec.saturating_add(b.sec).saturating_add(u64::from(nsec / NSEC_PER_SEC)),
        nsec: nsec % NSEC_PER_SEC,
    }
}
