//! System calls of Linux on aarch64: `include/uapi/asm-generic/unistd.h`.

use core::arch::asm;

/// `clock_gettime`.
pub const CLOCK_GETTIME: isize = 113;
/// `clock_getres`.
pub const CLOCK_GETRES: isize = 114;
/// `gettimeofday`.
pub const GETTIMEOFDAY: isize = 169;

/// The error number for "no such system call" (`include/uapi/asm-generic/errno.h`; some architectures have another).
pub const ENOSYS: isize = 38;

/// Makes a system call; the result, or a negated error number.
///
/// # Safety
///
/// As the system call's.
#[inline(always)]
pub unsafe fn system_call(number: isize, a: isize, b: isize, c: isize) -> isize {
    let result;
    // SAFETY: the caller's promise. The kernel changes x0 only, and the parts of the SVE registers beyond the vector
    // registers, which no function of the image uses (Linux `Documentation/arch/arm64/sve.rst`).
    unsafe {
        asm!(
            "svc #0",
            in("x8") number,
            inlateout("x0") a => result,
            in("x1") b,
            in("x2") c,
            options(nostack),
        );
    }
    result
}
