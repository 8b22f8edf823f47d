//! This crate's own source, for building a vDSO image: the image is compiled from the reader that the kernel links.

/// Path below `src/` and text of every file, the crate root first.
pub const FILES: &[(&str, &str)] = &[
    ("lib.rs", include_str!("lib.rs")),
    ("arch/mod.rs", include_str!("arch/mod.rs")),
    ("arch/aarch64.rs", include_str!("arch/aarch64.rs")),
    ("arch/erratum_858921.rs", include_str!("arch/erratum_858921.rs")),
    ("arch/riscv64.rs", include_str!("arch/riscv64.rs")),
    ("arch/x86_64.rs", include_str!("arch/x86_64.rs")),
    ("clock.rs", include_str!("clock.rs")),
    ("control.rs", include_str!("control.rs")),
    ("counter.rs", include_str!("counter.rs")),
    ("error.rs", include_str!("error.rs")),
    ("exact.rs", include_str!("exact.rs")),
    ("memory.rs", include_str!("memory.rs")),
    ("page.rs", include_str!("page.rs")),
    ("rate.rs", include_str!("rate.rs")),
    ("reader.rs", include_str!("reader.rs")),
    ("reader/split.rs", include_str!("reader/split.rs")),
    ("reader/wide.rs", include_str!("reader/wide.rs")),
    ("slot.rs", include_str!("slot.rs")),
    ("timekeeper.rs", include_str!("timekeeper.rs")),
    ("writer.rs", include_str!("writer.rs")),
];
