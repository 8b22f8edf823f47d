//! The sources of this folder.

/// Path below `src/` and text of every file.
pub(crate) const FILES: &[(&str, &str)] = &[
    ("arch/mod.rs", include_str!("mod.rs")),
    ("arch/kind.rs", include_str!("kind.rs")),
    // A file a line.
    ("arch/aarch64/mod.rs", include_str!("aarch64/mod.rs")),
    ("arch/aarch64/erratum_858921.rs", include_str!("aarch64/erratum_858921.rs")),
    ("arch/riscv64.rs", include_str!("riscv64.rs")),
    ("arch/x86_64.rs", include_str!("x86_64.rs")),
];
