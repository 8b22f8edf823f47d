//! The system call that each function makes where the page cannot answer.

use super::arch::system_call;

/// Makes a system call; the result, or a negated error number. In an image for a kernel with calls of its own
/// (`fallback = "enosys"`) it makes none, and the program's libc asks the kernel in its own way.
#[inline(always)]
pub fn system_call1(number: isize, a: isize) -> isize {
    system_call3(number, a, 0, 0)
}

/// See [`system_call1`].
#[inline(always)]
pub fn system_call2(number: isize, a: isize, b: isize) -> isize {
    system_call3(number, a, b, 0)
}

/// See [`system_call1`].
#[inline(always)]
pub fn system_call3(number: isize, a: isize, b: isize, c: isize) -> isize {
    if cfg!(vdso_fallback = "enosys") {
        return -system_call::ENOSYS;
    }
    // SAFETY: the functions' calls write at most to where their arguments point, which the kernel checks.
    unsafe { system_call::system_call(number, a, b, c) }
}
