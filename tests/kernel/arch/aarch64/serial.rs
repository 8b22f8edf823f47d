//! The first serial port, a PL011 (Arm DDI 0183): the kernel's console, and its way to ask the host.

use super::mmu::direct;
use super::semihosting;
use core::sync::atomic::{AtomicU64, Ordering};

const DATA: u64 = 0x00;
const FLAGS: u64 = 0x18;
const LINE_CONTROL: u64 = 0x2c;
const CONTROL: u64 = 0x30;
const INTERRUPT_MASK: u64 = 0x38;

const RECEIVE_EMPTY: u32 = 1 << 4;
const TRANSMIT_FULL: u32 = 1 << 5;

/// Its physical address; 0: not known yet.
static BASE: AtomicU64 = AtomicU64::new(0);

fn register(offset: u64) -> *mut u32 {
    direct(BASE.load(Ordering::Relaxed) + offset).cast()
}

fn read(offset: u64) -> u32 {
    // SAFETY: a register of the serial port, which the direct map has as a device and only this module drives.
    unsafe { register(offset).read_volatile() }
}

fn write(offset: u64, value: u32) {
    // SAFETY: as above.
    unsafe { register(offset).write_volatile(value) };
}

/// Takes over the port at a physical address: 8N1, FIFOs on, no interrupts, at the rate that the firmware has set.
pub fn init(base: u64) {
    BASE.store(base, Ordering::Relaxed);
    const EIGHT_BITS_FIFO: u32 = 0b11 << 5 | 1 << 4;
    const ENABLE: u32 = 1 << 0 | 1 << 8 | 1 << 9;
    write(CONTROL, 0);
    write(INTERRUPT_MASK, 0);
    write(LINE_CONTROL, EIGHT_BITS_FIFO);
    write(CONTROL, ENABLE);
}

/// Whether the device tree has told where the port is.
fn is_known() -> bool {
    BASE.load(Ordering::Relaxed) != 0
}

/// Whether a byte can be sent now.
pub fn can_write() -> bool {
    !is_known() || read(FLAGS) & TRANSMIT_FULL == 0
}

/// Sends a byte, when [`can_write`] says so. As long as nobody knows where the port is, the host has to take it: there is a
/// problem to be told.
pub fn write_byte(byte: u8) {
    if is_known() {
        write(DATA, u32::from(byte));
    } else {
        semihosting::write_byte(byte);
    }
}

/// A byte that has arrived, if there is one.
pub fn read_byte() -> Option<u8> {
    (read(FLAGS) & RECEIVE_EMPTY == 0).then(|| read(DATA) as u8)
}
