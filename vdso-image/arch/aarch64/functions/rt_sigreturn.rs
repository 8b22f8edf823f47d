//! `rt_sigreturn(2)`: where a signal handler returns to.
//!
//! On entry the stack pointer points to what the kernel pushed for the signal, as Linux has it (`struct rt_sigframe`): a
//! `siginfo` of 128 bytes, then a `ucontext`, in it at 176 the `sigcontext` (`arch/arm64/include/uapi/asm/sigcontext.h`,
//! `ucontext.h`).
//!
//! gdb, libgcc, LLVM's libunwind and others know the two instructions by their bytes, and then the frame. Neither more nor
//! less may stand here: no landing pad, either, as the handler arrives by RET, which needs none.
//!
//! Unwinders that look for frame descriptions first take the address before the one that a function returns to, so there
//! is one instruction before the trampoline, in the same description.
//!
//! **The description is complete**, as an unwinder that finds one does not look at the bytes. What it lacks would be taken
//! for unchanged; Linux's own named the frame pointer and the link register alone, made thread cancellation crash, and was
//! removed. It needs a return address apart from x30, since x30 is the interrupted function's own. That is DWARF register
//! 32, PC (DWARF for the Arm 64-bit Architecture, 4.1). It is given by value: libgcc, which has no register of that number,
//! has no place for an address of one. The vector registers are as they were, since the handler has returned.

/// From the stack pointer to the saved x0.
const X0: usize = 128 + 176 + 8;
/// To the saved stack pointer.
const SP: usize = X0 + 8 * 31;
/// To the saved program counter.
const PC: usize = SP + 8;

core::arch::global_asm!(
    ".pushsection .text.__kernel_rt_sigreturn, \"ax\", @progbits",
    ".balign 16",
    ".cfi_startproc",
    ".cfi_signal_frame",
    ".cfi_return_column 32",
    // DW_CFA_def_cfa_expression: DW_OP_breg31 SP, DW_OP_deref. An offset is a SLEB128 of two bytes.
    ".cfi_escape 0x0f, 4, 0x8f, {sp} & 0x7f | 0x80, {sp} >> 7, 0x06",
    // DW_CFA_expression for x0 to x30: DW_OP_breg31, the register's place.
    ".irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30",
    ".cfi_escape 0x10, \\n, 3, 0x8f, ({x0} + 8 * \\n) & 0x7f | 0x80, ({x0} + 8 * \\n) >> 7",
    ".endr",
    // DW_CFA_val_expression for the program counter: DW_OP_breg31 PC, DW_OP_deref.
    ".cfi_escape 0x16, 32, 4, 0x8f, {pc} & 0x7f | 0x80, {pc} >> 7, 0x06",
    "nop",
    ".globl __kernel_rt_sigreturn",
    ".type __kernel_rt_sigreturn, @function",
    "__kernel_rt_sigreturn:",
    "mov x8, #139",
    "svc #0",
    ".size __kernel_rt_sigreturn, . - __kernel_rt_sigreturn",
    ".cfi_endproc",
    ".popsection",
    x0 = const X0,
    sp = const SP,
    pc = const PC,
);
