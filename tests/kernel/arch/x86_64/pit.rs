//! The programmable interval timer (Intel 8254 data sheet), channel 2: a clock of known frequency to calibrate others by.

use super::cpu::{inb, outb};

/// 14.31818 MHz / 12, in Hz.
pub const FREQUENCY: u64 = 1_193_182;

const CHANNEL_2: u16 = 0x42;
const COMMAND: u16 = 0x43;
/// Bit 0: gate of channel 2; bit 1: speaker.
const SYSTEM_CONTROL: u16 = 0x61;

/// Ticks in ns: a tick is 88/105 us exactly.
#[must_use]
pub const fn nanoseconds(ticks: u64) -> u64 {
    ticks * 88_000 / 105
}

/// Lets channel 2 count down over and over, from 65536, without a sound.
pub fn start() {
    // SAFETY: only this module drives the device.
    unsafe {
        outb(SYSTEM_CONTROL, inb(SYSTEM_CONTROL) & !2 | 1);
        outb(COMMAND, 0xb4); // channel 2, low byte then high byte, mode 2
        outb(CHANNEL_2, 0);
        outb(CHANNEL_2, 0);
    }
}

/// Holds the present count for [`latched`].
pub fn latch() {
    // SAFETY: as above.
    unsafe { outb(COMMAND, 0x80) };
}

/// The count that [`latch`] held.
pub fn latched() -> u16 {
    // SAFETY: as above.
    unsafe { u16::from_le_bytes([inb(CHANNEL_2), inb(CHANNEL_2)]) }
}
