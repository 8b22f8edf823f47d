//! The sources of the image's functions, for `vdso-linker`.

/// Path below `functions/` and text of every file, the module's root first.
pub const FUNCTIONS: &[(&str, &str)] = &[
    ("mod.rs", include_str!("../functions/mod.rs")),
    ("clock_getres.rs", include_str!("../functions/clock_getres.rs")),
    ("clock_gettime.rs", include_str!("../functions/clock_gettime.rs")),
    ("gettimeofday.rs", include_str!("../functions/gettimeofday.rs")),
    ("note.rs", include_str!("../functions/note.rs")),
    ("system_call.rs", include_str!("../functions/system_call.rs")),
    // aarch64
    ("aarch64/mod.rs", include_str!("../functions/aarch64/mod.rs")),
    ("aarch64/landing_pad.rs", include_str!("../functions/aarch64/landing_pad.rs")),
    ("aarch64/rt_sigreturn.rs", include_str!("../functions/aarch64/rt_sigreturn.rs")),
    ("aarch64/system_call.rs", include_str!("../functions/aarch64/system_call.rs")),
    // riscv64
    ("riscv64/mod.rs", include_str!("../functions/riscv64/mod.rs")),
    ("riscv64/rt_sigreturn.rs", include_str!("../functions/riscv64/rt_sigreturn.rs")),
    ("riscv64/system_call.rs", include_str!("../functions/riscv64/system_call.rs")),
    // x86_64
    ("x86_64/mod.rs", include_str!("../functions/x86_64/mod.rs")),
    ("x86_64/getcpu.rs", include_str!("../functions/x86_64/getcpu.rs")),
    ("x86_64/system_call.rs", include_str!("../functions/x86_64/system_call.rs")),
    ("x86_64/time.rs", include_str!("../functions/x86_64/time.rs")),
];
