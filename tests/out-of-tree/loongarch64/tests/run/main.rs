//! The image, run under QEMU's user mode: every function for every kind of page, what it returns and writes, which system calls
//! it makes, and a return from a signal handler through the trampoline.
//!
//! A small static program (`program`) maps image and page and calls what it is told to; this side is the kernel. It publishes
//! the page by the counter that the emulator gives its guest, which is the host's: so both know what time it is.
//!
//! What an emulator on one host cannot show is that a barrier is missing: for that there is the gate's rule on the order of the
//! counter read.
#![cfg(target_arch = "x86_64")] // QEMU's counter is the host's TSC

mod calls;
mod guest;
#[path = "../shared/mod.rs"]
mod shared;
mod signals;
mod system_calls;
