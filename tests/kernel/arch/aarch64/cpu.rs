//! Single instructions of the processor, and what its identification registers say. Registers are in the Arm
//! Architecture Reference Manual (DDI 0487) under their names.

use crate::lock::Once;
use core::arch::asm;

/// Reads a system register that EL1 may read, and whose reading changes nothing.
macro_rules! read {
    ($register:literal) => {{
        let value: u64;
        // SAFETY: reads a register that every Armv8-A processor has at EL1.
        unsafe {
            core::arch::asm!(concat!("mrs {}, ", $register), out(reg) value, options(nomem, nostack, preserves_flags))
        };
        value
    }};
}
pub(super) use read;

/// Writes a system register, and waits until what follows sees it. Unsafe: what it changes is what the kernel expects.
macro_rules! write {
    ($register:literal, $value:expr) => {
        core::arch::asm!(
            concat!("msr ", $register, ", {}"),
            "isb",
            in(reg) $value,
            options(nostack, preserves_flags)
        )
    };
}
pub(super) use write;

/// Forgets every translation that this CPU remembers.
pub fn invalidate_all() {
    // SAFETY: the translations are read anew from the tables. The barriers: Arm ARM, "TLB maintenance instructions", a
    // change to a table is first seen by the walks (DSB), and the forgetting is done before the next access (DSB, ISB).
    unsafe { asm!("dsb nshst", "tlbi vmalle1", "dsb nsh", "isb", options(nostack, preserves_flags)) };
}

/// Forgets the translation of one page.
pub fn invalidate_page(address: u64) {
    // SAFETY: as above.
    unsafe {
        asm!(
            "dsb nshst",
            "tlbi vaae1, {}",
            "dsb nsh",
            "isb",
            in(reg) address >> 12 & ((1 << 44) - 1),
            options(nostack, preserves_flags)
        );
    };
}

/// A change to tables is seen by the walks of this CPU from now on (Arm ARM, "TLB maintenance": an entry that was not
/// valid is not remembered, so there is nothing to forget).
pub fn publish_tables() {
    // SAFETY: barriers.
    unsafe { asm!("dsb ishst", "isb", options(nostack, preserves_flags)) };
}

/// What was written to `memory` can be executed on every CPU (Arm ARM, "Concurrent modification and execution of
/// instructions": data cache to the point of unification, then the instruction caches).
pub fn synchronise_code(memory: *const u8, size: usize) {
    // DminLine: words of 4 bytes in a line, as a power of 2.
    let line = 4_usize << (read!("ctr_el0") >> 16 & 0xf);
    let start = memory as usize & !(line - 1);
    for address in (start..memory as usize + size).step_by(line) {
        // SAFETY: cleans a line of mapped memory, which changes nothing in it.
        unsafe { asm!("dc cvau, {}", in(reg) address, options(nostack, preserves_flags)) };
    }
    // SAFETY: instructions are fetched anew from memory.
    unsafe { asm!("dsb ish", "ic ialluis", "dsb ish", "isb", options(nostack, preserves_flags)) };
}

/// Sleeps until an interrupt is pending, and lets it be served. WFI ends for an interrupt that is masked, too, so that
/// none comes between a look for work and the sleep.
pub fn wait_for_interrupt() {
    // SAFETY: the handlers leave the kernel as it is.
    unsafe { asm!("dsb sy", "wfi", "msr daifclr, #2", "isb", "msr daifset, #2", options(nostack)) };
}

/// Stops this CPU for good.
pub fn halt() -> ! {
    loop {
        // SAFETY: interrupts are masked; what ends the waiting goes on into the loop.
        unsafe { asm!("wfi", options(nomem, nostack)) };
    }
}

/// What the identification registers say. They are read once: under a hypervisor each read can be a trap.
#[derive(Debug, Clone, Copy)]
pub struct Features {
    /// FEAT_PAN: the kernel can be kept from programs' memory at their addresses.
    pub privileged_access_never: bool,
    /// FEAT_BTI: indirect jumps to guarded pages must meet a landing pad.
    pub landing_pads: bool,
    /// FEAT_RNG: RNDR.
    pub random_numbers: bool,
    /// FEAT_LSE: atomic instructions beyond pairs of a load and a store.
    pub atomics: bool,
}

static FEATURES: Once<Features> = Once::new();

/// A field of four bits.
fn field(register: u64, shift: u32) -> u64 {
    register >> shift & 0xf
}

/// Reads them. Called by the first CPU; the others are like it.
pub fn init() {
    FEATURES.set(Features {
        privileged_access_never: field(read!("id_aa64mmfr1_el1"), 20) != 0,
        landing_pads: field(read!("id_aa64pfr1_el1"), 0) != 0,
        random_numbers: field(read!("id_aa64isar0_el1"), 60) != 0,
        atomics: field(read!("id_aa64isar0_el1"), 20) >= 2,
    });
}

/// What the processor has.
#[must_use]
pub fn features() -> &'static Features {
    FEATURES.get()
}

/// FEAT_ECV on the CPU that executes: the counter that orders itself, CNTVCTSS_EL0.
#[must_use]
pub fn has_self_synchronised_counter() -> bool {
    field(read!("id_aa64mmfr0_el1"), 60) != 0
}

/// Whether the CPU that executes is a Cortex-A73, by MIDR_EL1: implementer 0x41, part 0xd09.
#[must_use]
pub fn is_cortex_a73() -> bool {
    let id = read!("midr_el1");
    id >> 24 & 0xff == 0x41 && id >> 4 & 0xfff == 0xd09
}

/// AT_HWCAP and AT_HWCAP2, for what this kernel can keep for a program (Linux's `arch/arm64/include/uapi/asm/hwcap.h`):
/// no SVE, no SME.
#[must_use]
pub fn hwcap() -> (u64, u64) {
    const FP: u64 = 1 << 0;
    const ASIMD: u64 = 1 << 1;
    const ATOMICS: u64 = 1 << 8;
    const BTI: u64 = 1 << 17;
    let atomics = if features().atomics { ATOMICS } else { 0 };
    (FP | ASIMD | atomics, if features().landing_pads { BTI } else { 0 })
}
