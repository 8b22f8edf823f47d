//! Text for the console.

use crate::arch::serial;
use crate::counter;
use crate::lock::Lock;
use core::fmt::{self, Write};

struct Serial;

impl Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        write(text.as_bytes());
        Ok(())
    }
}

fn write(bytes: &[u8]) {
    for &byte in bytes {
        serial::write_byte(byte);
    }
}

static SERIAL: Lock<Serial> = Lock::new(Serial);

/// Prints a text that no other CPU's text interrupts.
pub fn print(text: fmt::Arguments<'_>) {
    // Serial's write_str does not fail; a Display of the kernel's own does not either.
    let _ = SERIAL.lock().write_fmt(text);
}

/// Prints although another CPU, or this one, may be printing: the machine is about to end.
pub fn print_last_words(text: fmt::Arguments<'_>) {
    let _ = Serial.write_fmt(text);
}

/// Prints bytes, as a program writes them.
pub fn print_bytes(bytes: &[u8]) {
    let _held = SERIAL.lock();
    write(bytes);
}

/// Asks the host a question of one line; calls `byte` for each byte of the answer up to the end of its line. Whether it came
/// to its end, within `cycles` of the counter a byte.
pub fn ask(question: &str, cycles: u64, mut byte: impl FnMut(u8)) -> bool {
    let _held = SERIAL.lock();
    write(question.as_bytes());
    loop {
        match read_byte(cycles) {
            Some(b'\n') => return true,
            Some(answer) => byte(answer),
            None => return false,
        }
    }
}

/// Waits for a byte; `None` after `cycles` of the counter.
fn read_byte(cycles: u64) -> Option<u8> {
    let start = counter::cycles();
    loop {
        if let Some(byte) = serial::read_byte() {
            return Some(byte);
        }
        if counter::cycles().wrapping_sub(start) > cycles {
            return None;
        }
        core::hint::spin_loop();
    }
}

/// Prints a line.
#[macro_export]
macro_rules! println {
    ($($argument:tt)*) => {
        $crate::console::print(format_args!("{}\n", format_args!($($argument)*)))
    };
}
