//! Time stamps passed between CPUs, by the real counter, while the page is published again and again.
//!
//! Single-threaded tests cannot see an unordered counter read, or a page that two CPUs see differently. Here two threads on
//! two CPUs each read a clock after they have looked at the other's latest time stamp, and must not find an earlier time than
//! that, nor than their own last one.
//!
//! **What is excused.** The bound that [`vvar::reader`] documents is `1 ns + delay * change of rate`: 2 ns, as a kernel
//! publishes with interrupts off and so within [`LATE_NANOS`]. This process can lose its CPU in the middle of a publish.
//! Publishes that took longer are noted, and during one of those a step back may be larger by the thousandth part, the
//! largest change of rate, of what it took.
//!
//! The cases run for both encodings of a line.

#![cfg(target_arch = "x86_64")]
// One file of cases, for two encodings.
#![allow(clippy::duplicate_mod)]

mod common;

/// One test at a time has the CPUs.
static CPUS: std::sync::Mutex<()> = std::sync::Mutex::new(());

#[path = "cases"]
mod split {
    use vvar::memory::SplitLines as Lines;

    mod threads;
}

#[path = "cases"]
mod wide {
    use vvar::memory::WideLines as Lines;

    mod threads;
}
