//! AArch64, on QEMU's "virt" machine: everything that knows the processor or the machine.

pub mod board;
pub mod boot;
pub mod builtins;
pub mod context;
pub mod counter;
pub mod cpu;
pub mod exit;
pub mod fault;
pub mod fpu;
pub mod gic;
pub mod layout;
pub mod mmu;
pub mod per_cpu;
pub mod psci;
pub mod random;
pub mod semihosting;
pub mod serial;
pub mod signal;
pub mod system_call;
pub mod timer;
pub mod trap;

#[path = "../device_tree.rs"]
pub mod device_tree;
#[path = "../asm_generic.rs"]
pub mod number;

use crate::embedding::SHIPPED;
use crate::runs::{Calls, Run};

pub use gic::wake as wake_cpu;
pub use vdso_image::aarch64 as image;
pub use vvar::arch::GenericTimer as Counter;

/// AT_PLATFORM, and what `uname` calls the machine.
pub const NAME: &str = "aarch64";

/// EM_AARCH64.
pub const ELF_MACHINE: u16 = 183;

/// Where in the image a signal's handler returns to, if the program does not say.
pub const TRAMPOLINE: Option<usize> = Some(image::symbol::__KERNEL_RT_SIGRETURN);

/// Runs that only make sense here.
pub static EXTRA_RUNS: &[Run] = &[Run { argument: "landing-pads", image: Some(&SHIPPED), calls: Calls::Any }];
