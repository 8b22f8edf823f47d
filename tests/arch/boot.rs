//! The machines that the test kernel is booted on, and the tests of what only one of them has.

#[path = "aarch64/boot.rs"]
mod aarch64;
#[path = "riscv64/boot.rs"]
mod riscv64;
#[path = "x86_64/boot.rs"]
mod x86_64;
