//! The debugger or emulator as a host (Arm, "Semihosting for AArch32 and AArch64", 2.0): QEMU with
//! `-semihosting-config`.

use core::arch::asm;

/// SYS_WRITEC: a byte for the console.
const WRITE_BYTE: u64 = 0x03;

/// SYS_EXIT_EXTENDED, and its reason ADP_Stopped_ApplicationExit.
const EXIT_EXTENDED: u64 = 0x20;
const APPLICATION_EXIT: u64 = 0x2_0026;

/// Where nobody listens the instruction is undefined.
fn call<T>(operation: u64, block: &T) {
    // SAFETY: the host reads what the operation says from the block, writes nothing, and gives its answer in x0.
    unsafe { asm!("hlt #0xf000", inlateout("x0") operation => _, in("x1") block, options(nostack, readonly)) };
}

/// Writes a byte to the host's console.
pub fn write_byte(byte: u8) {
    call(WRITE_BYTE, &byte);
}

/// Ends the emulator with a status.
pub fn exit(status: u64) {
    call(EXIT_EXTENDED, &[APPLICATION_EXIT, status]);
}
