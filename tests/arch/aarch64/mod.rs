//! AArch64.

pub mod foreign;
mod litmus;

pub use foreign::EMULATED;
pub use litmus::MACHINE;

use crate::Architecture;
use vvar::CounterKind;

/// The architecture.
pub static ARCHITECTURE: Architecture = Architecture {
    image: &vdso_image::aarch64::DESCRIPTION,
    machine: (183, "EM_AARCH64"),
    version: "LINUX_2.6.39",
    clock_gettime: "__kernel_clock_gettime",
    aliases: &[],
    wanted: &[
        // sysdeps/unix/sysv/linux/aarch64/sysdep.h
        ("glibc", &["__kernel_clock_gettime", "__kernel_gettimeofday", "__kernel_clock_getres", "__kernel_getrandom"]),
        // arch/aarch64/syscall_arch.h
        ("musl", &["__kernel_clock_gettime"]),
        // src/runtime/vdso_linux_arm64.go
        ("Go", &["__kernel_clock_gettime", "__kernel_getrandom"]),
        // libc/private/bionic_vdso.h, for both
        ("bionic of Android 10", &["__kernel_clock_gettime", "__kernel_gettimeofday"]),
        ("bionic", &["__kernel_clock_gettime", "__kernel_clock_getres", "__kernel_gettimeofday"]),
        // src/backend/linux_raw/vdso_wrappers.rs, and the test in vdso.rs
        ("rustix", &["__kernel_clock_gettime", "__kernel_clock_getres", "__kernel_gettimeofday"]),
        // defs/
        (
            "linux-raw-vdso",
            &["__kernel_rt_sigreturn", "__kernel_gettimeofday", "__kernel_clock_gettime", "__kernel_clock_getres"],
        ),
        // criu/arch/aarch64/include/asm/vdso.h
        (
            "CRIU",
            &["__kernel_clock_getres", "__kernel_clock_gettime", "__kernel_gettimeofday", "__kernel_rt_sigreturn"],
        ),
        // tools/testing/selftests/vDSO/vdso_config.h
        (
            "parse_vdso.c",
            &["__kernel_clock_gettime", "__kernel_gettimeofday", "__kernel_clock_getres", "__kernel_getrandom"],
        ),
    ],
    not_offered: &["__kernel_getrandom"],
    counters: &[CounterKind::Cntvct, CounterKind::Cntvctss, CounterKind::CntvctErratum858921],
};
