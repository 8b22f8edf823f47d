//! The second CPU.

use super::apic;
use super::mmu::direct;
use crate::cpus;

extern "C" {
    static trampoline_start: u8;
    static trampoline_end: u8;
}

/// Where the other CPU begins, in real mode: `TRAMPOLINE` of boot.s. The loader has left its own data near it by then, which
/// nobody needs any more.
const TRAMPOLINE: u64 = 0x8000;

/// Starts it and waits until it has arrived (Intel SDM volume 3, 9.4.4.1).
pub fn start() -> Result<(), &'static str> {
    // SAFETY: the code is part of the kernel; nothing else uses the page at TRAMPOLINE, which lies below what is allocated.
    unsafe {
        let (start, end) = (&raw const trampoline_start, &raw const trampoline_end);
        core::ptr::copy_nonoverlapping(start, direct(TRAMPOLINE), end as usize - start as usize);
    }
    apic::broadcast_init();
    cpus::wait(10_000_000, || false);
    apic::broadcast_startup((TRAMPOLINE >> 12) as u8);
    cpus::wait_for_all()
}
