//! What the tests have to know of each architecture.

use vdso_image::{aarch64, riscv64, Mapping};
use vvar::CounterKind;

/// An architecture, its image, and how QEMU emulates its counter.
pub(crate) struct Architecture {
    /// As in the names of QEMU's programs.
    pub(crate) name: &'static str,
    /// Debian's cross compiler.
    pub(crate) compiler: &'static str,
    /// The Debian package that brings it.
    pub(crate) package: &'static str,
    /// A processor whose signal frames gdb can read.
    pub(crate) cpu: Option<&'static str>,
    /// The image's bytes.
    pub(crate) image: &'static [u8],
    /// What goes where.
    pub(crate) plan: &'static [Mapping],
    /// The functions that every image has, by offset.
    pub(crate) functions: Functions,
    /// `getcpu`, and what else there is, by offset.
    pub(crate) getcpu: Option<usize>,
    /// `flush_icache`, by offset.
    pub(crate) flush_icache: Option<usize>,
    /// The counter of the hot path.
    pub(crate) hot: CounterKind,
    /// Others, which take the slow path.
    pub(crate) slow: &'static [CounterKind],
    /// Reads, on the host, the counter that the guest sees; takes its frequency as the guest sees it, 0 if it does not.
    pub(crate) counter: fn(u64) -> u64,
    /// What the pages say of the counter's frequency in Hz, given that.
    pub(crate) frequency: fn(u64) -> u64,
    /// The trampoline's bytes, from one instruction before its symbol on.
    pub(crate) trampoline: [u32; 3],
    /// DWARF number of the stack pointer.
    pub(crate) stack_pointer: u16,
    /// DWARF number that stands for the return address in a signal's frame.
    pub(crate) return_address: u16,
}

/// Offsets of functions.
pub(crate) struct Functions {
    pub(crate) clock_gettime: usize,
    pub(crate) gettimeofday: usize,
    pub(crate) clock_getres: usize,
    pub(crate) rt_sigreturn: usize,
}

/// System calls of Linux, alike on both (`include/uapi/asm-generic/unistd.h`).
pub(crate) mod system_call {
    pub(crate) const CLOCK_GETTIME: usize = 113;
    pub(crate) const CLOCK_GETRES: usize = 114;
    pub(crate) const GETCPU: usize = 168;
    pub(crate) const GETTIMEOFDAY: usize = 169;
    pub(crate) const RISCV_FLUSH_ICACHE: usize = 259;
}

pub(crate) static AARCH64: Architecture = Architecture {
    name: "aarch64",
    compiler: "aarch64-linux-gnu-gcc",
    package: "gcc-aarch64-linux-gnu and libc6-dev-arm64-cross",
    // gdb 13 misreads QEMU's record of the SVE registers.
    cpu: Some("max,sve=off"),
    image: aarch64::IMAGE.as_bytes(),
    plan: &aarch64::MAP_PLAN,
    functions: Functions {
        clock_gettime: aarch64::symbol::__KERNEL_CLOCK_GETTIME,
        gettimeofday: aarch64::symbol::__KERNEL_GETTIMEOFDAY,
        clock_getres: aarch64::symbol::__KERNEL_CLOCK_GETRES,
        rt_sigreturn: aarch64::symbol::__KERNEL_RT_SIGRETURN,
    },
    getcpu: None,
    flush_icache: None,
    hot: CounterKind::Cntvct,
    slow: &[CounterKind::CntvctErratum858921],
    // CNTVCT_EL0 is the host's time of day, by gettimeofday, in whole periods.
    counter: |frequency| time_of_day() / (1_000_000_000 / frequency).max(1),
    frequency: |frequency| frequency,
    trampoline: [0xd503201f, 0xd2801168, 0xd4000001], // nop; mov x8, #139; svc #0
    stack_pointer: 31,
    return_address: 32,
};

pub(crate) static RISCV64: Architecture = Architecture {
    name: "riscv64",
    compiler: "riscv64-linux-gnu-gcc",
    package: "gcc-riscv64-linux-gnu and libc6-dev-riscv64-cross",
    cpu: None,
    image: riscv64::IMAGE.as_bytes(),
    plan: &riscv64::MAP_PLAN,
    functions: Functions {
        clock_gettime: riscv64::symbol::__VDSO_CLOCK_GETTIME,
        gettimeofday: riscv64::symbol::__VDSO_GETTIMEOFDAY,
        clock_getres: riscv64::symbol::__VDSO_CLOCK_GETRES,
        rt_sigreturn: riscv64::symbol::__VDSO_RT_SIGRETURN,
    },
    getcpu: Some(riscv64::symbol::__VDSO_GETCPU),
    flush_icache: Some(riscv64::symbol::__VDSO_FLUSH_ICACHE),
    hot: CounterKind::RiscvTime,
    slow: &[],
    // `time` is the host's TSC. Its frequency is not known, and the pages' clocks need not be right, only steady.
    counter: |_| time_stamp_counter(),
    frequency: |_| 2_600_000_000,
    trampoline: [0x00000013, 0x08b00893, 0x00000073], // nop; li a7, 139; ecall
    stack_pointer: 2,
    return_address: 64,
};

/// The host's REALTIME as `gettimeofday` has it, in ns.
fn time_of_day() -> u64 {
    let mut now = libc::timeval { tv_sec: 0, tv_usec: 0 };
    // SAFETY: writes a timeval to `now`.
    let status = unsafe { libc::gettimeofday(&mut now, std::ptr::null_mut()) };
    assert_eq!(status, 0);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_usec as u64 * 1000
}

fn time_stamp_counter() -> u64 {
    vvar::Counter::read_hot(&vvar::arch::Tsc)
}
