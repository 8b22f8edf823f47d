//! `rt_sigreturn(2)`: where a signal handler returns to.
//!
//! On entry the stack pointer points to what the kernel pushed for the signal, as Linux has it (`struct rt_sigframe`): a
//! `siginfo` of 128 bytes, then a `ucontext`, in it at 176 the `sigcontext`, which begins with the program counter and r0
//! to r31 (`arch/loongarch/include/uapi/asm/sigcontext.h`, `ucontext.h`).
//!
//! gdb and libgcc know the two instructions by their bytes, and then the frame. Neither more nor less may stand here.
//!
//! Unwinders that look for frame descriptions first take the address before the one that a function returns to, so there
//! is one instruction before the trampoline, in the same description. The description is complete, as an unwinder that
//! finds one does not look at the bytes, and takes what it lacks for unchanged. The return address has a column apart from
//! r1, which is the interrupted function's own: 72, libgcc's for signal frames (GCC `config/loongarch/loongarch.h`,
//! DWARF_ALT_FRAME_RETURN_COLUMN). LLVM's libunwind has none of that number (`__libunwind_config.h`: up to 64), and takes no
//! description that names it. The floating-point registers are as they were, since the handler has returned.

/// From the stack pointer to the saved program counter; the saved register r`n` is 8 * (`n` + 1) behind it.
const PC: usize = 128 + 176;

core::arch::global_asm!(
    ".pushsection .text.__vdso_rt_sigreturn, \"ax\", @progbits",
    ".balign 16",
    ".cfi_startproc",
    ".cfi_signal_frame",
    ".cfi_return_column 72",
    // DW_CFA_def_cfa_expression: DW_OP_breg3, the place of r3, DW_OP_deref. An offset is a SLEB128 of two bytes.
    ".cfi_escape 0x0f, 4, 0x73, ({pc} + 8 * 4) & 0x7f | 0x80, ({pc} + 8 * 4) >> 7, 0x06",
    // DW_CFA_expression for r1, r2 and r4 to r31: DW_OP_breg3, the register's place.
    ".irp n, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
    ".cfi_escape 0x10, \\n, 3, 0x73, ({pc} + 8 * (\\n + 1)) & 0x7f | 0x80, ({pc} + 8 * (\\n + 1)) >> 7",
    ".endr",
    // And for the program counter.
    ".cfi_escape 0x10, 72, 3, 0x73, {pc} & 0x7f | 0x80, {pc} >> 7",
    "nop",
    ".globl __vdso_rt_sigreturn",
    ".type __vdso_rt_sigreturn, @function",
    "__vdso_rt_sigreturn:",
    "ori $a7, $zero, 139",
    "syscall 0",
    ".size __vdso_rt_sigreturn, . - __vdso_rt_sigreturn",
    ".cfi_endproc",
    ".popsection",
    pc = const PC,
);
