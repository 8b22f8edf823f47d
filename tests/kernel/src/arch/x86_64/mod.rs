//! x86-64: everything that knows the processor or the machine. The rest of the kernel uses what is named here.

pub mod apic;
pub mod boot;
pub mod context;
pub mod cpu;
pub mod exit;
pub mod fault;
pub mod fpu;
pub mod gdt;
pub mod idt;
pub mod number;
pub mod paging;
pub mod per_cpu;
pub mod pit;
pub mod pvh;
pub mod random;
pub mod serial;
pub mod smp;
pub mod system_call;
pub mod timer;
pub mod trap;
pub mod tsc;
pub mod vsyscall;

pub use apic::wake as wake_cpu;
pub use vdso_image::x86_64 as image;
pub use vvar::arch::Tsc as Counter;
