//! The first serial port, a 16550 (PC16550D data sheet): the kernel's console, and its way to ask the host.

use super::cpu::{inb, outb};

const PORT: u16 = 0x3f8;

const DATA: u16 = PORT;
const INTERRUPT_ENABLE: u16 = PORT + 1;
const FIFO_CONTROL: u16 = PORT + 2;
const LINE_CONTROL: u16 = PORT + 3;
const MODEM_CONTROL: u16 = PORT + 4;
const LINE_STATUS: u16 = PORT + 5;

const DATA_READY: u8 = 0x01;
const TRANSMITTER_EMPTY: u8 = 0x20;

/// 115200 baud, 8N1, FIFOs on, no interrupts.
pub fn init() {
    let setup = [
        (INTERRUPT_ENABLE, 0),
        (LINE_CONTROL, 0x80), // divisor latch
        (DATA, 1),
        (INTERRUPT_ENABLE, 0),
        (LINE_CONTROL, 0x03),
        (FIFO_CONTROL, 0x07),
        (MODEM_CONTROL, 0x03),
    ];
    for (port, value) in setup {
        // SAFETY: the serial port, which only this module drives.
        unsafe { outb(port, value) };
    }
}

/// Whether a byte can be sent now.
pub fn can_write() -> bool {
    // SAFETY: as above.
    unsafe { inb(LINE_STATUS) & TRANSMITTER_EMPTY != 0 }
}

/// Sends a byte, when [`can_write`] says so.
pub fn write_byte(byte: u8) {
    // SAFETY: as above.
    unsafe { outb(DATA, byte) };
}

/// A byte that has arrived, if there is one.
pub fn read_byte() -> Option<u8> {
    // SAFETY: as above.
    unsafe {
        if inb(LINE_STATUS) & DATA_READY == 0 {
            return None;
        }
        Some(inb(DATA))
    }
}
