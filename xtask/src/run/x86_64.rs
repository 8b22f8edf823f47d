//! What the runner must know of x86-64: how a system call is made, and in which registers.

use nix::libc::user_regs_struct as Registers;

/// The instruction `syscall`.
pub(super) const SYSCALL: [u8; 2] = [0x0f, 0x05];

/// `AUDIT_ARCH_X86_64` (linux/audit.h): EM_X86_64, 64 bits, little endian. The x32 table has it too, with bit 30 set in
/// the numbers.
pub(super) const AUDIT_ARCH: u32 = 0xc000_003e;

/// The red zone: what a function may use below the stack pointer (System V ABI, AMD64 supplement, 3.2.2).
pub(super) const RED_ZONE: u64 = 128;

/// The registers with which a thread stopped in user mode makes one system call, by the `syscall` instruction at
/// `instruction` (System V ABI, AMD64 supplement, A.2.1).
pub(super) fn call(registers: &Registers, instruction: u64, number: i64, arguments: [u64; 6]) -> Registers {
    let mut registers = *registers;
    registers.rip = instruction;
    registers.rax = number as u64;
    [registers.rdi, registers.rsi, registers.rdx, registers.r10, registers.r8, registers.r9] = arguments;
    not_in_a_call(registers)
}

/// The registers of a thread that shall not be seen as inside a system call: else the kernel could take `rax` for the
/// result of an interrupted call, and restart it.
pub(super) fn not_in_a_call(mut registers: Registers) -> Registers {
    registers.orig_rax = u64::MAX;
    registers
}
