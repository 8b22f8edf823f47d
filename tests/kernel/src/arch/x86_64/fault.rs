//! Exceptions: a program's end it with a signal, the kernel's own end the machine.

use super::trap::Frame;
use super::{cpu, vsyscall};
use crate::process::{self, Fault, Signal};

const DIVIDE: u64 = 0;
const BREAKPOINT: u64 = 3;
const INVALID_OPCODE: u64 = 6;
const PAGE_FAULT: u64 = 14;
const X87: u64 = 16;
const SIMD: u64 = 19;

/// Handles an exception. Returns where the program is to go on.
pub fn handle(frame: &mut Frame) {
    if !frame.interrupted_user() {
        panic!(
            "exception {} in the kernel, error code {:#x}, CR2 {:#x}\n{frame:#x?}",
            frame.vector,
            frame.error,
            cpu::read_cr2()
        );
    }
    if frame.vector == PAGE_FAULT && vsyscall::page_fault(frame) {
        return;
    }
    let (signal, address) = match frame.vector {
        PAGE_FAULT => (Signal::Segv, cpu::read_cr2()),
        INVALID_OPCODE => (Signal::Ill, frame.rip),
        DIVIDE | X87 | SIMD => (Signal::Fpe, frame.rip),
        BREAKPOINT => (Signal::Trap, frame.rip),
        _ => (Signal::Segv, 0),
    };
    process::kill(signal, Fault { vector: frame.vector, error: frame.error, address })
}
