//! Single instructions of the processor.

use core::arch::asm;
use core::arch::x86_64::__cpuid_count;

/// Model-specific registers (Intel SDM volume 4).
pub mod msr {
    /// System calls, long mode, no-execute.
    pub const EFER: u32 = 0xc000_0080;
    /// Segments of SYSCALL and SYSRET.
    pub const STAR: u32 = 0xc000_0081;
    /// Where SYSCALL goes.
    pub const LSTAR: u32 = 0xc000_0082;
    /// Flags that SYSCALL clears.
    pub const SFMASK: u32 = 0xc000_0084;
    /// Base of FS: the program's thread pointer.
    pub const FS_BASE: u32 = 0xc000_0100;
    /// Base of GS.
    pub const GS_BASE: u32 = 0xc000_0101;
    /// What SWAPGS exchanges GS_BASE with.
    pub const KERNEL_GS_BASE: u32 = 0xc000_0102;
    /// What RDTSCP and RDPID bring in ECX.
    pub const TSC_AUX: u32 = 0xc000_0103;
}

/// Reads a model-specific register.
///
/// # Safety
///
/// The processor has the register.
#[must_use]
pub unsafe fn read_msr(register: u32) -> u64 {
    let (low, high): (u32, u32);
    // SAFETY: the caller's promise; ring 0.
    unsafe { asm!("rdmsr", in("ecx") register, out("eax") low, out("edx") high, options(nomem, nostack)) };
    u64::from(high) << 32 | u64::from(low)
}

/// Writes a model-specific register.
///
/// # Safety
///
/// The processor has the register, and what the value changes is what the kernel expects afterwards.
pub unsafe fn write_msr(register: u32, value: u64) {
    // SAFETY: the caller's promise; ring 0.
    unsafe {
        asm!("wrmsr", in("ecx") register, in("eax") value as u32, in("edx") (value >> 32) as u32, options(nostack))
    };
}

/// Reads a byte from an I/O port.
///
/// # Safety
///
/// The port is of a device that this kernel drives.
#[must_use]
pub unsafe fn inb(port: u16) -> u8 {
    let value;
    // SAFETY: the caller's promise; ring 0.
    unsafe { asm!("in al, dx", in("dx") port, out("al") value, options(nostack, preserves_flags)) };
    value
}

/// Writes a byte to an I/O port.
///
/// # Safety
///
/// As [`inb`].
pub unsafe fn outb(port: u16, value: u8) {
    // SAFETY: the caller's promise; ring 0.
    unsafe { asm!("out dx, al", in("dx") port, in("al") value, options(nostack, preserves_flags)) };
}

/// The address of the page-table root in use.
#[must_use]
pub fn read_cr3() -> u64 {
    let value;
    // SAFETY: reads a register; ring 0.
    unsafe { asm!("mov {}, cr3", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// Goes on by another page-table root.
///
/// # Safety
///
/// `root` is the physical address of a root that maps the kernel.
pub unsafe fn write_cr3(root: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("mov cr3, {}", in(reg) root, options(nostack, preserves_flags)) };
}

/// Reads CR4.
#[must_use]
pub fn read_cr4() -> u64 {
    let value;
    // SAFETY: reads a register; ring 0.
    unsafe { asm!("mov {}, cr4", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// Writes CR4.
///
/// # Safety
///
/// The processor has what is switched on, and the kernel keeps its rules.
pub unsafe fn write_cr4(value: u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("mov cr4, {}", in(reg) value, options(nostack, preserves_flags)) };
}

/// The address at which the last page fault happened.
#[must_use]
pub fn read_cr2() -> u64 {
    let value;
    // SAFETY: reads a register; ring 0.
    unsafe { asm!("mov {}, cr2", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

/// Forgets the translation of one page.
pub fn invalidate_page(address: u64) {
    // SAFETY: the translation is read anew from the tables.
    unsafe { asm!("invlpg [{}]", in(reg) address, options(nostack, preserves_flags)) };
}

/// Sleeps until an interrupt has been served. Interrupts are on in between only: STI takes effect after the next
/// instruction, so that none is served between the two.
pub fn wait_for_interrupt() {
    // SAFETY: the handlers leave the kernel as it is.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
}

/// Stops this CPU for good.
pub fn halt() -> ! {
    loop {
        // SAFETY: interrupts are off; only an NMI goes on from here, into the loop.
        unsafe { asm!("cli", "hlt", options(nomem, nostack)) };
    }
}

/// AT_HWCAP: EDX of CPUID's leaf 1. AT_HWCAP2: nothing.
#[must_use]
pub fn hwcap() -> (u64, u64) {
    (u64::from(__cpuid_count(1, 0).edx), 0)
}

/// What the kernel asks CPUID about.
pub mod feature {
    use super::__cpuid_count;

    fn leaf(leaf: u32) -> core::arch::x86_64::CpuidResult {
        __cpuid_count(leaf, 0)
    }

    /// Supervisor-mode execution and access prevention, as bits of CR4.
    #[must_use]
    pub fn supervisor_protection() -> u64 {
        let ebx = leaf(7).ebx;
        u64::from(ebx >> 7 & 1) << 20 | u64::from(ebx >> 20 & 1) << 21
    }

    /// RDPID.
    #[must_use]
    pub fn rdpid() -> bool {
        leaf(7).ecx >> 22 & 1 != 0
    }

    /// RDRAND.
    #[must_use]
    pub fn rdrand() -> bool {
        leaf(1).ecx >> 30 & 1 != 0
    }

    /// RDTSCP, and with it TSC_AUX.
    #[must_use]
    pub fn rdtscp() -> bool {
        leaf(0x8000_0001).edx >> 27 & 1 != 0
    }

    /// The TSC counts at one rate in every power state and stops in none (Intel SDM volume 3, 18.17.1).
    #[must_use]
    pub fn invariant_tsc() -> bool {
        leaf(0x8000_0000).eax >= 0x8000_0007 && leaf(0x8000_0007).edx >> 8 & 1 != 0
    }
}
