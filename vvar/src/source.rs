//! This crate's own source, for building a vDSO image: the image is compiled from the reader that the kernel links.

use crate::arch::source::FILES as ARCH;

/// Path below `src/` and text of every file, the crate root first.
pub const FILES: &[(&str, &str)] = &{
    let mut all = [("", ""); GENERIC.len() + ARCH.len()];
    let mut i = 0;
    while i < all.len() {
        all[i] = if i < GENERIC.len() { GENERIC[i] } else { ARCH[i - GENERIC.len()] };
        i += 1;
    }
    all
};

/// What all architectures share.
const GENERIC: &[(&str, &str)] = &[
    ("lib.rs", include_str!("lib.rs")),
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
