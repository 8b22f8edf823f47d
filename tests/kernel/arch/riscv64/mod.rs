//! RISC-V, 64 bits: everything that knows the processor or the machine, which is QEMU's virt with SBI firmware.

pub mod boot;
pub mod builtins;
pub mod context;
pub mod counter;
pub mod cpu;
pub mod exit;
pub mod fault;
pub mod fpu;
pub mod layout;
pub mod mmu;
pub mod per_cpu;
pub mod random;
pub mod sbi;
pub mod serial;
pub mod signal;
pub mod smp;
pub mod system_call;
pub mod timer;
pub mod trap;

#[path = "../device_tree.rs"]
pub mod device_tree;
#[path = "../asm_generic.rs"]
pub mod number;

use crate::embedding::SHIPPED;
use crate::runs::{Calls, Run};

pub use smp::wake as wake_cpu;
pub use vdso_image::riscv64 as image;
pub use vvar::arch::Time as Counter;

/// The architecture's name as programs know it.
pub const NAME: &str = "riscv64";

/// EM_RISCV.
pub const ELF_MACHINE: u16 = 243;

/// Where a signal's handler returns to: `struct sigaction` has no place for code of the program's.
pub const TRAMPOLINE: Option<usize> = Some(image::symbol::__VDSO_RT_SIGRETURN);

/// Runs that only make sense here.
pub static EXTRA_RUNS: &[Run] = &[Run { argument: "icache", image: Some(&SHIPPED), calls: Calls::Any }];
