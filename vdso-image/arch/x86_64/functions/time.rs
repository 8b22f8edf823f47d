//! `time(2)`, which newer architectures leave to `clock_gettime`.

use super::page_near;
use super::system_call::TIME;
use crate::functions::slow_time;
use crate::functions::system_call::system_call1;
use vvar::page::{offset, Line};
use vvar::Clock;

/// Where the clock's line is.
const LINE: usize = offset::LINES + Clock::RealtimeCoarse.id() * core::mem::size_of::<Line>();

/// Whole seconds of REALTIME_COARSE, as Linux's vDSO and system call have it; also written to `at` unless that is null.
///
/// # Safety
///
/// `at` is null or valid for an `i64`, or the caller accepts the fault.
#[no_mangle]
unsafe extern "C" fn __vdso_time(at: *mut i64) -> i64 {
    match vvar::reader::read_coarse_seconds(&page_near::<LINE>(), Clock::RealtimeCoarse.id()) {
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
        seldom();
        // SAFETY: not null, and the caller's promise.
        unsafe { at.write(sec) };
    }
    sec
}

/// Nearly every caller passes null and takes the result: for those no branch is taken.
#[cold]
#[inline(always)]
fn seldom() {}

/// # Safety
///
/// As [`__vdso_time`].
#[cold]
#[inline(never)]
unsafe extern "C" fn slow(at: *mut i64) -> i64 {
    match slow_time(Clock::RealtimeCoarse.id()) {
        // SAFETY: the caller's promise.
        Some(now) => unsafe { store(at, now.sec) },
        None => system_call1(TIME, at as isize) as i64,
    }
}
