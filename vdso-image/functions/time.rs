//! `time(2)`.

use super::{arch, page, slow_time};
use vvar::Clock;

/// Whole seconds of REALTIME_COARSE, as Linux's vDSO and system call have it; also written to `at` unless that is null.
///
/// # Safety
///
/// `at` is null or valid for an `i64`, or the caller accepts the fault.
#[no_mangle]
pub unsafe extern "C" fn __vdso_time(at: *mut i64) -> i64 {
    match vvar::reader::read_coarse_seconds(&page(), Clock::RealtimeCoarse.id()) {
        // SAFETY: the caller's promise.
        Some(sec) => unsafe { store(at, sec) },
        // SAFETY: the caller's promise.
        None => unsafe { slow(at) },
    }
}

/// # Safety
///
/// As [`__vdso_time`].
#[inline(always)]
unsafe fn store(at: *mut i64, sec: u64) -> i64 {
    let sec = sec as i64;
    if !at.is_null() {
        // SAFETY: not null, and the caller's promise.
        unsafe { at.write(sec) };
    }
    sec
}

/// # Safety
///
/// As [`__vdso_time`].
#[cold]
#[inline(never)]
unsafe extern "C" fn slow(at: *mut i64) -> i64 {
    match slow_time(Clock::RealtimeCoarse.id()) {
        // SAFETY: the caller's promise.
        Some(now) => unsafe { store(at, now.sec) },
        None => arch::syscall1(arch::TIME, at as isize) as i64,
    }
}
