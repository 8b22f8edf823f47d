//! RISC-V, 64 bits.

pub mod foreign;
mod litmus;

pub use foreign::EMULATED;
pub use litmus::MACHINE;

use crate::Architecture;
use vvar::CounterKind;

/// The architecture.
pub static ARCHITECTURE: Architecture = Architecture {
    image: &vdso_image::riscv64::DESCRIPTION,
    machine: (243, "EM_RISCV"),
    version: "LINUX_4.15",
    clock_gettime: "__vdso_clock_gettime",
    aliases: &[],
    wanted: &[
        // sysdeps/unix/sysv/linux/riscv/sysdep.h
        (
            "glibc",
            &[
                "__vdso_clock_gettime",
                "__vdso_gettimeofday",
                "__vdso_getcpu",
                "__vdso_clock_getres",
                "__vdso_flush_icache",
                "__vdso_riscv_hwprobe",
                "__vdso_getrandom",
            ],
        ),
        // arch/riscv64/syscall_arch.h, src/linux/cache.c
        ("musl", &["__vdso_clock_gettime", "__vdso_flush_icache"]),
        // src/runtime/vdso_linux_riscv64.go
        ("Go", &["__vdso_clock_gettime", "__vdso_getrandom"]),
        // Android 10 did not run on it.
        ("bionic of Android 10", &[]),
        // libc/private/bionic_vdso.h
        ("bionic", &["__vdso_clock_gettime", "__vdso_clock_getres", "__vdso_gettimeofday", "__vdso_riscv_hwprobe"]),
        // src/backend/linux_raw/vdso_wrappers.rs, and the test in vdso.rs
        ("rustix", &["__vdso_clock_gettime", "__vdso_getcpu", "__vdso_clock_getres", "__vdso_gettimeofday"]),
        // defs/
        (
            "linux-raw-vdso",
            &[
                "__vdso_rt_sigreturn",
                "__vdso_gettimeofday",
                "__vdso_clock_gettime",
                "__vdso_clock_getres",
                "__vdso_getcpu",
                "__vdso_flush_icache",
            ],
        ),
        // criu/arch/riscv64/include/asm/vdso.h
        (
            "CRIU",
            &[
                "__vdso_clock_getres",
                "__vdso_clock_gettime",
                "__vdso_gettimeofday",
                "__vdso_getcpu",
                "__vdso_flush_icache",
                "__vdso_rt_sigreturn",
            ],
        ),
        // tools/testing/selftests/vDSO/vdso_config.h
        (
            "parse_vdso.c",
            &[
                "__vdso_clock_gettime",
                "__vdso_gettimeofday",
                "__vdso_clock_getres",
                "__vdso_getcpu",
                "__vdso_getrandom",
            ],
        ),
    ],
    not_offered: &["__vdso_getrandom", "__vdso_riscv_hwprobe"],
    counters: &[CounterKind::RiscvTime],
};
