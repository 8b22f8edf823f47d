//! The functions that one architecture has of its own, for the one that is compiled for. Each gives:
//!
//! | item | what |
//! |---|---|
//! | the exports | by the names that its clients look up; see [`export!`](super::export) |
//! | `page_address()` | the page's address, relative to the instruction pointer |
//! | `system_call` | the system call itself, for three arguments, and the numbers of those that are made |

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
