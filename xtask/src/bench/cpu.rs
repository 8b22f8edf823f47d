//! Which CPUs the benchmark may use, and what it asks of one.

use anyhow::{ensure, Context, Result};
use nix::sched::{sched_getaffinity, sched_setaffinity, CpuSet};
use nix::unistd::Pid;
use std::arch::asm;
use std::arch::x86_64::{__cpuid, _mm_clflush, _mm_lfence, _mm_mfence};
use std::ptr::NonNull;

/// Bytes of a cache line.
const LINE: usize = 64;

/// The CPUs that this process may run on.
pub(crate) fn allowed() -> Result<Vec<usize>> {
    let set = sched_getaffinity(Pid::from_raw(0)).context("sched_getaffinity")?;
    Ok((0..CpuSet::count()).filter(|&cpu| set.is_set(cpu).unwrap_or(false)).collect())
}

/// Keeps the calling thread on one CPU.
pub(crate) fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu).with_context(|| format!("CPU {cpu}"))?;
    sched_setaffinity(Pid::from_raw(0), &set).with_context(|| format!("cannot run on CPU {cpu}"))
}

/// Refuses a machine whose time-stamp counter cannot serve.
pub(crate) fn check() -> Result<()> {
    let (extended, power) = (__cpuid(0x8000_0000).eax, 0x8000_0007);
    ensure!(extended >= 0x8000_0001 && __cpuid(0x8000_0001).edx >> 27 & 1 == 1, "this CPU has no RDTSCP");
    if extended < power || __cpuid(power).edx >> 8 & 1 == 0 {
        eprintln!("bench: the CPU does not say that its TSC is invariant; figures may be off");
    }
    Ok(())
}

/// RDTSCP: the counter, read after all that comes before.
#[inline(always)]
pub(crate) fn rdtscp() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads a register; `check` has seen that the CPU has the instruction.
    unsafe { asm!("rdtscp", out("eax") low, out("edx") high, out("ecx") _, options(nostack, preserves_flags)) };
    u64::from(high) << 32 | u64::from(low)
}

/// LFENCE; RDTSC.
#[inline(always)]
pub(crate) fn lfence_rdtsc() -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: reads a register.
    unsafe { asm!("lfence", "rdtsc", out("eax") low, out("edx") high, options(nostack, preserves_flags)) };
    u64::from(high) << 32 | u64::from(low)
}

/// TSC_AUX, where Linux keeps node << 12 | cpu.
pub(crate) fn tsc_aux() -> u32 {
    let aux: u32;
    // SAFETY: as `rdtscp`.
    unsafe { asm!("rdtscp", out("eax") _, out("edx") _, out("ecx") aux, options(nostack, preserves_flags)) };
    aux
}

/// Whether RDPID may be used.
pub(crate) fn has_rdpid() -> bool {
    __cpuid(0).eax >= 7 && __cpuid(7).ecx >> 22 & 1 == 1
}

/// Memory that was mapped for good: a page, to be thrown out of the caches or read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resident(NonNull<u8>);

// SAFETY: flushes and loads may be made from any thread.
unsafe impl Send for Resident {}
// SAFETY: as above.
unsafe impl Sync for Resident {}

impl Resident {
    /// # Safety
    ///
    /// The 4096 bytes at `page` stay mapped and readable for the life of the process.
    pub(crate) unsafe fn new(page: NonNull<u8>) -> Resident {
        Resident(page)
    }

    /// Takes every line of the page out of all caches.
    pub(crate) fn flush(self) {
        for at in (0..vvar::page::SIZE).step_by(LINE) {
            // SAFETY: mapped and readable, as promised to `new`; a flush changes no contents.
            unsafe { _mm_clflush(self.0.as_ptr().add(at)) };
        }
    }

    /// Loads a word from the line at `offset`.
    #[inline(always)]
    pub(crate) fn touch(self, offset: usize) -> u32 {
        // SAFETY: mapped and readable, as promised to `new`; others write it, and nothing is made of the value.
        unsafe { self.0.as_ptr().add(offset & (vvar::page::SIZE - LINE)).cast::<u32>().read_volatile() }
    }
}

/// Waits until all flushes and stores are done, and lets nothing begin before.
#[inline(always)]
pub(crate) fn settle() {
    // SAFETY: SSE2, which every x86-64 CPU has.
    unsafe {
        _mm_mfence();
        _mm_lfence();
    }
}
