//! Properties of the arithmetic, against exact sums ([`common::exact`]): any counter, any rate, any time.
//!
//! The cases run for both encodings of a line.

// One file of cases, for two encodings.
#![allow(clippy::duplicate_mod)]

mod common;

#[path = "cases"]
mod split {
    use vvar::memory::SplitLines as Lines;

    mod properties;
}

#[path = "cases"]
mod wide {
    use vvar::memory::WideLines as Lines;

    mod properties;
}
