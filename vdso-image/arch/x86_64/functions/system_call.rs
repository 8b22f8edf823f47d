//! System calls of Linux on x86-64: `arch/x86/entry/syscalls/syscall_64.tbl`.

use core::arch::asm;

/// `gettimeofday`.
pub const GETTIMEOFDAY: isize = 96;
/// `time`.
pub const TIME: isize = 201;
/// `clock_gettime`.
pub const CLOCK_GETTIME: isize = 228;
/// `clock_getres`.
pub const CLOCK_GETRES: isize = 229;
/// `getcpu`.
pub const GETCPU: isize = 309;

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
    // SAFETY: the caller's promise. The kernel changes rax, rcx and r11 only (System V ABI, x86-64 supplement, A.2.1).
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result
}
