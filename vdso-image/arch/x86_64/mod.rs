//! The image for x86-64: `__vdso_clock_gettime`, `__vdso_gettimeofday`, `__vdso_time`, `__vdso_clock_getres` and
//! `__vdso_getcpu`, version LINUX_2.6, each with its weak unprefixed alias.

pub mod vsyscall;

crate::image::image!("x86_64");
