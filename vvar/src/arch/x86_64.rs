//! x86-64: the time-stamp counter.

use super::CounterKind;
use crate::counter::Counter;
use core::arch::asm;

/// The time-stamp counter of the CPU that executes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Tsc;

impl Counter for Tsc {
    const HOT: CounterKind = CounterKind::Rdtscp;

    #[inline(always)]
    fn read_hot(&self) -> u64 {
        rdtscp()
    }

    #[inline(always)]
    fn read(&self, kind: CounterKind) -> Option<u64> {
        match kind {
            CounterKind::Rdtscp => Some(rdtscp()),
            CounterKind::LfenceRdtsc => Some(lfence_rdtsc()),
            _ => None,
        }
    }
}

/// RDTSCP "waits until all previous instructions have executed and all previous loads are globally visible" (Intel SDM
/// volume 2B; AMD APM volume 3 likewise). Not `nomem`: the compiler must keep loads on their side too.
#[inline(always)]
fn rdtscp() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads a register. The page names this counter only if the CPU has the instruction and CR4.TSD is clear.
    unsafe { asm!("rdtscp", out("eax") low, out("edx") high, out("ecx") _, options(nostack, preserves_flags)) };
    u64::from(high) << 32 | u64::from(low)
}

/// LFENCE lets no later instruction begin before every earlier one has completed locally (Intel SDM volume 2A; AMD APM
/// volume 3, where LFENCE is dispatch-serialising), so the RDTSC directly behind it cannot be early.
#[inline(always)]
fn lfence_rdtsc() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: as above.
    unsafe { asm!("lfence", "rdtsc", out("eax") low, out("edx") high, options(nostack, preserves_flags)) };
    u64::from(high) << 32 | u64::from(low)
}
