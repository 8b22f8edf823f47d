//! System calls of Linux on loongarch64: `include/uapi/asm-generic/unistd.h`.

use core::arch::asm;

/// `clock_gettime`.
pub const CLOCK_GETTIME: isize = 113;
/// `clock_getres`.
pub const CLOCK_GETRES: isize = 114;
/// `getcpu`.
pub const GETCPU: isize = 168;
/// `gettimeofday`.
pub const GETTIMEOFDAY: isize = 169;

/// The error number for "no such system call" (`include/uapi/asm-generic/errno.h`).
pub const ENOSYS: isize = 38;

/// Makes a system call; the result, or a negated error number.
///
/// # Safety
///
/// As the system call's.
#[inline(always)]
pub unsafe fn system_call(number: isize, a: isize, b: isize, c: isize) -> isize {
    let result;
    // SAFETY: the caller's promise. The kernel leaves the result in a0 and anything in t0 to t8, and all other registers as
    // they were (Linux `tools/include/nolibc/arch-loongarch.h`; `SAVE_SOME` in `arch/loongarch/include/asm/stackframe.h`).
    unsafe {
        asm!(
            "syscall 0",
            in("$a7") number,
            inlateout("$a0") a => result,
            in("$a1") b,
            in("$a2") c,
            lateout("$t0") _,
            lateout("$t1") _,
            lateout("$t2") _,
            lateout("$t3") _,
            lateout("$t4") _,
            lateout("$t5") _,
            lateout("$t6") _,
            lateout("$t7") _,
            lateout("$t8") _,
            options(nostack),
        );
    }
    result
}
