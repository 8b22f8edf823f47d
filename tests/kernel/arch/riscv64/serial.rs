//! The serial port of QEMU's virt board, a 16550 (PC16550D data sheet): the kernel's console, and its way to ask the host.

use super::mmu::direct;

const BASE: u64 = 0x1000_0000;

const DATA: u64 = BASE;
const INTERRUPT_ENABLE: u64 = BASE + 1;
const FIFO_CONTROL: u64 = BASE + 2;
const LINE_CONTROL: u64 = BASE + 3;
const LINE_STATUS: u64 = BASE + 5;

const DATA_READY: u8 = 0x01;
const TRANSMITTER_EMPTY: u8 = 0x20;

fn read(register: u64) -> u8 {
    // SAFETY: the serial port, which only this module drives, by the direct map.
    unsafe { direct(register).read_volatile() }
}

fn write(register: u64, value: u8) {
    // SAFETY: as above.
    unsafe { direct(register).write_volatile(value) };
}

/// 8N1, FIFOs on, no interrupts. The firmware has chosen the rate.
pub fn init() {
    write(INTERRUPT_ENABLE, 0);
    write(LINE_CONTROL, 0x03);
    write(FIFO_CONTROL, 0x01);
}

/// Whether a byte can be sent now.
pub fn can_write() -> bool {
    read(LINE_STATUS) & TRANSMITTER_EMPTY != 0
}

/// Sends a byte, when [`can_write`] says so.
pub fn write_byte(byte: u8) {
    write(DATA, byte);
}

/// A byte that has arrived, if there is one.
pub fn read_byte() -> Option<u8> {
    (read(LINE_STATUS) & DATA_READY != 0).then(|| read(DATA))
}
