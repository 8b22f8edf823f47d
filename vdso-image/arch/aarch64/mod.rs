//! The image for aarch64: `__kernel_clock_gettime`, `__kernel_gettimeofday`, `__kernel_clock_getres` and
//! `__kernel_rt_sigreturn`, version LINUX_2.6.39. Its pages may be guarded (BTI).
//!
//! A kernel has its signal handlers return to [`symbol::__KERNEL_RT_SIGRETURN`], with the stack pointer at a frame as Linux
//! has it: a `siginfo` of 128 bytes, then a `ucontext`.

crate::image::image!("aarch64");
