//! The images for other architectures, run under QEMU's user mode: every function for every kind of page, what it returns and
//! writes, how many instructions it takes, and unwinding out of signal handlers through the trampoline.
//!
//! A small static program (`loader.c`, with a header of each architecture) maps image and page and calls what it is told to;
//! this side is the kernel. It publishes the page by the counter that the emulator gives its guest, which is one of the
//! host's: so both know what time it is.
//!
//! What an emulator on one host cannot show is that a barrier is missing: for that there are the models in `vvar`, and the
//! gate's rule on the order of the counter read.
#![cfg(target_arch = "x86_64")]

/// Makes tests of functions that take an architecture: one test for each that is emulated, in a module of its name.
macro_rules! for_each_architecture {
    ($($test:ident),* $(,)?) => {
        vdso_tests::architectures! { tests_of [$($test)*] }
    };
}

macro_rules! tests_of {
    ([$($test:ident)*] $arch:ident emulated $own:tt) => {
        mod $arch {
            $( #[test] fn $test() { super::$test(&vdso_tests::arch::$arch::EMULATED) } )*
        }
    };
    ($tests:tt $arch:ident native $own:tt) => {};
}

/// Makes tests of what only one architecture has.
macro_rules! own_tests {
    ([] $arch:ident $how:ident [$($test:ident)+]) => {
        mod $arch {
            $( #[test] fn $test() { vdso_tests::arch::$arch::foreign::$test() } )*
        }
    };
    ([] $arch:ident $how:ident []) => {};
}

#[path = "../../xtask/src/core_library.rs"]
mod core_library;

mod calls;
mod instructions;
mod page_sizes;
mod signals;
mod unwinding;
mod own {
    vdso_tests::architectures! { own_tests [] }
}
