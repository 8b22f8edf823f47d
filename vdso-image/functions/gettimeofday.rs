//! `gettimeofday(2)`.

use super::arch::system_call::GETTIMEOFDAY;
use super::arch::MachineCounter;
use super::system_call::system_call2;
use super::{page, slow_time};
use vvar::memory::Barrier;
use vvar::page::offset;
use vvar::{Clock, PageRead};

/// `struct timeval` of a 64-bit program.
#[repr(C)]
pub struct Timeval {
    sec: i64,
    usec: i64,
}

/// `struct timezone`.
#[repr(C)]
pub struct Timezone {
    minutes_west: i32,
    dst_time: i32,
}

/// Writes REALTIME in microseconds to `time` and the timezone to `zone`, each unless it is null; 0, or a negated error
/// number.
///
/// # Safety
///
/// Each pointer is null or valid, or the caller accepts the fault.
#[inline(always)]
pub unsafe fn gettimeofday(time: *mut Timeval, zone: *mut Timezone) -> i32 {
    if !time.is_null() {
        match vvar::reader::read_hot(&page(), &MachineCounter, Clock::Realtime.id()) {
            // SAFETY: not null, and the caller's promise.
            Some(now) => unsafe { store(time, now) },
            // SAFETY: the caller's promise.
            None => return unsafe { slow(time, zone) },
        }
    }
    if zone.is_null() {
        return 0;
    }
    // SAFETY: not null, and the caller's promise.
    unsafe { store_zone(time, zone) }
}

/// # Safety
///
/// `at` is valid.
#[inline(always)]
unsafe fn store(at: *mut Timeval, now: vvar::Timespec) {
    // SAFETY: the caller's promise.
    unsafe {
        core::ptr::addr_of_mut!((*at).sec).write(now.sec as i64);
        core::ptr::addr_of_mut!((*at).usec).write(i64::from(now.nsec / 1000));
    }
}

/// The first parameter keeps the second where callers have it.
///
/// # Safety
///
/// `zone` is null or valid.
#[cold]
#[inline(never)]
unsafe extern "C" fn store_zone(_: *mut Timeval, zone: *mut Timezone) -> i32 {
    if zone.is_null() {
        return 0;
    }
    let page = page();
    let known = page.load_u32(offset::TIMEZONE_KNOWN) != 0;
    // The writer stores it after the value.
    page.barrier(Barrier::SeqThenSlot);
    if !known {
        return ask(core::ptr::null_mut(), zone);
    }
    let word = page.load_u64(offset::TIMEZONE);
    // SAFETY: the caller's promise.
    unsafe {
        core::ptr::addr_of_mut!((*zone).minutes_west).write(word as i32);
        core::ptr::addr_of_mut!((*zone).dst_time).write((word >> 32) as i32);
    }
    0
}

/// # Safety
///
/// As [`gettimeofday`]; `time` is not null.
#[cold]
#[inline(never)]
unsafe extern "C" fn slow(time: *mut Timeval, zone: *mut Timezone) -> i32 {
    let Some(now) = slow_time(Clock::Realtime.id()) else {
        return ask(time, zone);
    };
    // SAFETY: the caller's promise.
    unsafe { store(time, now) };
    // SAFETY: the caller's promise.
    unsafe { store_zone(time, zone) }
}

/// The kernel checks the pointers.
fn ask(time: *mut Timeval, zone: *mut Timezone) -> i32 {
    system_call2(GETTIMEOFDAY, time as isize, zone as isize) as i32
}
