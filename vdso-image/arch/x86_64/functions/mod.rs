//! x86-64: `__vdso_clock_gettime`, `__vdso_gettimeofday`, `__vdso_clock_getres`, `__vdso_time` and `__vdso_getcpu`.

mod getcpu;
pub mod system_call;
mod time;

use super::super::{clock_getres, clock_gettime, export, gettimeofday, Timespec, Timeval, Timezone};
use core::arch::asm;
use vvar::RawPage;

export! {
    __vdso_clock_gettime(clock: i32, time: *mut Timespec) -> i32 = clock_gettime;
    __vdso_gettimeofday(time: *mut Timeval, zone: *mut Timezone) -> i32 = gettimeofday;
    __vdso_clock_getres(clock: i32, resolution: *mut Timespec) -> i32 = clock_getres;
}

/// Where the page is mapped.
#[inline(always)]
pub fn page_address() -> *const u8 {
    address_near::<0>()
}

/// The page, reached from its byte `NEAR`: what lies shortly behind that byte is addressed by shorter instructions.
#[inline(always)]
fn page_near<const NEAR: usize>() -> RawPage {
    // SAFETY: as in `functions::page`.
    unsafe { RawPage::new(address_near::<NEAR>().wrapping_sub(NEAR).cast_mut()) }
}

/// The address of the page's byte `NEAR`: the linker script's `vvar_page`, relative to this instruction, so without a
/// relocation.
#[inline(always)]
fn address_near<const NEAR: usize>() -> *const u8 {
    let address: *const u8;
    // SAFETY: computes an address.
    unsafe {
        asm!(
            "lea {}, [rip + vvar_page + {near}]",
            out(reg) address,
            near = const NEAR,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    address
}
