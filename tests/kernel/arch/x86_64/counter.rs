//! The time-stamp counter, and the number of the CPU that can be read with it.

use super::cpu::{self, feature, msr};
use vvar::page::CpuNumber;
use vvar::{Counter as _, CounterKind};

/// How programs read it.
#[must_use]
pub fn kind() -> CounterKind {
    CounterKind::Rdtscp
}

/// Reads it, in order.
#[must_use]
pub fn cycles() -> u64 {
    super::Counter.read_hot()
}

/// Whether the processor promises that all CPUs' counters agree and count at one rate.
#[must_use]
pub fn is_synchronised() -> bool {
    feature::invariant_tsc()
}

/// Lets programs read the counter, and their CPU's number with it. On every CPU, and again after a suspend.
pub fn init(index: usize) {
    const TIME_STAMP_DISABLE: u64 = 1 << 2;
    // SAFETY: changes what programs may do, and nothing for the kernel.
    unsafe { cpu::write_cr4(cpu::read_cr4() & !TIME_STAMP_DISABLE) };
    // Node 0, as Linux has it: node << 12 | cpu.
    // SAFETY: the processor has RDTSCP, and this register with it: boot.rs asks first.
    unsafe { cpu::write_msr(msr::TSC_AUX, index as u64) };
}

/// How programs learn on which CPU they are: from TSC_AUX, which every CPU has set.
#[must_use]
pub fn cpu_number() -> CpuNumber {
    if feature::rdpid() {
        CpuNumber::Rdpid
    } else {
        CpuNumber::Rdtscp
    }
}
