//! Single instructions and registers of the processor (RISC-V privileged architecture, "Supervisor-Level ISA").

use core::arch::asm;

/// Bits of `sie` and `sip`: software interrupts, which come from other CPUs, and the timer's.
const SOFTWARE: u64 = 1 << 1;
const TIMER: u64 = 1 << 5;

/// The root of the page tables in use, as `satp` has it.
#[must_use]
pub fn read_satp() -> u64 {
    let value;
    // SAFETY: reads a register.
    unsafe { asm!("csrr {}, satp", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// Goes on by another root. What was translated by the old one is forgotten, and instructions are fetched anew: they may have
/// been written by any CPU before (FENCE.I orders the stores that this hart sees, and no other's fetches).
///
/// # Safety
///
/// The tables map the kernel.
pub unsafe fn write_satp(value: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("csrw satp, {}", "sfence.vma", "fence.i", in(reg) value, options(nostack, preserves_flags)) };
}

/// Forgets the translation of one page.
pub fn invalidate_page(address: u64) {
    // SAFETY: the translation is read anew from the tables.
    unsafe { asm!("sfence.vma {}, zero", in(reg) address, options(nostack, preserves_flags)) };
}

/// All stores so far are seen before anything that follows: also before the firmware's store to a device that interrupts
/// another hart, which FENCE orders as an output ("FENCE instruction").
pub fn stores_are_seen() {
    // SAFETY: no register changes.
    unsafe { asm!("fence w, ow", options(nostack, preserves_flags)) };
}

/// Fetches instructions anew on this CPU.
pub fn synchronise_instructions() {
    // SAFETY: no register changes.
    unsafe { asm!("fence.i", options(nostack, preserves_flags)) };
}

/// Where traps go.
///
/// # Safety
///
/// The address is that of code that can take them, and a multiple of 4.
pub unsafe fn set_trap_vector(address: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("csrw stvec, {}", "csrw sscratch, zero", in(reg) address, options(nostack, preserves_flags)) };
}

/// Which counters user mode may read.
pub fn write_scounteren(value: u64) {
    // SAFETY: changes what programs may do, and nothing for the kernel.
    unsafe { asm!("csrw scounteren, {}", in(reg) value, options(nomem, nostack, preserves_flags)) };
}

/// Chooses the interrupts that this CPU takes: those of other CPUs and of the timer, in user mode. The kernel takes none: SIE in
/// `sstatus` is never set.
pub fn enable_interrupts() {
    // SAFETY: the trap vector is set.
    unsafe { asm!("csrw sie, {}", in(reg) SOFTWARE | TIMER, options(nostack, preserves_flags)) };
}

/// Serves the interrupts that are pending. The timer's is until the timer is armed again, which whoever calls this does next.
pub fn serve_interrupts() {
    let pending: u64;
    // SAFETY: reads the pending interrupts, and clears the one of another CPU: what it asks for is looked at after this.
    unsafe { asm!("csrrc {}, sip, {}", out(reg) pending, in(reg) SOFTWARE, options(nostack, preserves_flags)) };
    if pending & TIMER != 0 {
        crate::timer::interrupt();
    }
}

/// Sleeps until an interrupt has been served. It is not taken as a trap: WFI goes on when one that is enabled in `sie` is
/// pending, also where SIE in `sstatus` is clear.
pub fn wait_for_interrupt() {
    // SAFETY: waits.
    unsafe { asm!("wfi", options(nostack, preserves_flags)) };
    serve_interrupts();
}

/// Stops this CPU for good.
pub fn halt() -> ! {
    loop {
        // SAFETY: waits, and goes on waiting.
        unsafe { asm!("wfi", options(nomem, nostack, preserves_flags)) };
    }
}

/// AT_HWCAP: a bit for each letter of the extensions that the kernel itself is compiled for. AT_HWCAP2: nothing.
#[must_use]
pub fn hwcap() -> (u64, u64) {
    (b"imafdc".iter().fold(0, |bits, letter| bits | 1 << (letter - b'a')), 0)
}
