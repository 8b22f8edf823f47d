//! `getcpu(2)`.

use super::{arch, page};
use vvar::page::offset;
use vvar::PageRead;

/// Writes the number of the CPU that executes to `cpu` and of its NUMA node to `node`, each unless it is null; 0, or a
/// negated error number. The third parameter is not used, as in Linux since 2.6.24.
///
/// # Safety
///
/// `cpu` and `node` are null or valid for a `u32`, or the caller accepts the fault.
#[no_mangle]
pub unsafe extern "C" fn __vdso_getcpu(cpu: *mut u32, node: *mut u32, unused: *mut u8) -> i32 {
    match arch::cpu_number(page().load_u32(offset::CPU_NUMBER)) {
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
        None => arch::syscall3(arch::GETCPU, cpu as isize, node as isize, unused as isize) as i32,
    }
}
