//! The sources of the image's functions, for `vdso-linker`.

#[path = "../arch/source.rs"]
mod arch;

/// Path below this crate's folder and text of every file, the module's root first.
///
/// An architecture from outside replaces `arch/functions.rs`, which says what it gives and what of this tree it may use: that much
/// is stable, the rest is not. Below `arch/` this crate has only that file and folders named for architectures: all other
/// files beside it, such as `arch/counter.rs`, are free for those who bring their own.
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
