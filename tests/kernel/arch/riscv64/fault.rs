//! Exceptions: a program's end it or reach its handler as a signal, the kernel's own end the machine.

use super::trap::Frame;
use crate::process::Fault;
use crate::signal::{self, number};

/// In `scause` (privileged architecture, table of `scause`).
const ILLEGAL_INSTRUCTION: u64 = 2;
const BREAKPOINT: u64 = 3;

/// Handles an exception. Returns where the program is to go on.
pub fn handle(frame: &mut Frame) {
    if !frame.interrupted_user() {
        panic!("exception {} in the kernel, stval {:#x}\n{frame:#x?}", frame.cause, frame.value);
    }
    let (signal, address) = match frame.cause {
        ILLEGAL_INSTRUCTION => (number::ILL, frame.pc),
        BREAKPOINT => (number::TRAP, frame.pc),
        _ => (number::SEGV, frame.value),
    };
    signal::fault(frame, signal, Fault { cause: frame.cause, error: 0, address });
}
