//! What each clock means, call by call: as `clock_gettime(2)`, `adjtimex(2)` and `settimeofday(2)` have it.
//!
//! Every read goes through [`Kernel::page_time`], which compares all ways to the time.
//!
//! The cases run for both encodings of a line.

// One file of cases, for two encodings.
#![allow(clippy::duplicate_mod)]

mod arch;
mod common;

#[path = "cases"]
mod split {
    use vvar::memory::SplitLines as Lines;

    mod semantics;
}

#[path = "cases"]
mod wide {
    use vvar::memory::WideLines as Lines;

    mod semantics;
}
