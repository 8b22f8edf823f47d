//! The image for riscv64: `__vdso_clock_gettime`, `__vdso_gettimeofday`, `__vdso_clock_getres`, `__vdso_getcpu`,
//! `__vdso_flush_icache` and `__vdso_rt_sigreturn`, version LINUX_4.15.
//!
//! A kernel has its signal handlers return to [`symbol::__VDSO_RT_SIGRETURN`], with the stack pointer at a frame as Linux
//! has it: a `siginfo` of 128 bytes, then a `ucontext`.

crate::image::image!("riscv64");
