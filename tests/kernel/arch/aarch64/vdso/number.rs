//! The kernel's own virtual system call, as `tests/kernel/vdso/number.rs`, behind a landing pad: the image's pages are mapped guarded.

use core::arch::global_asm;
use vvar::page::offset;
use vvar::PageRead;

global_asm!(
    ".pushsection .text.__vdso_number, \"ax\", %progbits",
    ".balign 4",
    ".globl __vdso_number",
    ".type __vdso_number, %function",
    "__vdso_number:",
    ".cfi_startproc",
    "bti c",
    "b {number}",
    ".cfi_endproc",
    ".size __vdso_number, . - __vdso_number",
    ".popsection",
    number = sym number,
);

/// The number that the kernel keeps at the beginning of its data block in the page.
extern "C" fn number() -> u64 {
    crate::functions::page().load_u64(offset::KERNEL_DATA)
}
