//! The images for other architectures, run under QEMU's user mode: every function for every kind of page, what it returns and
//! writes, how many instructions it takes, and unwinding out of signal handlers through the trampoline.
//!
//! A small static program (`loader.c`) maps image and page and calls what it is told to; this side is the kernel. It publishes
//! the page by the counter that the emulator gives its guest, which is one of the host's: so both know what time it is.
//!
//! What an emulator on one host cannot show is that a barrier is missing: for that there are the models in `vvar`, and the
//! gate's rule on the order of the counter read.
#![cfg(target_arch = "x86_64")]

mod architecture;
mod calls;
mod guest;
mod instructions;
mod signals;
mod unwinding;

/// Makes tests of functions that take an architecture: one test for each, in a module of its name.
macro_rules! for_each_architecture {
    ($($test:ident),* $(,)?) => {
        mod aarch64 {
            $( #[test] fn $test() { super::$test(&crate::architecture::AARCH64) } )*
        }
        mod riscv64 {
            $( #[test] fn $test() { super::$test(&crate::architecture::RISCV64) } )*
        }
    };
}
pub(crate) use for_each_architecture;

/// The loader under QEMU for an architecture; else the test is skipped.
macro_rules! start {
    ($architecture:expr) => {
        start!($architecture, &[])
    };
    ($architecture:expr, $options:expr) => {
        match crate::guest::Guest::start($architecture, $options) {
            Ok(guest) => guest,
            Err(missing) => vdso_tests::skip!(missing),
        }
    };
}
pub(crate) use start;
