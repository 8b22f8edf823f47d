//! The functions that one architecture has of its own, for the one that is compiled for. Each gives:
//!
//! | item | what |
//! |---|---|
//! | the exports | by the names that its clients look up: by [`export!`](super::export), or in assembly that calls the generic functions, where clients do not call as C does |
//! | `page_address()` | the page's address, relative to the instruction pointer, without a relocation; inlined into every reader, so that what it changes counts |
//! | `system_call` | a module: the call itself, `system_call`, for three arguments; its numbers `CLOCK_GETTIME`, `CLOCK_GETRES`, `GETTIMEOFDAY`; `ENOSYS` |
//! | `MachineCounter` | a unit `struct` that reads the counter, in order: `vvar`'s, or an implementation of [`vvar::Counter`] |
//!
//! Nothing else in the functions names an architecture. One that is not here gives the same in a file of its own, which takes
//! the place of this one; the counter of one that `vvar` does not have is of a kind for private use
//! ([`vvar::CounterKind::Private1`]). Stable for such a file are the items of the table and, to use from the tree,
//! `super::{clock_gettime, gettimeofday, clock_getres, page, export, Timespec, Timeval, Timezone}` (`export` is the macro) and
//! `super::system_call::{system_call2, system_call3}`. Files that it brings along lie beside it: `mod counter;` is
//! `arch/counter.rs`. This crate will have none there but this one, only folders named for architectures.

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
