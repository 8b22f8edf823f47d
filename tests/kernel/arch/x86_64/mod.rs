//! x86-64: everything that knows the processor or the machine.

pub mod apic;
pub mod boot;
pub mod builtins;
pub mod calibration;
pub mod context;
pub mod counter;
pub mod cpu;
pub mod exit;
pub mod fault;
pub mod fpu;
pub mod gdt;
pub mod idt;
pub mod layout;
pub mod mmu;
pub mod number;
pub mod per_cpu;
pub mod pit;
pub mod pvh;
pub mod random;
pub mod serial;
pub mod signal;
pub mod smp;
pub mod system_call;
pub mod timer;
pub mod trap;
pub mod vsyscall;

use crate::runs::{Calls, Run};

pub use apic::wake as wake_cpu;
pub use vdso_image::x86_64 as image;
pub use vvar::arch::Tsc as Counter;

/// The architecture's name as programs know it.
pub const NAME: &str = "x86_64";

/// EM_X86_64.
pub const ELF_MACHINE: u16 = 62;

/// Programs bring their own code to return from a signal's handler.
pub const TRAMPOLINE: Option<usize> = None;

/// Runs that only make sense here.
pub static EXTRA_RUNS: &[Run] = &[Run { argument: "vsyscall", image: None, calls: Calls::Any }];
