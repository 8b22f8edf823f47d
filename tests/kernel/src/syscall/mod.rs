//! System calls, with Linux's numbers, structures and errors: those that a static C program makes when it starts, prints,
//! forks and asks for the time.

mod clock;
mod file;
mod memory;
mod process;
mod test;

use crate::arch::number as nr;
use crate::arch::paging::{AddressSpace, Error as MapError};
use crate::arch::trap::Frame;

/// An error number (man 3 errno).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(i32);

#[allow(missing_docs)]
impl Errno {
    pub const NOENT: Errno = Errno(2);
    pub const BADF: Errno = Errno(9);
    pub const CHILD: Errno = Errno(10);
    pub const NOMEM: Errno = Errno(12);
    pub const ACCES: Errno = Errno(13);
    pub const FAULT: Errno = Errno(14);
    pub const INVAL: Errno = Errno(22);
    pub const NOTTY: Errno = Errno(25);
    pub const NOSYS: Errno = Errno(38);
    pub const OPNOTSUPP: Errno = Errno(95);
}

impl From<MapError> for Errno {
    fn from(error: MapError) -> Errno {
        match error {
            MapError::OutOfMemory => Errno::NOMEM,
            MapError::BadAddress => Errno::FAULT,
            MapError::NotYours => Errno::ACCES,
        }
    }
}

impl From<vvar::Error> for Errno {
    fn from(_: vvar::Error) -> Errno {
        Errno::INVAL
    }
}

type Outcome = Result<u64, Errno>;

/// Serves a system call.
pub fn handle(frame: &mut Frame) {
    let (number, arguments) = frame.system_call();
    let value = dispatch(frame, number, arguments).unwrap_or_else(|Errno(number)| -i64::from(number) as u64);
    frame.set_result(value);
}

/// Performs one of the clock system calls that the vsyscall page stands for; its result, or a negated error number.
pub fn clock_call(number: u64, [a, b, _]: [u64; 3]) -> i64 {
    let outcome = match number {
        nr::GETTIMEOFDAY => clock::gettimeofday(a, b),
        nr::TIME => clock::time(a),
        nr::GETCPU => clock::getcpu(a, b),
        _ => Err(Errno::NOSYS),
    };
    outcome.map_or_else(|Errno(number)| -i64::from(number), |value| value as i64)
}

fn dispatch(frame: &mut Frame, number: u64, [a, b, c, d, ..]: [u64; 6]) -> Outcome {
    match number {
        nr::CLOCK_GETTIME => clock::gettime(a as i32, b),
        nr::CLOCK_GETRES => clock::getres(a as i32, b),
        nr::GETTIMEOFDAY => clock::gettimeofday(a, b),
        nr::TIME => clock::time(a),
        nr::GETCPU => clock::getcpu(a, b),
        nr::CLOCK_SETTIME => clock::settime(a as i32, b),
        nr::ADJTIMEX => clock::adjtime(0, a),
        nr::CLOCK_ADJTIME => clock::adjtime(a as i32, b),
        nr::NANOSLEEP => clock::nanosleep(frame, 1, 0, a),
        nr::CLOCK_NANOSLEEP => clock::nanosleep(frame, a as i32, b, c),

        nr::BRK => memory::brk(a),
        nr::MMAP => memory::mmap(a, b, c, d),
        nr::MUNMAP => memory::munmap(a, b),
        nr::MPROTECT => memory::mprotect(a, b, c),

        nr::WRITE => file::write(a, b, c),
        nr::WRITEV => file::writev(a, b, c),
        nr::IOCTL => Err(Errno::NOTTY),
        nr::READLINK | nr::READLINKAT => Err(Errno::NOENT),
        nr::UNAME => file::uname(a),
        nr::GETRANDOM => file::getrandom(a, b),

        nr::EXIT | nr::EXIT_GROUP => crate::process::exit(a),
        nr::FORK => process::fork(frame),
        nr::CLONE => process::clone(frame, a, b, d),
        nr::WAIT4 => process::wait4(frame, a as i32, b, c),
        // A process has one thread.
        nr::GETPID | nr::GETTID | nr::SET_TID_ADDRESS => process::getpid(),
        nr::GETPPID => process::getppid(),
        nr::SCHED_YIELD => process::sched_yield(frame),
        nr::SCHED_SETAFFINITY => process::set_affinity(frame, a, b, c),
        nr::SCHED_GETAFFINITY => process::get_affinity(a, b, c),
        nr::ARCH_PRCTL => process::arch_prctl(a, b),
        // No signal reaches a handler here, and no thread dies with a lock held.
        nr::RT_SIGACTION | nr::RT_SIGPROCMASK | nr::SET_ROBUST_LIST => Ok(0),

        number if number >= test::FIRST => test::handle(number, a),
        _ => Err(Errno::NOSYS),
    }
}

/// A type whose every pattern of bytes is a value: it can come from a program's memory, and go there.
///
/// # Safety
///
/// It has no padding and no invalid value.
unsafe trait Plain: Copy {
    /// All zero.
    const ZERO: Self;
}

// SAFETY: integers.
unsafe impl Plain for u32 {
    const ZERO: u32 = 0;
}
// SAFETY: integers.
unsafe impl Plain for u64 {
    const ZERO: u64 = 0;
}
// SAFETY: integers.
unsafe impl Plain for i64 {
    const ZERO: i64 = 0;
}
// SAFETY: an array of such has no padding between them.
unsafe impl<T: Plain, const N: usize> Plain for [T; N] {
    const ZERO: [T; N] = [T::ZERO; N];
}

fn read_user<T: Plain>(address: u64) -> Result<T, Errno> {
    let mut value = T::ZERO;
    // SAFETY: the bytes of a plain value, which outlives the slice.
    let bytes = unsafe { core::slice::from_raw_parts_mut((&raw mut value).cast(), size_of::<T>()) };
    AddressSpace::active().read_bytes(address, bytes)?;
    Ok(value)
}

fn write_user<T: Plain>(address: u64, value: T) -> Result<(), Errno> {
    write_user_of(AddressSpace::active(), address, value)
}

fn write_user_of<T: Plain>(space: AddressSpace, address: u64, value: T) -> Result<(), Errno> {
    // SAFETY: the bytes of a plain value, which outlives the slice.
    let bytes = unsafe { core::slice::from_raw_parts((&raw const value).cast(), size_of::<T>()) };
    Ok(space.write_bytes(address, bytes)?)
}
