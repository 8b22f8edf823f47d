//! `clock_getres(2)`.

use super::arch::system_call::CLOCK_GETRES;
use super::system_call::system_call2;
use super::{line_of, page, Timespec};
use vvar::PageRead;

/// Writes the clock's resolution to `resolution` unless that is null; 0, or a negated error number.
///
/// # Safety
///
/// `resolution` is null or valid for a `timespec`, or the caller accepts the fault.
#[inline(always)]
pub unsafe fn clock_getres(clock: i32, resolution: *mut Timespec) -> i32 {
    let nanos = match line_of(clock) {
        Some(index) => page().load_u32(vvar::page::resolution(index)),
        None => 0,
    };
    if nanos == 0 {
        return system_call2(CLOCK_GETRES, clock as isize, resolution as isize) as i32;
    }
    if !resolution.is_null() {
        // SAFETY: not null, and the caller's promise.
        unsafe { Timespec::store(resolution, vvar::Timespec { sec: 0, nsec: nanos }) };
    }
    0
}
