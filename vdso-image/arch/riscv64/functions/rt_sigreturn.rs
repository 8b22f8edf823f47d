//! `rt_sigreturn(2)`: where a signal handler returns to.
//!
//! On entry the stack pointer points to what the kernel pushed for the signal, as Linux has it (`struct rt_sigframe`): a
//! `siginfo` of 128 bytes, then a `ucontext`, in it at 176 the `sigcontext`, which begins with the program counter and x1
//! to x31 (`arch/riscv/include/uapi/asm/sigcontext.h`, `ucontext.h`, `ptrace.h`).
//!
//! gdb, libgcc, LLVM's libunwind and others know the two instructions by their bytes, and then the frame. Neither more nor
//! less may stand here.
//!
//! Unwinders that look for frame descriptions first take the address before the one that a function returns to, so there
//! is one instruction before the trampoline, in the same description. The description is complete, as an unwinder that
//! finds one does not look at the bytes, and takes what it lacks for unchanged. The return address has a column apart from
//! x1, which is the interrupted function's own: 64, "alternate frame return column" (RISC-V ELF psABI, "DWARF register
//! numbers"). The floating-point registers are as they were, since the handler has returned.

/// From the stack pointer to the saved program counter; the saved register x`n` is 8 * `n` behind it.
const PC: usize = 128 + 176;

core::arch::global_asm!(
    ".pushsection .text.__vdso_rt_sigreturn, \"ax\", @progbits",
    ".balign 16",
    ".cfi_startproc",
    ".cfi_signal_frame",
    ".cfi_return_column 64",
    // DW_CFA_def_cfa_expression: DW_OP_breg2, the place of x2, DW_OP_deref. An offset is a SLEB128 of two bytes.
    ".cfi_escape 0x0f, 4, 0x72, ({pc} + 8 * 2) & 0x7f | 0x80, ({pc} + 8 * 2) >> 7, 0x06",
    // DW_CFA_expression for x1 and x3 to x31: DW_OP_breg2, the register's place.
    ".irp n, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31",
    ".cfi_escape 0x10, \\n, 3, 0x72, ({pc} + 8 * \\n) & 0x7f | 0x80, ({pc} + 8 * \\n) >> 7",
    ".endr",
    // And for the program counter.
    ".cfi_escape 0x10, 64, 3, 0x72, {pc} & 0x7f | 0x80, {pc} >> 7",
    ".option push",
    ".option norvc",
    "nop",
    ".globl __vdso_rt_sigreturn",
    ".type __vdso_rt_sigreturn, @function",
    "__vdso_rt_sigreturn:",
    "li a7, 139",
    "ecall",
    ".size __vdso_rt_sigreturn, . - __vdso_rt_sigreturn",
    ".option pop",
    ".cfi_endproc",
    ".popsection",
    pc = const PC,
);
