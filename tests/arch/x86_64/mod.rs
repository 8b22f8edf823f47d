//! x86-64: the architecture that the tests run on.

use crate::Architecture;
use vvar::CounterKind;

/// The architecture.
pub static ARCHITECTURE: Architecture = Architecture {
    image: &vdso_image::x86_64::DESCRIPTION,
    machine: (62, "EM_X86_64"),
    version: "LINUX_2.6",
    clock_gettime: "__vdso_clock_gettime",
    aliases: &[
        ("clock_gettime", "__vdso_clock_gettime"),
        ("gettimeofday", "__vdso_gettimeofday"),
        ("time", "__vdso_time"),
        ("clock_getres", "__vdso_clock_getres"),
        ("getcpu", "__vdso_getcpu"),
    ],
    wanted: &[
        // sysdeps/unix/sysv/linux/x86_64/sysdep.h
        (
            "glibc",
            &[
                "__vdso_clock_gettime",
                "__vdso_gettimeofday",
                "__vdso_time",
                "__vdso_getcpu",
                "__vdso_clock_getres",
                "__vdso_getrandom",
            ],
        ),
        // arch/x86_64/syscall_arch.h
        ("musl", &["__vdso_clock_gettime", "__vdso_getcpu"]),
        // src/runtime/vdso_linux_amd64.go
        ("Go", &["__vdso_gettimeofday", "__vdso_clock_gettime", "__vdso_getrandom"]),
        // libc/private/bionic_vdso.h, for both
        ("bionic of Android 10", &["__vdso_clock_gettime", "__vdso_gettimeofday"]),
        ("bionic", &["__vdso_clock_gettime", "__vdso_clock_getres", "__vdso_gettimeofday", "__vdso_time"]),
        // src/backend/linux_raw/vdso_wrappers.rs, and the test in vdso.rs
        ("rustix", &["__vdso_clock_gettime", "__vdso_getcpu", "__vdso_clock_getres", "__vdso_gettimeofday"]),
        // defs/
        ("linux-raw-vdso", &["__vdso_clock_gettime", "__vdso_getcpu", "__vdso_gettimeofday", "__vdso_time"]),
        // criu/arch/x86/include/asm/vdso.h, without the names that it has for i386 alone
        ("CRIU", &["__vdso_clock_gettime", "__vdso_getcpu", "__vdso_gettimeofday", "__vdso_time"]),
        // tools/testing/selftests/vDSO/vdso_config.h
        (
            "parse_vdso.c",
            &[
                "__vdso_clock_gettime",
                "__vdso_gettimeofday",
                "__vdso_time",
                "__vdso_clock_getres",
                "__vdso_getcpu",
                "__vdso_getrandom",
            ],
        ),
    ],
    not_offered: &["__vdso_getrandom"],
    counters: &[CounterKind::Rdtscp, CounterKind::LfenceRdtsc],
};
