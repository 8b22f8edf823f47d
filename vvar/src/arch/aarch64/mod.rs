//! AArch64: the virtual counter of the generic timer.
//!
//! The processor may read the counter early, out of program order, and ISB alone does not hold the counter back behind a load
//! that is not done yet. The Arm ARM (DDI 0487, chapter D12, Example D12-4) shows what does: load, branch that depends on it,
//! ISB, counter, load at an address that depends on the counter.
//!
//! - A reader of the page has that for nothing: its branch on the control word, and the slot's address
//!   ([`Counter::read_between`]).
//! - Everyone else, as the kernel when it publishes, has no such branch. Here a DSB, which ends when the loads before it have
//!   ended, and behind it an ISB, so that nothing later begins before that (chapter B2, "Data Synchronization Barrier").

mod erratum_858921;

use super::CounterKind;
use crate::counter::{Counter, Reading};
use core::arch::asm;
use erratum_858921::either_side_of_a_wrap;

/// The virtual counter: CNTVCT_EL0, or CNTVCTSS_EL0 where the page names that.
///
/// User mode may read it if CNTKCTL_EL1.EL0VCTEN is 1.
#[derive(Debug, Clone, Copy, Default)]
pub struct GenericTimer;

impl Counter for GenericTimer {
    const HOT: CounterKind = CounterKind::Cntvct;
    const HOT_TOO: Option<CounterKind> = Some(CounterKind::Cntvctss);

    #[inline(always)]
    fn read_hot(&self) -> u64 {
        dsb();
        cntvct().value
    }

    #[inline(always)]
    fn read(&self, kind: CounterKind) -> Option<u64> {
        dsb();
        if kind == CounterKind::Cntvctss {
            isb();
        }
        self.read_between(kind).map(|reading| reading.value)
    }

    #[inline(always)]
    fn read_between(&self, kind: CounterKind) -> Option<Reading> {
        match kind {
            CounterKind::Cntvct => Some(cntvct()),
            CounterKind::Cntvctss => Some(cntvctss()),
            CounterKind::CntvctErratum858921 => Some(cntvct_twice()),
            _ => None,
        }
    }
}

#[inline(always)]
fn dsb() {
    // SAFETY: a barrier. Not `nomem`: the compiler must keep the loads before it there.
    unsafe { asm!("dsb ishld", options(nostack, preserves_flags)) };
}

#[inline(always)]
fn isb() {
    // SAFETY: a barrier. Not `nomem`, as above.
    unsafe { asm!("isb", options(nostack, preserves_flags)) };
}

/// CNTVCT_EL0, once the branches ahead of it are decided.
///
/// The exclusive or of the value with itself is 0, and depends on it all the same: an address dependency (Arm ARM, chapter B2,
/// "Address dependency"). All in one `asm` that is neither `pure` nor `nomem`: so the compiler can neither know the 0, nor
/// part the instructions, nor move loads across them, nor execute them ahead of the branch that decides whether they are.
#[inline(always)]
fn cntvct() -> Reading {
    let (value, zero);
    // SAFETY: reads a register, which the page names only if user mode may read it.
    unsafe {
        asm!(
            "isb",
            "mrs {value}, cntvct_el0",
            "eor {zero}, {value}, {value}",
            value = out(reg) value,
            zero = out(reg) zero,
            options(nostack, preserves_flags),
        );
    }
    Reading { value, zero }
}

/// CNTVCTSS_EL0, by its encoding, as assemblers know the name with FEAT_ECV only. It is "self-synchronized", which stands for the
/// ISB: it is not read speculatively, so not before the branches ahead of it are decided (Arm ARM, CNTVCTSS_EL0). The rest is as
/// for [`cntvct`].
#[inline(always)]
fn cntvctss() -> Reading {
    let (value, zero);
    // SAFETY: reads a register, which the page names only if all CPUs have it and user mode may read it.
    unsafe {
        asm!(
            "mrs {value}, s3_3_c14_c0_6",
            "eor {zero}, {value}, {value}",
            value = out(reg) value,
            zero = out(reg) zero,
            options(nostack, preserves_flags),
        );
    }
    Reading { value, zero }
}

/// CNTVCT_EL0 on a machine with Cortex-A73's erratum 858921. The rest is as for [`cntvct`].
#[inline(always)]
fn cntvct_twice() -> Reading {
    let (first, second): (u64, u64);
    // SAFETY: as for `cntvct`. Reads of the counter are in program order with each other: no second ISB.
    unsafe {
        asm!(
            "isb",
            "mrs {first}, cntvct_el0",
            "mrs {second}, cntvct_el0",
            first = out(reg) first,
            second = out(reg) second,
            options(nostack, preserves_flags),
        );
    }
    let value = either_side_of_a_wrap(first, second);
    let zero;
    // SAFETY: computes a number. Not `pure`: it is not to be known to be 0.
    unsafe {
        asm!(
            "eor {zero}, {value}, {value}",
            value = in(reg) value,
            zero = out(reg) zero,
            options(nomem, nostack, preserves_flags),
        );
    }
    Reading { value, zero }
}
