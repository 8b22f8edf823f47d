//! System calls of Linux on riscv64: `include/uapi/asm-generic/unistd.h`.

use core::arch::asm;

/// `clock_gettime`.
pub const CLOCK_GETTIME: isize = 113;
/// `clock_getres`.
pub const CLOCK_GETRES: isize = 114;
/// `getcpu`.
pub const GETCPU: isize = 168;
/// `gettimeofday`.
pub const GETTIMEOFDAY: isize = 169;
/// `riscv_flush_icache`, the last of the calls that are an architecture's own (`__NR_arch_specific_syscall` + 15).
pub const RISCV_FLUSH_ICACHE: isize = 244 + 15;

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
    // SAFETY: the caller's promise. The kernel changes a0 only, and the vector registers, which no function of the image
    // uses (Linux `Documentation/arch/riscv/vector.rst`).
    unsafe {
        asm!(
            "ecall",
            in("a7") number,
            inlateout("a0") a => result,
            in("a1") b,
            in("a2") c,
            options(nostack),
        );
    }
    result
}
