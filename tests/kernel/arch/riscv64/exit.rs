//! How the kernel ends: the test device of QEMU's virt board (`sifive,test0`), which ends QEMU with a status.

use super::cpu;
use super::mmu::direct;

/// The device's one register of 32 bits.
const REGISTER: u64 = 0x10_0000;

/// The command that takes a status in its upper half.
const FAIL: u32 = 0x3333;

/// QEMU's status. Nothing else ends with it: not a reset (0), nor QEMU's own failures (1).
const SUCCESS: u32 = 33;
const FAILURE: u32 = 35;

/// Ends the machine.
pub fn exit(success: bool) -> ! {
    let status = if success { SUCCESS } else { FAILURE };
    // SAFETY: the direct map has the device, on the boot table as well; the write ends the machine.
    unsafe { direct(REGISTER).cast::<u32>().write_volatile(status << 16 | FAIL) };
    cpu::halt()
}
