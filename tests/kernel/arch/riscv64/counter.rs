//! The counter: the CSR `time`.

use super::cpu;
use vvar::page::CpuNumber;
use vvar::{Counter as _, CounterKind};

/// How programs read it.
#[must_use]
pub fn kind() -> CounterKind {
    CounterKind::RiscvTime
}

/// Reads it, in order.
#[must_use]
pub fn cycles() -> u64 {
    super::Counter.read_hot()
}

/// Whether the architecture promises that all CPUs' counters agree: to within one tick of the clock (unprivileged architecture,
/// "Zicntr").
#[must_use]
pub fn is_synchronised() -> bool {
    true
}

/// Lets programs read the counter, on each CPU. The firmware has allowed it to the kernel, by `mcounteren`, if the kernel may
/// pass it on.
pub fn init(_index: usize) {
    const TIME: u64 = 1 << 1;
    // Neither CYCLE nor INSTRET: they tell programs about each other.
    cpu::write_scounteren(TIME);
}

/// How programs learn on which CPU they are: no register that they may read says it.
#[must_use]
pub fn cpu_number() -> CpuNumber {
    CpuNumber::SystemCall
}
