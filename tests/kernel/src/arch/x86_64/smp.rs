//! The second CPU.

use super::paging::direct;
use super::per_cpu::MAX_CPUS;
use super::{apic, timer};
use core::sync::atomic::{AtomicUsize, Ordering};

extern "C" {
    static trampoline_start: u8;
    static trampoline_end: u8;
}

/// Where the other CPU begins, in real mode: `TRAMPOLINE` of boot.s. The loader has left its own data near it by then, which
/// nobody needs any more.
const TRAMPOLINE: u64 = 0x8000;

/// CPUs that have arrived in the kernel.
static ARRIVED: AtomicUsize = AtomicUsize::new(1);

/// How long it may take, in ns.
const PATIENCE: u64 = 1_000_000_000;

/// Starts it and waits until it has arrived (Intel SDM volume 3, 9.4.4.1).
pub fn start() -> Result<(), &'static str> {
    // SAFETY: the code is part of the kernel; nothing else uses the page at TRAMPOLINE, which lies below what is allocated.
    unsafe {
        let (start, end) = (&raw const trampoline_start, &raw const trampoline_end);
        core::ptr::copy_nonoverlapping(start, direct(TRAMPOLINE), end as usize - start as usize);
    }
    apic::broadcast_init();
    wait(10_000_000, || false);
    apic::broadcast_startup((TRAMPOLINE >> 12) as u8);
    if !wait(PATIENCE, || ARRIVED.load(Ordering::Acquire) == MAX_CPUS) {
        return Err("the second CPU did not start: give the machine two with QEMU's -smp 2");
    }
    Ok(())
}

/// Called by the other CPU.
pub fn arrive() -> usize {
    ARRIVED.fetch_add(1, Ordering::AcqRel)
}

/// Waits for `done`, at most `nanoseconds`; whether it came.
fn wait(nanoseconds: u64, done: impl Fn() -> bool) -> bool {
    let start = super::tsc::cycles();
    while !done() {
        if super::tsc::cycles().wrapping_sub(start) > timer::cycles(nanoseconds) {
            return false;
        }
        core::hint::spin_loop();
    }
    true
}
