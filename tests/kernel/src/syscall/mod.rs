//! System calls, with Linux's numbers, structures and errors: those that a static C program makes when it starts, prints,
//! forks and asks for the time.

pub mod clock;
mod file;
mod memory;
pub mod process;
mod signal;
pub mod test;

use crate::arch::number as nr;
use crate::arch::system_call as own;
use crate::arch::trap::Frame;
use crate::paging::{AddressSpace, Error as MapError};

/// An error number (man 3 errno).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Errno(i32);

#[allow(missing_docs)]
impl Errno {
    pub const NOENT: Errno = Errno(2);
    pub const SRCH: Errno = Errno(3);
    pub const INTR: Errno = Errno(4);
    pub const BADF: Errno = Errno(9);
    pub const CHILD: Errno = Errno(10);
    pub const NOMEM: Errno = Errno(12);
    pub const ACCES: Errno = Errno(13);
    pub const FAULT: Errno = Errno(14);
    pub const INVAL: Errno = Errno(22);
    pub const NOTTY: Errno = Errno(25);
    pub const NOSYS: Errno = Errno(38);
    pub const OPNOTSUPP: Errno = Errno(95);

    /// As a system call returns it.
    #[must_use]
    pub fn result(self) -> u64 {
        -i64::from(self.0) as u64
    }
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

/// What a system call comes to.
pub type Outcome = Result<u64, Errno>;

/// Serves a system call.
pub fn handle(frame: &mut Frame) {
    let (number, arguments) = frame.system_call();
    if number == nr::RT_SIGRETURN {
        crate::signal::sigreturn(frame);
    }
    let value = dispatch(frame, number, arguments).unwrap_or_else(Errno::result);
    frame.set_result(value);
    crate::signal::deliver_pending(frame);
}

fn dispatch(frame: &mut Frame, number: u64, arguments: [u64; 6]) -> Outcome {
    let [a, b, c, d, ..] = arguments;
    match number {
        nr::CLOCK_GETTIME => clock::gettime(a as i32, b),
        nr::CLOCK_GETRES => clock::getres(a as i32, b),
        nr::GETTIMEOFDAY => clock::gettimeofday(a, b),
        nr::GETCPU => clock::getcpu(a, b),
        nr::CLOCK_SETTIME => clock::settime(a as i32, b),
        nr::ADJTIMEX => clock::adjtime(0, a),
        nr::CLOCK_ADJTIME => clock::adjtime(a as i32, b),
        nr::NANOSLEEP => clock::nanosleep(frame, 1, 0, a, b),
        nr::CLOCK_NANOSLEEP => clock::nanosleep(frame, a as i32, b, c, d),

        nr::BRK => memory::brk(a),
        nr::MMAP => memory::mmap(a, b, c, d),
        nr::MUNMAP => memory::munmap(a, b),
        nr::MPROTECT => memory::mprotect(a, b, c),

        nr::WRITE => file::write(a, b, c),
        nr::WRITEV => file::writev(a, b, c),
        nr::IOCTL => Err(Errno::NOTTY),
        nr::READLINKAT => Err(Errno::NOENT),
        nr::UNAME => file::uname(a),
        nr::GETRANDOM => file::getrandom(a, b),

        nr::EXIT | nr::EXIT_GROUP => crate::process::exit(a),
        nr::CLONE => process::clone(frame, a, b, arguments[nr::CLONE_CHILD_TID]),
        nr::WAIT4 => process::wait4(frame, a as i32, b, c),
        // A process has one thread.
        nr::GETPID | nr::GETTID | nr::SET_TID_ADDRESS => process::getpid(),
        nr::GETPPID => process::getppid(),
        nr::SCHED_YIELD => process::sched_yield(frame),
        nr::SCHED_SETAFFINITY => process::set_affinity(frame, a, b, c),
        nr::SCHED_GETAFFINITY => process::get_affinity(a, b, c),
        // No thread dies with a lock held.
        nr::SET_ROBUST_LIST => Ok(0),

        nr::RT_SIGACTION => signal::rt_sigaction(a, b, c, d),
        nr::RT_SIGPROCMASK => signal::rt_sigprocmask(a, b, c, d),
        nr::KILL => signal::kill(a, b),
        nr::TKILL => signal::tkill(a, b),
        nr::TGKILL => signal::tgkill(a, b, c),

        number if test::NUMBERS.contains(&number) => test::handle(frame, number, a),
        number => own::handle(frame, number, arguments),
    }
}

/// A type whose every pattern of bytes is a value: it can come from a program's memory, and go there.
///
/// # Safety
///
/// It has no padding and no invalid value.
pub unsafe trait Plain: Copy {
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

/// Writes a value to the memory of the program that has called.
pub fn write_user<T: Plain>(address: u64, value: T) -> Result<(), Errno> {
    write_user_of(AddressSpace::active(), address, value)
}

fn write_user_of<T: Plain>(space: AddressSpace, address: u64, value: T) -> Result<(), Errno> {
    // SAFETY: the bytes of a plain value, which outlives the slice.
    let bytes = unsafe { core::slice::from_raw_parts((&raw const value).cast(), size_of::<T>()) };
    Ok(space.write_bytes(address, bytes)?)
}
