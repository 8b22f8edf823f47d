//! The sources of the image's functions, for `vdso-linker`.

/// Path below `functions/` and text of every file, the module's root first.
pub const FUNCTIONS: &[(&str, &str)] = &[
    ("mod.rs", include_str!("../functions/mod.rs")),
    ("clock_getres.rs", include_str!("../functions/clock_getres.rs")),
    ("clock_gettime.rs", include_str!("../functions/clock_gettime.rs")),
    ("getcpu.rs", include_str!("../functions/getcpu.rs")),
    ("gettimeofday.rs", include_str!("../functions/gettimeofday.rs")),
    ("note.rs", include_str!("../functions/note.rs")),
    ("time.rs", include_str!("../functions/time.rs")),
    ("x86_64.rs", include_str!("../functions/x86_64.rs")),
];
