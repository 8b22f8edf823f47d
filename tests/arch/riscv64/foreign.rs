//! Programs for it under QEMU's user mode.

use super::ARCHITECTURE;
use crate::architecture::{Emulated, Functions, SystemCallFunction, SystemCalls};
use vvar::{Counter, CounterKind};

/// Under QEMU.
pub static EMULATED: Emulated = Emulated {
    architecture: &ARCHITECTURE,
    compiler: "riscv64-linux-gnu-gcc",
    packages: "gcc-riscv64-linux-gnu and libc6-dev-riscv64-cross",
    cpu: None,
    functions: Functions {
        clock_gettime: "__vdso_clock_gettime",
        gettimeofday: "__vdso_gettimeofday",
        clock_getres: "__vdso_clock_getres",
        rt_sigreturn: "__vdso_rt_sigreturn",
    },
    system_calls: &[
        SystemCallFunction { name: "getcpu", function: "__vdso_getcpu", number: 168 },
        SystemCallFunction { name: "flush_icache", function: "__vdso_flush_icache", number: 259 },
    ],
    numbers: SystemCalls::ASM_GENERIC,
    hot: CounterKind::RiscvTime,
    slow: &[],
    // `time` is the host's counter. Its frequency is not known, and the pages' clocks need not be right, only steady.
    counter: |_| vvar::arch::MachineCounter.read_hot(),
    frequency: |_| 2_600_000_000,
    trampoline: [0x00000013, 0x08b00893, 0x00000073], // nop; li a7, 139; ecall
    stack_pointer: 2,
    return_address: 64,
    // `zero`. In the frame the program counter has its place.
    constant: Some(0),
};
