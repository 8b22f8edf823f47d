//! The functions that one architecture has of its own, for the one that is compiled for. Each gives:
//!
//! | item | what |
//! |---|---|
//! | the exports | by the names that its clients look up; see [`export!`](super::export) |
//! | `page_address()` | the page's address, relative to the instruction pointer |
//! | `system_call` | the system call itself, for three arguments, the numbers of those that are made, and `ENOSYS` |
//! | `MachineCounter` | a unit `struct` that reads the counter, in order: `vvar`'s, or an implementation of [`vvar::Counter`] |
//!
//! Nothing else in the functions names an architecture. One that is not here gives the same in a file of its own, which takes
//! the place of this one; the counter of one that `vvar` does not have is of a kind for private use
//! ([`vvar::CounterKind::Private1`]).

pub use vvar::arch::MachineCounter;

#[cfg(target_arch = "aarch64")]
#[path = "aarch64/functions/mod.rs"]
mod aarch64;
#[cfg(target_arch = "aarch64")]
pub use aarch64::*;

#[cfg(target_arch = "riscv64")]
#[path = "riscv64/functions/mod.rs"]
mod riscv64;
#[cfg(target_arch = "riscv64")]
pub use riscv64::*;

#[cfg(target_arch = "x86_64")]
#[path = "x86_64/functions/mod.rs"]
mod x86_64;
#[cfg(target_arch = "x86_64")]
pub use x86_64::*;
