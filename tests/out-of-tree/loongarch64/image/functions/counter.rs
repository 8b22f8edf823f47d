//! LoongArch: the stable counter.
//!
//! The manual orders RDTIME by nothing (2.2.10.4): it is no access to memory, for which DBAR would be (2.2.8.1). How it is held in
//! its place by the instructions around it, and what that assumes of IBAR beyond the manual's words, is derived in `src/order.rs`
//! of this crate, by whose rule the gate judges this code: load, branch that depends on it, IBAR, counter, load at an address that
//! depends on the counter.
//!
//! - A reader of the page has the branch for nothing, on the control word, and gives the slot that address
//!   ([`Counter::read_between`]).
//! - Everyone else has no such branch. Here a DBAR, which ends when the loads before it have ended, stands for it.

use core::arch::asm;
use vvar::counter::Reading;
use vvar::{Counter, CounterKind};

/// The stable counter: 64 bits, of a frequency that does not change with the processor's (manual, 2.2.10.4).
///
/// User mode may read it if CSR.MISC.DRDTL3 is 0. Its frequency is CPUCFG.4.CC_FREQ * CPUCFG.5.CC_MUL / CPUCFG.5.CC_DIV. The manual
/// does not say that the processors' counters agree: whoever has published a page for them has compared them
/// (`Synchronisation::Checked`).
#[derive(Debug, Clone, Copy, Default)]
pub struct StableCounter;

impl Counter for StableCounter {
    const HOT: CounterKind = CounterKind::Private1;

    #[inline(always)]
    fn read_hot(&self) -> u64 {
        dbar();
        rdtime().value
    }

    #[inline(always)]
    fn read(&self, kind: CounterKind) -> Option<u64> {
        match kind {
            CounterKind::Private1 => Some(self.read_hot()),
            _ => None,
        }
    }

    #[inline(always)]
    fn read_between(&self, kind: CounterKind) -> Option<Reading> {
        match kind {
            CounterKind::Private1 => Some(rdtime()),
            _ => None,
        }
    }
}

/// Waits until all accesses to memory before it are done. Of hint 0: the one that every processor has (2.2.8.1).
#[inline(always)]
fn dbar() {
    // SAFETY: a barrier. Not `nomem`: the compiler must keep the loads before it there.
    unsafe { asm!("dbar 0", options(nostack, preserves_flags)) };
}

/// The counter, once the branches ahead of it are decided.
///
/// IBAR 0 is done when the accesses to memory before it are (2.1.9). That what is behind it is fetched only then, and that it is
/// not done before control is known to get there, are the assumptions of `src/order.rs`.
///
/// No bit of the value is left after two shifts, but what is left depends on the value all the same, as neither shift has one
/// outcome alone; of an exclusive or with itself no manual says that the processor waits for the value. All in one `asm` that is
/// neither `pure` nor `nomem`: so the compiler can neither know the 0, nor part the instructions, nor move loads across them, nor
/// execute them ahead of the branch that decides whether they are.
#[inline(always)]
fn rdtime() -> Reading {
    let (value, zero);
    // SAFETY: reads a register, which the page names only if user mode may read it. The counter's number is not asked for.
    unsafe {
        asm!(
            "ibar 0",
            "rdtime.d {value}, $zero",
            "srli.d {zero}, {value}, 63",
            "srli.d {zero}, {zero}, 1",
            value = out(reg) value,
            zero = out(reg) zero,
            options(nostack, preserves_flags),
        );
    }
    Reading { value, zero }
}
