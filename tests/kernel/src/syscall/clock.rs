//! Clocks: every answer comes from `embedding::now`, so that it is what the vDSO answers.

use super::{read_user, write_user, write_user_of, Errno, Outcome};
use crate::arch::per_cpu;
use crate::arch::trap::Frame;
use crate::counter;
use crate::embedding::{self, TICK};
use crate::paging::AddressSpace;
use crate::process::{self, State};
use crate::timer;
use core::sync::atomic::{AtomicI64, Ordering};
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

/// The counter's value at which a clock shows `time`: by the same rule, or a sleep until that time would never end.
pub fn counter_at(clock: Clock, time: Timespec) -> Result<u64, Error> {
    match embedding::counter_at(clock, time) {
        Err(Error::NotSet) => embedding::counter_at(Clock::Monotonic, time),
        due => due,
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

/// As Linux does: the clock is looked at before the time's address, and REALTIME is not set to before MONOTONIC
/// (clock_settime(2), since Linux 4.3).
pub fn settime(id: i32, address: u64) -> Outcome {
    if Clock::from_id(id) != Some(Clock::Realtime) {
        return Err(Errno::INVAL);
    }
    let time = read_time(address)?;
    if time < now(Clock::Monotonic)? {
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

    /// 500 ppm. A frequency beyond it is taken for it (adjtimex(2), since Linux 2.6.26).
    pub const MAX_FREQUENCY: i64 = 500 << 16;
    /// What the clocks take. An offset beyond it is ignored, as Linux does it with its own bounds.
    pub const MAX_TAI: i32 = 1000;
}

/// The frequency as it was set last, in parts per million times 2^16: a rate in parts per billion would read back a little
/// different. Changes with the rate, under the clocks' lock.
static FREQUENCY: AtomicI64 = AtomicI64::new(0);

/// `adjtimex(2)`: the rate, a step, the TAI offset. Reports rate and time.
pub fn adjtime(id: i32, address: u64) -> Outcome {
    use timex::{ADJ_FREQUENCY, ADJ_NANO, ADJ_SETOFFSET, ADJ_TAI};
    let mut request: [i64; timex::WORDS] = read_user(address)?;
    let exists = clock_of(id).is_some() || [PROCESS_CPU_TIME, THREAD_CPU_TIME].contains(&id);
    match Clock::from_id(id) {
        Some(Clock::Realtime) => {}
        _ if exists => return Err(Errno::OPNOTSUPP),
        _ => return Err(Errno::INVAL),
    }
    let modes = request[timex::MODES] as u64 & 0xffff_ffff;
    if modes & !(ADJ_FREQUENCY | ADJ_TAI | ADJ_SETOFFSET | ADJ_NANO) != 0 {
        return Err(Errno::INVAL);
    }
    let fraction = if modes & ADJ_NANO != 0 { 1 } else { 1000 };
    let step = if modes & ADJ_SETOFFSET != 0 { Some(step_of(&request, fraction)?) } else { None };
    let frequency = request[timex::FREQUENCY].clamp(-timex::MAX_FREQUENCY, timex::MAX_FREQUENCY);
    let tai = i32::try_from(request[timex::CONSTANT]).ok().filter(|sec| (0..=timex::MAX_TAI).contains(sec));
    embedding::change(|clocks, counter| {
        // All of the request or nothing: what is refused at its end has not changed the clocks.
        let mut changed = clocks.clone();
        if let Some(nanos) = step {
            changed.step_realtime(counter, nanos)?;
        }
        if modes & ADJ_FREQUENCY != 0 {
            changed.slew(((frequency * 1000) >> 16) as i32)?;
        }
        if let Some(sec) = tai.filter(|_| modes & ADJ_TAI != 0) {
            changed.set_tai_offset(sec)?;
        }
        if modes & ADJ_FREQUENCY != 0 {
            FREQUENCY.store(frequency, Ordering::Relaxed);
        }
        *clocks = changed;
        Ok(())
    })?;
    let time = now(Clock::Realtime)?;
    request[timex::FREQUENCY] = FREQUENCY.load(Ordering::Relaxed);
    request[timex::TIME_SEC] = time.sec as i64;
    request[timex::TIME_NSEC] = i64::from(time.nsec) / fraction;
    write_user(address, request)?;
    Ok(0)
}

/// By how many ns to step REALTIME; `fraction` is how many the second part of the time counts. That part counts up from the
/// seconds and is below one (adjtimex(2), ADJ_SETOFFSET), and REALTIME does not go to before MONOTONIC, as in [`settime`].
fn step_of(request: &[i64; timex::WORDS], fraction: i64) -> Result<i64, Errno> {
    let second = i64::from(NSEC_PER_SEC);
    let part = request[timex::TIME_NSEC];
    if !(0..second / fraction).contains(&part) {
        return Err(Errno::INVAL);
    }
    let nanos = request[timex::TIME_SEC].saturating_mul(second).saturating_add(part * fraction);
    // Below 2^63 each.
    let of = |time: Timespec| time.sec as i64 * second + i64::from(time.nsec);
    if nanos < of(now(Clock::Monotonic)?) - of(now(Clock::Realtime)?) {
        return Err(Errno::INVAL);
    }
    Ok(nanos)
}

/// As Linux does, the clock is looked at before the time's address. `left` is where what is left of a sleep for a duration
/// goes if a signal ends it, 0 for nowhere.
pub fn nanosleep(frame: &mut Frame, id: i32, flags: u64, address: u64, left: u64) -> Outcome {
    const ABSOLUTE: u64 = 1;
    let clock = match Clock::from_id(id) {
        Some(Clock::MonotonicRaw | Clock::RealtimeCoarse | Clock::MonotonicCoarse) => return Err(Errno::OPNOTSUPP),
        Some(clock) => clock,
        None => return Err(Errno::INVAL),
    };
    let time = read_time(address)?;
    let state = if flags & ABSOLUTE != 0 {
        State::Sleeping(clock, time, None)
    } else {
        // A sleep for a duration is not changed by setting the time of day (POSIX, clock_nanosleep).
        let clock = if clock == Clock::Boottime { clock } else { Clock::Monotonic };
        State::Sleeping(clock, sum(now(clock)?, time), (left != 0).then_some(left))
    };
    frame.set_result(0);
    process::leave(frame, |it| it.state = state)
}

/// Writes to a program's memory what is left of a sleep until `until`.
pub fn write_left(space: AddressSpace, address: u64, clock: Clock, until: Timespec) -> Result<(), Errno> {
    write_user_of(space, address, pair(difference(until, now(clock)?)))
}

/// `a` less `b`; zero if `b` is later.
fn difference(a: Timespec, b: Timespec) -> Timespec {
    if a < b {
        return Timespec::default();
    }
    let borrow = a.nsec < b.nsec;
    Timespec { sec: a.sec - b.sec - u64::from(borrow), nsec: a.nsec + if borrow { NSEC_PER_SEC } else { 0 } - b.nsec }
}

fn sum(a: Timespec, b: Timespec) -> Timespec {
    let nsec = a.nsec + b.nsec;
    Timespec {
        sec: a.sec.saturating_add(b.sec).saturating_add(u64::from(nsec / NSEC_PER_SEC)),
        nsec: nsec % NSEC_PER_SEC,
    }
}
