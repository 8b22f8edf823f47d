//! x86-64: the page's address, the CPU's number, the system call.

use core::arch::asm;
use vvar::page::CpuNumber as By;

/// The ordered counter read.
pub use vvar::arch::Tsc as MachineCounter;

/// System call numbers: Linux `arch/x86/entry/syscalls/syscall_64.tbl`.
pub const GETTIMEOFDAY: isize = 96;
/// See [`GETTIMEOFDAY`].
pub const TIME: isize = 201;
/// See [`GETTIMEOFDAY`].
pub const CLOCK_GETTIME: isize = 228;
/// See [`GETTIMEOFDAY`].
pub const CLOCK_GETRES: isize = 229;
/// See [`GETTIMEOFDAY`].
pub const GETCPU: isize = 309;

/// Where the page is mapped: the linker script's `vvar_page`, relative to this instruction, so without a relocation.
#[inline(always)]
pub fn page_address() -> *const u8 {
    let address: *const u8;
    // SAFETY: computes an address.
    unsafe {
        asm!("lea {}, [rip + vvar_page]", out(reg) address, options(pure, nomem, nostack, preserves_flags));
    }
    address
}

/// A CPU and its NUMA node.
pub struct CpuNumber {
    /// The CPU's number.
    pub cpu: u32,
    /// Its node's.
    pub node: u32,
}

/// From TSC_AUX, if the page's `cpu_number` says that the kernel has set it: node << 12 | cpu, as Linux has it.
#[inline(always)]
pub fn cpu_number(by: u32) -> Option<CpuNumber> {
    let aux = if by == By::Rdpid as u32 {
        let aux: u64;
        // SAFETY: reads a register; the page says that the CPU has the instruction.
        unsafe { asm!("rdpid {}", out(reg) aux, options(nomem, nostack, preserves_flags)) };
        aux as u32
    } else if by == By::Rdtscp as u32 {
        older_cpu();
        let aux: u32;
        // SAFETY: as above.
        unsafe {
            asm!("rdtscp", out("ecx") aux, out("eax") _, out("edx") _, options(nomem, nostack, preserves_flags));
        }
        aux
    } else {
        return None;
    };
    Some(CpuNumber { cpu: aux & 0xfff, node: aux >> 12 })
}

/// Where RDTSCP alone is there, a branch more makes no difference: RDPID's comparison goes first.
#[cold]
#[inline(always)]
fn older_cpu() {}

/// Makes a system call; the result, or a negated error number.
#[inline(always)]
pub fn syscall1(number: isize, a: isize) -> isize {
    syscall3(number, a, 0, 0)
}

/// See [`syscall1`].
#[inline(always)]
pub fn syscall2(number: isize, a: isize, b: isize) -> isize {
    syscall3(number, a, b, 0)
}

/// See [`syscall1`].
#[inline(always)]
pub fn syscall3(number: isize, a: isize, b: isize, c: isize) -> isize {
    if cfg!(vdso_fallback = "enosys") {
        return -38;
    }
    let result;
    // SAFETY: the clock calls write at most to where their arguments point, which the kernel checks. The kernel changes
    // rax, rcx and r11 only (System V ABI, x86-64 supplement, A.2.1).
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") number => result,
            in("rdi") a,
            in("rsi") b,
            in("rdx") c,
            out("rcx") _,
            out("r11") _,
            options(nostack),
        );
    }
    result
}
