//! loongarch64: `__vdso_clock_gettime`, `__vdso_gettimeofday`, `__vdso_clock_getres`, `__vdso_getcpu` and
//! `__vdso_rt_sigreturn`. This file takes the place of vdso-image's `arch/functions.rs`, which says what has to be here.

mod counter;
mod rt_sigreturn;
pub mod system_call;

use super::system_call::system_call3;
use super::{clock_getres, clock_gettime, export, gettimeofday, Timespec, Timeval, Timezone};
use core::arch::asm;
pub use counter::StableCounter as MachineCounter;

export! {
    __vdso_clock_gettime(clock: i32, time: *mut Timespec) -> i32 = clock_gettime;
    __vdso_gettimeofday(time: *mut Timeval, zone: *mut Timezone) -> i32 = gettimeofday;
    __vdso_clock_getres(clock: i32, resolution: *mut Timespec) -> i32 = clock_getres;
}

/// Where the page is mapped: the linker script's `vvar_page`, relative to this instruction, so without a relocation.
/// PCALAU12I gives the address of its 4096 bytes (manual, 2.2.1.7), and it starts with them.
#[inline(always)]
pub fn page_address() -> *const u8 {
    let address: *const u8;
    // SAFETY: computes an address.
    unsafe {
        asm!("pcalau12i {}, %pc_hi20(vvar_page)", out(reg) address, options(pure, nomem, nostack, preserves_flags))
    };
    address
}

/// `getcpu(2)`: the system call, as no register that user programs can read holds the CPU's number.
#[no_mangle]
extern "C" fn __vdso_getcpu(cpu: *mut u32, node: *mut u32, unused: *mut u8) -> i32 {
    system_call3(system_call::GETCPU, cpu as isize, node as isize, unused as isize) as i32
}
