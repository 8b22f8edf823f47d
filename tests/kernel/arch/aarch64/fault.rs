//! Exceptions: a program's end it with a signal, the kernel's own end the machine.

use super::trap::Frame;
use crate::process::Fault;
use crate::signal::{self, number};
use core::sync::atomic::{AtomicBool, Ordering};

/// Classes of exceptions: EC of ESR_EL1 (Arm ARM, ESR_EL1).
mod class {
    pub const SUPERVISOR_CALL: u64 = 0x15;
    pub const INSTRUCTION_ABORT: u64 = 0x20;
    pub const PROGRAM_COUNTER: u64 = 0x22;
    pub const DATA_ABORT: u64 = 0x24;
    pub const STACK_POINTER: u64 = 0x26;
    pub const BREAKPOINT: u64 = 0x3c;
}

/// Handles a program's exception or system call. Returns where the program is to go on.
pub fn handle(frame: &mut Frame) {
    let (class, detail) = (frame.syndrome >> 26 & 0x3f, frame.syndrome & 0x1ff_ffff);
    // The register with the address of a fault is written by these only.
    if !matches!(class, class::DATA_ABORT | class::INSTRUCTION_ABORT | class::PROGRAM_COUNTER) {
        frame.fault_address = 0;
    }
    let (signal, address) = match class {
        class::SUPERVISOR_CALL => return crate::syscall::handle(frame),
        class::DATA_ABORT | class::INSTRUCTION_ABORT => (number::SEGV, frame.fault_address),
        // They are not aligned.
        class::PROGRAM_COUNTER => (number::SEGV, frame.pc),
        class::STACK_POINTER => (number::SEGV, frame.sp),
        class::BREAKPOINT => (number::TRAP, frame.pc),
        // Not an instruction, or none that a program may execute, or no landing pad.
        _ => (number::ILL, frame.pc),
    };
    signal::fault(frame, signal, Fault { cause: class, error: detail, address });
}

/// The kernel's own, or one that nobody expects.
pub fn in_kernel(frame: &Frame) -> ! {
    static ENDING: AtomicBool = AtomicBool::new(false);
    if ENDING.swap(true, Ordering::Relaxed) {
        crate::arch::exit::exit(false);
    }
    panic!("exception {:#x} in the kernel, by vector {}\n{frame:#x?}", frame.syndrome >> 26, frame.vector)
}
