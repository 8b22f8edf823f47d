//! `clock_gettime(2)`.

use super::arch::system_call::CLOCK_GETTIME;
use super::arch::MachineCounter;
use super::system_call::system_call2;
use super::{line_of, page, slow_time, Timespec};

/// Writes the clock's time to `time`; 0, or a negated error number.
///
/// As in Linux's vDSO a null `time` faults for a clock that the page holds, and gives -EFAULT for another.
///
/// # Safety
///
/// `time` is valid for a `timespec`, or the caller accepts the fault.
#[inline(always)]
pub unsafe fn clock_gettime(clock: i32, time: *mut Timespec) -> i32 {
    if let Some(index) = line_of(clock) {
        if let Some(now) = vvar::reader::read_fast(&page(), &MachineCounter, index) {
            // SAFETY: the caller's promise.
            unsafe { Timespec::store(time, now) };
            return 0;
        }
    }
    // SAFETY: the caller's promise.
    unsafe { slow(clock, time) }
}

/// Everything else.
///
/// # Safety
///
/// As [`clock_gettime`].
#[cold]
#[inline(never)]
unsafe extern "C" fn slow(clock: i32, time: *mut Timespec) -> i32 {
    if let Some(index) = line_of(clock) {
        if let Some(now) = slow_time(index) {
            // SAFETY: the caller's promise.
            unsafe { Timespec::store(time, now) };
            return 0;
        }
    }
    // The kernel checks the pointer.
    system_call2(CLOCK_GETTIME, clock as isize, time as isize) as i32
}
