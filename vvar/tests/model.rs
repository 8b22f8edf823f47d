//! The protocol under loom: the reader and the writer that ship, over a model checker's cells.
//!
//! Every execution that the memory model allows, up to a number of preemptions, is tried; the reader is the thread that is
//! started last, so that it meets every mix of old and new values without being preempted at all. Each publish of a model is
//! recognisable: start, rate, fraction and seconds of publish `n` are its own, so a slot mixed of two publishes, or read
//! under the wrong `seq`, gives a time that no publish has ever given. The same models run once more with one barrier taken
//! away, for each barrier: then they must fail.
//!
//! The cases run for both encodings of a line.

// One file of cases, for two encodings.
#![allow(clippy::duplicate_mod)]

mod common;

#[path = "cases"]
mod split {
    use vvar::memory::SplitLines as Lines;

    mod model;
}

#[path = "cases"]
mod wide {
    use vvar::memory::WideLines as Lines;

    mod model;
}
