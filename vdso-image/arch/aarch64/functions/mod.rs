//! aarch64: `__kernel_clock_gettime`, `__kernel_gettimeofday`, `__kernel_clock_getres` and `__kernel_rt_sigreturn`.

mod landing_pad;
mod rt_sigreturn;
pub mod system_call;

use super::super::{clock_getres, clock_gettime, gettimeofday, Timespec, Timeval, Timezone};
use core::arch::asm;
use landing_pad::export;

export! {
    __kernel_clock_gettime(clock: i32, time: *mut Timespec) -> i32 = clock_gettime;
    __kernel_gettimeofday(time: *mut Timeval, zone: *mut Timezone) -> i32 = gettimeofday;
    __kernel_clock_getres(clock: i32, resolution: *mut Timespec) -> i32 = clock_getres;
}

/// Where the page is mapped: the linker script's `vvar_page`, relative to this instruction, so without a relocation. ADRP
/// gives the address of its 4096 bytes, and it starts with them.
#[inline(always)]
pub fn page_address() -> *const u8 {
    let address: *const u8;
    // SAFETY: computes an address.
    unsafe { asm!("adrp {}, vvar_page", out(reg) address, options(pure, nomem, nostack, preserves_flags)) };
    address
}
