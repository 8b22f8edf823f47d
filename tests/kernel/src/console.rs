//! Text for the console.

use crate::arch::serial;
use crate::counter;
use crate::lock::Lock;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU32, Ordering};

/// How often the serial port is asked whether it takes a byte, before it is given up. It is asked, not timed, as there is no
/// clock yet when the first texts are printed. A read of a device takes 100 ns at least, so this is a second or more.
const PATIENCE: u32 = 10_000_000;

/// Texts whose end the serial port did not take. They are told of before the next one: there is no other console.
static CUT_SHORT: AtomicU32 = AtomicU32::new(0);

/// The serial port. What is left of a text is dropped when the port does not take a byte in time: that is its error.
struct Serial;

impl Write for Serial {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write_bytes(text.as_bytes())
    }
}

impl Serial {
    fn write_bytes(&mut self, bytes: &[u8]) -> fmt::Result {
        bytes.iter().try_for_each(|&byte| {
            wait_until_it_can_write()?;
            serial::write_byte(byte);
            Ok(())
        })
    }

    /// Writes a text, after a word about those that were cut short.
    fn write_text(&mut self, write: impl FnOnce(&mut Serial) -> fmt::Result) {
        let told = match CUT_SHORT.load(Ordering::Relaxed) {
            0 => Ok(()),
            texts => self.write_fmt(format_args!("\n[the serial port did not answer: {texts} texts cut short]\n")),
        };
        match told.and_then(|()| write(self)) {
            Ok(()) => CUT_SHORT.store(0, Ordering::Relaxed),
            // The port's: a Display of the kernel's own does not fail.
            Err(fmt::Error) => {
                CUT_SHORT.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

fn wait_until_it_can_write() -> fmt::Result {
    for _ in 0..PATIENCE {
        if serial::can_write() {
            return Ok(());
        }
        core::hint::spin_loop();
    }
    Err(fmt::Error)
}

static SERIAL: Lock<Serial> = Lock::new(Serial);

/// Prints a text that no other CPU's text interrupts.
pub fn print(text: fmt::Arguments<'_>) {
    SERIAL.lock().write_text(|serial| serial.write_fmt(text));
}

/// Prints although another CPU, or this one, may be printing: the machine is about to end.
pub fn print_last_words(text: fmt::Arguments<'_>) {
    Serial.write_text(|serial| serial.write_fmt(text));
}

/// Prints bytes, as a program writes them.
pub fn print_bytes(bytes: &[u8]) {
    SERIAL.lock().write_text(|serial| serial.write_bytes(bytes));
}

/// Asks the host a question of one line; calls `byte` for each byte of the answer up to the end of its line. Whether it came
/// to its end, within `cycles` of the counter a byte.
pub fn ask(question: &str, cycles: u64, mut byte: impl FnMut(u8)) -> bool {
    let mut serial = SERIAL.lock();
    if serial.write_str(question).is_err() {
        return false;
    }
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
