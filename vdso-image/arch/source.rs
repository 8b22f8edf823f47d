//! The sources of the functions that one architecture has of its own.

/// Path below the crate's folder and text of every file.
pub(super) const FUNCTIONS: &[(&str, &str)] = &[
    ("arch/functions.rs", include_str!("functions.rs")),
    // A file a line.
    ("arch/aarch64/functions/mod.rs", include_str!("aarch64/functions/mod.rs")),
    ("arch/aarch64/functions/landing_pad.rs", include_str!("aarch64/functions/landing_pad.rs")),
    ("arch/aarch64/functions/rt_sigreturn.rs", include_str!("aarch64/functions/rt_sigreturn.rs")),
    ("arch/aarch64/functions/system_call.rs", include_str!("aarch64/functions/system_call.rs")),
    ("arch/riscv64/functions/mod.rs", include_str!("riscv64/functions/mod.rs")),
    ("arch/riscv64/functions/rt_sigreturn.rs", include_str!("riscv64/functions/rt_sigreturn.rs")),
    ("arch/riscv64/functions/system_call.rs", include_str!("riscv64/functions/system_call.rs")),
    ("arch/x86_64/functions/mod.rs", include_str!("x86_64/functions/mod.rs")),
    ("arch/x86_64/functions/getcpu.rs", include_str!("x86_64/functions/getcpu.rs")),
    ("arch/x86_64/functions/system_call.rs", include_str!("x86_64/functions/system_call.rs")),
    ("arch/x86_64/functions/time.rs", include_str!("x86_64/functions/time.rs")),
];
