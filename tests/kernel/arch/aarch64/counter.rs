//! The virtual counter of the generic timer (Arm ARM, "The Generic Timer in AArch64 state").

use super::cpu::{self, read, write};
use core::sync::atomic::{AtomicBool, Ordering};
use vvar::page::CpuNumber;
use vvar::{Counter as _, CounterKind};

/// Whether one of the CPUs lacks CNTVCTSS_EL0, and whether one has erratum 858921. Programs run on any of them.
static ONE_LACKS_CNTVCTSS: AtomicBool = AtomicBool::new(false);
static ONE_HAS_ERRATUM: AtomicBool = AtomicBool::new(false);

/// How programs read it, after every CPU's [`examine_cpu`].
#[must_use]
pub fn kind() -> CounterKind {
    if ONE_HAS_ERRATUM.load(Ordering::Relaxed) {
        CounterKind::CntvctErratum858921
    } else if ONE_LACKS_CNTVCTSS.load(Ordering::Relaxed) {
        CounterKind::Cntvct
    } else {
        CounterKind::Cntvctss
    }
}

/// Reads it, in order.
#[must_use]
pub fn cycles() -> u64 {
    let counter = super::Counter;
    if ONE_HAS_ERRATUM.load(Ordering::Relaxed) {
        counter.read(CounterKind::CntvctErratum858921).unwrap_or_else(|| counter.read_hot())
    } else {
        counter.read_hot()
    }
}

/// Whether the architecture promises that all CPUs' counters agree and count at one rate: they show the one system
/// counter.
#[must_use]
pub fn is_synchronised() -> bool {
    true
}

/// Its frequency in Hz, as the firmware has written it into CNTFRQ_EL0.
///
/// # Errors
///
/// If the firmware has not.
pub fn frequency() -> Result<u64, &'static str> {
    match read!("cntfrq_el0") {
        0 => Err("CNTFRQ_EL0 is 0: the firmware has to write the counter's frequency there, on every CPU"),
        frequency => Ok(frequency),
    }
}

/// Lets programs read the virtual counter; neither the physical one nor the timers. On every CPU, and again after a
/// suspend.
pub fn init(_index: usize) {
    const EL0VCTEN: u64 = 1 << 1;
    // SAFETY: changes what programs may do, and nothing for the kernel.
    unsafe { write!("cntkctl_el1", EL0VCTEN) };
}

/// Notes what the CPU that executes can do. On every CPU.
pub fn examine_cpu() {
    ONE_LACKS_CNTVCTSS.fetch_or(!cpu::has_self_synchronised_counter(), Ordering::Relaxed);
    ONE_HAS_ERRATUM.fetch_or(cpu::is_cortex_a73(), Ordering::Relaxed);
}

/// How programs learn on which CPU they are: the image has no `getcpu` that would read it.
#[must_use]
pub fn cpu_number() -> CpuNumber {
    CpuNumber::SystemCall
}
