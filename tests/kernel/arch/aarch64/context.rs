//! What the processor holds of a process, while another one has it.

use super::cpu::{read, write};
use super::fpu;
use super::trap::Frame;

/// Registers of a process.
#[derive(Clone, Copy)]
pub struct Context {
    /// What the entry code saved.
    pub frame: Frame,
    thread_pointer: u64,
    fpu: fpu::State,
}

impl Context {
    /// A program's start.
    #[must_use]
    pub fn start(entry: u64, stack: u64) -> Context {
        Context { frame: Frame::start(entry, stack), thread_pointer: 0, fpu: fpu::State::INITIAL }
    }

    /// The process that runs on this CPU, as it was interrupted.
    #[must_use]
    pub fn current(frame: &Frame) -> Context {
        let mut fpu = fpu::State::INITIAL;
        fpu.save();
        // Programs write it themselves.
        Context { frame: *frame, thread_pointer: read!("tpidr_el0"), fpu }
    }

    /// Puts into this CPU's registers what a trap does not save, before the program goes on by the frame.
    pub fn restore(&self) {
        // SAFETY: the kernel does not use the register.
        unsafe { write!("tpidr_el0", self.thread_pointer) };
        self.fpu.restore();
    }
}
