//! The kernel's own answers, past any vDSO, and the outcomes of calls in a form that can be compared.

use crate::mapped::{Mapped, Timezone};
use libc::{c_int, c_long, time_t, timespec, timeval};
use nix::sys::wait::{waitpid, WaitStatus};
use nix::unistd::{fork, ForkResult};
use std::ptr::null_mut;

/// What a call returned, and what it wrote if it succeeded; a negated error number otherwise.
pub(crate) type Outcome<T> = Result<T, c_long>;

/// Nanoseconds since the clock's epoch.
pub(crate) fn nanos(time: timespec) -> i128 {
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

/// Recognisable if it was not written.
const UNWRITTEN: timespec = timespec { tv_sec: -77, tv_nsec: -77 };

fn outcome<T>(status: c_long, value: T) -> Outcome<T> {
    if status == 0 {
        Ok(value)
    } else {
        Err(status)
    }
}

/// Makes a system call; its result, or a negated error number as a vDSO returns it.
///
/// # Safety
///
/// As the system call's.
unsafe fn system_call(number: c_long, a: c_long, b: c_long, c: c_long) -> c_long {
    // SAFETY: the caller's promise.
    match unsafe { libc::syscall(number, a, b, c) } {
        -1 => -c_long::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(0)),
        result => result,
    }
}

/// The kernel's `clock_gettime`.
pub(crate) fn clock_gettime(clock: c_int) -> Outcome<timespec> {
    let mut time = UNWRITTEN;
    // SAFETY: writes a timespec to `time`.
    let status = unsafe { system_call(libc::SYS_clock_gettime, clock.into(), (&raw mut time) as c_long, 0) };
    outcome(status, time)
}

/// The kernel's `clock_getres`.
pub(crate) fn clock_getres(clock: c_int) -> Outcome<timespec> {
    let mut time = UNWRITTEN;
    // SAFETY: writes a timespec to `time`.
    let status = unsafe { system_call(libc::SYS_clock_getres, clock.into(), (&raw mut time) as c_long, 0) };
    outcome(status, time)
}

/// The kernel's timezone.
pub(crate) fn timezone() -> Timezone {
    let mut zone = Timezone::default();
    // SAFETY: writes a timezone to `zone`.
    let status = unsafe { system_call(libc::SYS_gettimeofday, 0, (&raw mut zone) as c_long, 0) };
    assert_eq!(status, 0);
    zone
}

/// The kernel's `time`.
pub(crate) fn time() -> time_t {
    // SAFETY: writes nothing.
    unsafe { system_call(libc::SYS_time, 0, 0, 0) }
}

/// The kernel's `getcpu`: CPU and node.
pub(crate) fn getcpu() -> (u32, u32) {
    let (mut cpu, mut node) = (u32::MAX, u32::MAX);
    // SAFETY: writes a number to each.
    let status = unsafe { system_call(libc::SYS_getcpu, (&raw mut cpu) as c_long, (&raw mut node) as c_long, 0) };
    assert_eq!(status, 0);
    (cpu, node)
}

/// The image's functions with valid pointers.
impl Mapped {
    /// `clock_gettime`, and what it wrote.
    pub(crate) fn time_of(&self, clock: c_int) -> Outcome<timespec> {
        let mut time = UNWRITTEN;
        // SAFETY: a valid pointer.
        let status = unsafe { self.clock_gettime(clock, &mut time) };
        outcome(status.into(), time)
    }

    /// `clock_getres`, and what it wrote.
    pub(crate) fn resolution_of(&self, clock: c_int) -> Outcome<timespec> {
        let mut time = UNWRITTEN;
        // SAFETY: a valid pointer.
        let status = unsafe { self.clock_getres(clock, &mut time) };
        outcome(status.into(), time)
    }

    /// `gettimeofday` with both pointers, in ns.
    pub(crate) fn time_of_day(&self) -> Outcome<(i128, Timezone)> {
        let mut time = timeval { tv_sec: -77, tv_usec: -77 };
        let mut zone = Timezone { minutes_west: -77, dst_time: -77 };
        // SAFETY: valid pointers.
        let status = unsafe { self.gettimeofday(&mut time, &mut zone) };
        outcome(status.into(), (i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_usec) * 1000, zone))
    }

    /// `time`, which must return what it stores, and the same without a pointer.
    pub(crate) fn seconds(&self) -> time_t {
        let mut stored = -77;
        // SAFETY: a valid pointer.
        let returned = unsafe { self.time(&mut stored) };
        assert_eq!(returned, stored);
        // SAFETY: a null pointer means "do not store".
        let again = unsafe { self.time(null_mut()) };
        assert!(again == stored || again == stored + 1, "{stored}, then {again}");
        stored
    }

    /// `getcpu`: CPU and node.
    pub(crate) fn cpu(&self) -> (u32, u32) {
        let (mut cpu, mut node) = (u32::MAX, u32::MAX);
        // SAFETY: valid pointers.
        assert_eq!(unsafe { self.getcpu(&mut cpu, &mut node) }, 0);
        (cpu, node)
    }
}

/// How a call ended that may fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It returned this; -99 to 0 for the calls here.
    Returned(c_long),
    /// By this signal.
    Signal(nix::sys::signal::Signal),
}

/// Makes `call` in a process of its own.
///
/// # Safety
///
/// `call` does what is allowed in the child of a process with threads (async-signal-safe, `signal-safety(7)`): no
/// allocation, no lock, no panic.
pub(crate) unsafe fn apart(call: impl FnOnce() -> c_long) -> End {
    // SAFETY: the child makes two system calls and the caller's call, nothing else.
    match unsafe { fork() }.expect("a process") {
        // SAFETY: reads a structure that lives across the call; then ends the child without the parent's exit handlers.
        ForkResult::Child => unsafe {
            // A fault is wanted here, but no core file.
            libc::setrlimit(libc::RLIMIT_CORE, &libc::rlimit { rlim_cur: 0, rlim_max: 0 });
            libc::_exit((-call()) as c_int)
        },
        ForkResult::Parent { child } => match waitpid(child, None).expect("the child") {
            WaitStatus::Exited(_, status) => End::Returned(-c_long::from(status)),
            WaitStatus::Signaled(_, signal, _) => End::Signal(signal),
            other => panic!("{other:?}"),
        },
    }
}
