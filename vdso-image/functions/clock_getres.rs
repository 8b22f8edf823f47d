//! `clock_getres(2)`.

use super::{arch, page, Timespec};
use vvar::page::offset;
use vvar::{Clock, PageRead};

/// Writes the clock's resolution to `resolution` unless that is null; 0, or a negated error number.
///
/// # Safety
///
/// `resolution` is null or valid for a `timespec`, or the caller accepts the fault.
#[no_mangle]
pub unsafe extern "C" fn __vdso_clock_getres(clock: i32, resolution: *mut Timespec) -> i32 {
    let bit = if (clock as u32) < 32 { 1 << clock } else { 0 };
    let at = if bit & Clock::COARSE != 0 { offset::RESOLUTION_COARSE } else { offset::RESOLUTION_FINE };
    let nanos = if bit & Clock::EVERY != 0 { page().load_u32(at) } else { 0 };
    if nanos == 0 {
        return arch::syscall2(arch::CLOCK_GETRES, clock as isize, resolution as isize) as i32;
    }
    if !resolution.is_null() {
        // SAFETY: not null, and the caller's promise.
        unsafe { Timespec::store(resolution, vvar::Timespec { sec: 0, nsec: nanos }) };
    }
    0
}
