//! The sources of the image's functions, for `vdso-linker`.

#[path = "../arch/source.rs"]
mod arch;

/// Path below this crate's folder and text of every file, the module's root first.
pub const FUNCTIONS: &[(&str, &str)] = &{
    let mut all = [("", ""); GENERIC.len() + arch::FUNCTIONS.len()];
    let mut i = 0;
    while i < all.len() {
        all[i] = if i < GENERIC.len() { GENERIC[i] } else { arch::FUNCTIONS[i - GENERIC.len()] };
        i += 1;
    }
    all
};

/// What all architectures share.
const GENERIC: &[(&str, &str)] = &[
    ("functions/mod.rs", include_str!("../functions/mod.rs")),
    ("functions/clock_getres.rs", include_str!("../functions/clock_getres.rs")),
    ("functions/clock_gettime.rs", include_str!("../functions/clock_gettime.rs")),
    ("functions/gettimeofday.rs", include_str!("../functions/gettimeofday.rs")),
    ("functions/note.rs", include_str!("../functions/note.rs")),
    ("functions/system_call.rs", include_str!("../functions/system_call.rs")),
];
