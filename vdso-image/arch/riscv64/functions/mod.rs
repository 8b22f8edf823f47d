//! riscv64: `__vdso_clock_gettime`, `__vdso_gettimeofday`, `__vdso_clock_getres`, `__vdso_getcpu`,
//! `__vdso_flush_icache` and `__vdso_rt_sigreturn`.

mod rt_sigreturn;
pub mod system_call;

use super::super::system_call::system_call3;
use super::super::{clock_getres, clock_gettime, export, gettimeofday, Timespec, Timeval, Timezone};
use core::arch::asm;

export! {
    __vdso_clock_gettime(clock: i32, time: *mut Timespec) -> i32 = clock_gettime;
    __vdso_gettimeofday(time: *mut Timeval, zone: *mut Timezone) -> i32 = gettimeofday;
    __vdso_clock_getres(clock: i32, resolution: *mut Timespec) -> i32 = clock_getres;
}

/// Where the page is mapped: the linker script's `vvar_page`, relative to these instructions, so without a relocation.
#[inline(always)]
pub fn page_address() -> *const u8 {
    let address: *const u8;
    // SAFETY: computes an address.
    unsafe { asm!("lla {}, vvar_page", out(reg) address, options(pure, nomem, nostack, preserves_flags)) };
    address
}

/// `getcpu(2)`: the system call, as no register that user programs can read holds the CPU's number.
#[no_mangle]
extern "C" fn __vdso_getcpu(cpu: *mut u32, node: *mut u32, unused: *mut u8) -> i32 {
    system_call3(system_call::GETCPU, cpu as isize, node as isize, unused as isize) as i32
}

/// Makes code that was written to memory from `start` to `end` visible to instruction fetches: on every hart that runs
/// this process, or with `flags` 1 for this thread only, wherever it runs. Always the system call, even for one thread: a
/// FENCE.I here would be right for this hart alone, and the thread can be moved to another (RISC-V unprivileged ISA,
/// "Zifencei"; Linux `Documentation/arch/riscv/cmodx.rst`).
#[no_mangle]
extern "C" fn __vdso_flush_icache(start: *const u8, end: *const u8, flags: usize) -> isize {
    system_call3(system_call::RISCV_FLUSH_ICACHE, start as isize, end as isize, flags as isize)
}
