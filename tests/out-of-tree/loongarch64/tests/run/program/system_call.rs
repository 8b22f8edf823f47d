//! System calls of Linux on loongarch64.

use core::arch::asm;

pub(crate) const READ: isize = 1;
pub(crate) const EXECUTE: isize = 4;
pub(crate) const SHARED: isize = 1;
pub(crate) const PRIVATE: isize = 2;

// `include/uapi/asm-generic/unistd.h`.
const OPENAT: isize = 56;
const LSEEK: isize = 62;
const READ_FILE: isize = 63;
const WRITE_FILE: isize = 64;
const EXIT_GROUP: isize = 94;
const MMAP: isize = 222;

/// # Safety
///
/// As the system call's.
pub(crate) unsafe fn system_call(number: isize, [a, b, c, d, e, f]: [isize; 6]) -> isize {
    let result;
    // SAFETY: the caller's promise. The kernel changes t0 to t8 besides.
    unsafe {
        asm!(
            "syscall 0",
            in("$a7") number,
            inlateout("$a0") a => result,
            in("$a1") b,
            in("$a2") c,
            in("$a3") d,
            in("$a4") e,
            in("$a5") f,
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

pub(crate) fn exit(code: isize) -> ! {
    loop {
        // SAFETY: ends the program.
        unsafe { system_call(EXIT_GROUP, [code, 0, 0, 0, 0, 0]) };
    }
}

/// Reads words from standard input; `false` at its end.
pub(crate) fn read<const N: usize>(words: &mut [isize; N]) -> bool {
    let size = size_of::<[isize; N]>() as isize;
    let mut done = 0;
    while done < size {
        let at = words.as_mut_ptr() as isize + done;
        // SAFETY: into the rest of the words.
        match unsafe { system_call(READ_FILE, [0, at, size - done, 0, 0, 0]) } {
            read if read > 0 => done += read,
            _ => return false,
        }
    }
    true
}

/// Writes words to standard output. Few enough for a pipe to take them at once.
pub(crate) fn write(words: &[isize]) {
    let size = size_of_val(words) as isize;
    // SAFETY: reads the words.
    if unsafe { system_call(WRITE_FILE, [1, words.as_ptr() as isize, size, 0, 0, 0]) } != size {
        exit(102);
    }
}

/// Maps a whole file at an address where nothing is.
pub(crate) fn map(path: *const u8, address: usize, protection: isize, sharing: isize) {
    const AT_FDCWD: isize = -100;
    const SEEK_END: isize = 2;
    const FIXED_NOREPLACE: isize = 0x10_0000;
    // SAFETY: reads a path; a new mapping.
    let mapped = unsafe {
        let file = system_call(OPENAT, [AT_FDCWD, path as isize, 0, 0, 0, 0]);
        let size = system_call(LSEEK, [file, 0, SEEK_END, 0, 0, 0]);
        system_call(MMAP, [address as isize, size, protection, sharing | FIXED_NOREPLACE, file, 0])
    };
    if mapped != address as isize {
        exit(103);
    }
}
