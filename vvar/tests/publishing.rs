//! How a publish gets into the page: over which memory, interrupted and stopped at any store, refused, late, disabled.
//!
//! The cases run for both encodings of a line.

// One file of cases, for two encodings.
#![allow(clippy::duplicate_mod)]

mod common;

#[path = "cases"]
mod split {
    use vvar::memory::SplitLines as Lines;

    mod publishing;
}

#[path = "cases"]
mod wide {
    use vvar::memory::WideLines as Lines;

    mod publishing;
}
