//! `getcpu(2)`, by a register that holds the CPU's number.

use super::system_call::GETCPU;
use crate::functions::page;
use crate::functions::system_call::system_call3;
use core::arch::asm;
use vvar::page::{offset, CpuNumber as By};
use vvar::PageRead;

/// Writes the number of the CPU that executes to `cpu` and of its NUMA node to `node`, each unless it is null; 0, or a
/// negated error number. The third parameter is not used, as in Linux since 2.6.24.
///
/// # Safety
///
/// `cpu` and `node` are null or valid for a `u32`, or the caller accepts the fault.
#[no_mangle]
unsafe extern "C" fn __vdso_getcpu(cpu: *mut u32, node: *mut u32, unused: *mut u8) -> i32 {
    match cpu_number(page().load_u32(offset::CPU_NUMBER)) {
        Some(number) => {
            if !cpu.is_null() {
                // SAFETY: not null, and the caller's promise.
                unsafe { cpu.write(number.cpu) };
            }
            if !node.is_null() {
                // SAFETY: not null, and the caller's promise.
                unsafe { node.write(number.node) };
            }
            0
        }
        None => system_call3(GETCPU, cpu as isize, node as isize, unused as isize) as i32,
    }
}

/// A CPU and its NUMA node.
struct CpuNumber {
    /// The CPU's number.
    cpu: u32,
    /// Its node's.
    node: u32,
}

/// From TSC_AUX, if the page's `cpu_number` says that the kernel has set it: node << 12 | cpu, as Linux has it.
#[inline(always)]
fn cpu_number(by: u32) -> Option<CpuNumber> {
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
