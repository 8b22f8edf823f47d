//! Exceptions: a program's end it with a signal, the kernel's own end the machine.

use super::trap::Frame;
use super::{cpu, vsyscall};
use crate::process::Fault;
use crate::signal::{self, number};

/// SIGFPE, which only this architecture sends.
const FPE: u32 = 8;

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
        PAGE_FAULT => (number::SEGV, cpu::read_cr2()),
        INVALID_OPCODE => (number::ILL, frame.rip),
        DIVIDE | X87 | SIMD => (FPE, frame.rip),
        BREAKPOINT => (number::TRAP, frame.rip),
        _ => (number::SEGV, 0),
    };
    signal::fault(frame, signal, Fault { cause: frame.vector, error: frame.error, address });
}
